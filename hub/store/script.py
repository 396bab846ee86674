"""Lua scripts, and calls of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import sha1
from importlib import resources

_OF_THE_CLOCK = ("now_ms", "put_back", "moved")
"""What `clock.lua` defines."""


@dataclass(frozen=True)
class Script:
    """A Lua script with the preludes that it shares with others. `name` is for the log."""

    text: str
    sha: str
    name: str

    @classmethod
    def load(cls, package: str, *names: str) -> Script:
        """The last of `names` in the folder `lua` of `package`, behind the others."""
        texts = [_read(package, name) for name in names]
        # Not for all: the check of a user's rights must run without the right to ask for the time.
        if any(word in text for text in texts for word in _OF_THE_CLOCK):
            texts.insert(0, _read("hub.store", "clock"))
        text = "\n".join([_read("hub.store", "allowed"), *texts])
        return cls(text, sha1(text.encode()).hexdigest(), names[-1])

    def command(self, keys: Sequence[str], args: Sequence[object]) -> tuple[object, ...]:
        return ("EVALSHA", self.sha, len(keys), *keys, *args)


def _read(package: str, name: str) -> str:
    return resources.files(package).joinpath("lua", f"{name}.lua").read_text("utf-8")


Call = tuple[list[str], list[object]]
"""Keys and arguments of a script."""

ScriptCall = tuple[Script, Sequence[str], Sequence[object]]
"""A script with its keys and arguments."""
