"""Generators that the tests name in `HUB_GENERATORS`, as somebody's package has them."""

from __future__ import annotations

import asyncio
import contextvars
import functools
import os
import time
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any

import gevent

from workers.generators import (
    Data,
    Finish,
    GenerationFailed,
    Reasoning,
    Request,
    ToolCall,
    Usage,
    generator,
)


def plain(request: Request) -> Iterator[Any]:
    yield Data("progress", {"step": 1}, id="step")
    yield Reasoning("They ask: ")
    yield Reasoning(request.prompt)
    yield Data("progress", {"step": 2}, id="step")
    yield Data("source", {"url": "https://example.org"})
    yield "The sea "
    yield ""
    yield "is salty. 🌊"
    yield ToolCall("look", {"at": "the sea"})
    yield ToolCall("look", '{"at": "the sky"}', id="second")
    yield Usage(3, 4, 7)
    yield Finish("length")


async def awaiting(request: Request) -> AsyncIterator[Any]:
    for word in request.prompt.split():
        await asyncio.sleep(0.001)
        yield word


@generator(in_thread=True)
def blocking(request: Request) -> Iterator[Any]:
    """Computes, and lets no greenlet of its process run meanwhile unless it is in a thread."""
    for word in request.prompt.split():
        over = time.perf_counter() + 0.05
        while time.perf_counter() < over:
            pass
        yield word


def words(request: Request) -> Iterator[Any]:
    if not request.tools:
        raise GenerationFailed("there is no sea here", code="no-sea", retryable=True)
    yield "the sea"


def broken(request: Request) -> Iterator[Any]:
    yield "so far "
    raise ValueError("the password is hunter2")


def waiting(request: Request) -> Iterator[Any]:
    """Notes in the file that the prompt names how it was ended."""
    path = Path(request.prompt)
    try:
        yield "begun"
        gevent.sleep(60)
        yield "never"
    except GeneratorExit:
        path.write_text("GeneratorExit")
        raise


async def waiting_too(request: Request) -> AsyncIterator[Any]:
    try:
        yield "begun"
        await asyncio.sleep(60)
        yield "never"
    except asyncio.CancelledError:
        Path(request.prompt).write_text("cancelled")
        raise


@generator(continues=True)
def counting(request: Request) -> Iterator[Any]:
    """Counts to ten; its process dies at five, the first time."""
    for number in range(len(request.so_far), 10):
        yield str(number)
        if number == 4 and request.attempt == 1:
            gevent.sleep(0.5)  # what was said so far is on its way
            os._exit(1)


@generator(concurrency=1)
def one_at_a_time(request: Request) -> Iterator[Any]:
    path = Path(request.prompt)
    path.with_suffix(".now").touch(exist_ok=False)
    yield "x"
    gevent.sleep(0.05)
    path.with_suffix(".now").unlink()


_OF = contextvars.ContextVar("_OF", default="")
OPEN_SECONDS = 0.05


async def opening(request: Request) -> AsyncIterator[Any]:
    """Opens around its `yield`s what only the task that opened it may close, as agents do whose
    tools come from a server."""
    token = _OF.set(request.prompt)
    try:
        async with asyncio.timeout(OPEN_SECONDS):
            yield "a"
            await asyncio.sleep(60)
            yield "never"
    except TimeoutError:
        yield f"b of {_OF.get()}"
    _OF.reset(token)


def timed(function: Callable[[Request], Any]) -> Callable[[Request], Any]:
    @functools.wraps(function)
    def run(request: Request) -> Any:
        return function(request)

    return run


@timed
def decorated(request: Request) -> Iterator[Any]:
    yield request.prompt


class Agent:
    """To be named as `Agent()`, not as the class."""

    def __call__(self, request: Request) -> Iterator[Any]:
        yield request.prompt


agent = Agent()


async def no_generator(request: Request) -> str:
    return request.prompt


not_one = print
