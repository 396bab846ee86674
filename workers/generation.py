"""A generation: one run of a model, its states, and the two forms it takes outside.

    queued ──claim──▶ running ──▶ completed | failed | cancelled
       └────────────────────────────▶ cancelled

Inside Redis it is the record of its channel (`History.record`), a hash of strings; to a client it
is JSON. This module translates and does no I/O. Times are milliseconds since the epoch inside and
RFC 3339 outside.
"""

from __future__ import annotations

import json
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

from hub.errors import NotFound
from hub.event import Event, compact_json
from hub.store.history import Record
from hub.timestamp import rfc3339
from hub.trace import Trace
from workers.request import QUESTION_SHOWN, Request
from workers.transcript import with_all, within

PREFIX = "generation:"
ACTIVE = frozenset({"queued", "running"})
ENDED = frozenset({"completed", "failed", "cancelled"})
MAX_ATTEMPTS = 3

_BEHIND_THE_CHOICES = (
    "usage", "cost", "error", "question", "metadata", "page", "listeners",
)  # fmt: skip
_MAX_ID = 128 - len(PREFIX)
_ID_ALPHABET = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_.~:@")


def new_id() -> str:
    """Nearly 120 random bits in the channels' alphabet: `generation:<id>` is a channel's name, and
    an id that was not told is not guessed. None begins with a `-`: a command (`hubbub tail ID`)
    would take it for an option."""
    while (made := secrets.token_urlsafe(15)).startswith("-"):
        pass
    return made


def channel_of(generation_id: str) -> str:
    return PREFIX + generation_id


def check_id(generation_id: str) -> str:
    """An id that cannot be one is an unknown generation: raises `NotFound`."""
    if not 0 < len(generation_id) <= _MAX_ID or not _ID_ALPHABET.issuperset(generation_id):
        raise unknown(generation_id)
    return generation_id


def unknown(generation_id: str) -> NotFound:
    return NotFound(f"there is no generation {generation_id[:_MAX_ID]!r}, or not any more")


def when(ms: int | None) -> str | None:
    return None if ms is None else rfc3339(ms / 1000)


BRIEF = (
    "status", "brief", "created", "model", "owner", "started", "finished", "attempt", "lost",
    "fence", "handed_over", "restarted_at", "terminal", "trace",
)  # fmt: skip
"""The fields of a record without what was asked, which may be large."""


@dataclass(frozen=True, slots=True)
class Terminal:
    """How a generation ended: the terminal event and what the record says of it."""

    type: str
    data: Mapping[str, Any]

    @classmethod
    def completed(
        cls, finish_reasons: Mapping[int, str], usage: Mapping[str, Any] | None, cost: float | None
    ) -> Terminal:
        choices = [{"index": i, "finish_reason": finish_reasons[i]} for i in sorted(finish_reasons)]
        return cls("completed", {"choices": choices, "usage": usage, "cost": cost})

    @classmethod
    def failed(cls, code: str, message: str, *, retryable: bool) -> Terminal:
        return cls("failed", {"code": code, "message": message, "retryable": retryable})

    @classmethod
    def cancelled(cls, by: str) -> Terminal:
        return cls("cancelled", {"by": by})

    @property
    def event(self) -> Event:
        return Event(compact_json(self.data), self.type)

    def fields(self, now_ms: int) -> dict[str, str]:
        """What the record says from now on. Without a fence, no worker may write any more."""
        return {
            "status": self.type,
            "finished": str(now_ms),
            "fence": "",
            "terminal": compact_json([self.type, self.data]),
        }

    @property
    def finish_reasons(self) -> dict[int, str]:
        return {c["index"]: c["finish_reason"] for c in self.data.get("choices", ())}


