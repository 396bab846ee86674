"""What has been seen of an answer, and what of an event is new in it. No I/O.

The text is that of choice 0. A snapshot holds everything so far, also what was seen before the
connection broke; only the rest of it is new.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from hub.sse import Parsed

ENDS = ("completed", "failed", "cancelled")


@dataclass
class Answer:
    attempt: int = 1
    end: str = ""
    end_data: Mapping[str, Any] = field(default_factory=dict)
    reasoning: str = ""
    """What the last event added to the reasoning."""
    begun_anew: str = ""
    """Why all that was written is void, at the event that says so."""
    _written: list[str] = field(default_factory=list)

    @property
    def written(self) -> bool:
        return bool(self._written)

    def hear(self, event: Parsed) -> str:
        """The text that `event` adds."""
        self.reasoning = self.begun_anew = ""
        data = json.loads(event.data)
        if event.event == "delta" and data["index"] == 0:
            self.reasoning = data.get("reasoning", "")
            return self._add(data.get("content", ""))
        if event.event == "snapshot":
            return self._snapshot(data)
        if event.event == "restarted":
            self._begin(data["attempt"], data["reason"])
        elif event.event in ENDS:
            self.end, self.end_data = event.event, data
        return ""

    def how_it_ended(self) -> str:
        """For a person; '' where it is complete."""
        if self.end == "completed":
            return ""
        if not self.end:
            return "the generation is gone"
        data = self.end_data
        return f"{self.end}: {data.get('message') or 'by ' + str(data.get('by'))}"

    def _snapshot(self, data: Mapping[str, Any]) -> str:
        if data["attempt"] != self.attempt:
            self._begin(data["attempt"], "while the connection was cut" if self._written else "")
        content = next((c.get("content") for c in data["choices"] if c["index"] == 0), "") or ""
        return self._add(content.removeprefix("".join(self._written)))

    def _begin(self, attempt: int, reason: str) -> None:
        self.attempt, self.begun_anew = attempt, reason
        self._written.clear()

    def _add(self, text: str | None) -> str:
        if text:
            self._written.append(text)
        return text or ""


def summary(record: Mapping[str, Any]) -> str:
    """One line about a generation that has ended: how fast it was and what it cost."""
    parts = [record["status"]]
    if record.get("model"):
        parts.append(record["model"])
    seconds = _seconds(record)
    tokens = (record.get("usage") or {}).get("completion_tokens")
    if tokens:
        parts.append(f"{tokens} tokens")
        if seconds:
            parts.append(f"{tokens / seconds:.1f} tokens/s")
    if seconds:
        parts.append(f"{seconds:.1f} s")
    if record.get("cost") is not None:
        parts.append(f"cost {record['cost']:.6f}".rstrip("0").rstrip("."))
    return " · ".join([*parts, f"hubbub tail {record['id']}"])


def _seconds(record: Mapping[str, Any]) -> float:
    if not (record.get("started") and record.get("finished")):
        return 0.0
    began, ended = (datetime.fromisoformat(record[name]) for name in ("started", "finished"))
    return max(0.0, (ended - began).total_seconds())
