"""What a generator says of itself."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar

_MARKS = "__hubbub_generator__"

F = TypeVar("F", bound=Callable[..., Any])


@dataclass(frozen=True, slots=True)
class Marks:
    """`concurrency` 0: as many as the worker takes."""

    in_thread: bool = False
    concurrency: int = 0
    continues: bool = False


def generator(
    *, in_thread: bool = False, concurrency: int = 0, continues: bool = False
) -> Callable[[F], F]:
    """Mark a generator: see the package's docstring."""

    def mark(function: F) -> F:
        setattr(function, _MARKS, Marks(in_thread, concurrency, continues))
        return function

    return mark


def marks_of(function: Callable[..., Any]) -> Marks:
    marks: Marks = getattr(function, _MARKS, Marks())
    return marks


def is_generator(function: object) -> bool:
    """Whether calling it gives something that yields: a generator function, an asynchronous one,
    an object whose `__call__` is one, or what a decorator made of one (`functools.wraps`)."""
    if inspect.isclass(function) or not callable(function):
        return False
    return any(
        inspect.isgeneratorfunction(each) or inspect.isasyncgenfunction(each)
        for each in (function, inspect.unwrap(function), getattr(function, "__call__", None))  # noqa: B004
    )