@dataclass(frozen=True, slots=True)
class Generation:
    """A generation as its record has it. `fence` names the claim that may write now; '' none.

    `trace`: which request asked for it, for the log and the provider.

    `request` is the whole of it only where the record was read whole, else its brief.
    """

    id: str
    request: Request
    status: str
    created_ms: int
    model: str | None = None
    owner: str = ""
    started_ms: int | None = None
    finished_ms: int | None = None
    attempt: int = 0
    lost: int = 0
    fence: str = ""
    handed_over: bool = False
    restarted_at: str = ""
    terminal: Terminal | None = None
    trace: Trace | None = None

    @property
    def channel(self) -> str:
        return channel_of(self.id)

    @property
    def active(self) -> bool:
        return self.status in ACTIVE

    @classmethod
    def from_fields(cls, generation_id: str, fields: Mapping[str, str]) -> Generation | None:
        """None where the record is gone or never was."""
        request = fields.get("request") or fields.get("brief")
        if "status" not in fields or request is None:
            return None
        terminal = fields.get("terminal")
        return cls(
            id=generation_id,
            request=Request.from_json(request),
            status=fields["status"],
            created_ms=int(fields["created"]),
            model=fields.get("model") or None,
            owner=fields.get("owner", ""),
            started_ms=_number(fields.get("started")),
            finished_ms=_number(fields.get("finished")),
            attempt=_number(fields.get("attempt")) or 0,
            lost=_number(fields.get("lost")) or 0,
            fence=fields.get("fence", ""),
            handed_over=fields.get("handed_over") == "1",
            restarted_at=fields.get("restarted_at", ""),
            terminal=Terminal(*json.loads(terminal)) if terminal else None,
            trace=Trace.from_field(fields.get("trace", "")),
        )

    def first_fields(self) -> dict[str, str | bytes]:
        """The record of a generation that was just made: nobody has claimed it yet, or it runs
        already, for its creator answers it."""
        fields: dict[str, str | bytes] = {
            "status": self.status,
            "created": str(self.created_ms),
            "model": self.model or "",
            "owner": self.owner,
            "request": self.request.to_json(),
            "brief": self.request.brief().to_json(),
        }
        if self.trace is not None:
            fields["trace"] = self.trace.to_field()
        if self.attempt:
            fields |= {
                "attempt": str(self.attempt),
                "started": str(self.started_ms),
                "fence": self.fence,
            }
        return fields

    @property
    def started_event(self) -> Event:
        data = {
            "id": self.id,
            "model": self.model,
            "attempt": self.attempt,
            "created": when(self.created_ms),
        }
        return Event(compact_json(data), "started")

    def accepted_json(self, prefix: str = "") -> dict[str, Any]:
        """The answer to `POST /generations`, at a hub that hangs under `prefix`."""
        return {
            "id": self.id,
            "status": self.status,
            "channel": self.channel,
            "events": f"{prefix}/generations/{self.id}/events",
            "page": f"{prefix}{self.page}",
            "created": when(self.created_ms),
        }

    @property
    def page(self) -> str:
        return f"/g/{self.id}"

    @property
    def finish_reasons(self) -> dict[int, str]:
        return self.terminal.finish_reasons if self.terminal else {}

    def to_json(
        self,
        choices: Sequence[dict[str, Any]],
        listeners: int,
        prefix: str = "",
        beside: Mapping[str, Any] = MappingProxyType({}),
        data: Sequence[Mapping[str, Any]] = (),
    ) -> dict[str, Any]:
        """`GET /generations/{id}`: `choices` are those of the same moment that have had a delta,
        `beside` is what the provider said beside them, `data` the application's own parts."""
        shown = self.in_list(listeners, prefix)
        last = {name: shown.pop(name) for name in _BEHIND_THE_CHOICES}
        own = {
            **shown,
            "choices": with_all(choices, range(self.request.n), self.finish_reasons),
            **last,
        }
        if data:
            own["data"] = list(data)
        return within(own, beside)

    def in_list(self, listeners: int, prefix: str = "") -> dict[str, Any]:
        """One of `GET /generations`: all but its text, so a list is small whatever it lists."""
        end = self.terminal.data if self.terminal else {}
        return {
            "id": self.id,
            "status": self.status,
            "model": self.model,
            "created": when(self.created_ms),
            "started": when(self.started_ms),
            "finished": when(self.finished_ms),
            "attempt": self.attempt,
            "usage": end.get("usage"),
            "cost": end.get("cost"),
            "error": dict(end) if self.status == "failed" else None,
            "question": self.request.question[:QUESTION_SHOWN],
            "metadata": dict(self.request.metadata),
            "page": f"{prefix}{self.page}",
            "listeners": listeners,
        }


def generation_of(generation_id: str, record: Record, *, by_creator: bool = False) -> Generation:
    """Raises `NotFound` where there is no record, or where the generation has ended and was not to
    be stored: then the call that made it (`by_creator`) alone still finds it."""
    found = Generation.from_fields(generation_id, record.fields)
    if found is None or not (found.active or found.request.store or by_creator):
        raise unknown(generation_id)
    return found


def _number(text: str | None) -> int | None:
    return int(text) if text else None
