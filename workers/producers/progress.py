"""How far the answer of a producer has come, as the record has it. Every append writes it in the
same step as the lines that it is about.

| field of the record | |
| --- | --- |
| `fence`, `batch` | as for a worker (`publisher`) |
| `line` | the number of the last line that was stored; '' none |
| `said` | about how many bytes of an answer were stored |
| `usage` | the usage, until the end has come |
| `behind` | the line behind which a body has ended that had more to say at its end |
| `first_delta` | ms from its creation to its first delta |
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from hub.event import compact_json
from hub.store.history import Record
from workers.generation import BRIEF, Generation

FIELDS = (*BRIEF, "batch", "line", "said", "usage", "behind", "first_delta")


@dataclass(frozen=True, slots=True)
class Progress:
    """What the record said when it was last read, or written from here."""

    generation: Generation
    batch: str
    line: int | None
    said: int
    usage: Mapping[str, Any] | None
    behind: int | None
    first_delta_ms: int | None

    @classmethod
    def of(cls, generation: Generation, record: Record) -> Progress:
        fields = record.fields
        return cls(
            generation,
            fields.get("batch", ""),
            _number(fields.get("line")),
            _number(fields.get("said")) or 0,
            json.loads(fields["usage"]) if fields.get("usage") else None,
            _number(fields.get("behind")),
            _number(fields.get("first_delta")),
        )

    def fields(self) -> dict[str, str]:
        """What an append writes: `batch` is its own."""
        fields = {"line": str(self.line), "said": str(self.said)}
        if self.usage is not None:
            fields["usage"] = compact_json(self.usage)
        if self.behind is not None:
            fields["behind"] = str(self.behind)
        if self.first_delta_ms is not None:
            fields["first_delta"] = str(self.first_delta_ms)
        return fields


def _number(text: str | None) -> int | None:
    return int(text) if text else None
