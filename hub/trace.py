"""Which request something is done for: an id that goes along through every part.

A client may name its request (`X-Request-ID`), and tell of the trace that it is part of (W3C Trace
Context: `traceparent`, `tracestate`). What is not well-formed is not taken on. The id is answered,
stands in the log lines of the web process and of the worker, goes with the job, and to the provider
together with the trace.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from contextvars import ContextVar
from typing import NamedTuple

from hub.process import fresh_name

_REQUEST_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:~@/+=-]{0,127}")
_TRACEPARENT = re.compile(
    r"(?!ff)[0-9a-f]{2}-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}"
)
_TRACESTATE = re.compile(r"[\x20-\x7e]{1,512}")


class Trace(NamedTuple):
    """`traceparent` and `tracestate` are '' where the client told none."""

    request_id: str
    traceparent: str = ""
    tracestate: str = ""

    @classmethod
    def of(cls, headers: Mapping[str, str]) -> Trace:
        """What a request's headers say (their names in lower case); else an id of our own."""
        named = headers.get("x-request-id", "")
        parent = headers.get("traceparent", "")
        if not _TRACEPARENT.fullmatch(parent):
            parent = ""
        state = headers.get("tracestate", "") if parent else ""
        return cls(
            named if _REQUEST_ID.fullmatch(named) else fresh_name(),
            parent,
            state if _TRACESTATE.fullmatch(state) else "",
        )

    def headers(self) -> dict[str, str]:
        """For a request that is made because of this one."""
        told = {
            "X-Request-ID": self.request_id,
            "traceparent": self.traceparent,
            "tracestate": self.tracestate,
        }
        return {name: value for name, value in told.items() if value}

    def to_field(self) -> str:
        """One line of a record."""
        return "\n".join(self)

    @classmethod
    def from_field(cls, field: str) -> Trace | None:
        """None for a record that has none, or one of another version."""
        parts = field.split("\n")
        return cls(*parts) if field and len(parts) == len(cls._fields) else None


current: ContextVar[Trace | None] = ContextVar("hubbub.trace", default=None)
"""The one of the request, or of the generation, that this greenlet or thread is busy with."""
