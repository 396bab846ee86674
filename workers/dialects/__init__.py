"""The dialects `openai` and `text` of a generation's channel (contract §4).

Nothing can be taken back in them. A restart after content was sent therefore ends the stream as a
failure, and who returns to a generation that was restarted since gets the same; so does who has
had content and can get what follows only as a snapshot, which begins from the beginning.

Every block carries the `id:` of the event that it comes from. Where one event becomes several
blocks, only the last carries it and those in front the one before it: a client that is cut off
between them gets the rest, and what it gets twice (a finish reason) does no harm. (A snapshot's
blocks all carry its id: text that comes twice does.)

Views are values: two that would go on alike are equal, and the hub renders once for both.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from hub import sse
from hub.event import Event, compact_json
from hub.store.frame import Frame
from workers.run.claim import WORKER_LOST

DIALECTS = frozenset({"openai", "text"})
TERMINAL = frozenset({"completed", "failed", "cancelled"})

_LOST = {
    "code": WORKER_LOST,
    "message": "the worker was lost, and the text was begun anew",
    "retryable": True,
}
_GAP = {
    "code": "history-lost",
    "message": "what comes next in the text is not in the history any more",
    "retryable": True,
}


@dataclass(frozen=True, slots=True)
class Text:
    """Choice 0's content, as it is: each delta's text is one block's data.

    `after_cr`: the text so far ends with a CR. A LF that comes next belongs to it, and both
    together arrive as one LF."""

    sent: bool = False
    lost: bool = False
    after_cr: bool = False

    def render(self, frames: Sequence[Frame]) -> tuple[bytes, Text | None]:
        out: list[bytes] = []
        view: Text | None = self
        for frame in frames:
            if view is None:
                break
            view = view._render(frame, out)
        return b"".join(out), view

    def _render(self, frame: Frame, out: list[bytes]) -> Text | None:
        event, data = _parsed(frame)
        broken = _broken(event, sent=self.sent, lost=self.lost)
        if broken is not None:
            out.append(_block(frame.id, compact_json(broken), "failed"))
            return None
        if event in ("failed", "cancelled"):
            out.append(_block(frame.id, compact_json(data), event))
        text = _content(event, data)
        if not text:
            return None if event in TERMINAL else self
        shown = text.removeprefix("\n") if self.after_cr else text
        if shown:
            out.append(_block(frame.id, shown))
        after_cr = text.endswith("\r")
        if self.sent and after_cr == self.after_cr:
            return self
        return replace(self, sent=True, after_cr=after_cr)


@dataclass(frozen=True, slots=True)
class OpenAI:
    """`chat.completion.chunk`s and `[DONE]`.

    `opened`: the choices that have had a delta, the first of which tells the role. `usage_chunk`:
    the usage comes in a chunk of its own without choices (`stream_options.include_usage`), else
    beside the last finish reason.
    """

    generation_id: str
    created_seconds: int
    model: str | None
    opened: frozenset[int] = frozenset()
    lost: bool = False
    usage_chunk: bool = False

    def render(self, frames: Sequence[Frame]) -> tuple[bytes, OpenAI | None]:
        out: list[bytes] = []
        view: OpenAI | None = self
        for frame in frames:
            if view is None:
                break
            view = view._render(frame, out)
        return b"".join(out), view

    def _render(self, frame: Frame, out: list[bytes]) -> OpenAI | None:
        event, data = _parsed(frame)
        error = self._error(event, data)
        if error is not None:
            self._fail(frame, error, out)
            return None
        if event == "completed":
            self._complete(frame, data, out)
            return None
        if event == "delta":
            return self._delta(frame, data, out)
        view = self
        if event == "snapshot":
            for choice in data["choices"]:
                view = view._delta(frame, _as_delta(choice), out)
        return view

    def _error(self, event: str, data: Mapping[str, Any]) -> Mapping[str, Any] | None:
        broken = _broken(event, sent=bool(self.opened), lost=self.lost)
        if broken is not None:
            return broken
        if event == "cancelled":
            return {"code": "cancelled", "message": f"cancelled by {data['by']}"}
        return data if event == "failed" else None

    def _delta(self, frame: Frame, data: Mapping[str, Any], out: list[bytes]) -> OpenAI:
        index = data["index"]
        delta = {_NAMES.get(k, k): v for k, v in data.items() if k not in ("index", "logprobs")}
        view = self
        if index not in self.opened:
            delta = {"role": "assistant", **delta}
            view = replace(self, opened=self.opened | {index})
        choice: dict[str, Any] = {"index": index, "delta": delta, "finish_reason": None}
        if "logprobs" in data:
            choice["logprobs"] = data["logprobs"]
        out.append(_block(frame.id, self._chunk([choice])))
        return view

    def _complete(self, frame: Frame, data: Mapping[str, Any], out: list[bytes]) -> None:
        usage = data.get("usage")
        choices = data["choices"]
        for at, choice in enumerate(choices, 1):
            finish = {"index": choice["index"], "delta": {}, "finish_reason": None}
            finish["finish_reason"] = choice["finish_reason"]
            beside = usage if at == len(choices) and not self.usage_chunk else None
            out.append(_block(frame.prev, self._chunk([finish], usage=beside)))
        if self.usage_chunk:
            out.append(_block(frame.prev, self._chunk([], usage=usage)))
        out.append(_block(frame.id, "[DONE]"))

    def _fail(self, frame: Frame, data: Mapping[str, Any], out: list[bytes]) -> None:
        error = {
            "message": data["message"],
            "type": "server_error",
            "param": None,
            "code": data["code"],
        }
        out.append(_block(frame.prev, self._chunk([], error=error)))
        out.append(_block(frame.id, "[DONE]"))

    def _chunk(self, choices: list[dict[str, Any]], **beside: object) -> str:
        return compact_json(
            {
                "id": f"chatcmpl-{self.generation_id}",
                "object": "chat.completion.chunk",
                "created": self.created_seconds,
                "model": self.model or "",
                "choices": choices,
                **{name: value for name, value in beside.items() if value is not None},
            }
        )


_NAMES = {"reasoning": "reasoning_content"}


def _broken(event: str, *, sent: bool, lost: bool) -> Mapping[str, Any] | None:
    """Why the text that was sent cannot go on, where it cannot. A snapshot in mid-stream stands for
    events that are gone: it begins from the beginning, which has been sent."""
    # `started` behind text: a failover has lost that it was begun, and it is begun anew.
    if lost or (event in ("started", "restarted") and sent):
        return _LOST
    return _GAP if event == "snapshot" and sent else None


def _parsed(frame: Frame) -> tuple[str, Any]:
    parsed = sse.decode(frame.data)
    return parsed.event, json.loads(parsed.data)


def _content(event: str, data: Mapping[str, Any]) -> str:
    deltas: Iterator[Mapping[str, Any]] = iter(())
    if event == "delta":
        deltas = iter((data,))
    elif event == "snapshot":
        deltas = iter(data["choices"])
    return "".join(delta.get("content", "") for delta in deltas if delta["index"] == 0)


def _as_delta(choice: Mapping[str, Any]) -> dict[str, Any]:
    """A snapshot's choice as the one delta that it amounts to."""
    delta = {name: value for name, value in choice.items() if value or name == "index"}
    if "tool_calls" in delta:
        delta["tool_calls"] = [{"index": i, **c} for i, c in enumerate(choice["tool_calls"])]
    return delta


def _block(event_id: str, data: str, event: str | None = None) -> bytes:
    return sse.encode(Event(data, event), event_id)
