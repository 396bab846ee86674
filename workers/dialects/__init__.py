"""The dialects of a generation's channel (contract §4): named events in, another wire out.

Nothing can be taken back in them. A restart after content was sent therefore ends the stream as a
failure, and who returns to a generation that was restarted since gets the same; so does who has
had content and can get what follows only as a snapshot, which begins from the beginning.

Every block carries the `id:` of the event that it comes from. Where one event becomes several
blocks, only the last carries it and those in front the one before it: a client that is cut off
between them gets the rest, and what it gets twice (a finish reason) does no harm. (A snapshot's
blocks all carry its id: text that comes twice does.)

Views are values: two that would go on alike are equal, and the hub renders once for both.

`block` has what they share, and each dialect is a module of its own.
"""

from __future__ import annotations

from hub.errors import FieldError

DIALECTS = ("openai", "text", "ai-sdk", "ag-ui")


def dialect_of(name: str | None) -> str | None:
    """The dialect that `format` names; None for the events themselves. Raises `FieldError`."""
    if name is None or name == "events":
        return None
    if name not in DIALECTS:
        raise unknown_dialect()
    return name


def unknown_dialect() -> FieldError:
    named = ", ".join(DIALECTS[:-1])
    return FieldError("format", f"must be events, {named} or {DIALECTS[-1]}", code="invalid-format")
