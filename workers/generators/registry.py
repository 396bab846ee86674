"""The generators of `HUB_GENERATORS`, imported when a worker starts."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib import import_module
from typing import Any

from gevent.lock import Semaphore

from hub.settings import SettingError, Settings
from workers.generators.marks import Marks, is_generator, marks_of


@dataclass(frozen=True)
class Generator:
    """`slots`: how many answers it may give at a time; None: as many as the worker takes."""

    name: str
    answer: Callable[[Any], Any]
    marks: Marks
    slots: Semaphore | None


class Generators:
    """By the name under which they are asked for, as a model is."""

    def __init__(self, functions: Mapping[str, Callable[[Any], Any]]) -> None:
        self._known = {name: _generator(name, answer) for name, answer in functions.items()}

    @classmethod
    def from_settings(cls, settings: Settings) -> Generators:
        """Raises `SettingError` for one that cannot be imported or is no generator."""
        return cls({name: _imported(name, where) for name, where in settings.generators.items()})

    def find(self, model: str | None) -> Generator | None:
        return self._known.get(model or "")

    def __bool__(self) -> bool:
        return bool(self._known)


def _generator(name: str, answer: Callable[[Any], Any]) -> Generator:
    marks = marks_of(answer)
    slots = Semaphore(marks.concurrency) if marks.concurrency else None
    return Generator(name, answer, marks, slots)


def _imported(name: str, where: str) -> Callable[[Any], Any]:
    module_name, _, attribute = where.partition(":")
    try:
        found: Any = import_module(module_name)
        for part in attribute.split("."):
            found = getattr(found, part)
    except (Exception, SystemExit) as error:  # whatever somebody's module does when it is imported
        words = f"{type(error).__name__}: {error}".partition("\n")[0]
        raise SettingError(
            f"HUB_GENERATORS: {name}={where} cannot be imported ({words})"
        ) from error
    if not is_generator(found):
        raise SettingError(f"HUB_GENERATORS: {name}={where} is no generator: it must yield")
    answer: Callable[[Any], Any] = found
    return answer
