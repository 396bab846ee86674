"""What the doctor finds, and whom it examines."""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass
from urllib.parse import urlsplit

from hub.client.remote import Remote
from hub.sse import Parsed

Stream = Generator[Parsed, None, None]


@dataclass(frozen=True, slots=True)
class Finding:
    """`state` is `ok`, `note` or `ill`."""

    check: str
    state: str
    seen: str
    why: str = ""
    mend: str = ""


class Ill(Exception):
    """What was seen, what usually causes it, and the line that mends it."""

    state = "ill"

    def __init__(self, seen: str, why: str = "", mend: str = "") -> None:
        super().__init__(seen)
        self.why = why
        self.mend = mend


class Note(Ill):
    state = "note"


@dataclass(frozen=True, slots=True)
class Patient:
    remote: Remote
    channel: str

    @property
    def host(self) -> str:
        return urlsplit(self.remote.url).hostname or ""

    @property
    def prefix(self) -> str:
        return urlsplit(self.remote.url).path

    @property
    def scheme(self) -> str:
        return urlsplit(self.remote.url).scheme
