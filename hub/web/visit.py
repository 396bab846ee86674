"""What the door hands over to gunicorn: a connection, and what was read of it.

gunicorn's worker imports this before gevent has patched the process: nothing here may import redis.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from hub.errors import HubError

REFUSAL = "hubbub.refusal"
"""In a request's environment: the `HubError` that is its answer, decided already."""


@dataclass(frozen=True, slots=True)
class Rest:
    """What was read of a request that is gunicorn's; `refusal`: what its answer is."""

    data: bytes
    refusal: HubError | None = None


class PutBack:
    """A socket in front of which stands what was read of it."""

    def __init__(self, sock: Any, rest: Rest) -> None:
        self._sock = sock
        self._data = rest.data
        self._refusal = rest.refusal

    def recv(self, size: int, *flags: int) -> bytes:
        if not self._data:
            data: bytes = self._sock.recv(size, *flags)
            return data
        data, self._data = self._data[:size], self._data[size:]
        return data

    def take_refusal(self) -> HubError | None:
        """What the first request on it is answered, where that is known; then of no use."""
        refusal, self._refusal = self._refusal, None
        return refusal

    def __getattr__(self, name: str) -> Any:
        return getattr(self._sock, name)
