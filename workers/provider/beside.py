"""What a provider says and the hub does not know, on its way into the deltas.

It leaves with the next piece of its choice, or alone. What stands in a delta is said by the model,
so it begins an answer (a picture may be all of it); what stands around one waits until the answer
has begun: until then it may be asked for again. What is said again and is the same (a fingerprint
in every chunk) is said once.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from typing import Any

from workers.provider.json_door import Unsound, short
from workers.provider.members import (
    APPENDED,
    COMPLETION,
    DELTA,
    UNDERSTOOD,
    Carried,
    Place,
    is_state,
)
from workers.provider.members import known as known_at
from workers.provider.parts import Delta, Part

QUIET = frozenset({"id", "object", "created", "model", "choices", "obfuscation"})
"""Members of a chunk that need no look."""
MAX_CARRIED = 1000
"""Different members in one answer."""


class Beside:
    def __init__(self) -> None:
        self._waiting: dict[int, Carried] = {}
        self._said: dict[tuple[int, Place, str], Any] = {}
        self._around: dict[str, Any] = {}

    def __bool__(self) -> bool:
        """Something waits."""
        return bool(self._waiting)

    def repeats(self, chunk: Mapping[str, Any]) -> bool:
        """Whether all that stands beside the choices is what stood there last."""
        said = self._around
        for name, value in chunk.items():
            if name not in QUIET and value is not None and said.get(name, QUIET) != value:
                return False
        return True

    def take(
        self,
        index: int,
        place: Place,
        members: Mapping[str, Any],
        sound: Callable[[Any], Any],
        known: Collection[str] | None = None,
    ) -> None:
        """Keep what the hub does not know of `members`: all but those of `known`, else those of the
        table. `sound` lets a value pass, or raises `Unsound`."""
        names = known_at(place) if known is None else known
        for name, value in members.items():
            if name in names or value is None or not self._is_news(index, place, name, value):
                continue
            if len(self._said) > MAX_CARRIED:
                raise Unsound(f"it holds more than {MAX_CARRIED} members that are not known")
            key = (place, short(name, "a member's name"))
            value = sound(value)
            waiting = self._waiting.setdefault(index, {})
            before = waiting.get(key)
            if name in APPENDED and isinstance(before, list) and isinstance(value, list):
                value = before + value
            waiting[key] = value
        if place == COMPLETION:
            self._around = {n: members[n] for n in members if n not in UNDERSTOOD[COMPLETION]}

    def take_rest(self, index: int, place: Place, members: Mapping[str, Any]) -> None:
        """Keep those of `members` of which nothing has been said yet; they may pass."""
        new = {n: v for n, v in members.items() if (index, place, n) not in self._said}
        self.take(index, place, new, lambda value: value)

    def flush(self, index: int, parts: list[Part], *, began: bool) -> None:
        """Let what waits for choice `index` leave with its last piece in `parts`, or alone."""
        waiting = self._waiting.get(index)
        if waiting is None:
            return
        last = parts[-1] if parts else None
        if type(last) is Delta and last.index == index and last.carried is None:
            parts[-1] = last._replace(carried=self._waiting.pop(index))
        elif began or any(place == DELTA for place, _ in waiting):
            parts.append(Delta(index, "carried", "", None, self._waiting.pop(index)))

    def rest(self) -> list[Part]:
        """The answer is over: what still waits."""
        waiting, self._waiting = self._waiting, {}
        return [Delta(index, "carried", "", None, waiting[index]) for index in sorted(waiting)]

    def _is_news(self, index: int, place: Place, name: str, value: Any) -> bool:
        key = (index, place, name)
        if is_state(place, name, value):
            if key in self._said and self._said[key] == value:
                return False
            self._said[key] = value
            return True
        known_before = key in self._said
        self._said[key] = None
        return bool(value) or not known_before  # an empty piece says that it is there, once
