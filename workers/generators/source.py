"""One running generator: its items one by one, wherever it runs.

A greenlet of its own reads it and hands each item over; nothing is read ahead. So a cancel can be
raised in the generator at any time: where it waits, or where it yields.

    in a greenlet   the generator's code runs in that greenlet
    in a thread     each step runs in one thread of its own, which the greenlet waits for; a cancel
                    is raised at the next `yield`
    asynchronous    the same, with an event loop in the thread; a cancel is raised where it awaits
"""

from __future__ import annotations

import asyncio
import inspect
import logging
from collections.abc import AsyncGenerator, Callable, Iterator
from typing import Any, Protocol, cast

import gevent
from gevent.event import AsyncResult
from gevent.threadpool import ThreadPool

OVER = object()

log = logging.getLogger("workers.run")


class LeftThroughExit(Exception):
    """A generator raised what ends a program (`sys.exit()`): it ends its answer, not the worker."""


class _Steps(Protocol):
    def next(self) -> Any:
        """The next item, or `OVER`."""
        ...

    def close(self) -> None:
        """End the generator, which is not in the middle of a step, or will be told at its end."""
        ...


class Source:
    """`make` makes the generator; nothing of it runs before `next`."""

    def __init__(self, make: Callable[[], Any], *, in_thread: bool) -> None:
        self._make = make
        self._in_thread = in_thread
        self._wanted: AsyncResult | None = None
        self._wake = gevent.event.Event()
        self._closed = False
        self._greenlet: gevent.Greenlet | None = None

    def next(self) -> Any:
        """The next item, or `OVER`; raises what the generator raises. May be left by a timeout:
        then only `close` may follow."""
        wanted = self._wanted = AsyncResult()
        if self._greenlet is None:
            self._greenlet = gevent.spawn(self._run)
        self._wake.set()
        return wanted.get()

    def close(self) -> None:
        """Raise `GeneratorExit` in the generator. Returns at once; any greenlet may call it."""
        self._closed = True
        if self._greenlet is not None:
            self._greenlet.kill(GeneratorExit, block=False)

    def _run(self) -> None:
        steps = None
        try:
            steps = _steps(self._make(), in_thread=self._in_thread)
            while not self._closed:  # it may have swallowed the GeneratorExit, and yielded more
                self._wake.wait()
                self._wake.clear()
                item = steps.next()
                self._answer(item)
                if item is OVER:
                    return
        except GeneratorExit:
            self._answer(OVER)
        except BaseException as error:
            if self._wanted is not None:
                self._wanted.set_exception(_as_failure(error))
        finally:
            if steps is not None:
                _quietly(steps.close)

    def _answer(self, item: Any) -> None:
        wanted, self._wanted = self._wanted, None
        if wanted is not None:
            wanted.set(item)


def _as_failure(error: BaseException) -> Exception:
    if isinstance(error, Exception):
        return error
    left = LeftThroughExit(f"the generator raised {type(error).__name__}")
    left.__cause__ = error
    return left


def _in_pool(step: Callable[..., Any], *args: Any) -> Any:
    """What a pool's thread runs: gevent ends the process for a SystemExit that leaves it."""
    try:
        return step(*args)
    except BaseException as error:
        raise _as_failure(error) from error.__cause__


def _quietly(close: Callable[[], object]) -> None:
    try:
        close()
    except BaseException:
        log.exception("a generator failed as it was closed")


def _steps(made: Any, *, in_thread: bool) -> _Steps:
    if inspect.isasyncgen(made):
        return _AsyncSteps(cast(AsyncGenerator[Any, None], made))
    return _ThreadSteps(iter(made)) if in_thread else _Here(iter(made))


class _Here:
    def __init__(self, iterator: Iterator[Any]) -> None:
        self._iterator = iterator

    def next(self) -> Any:
        return next(self._iterator, OVER)

    def close(self) -> None:
        self._iterator.close()  # type: ignore[attr-defined]


class _ThreadSteps:
    def __init__(self, iterator: Iterator[Any]) -> None:
        self._iterator = iterator
        self._thread = ThreadPool(1)

    def next(self) -> Any:
        return self._thread.apply(_in_pool, (next, self._iterator, OVER))

    def close(self) -> None:
        self._thread.spawn(_quietly, self._iterator.close)  # type: ignore[attr-defined]
        gevent.spawn(_end, self._thread)


class _AsyncSteps:
    def __init__(self, made: AsyncGenerator[Any, None]) -> None:
        self._made = made
        self._thread = ThreadPool(1)
        self._loop: asyncio.AbstractEventLoop | None = None
        self._step: asyncio.Task[Any] | None = None

    def next(self) -> Any:
        return self._thread.apply(_in_pool, (self._next,))

    def close(self) -> None:
        loop, step = self._loop, self._step
        if loop is not None and step is not None:
            loop.call_soon_threadsafe(step.cancel)
        self._thread.spawn(_quietly, self._close)
        gevent.spawn(_end, self._thread)

    def _next(self) -> Any:
        if self._loop is None:
            self._loop = asyncio.new_event_loop()
        step = self._step = self._loop.create_task(_anext(self._made))
        try:
            return self._loop.run_until_complete(step)
        except asyncio.CancelledError:
            return OVER
        finally:
            self._step = None

    def _close(self) -> None:
        if self._loop is not None:
            self._loop.run_until_complete(self._made.aclose())
            self._loop.run_until_complete(self._loop.shutdown_asyncgens())
            self._loop.close()


async def _anext(made: AsyncGenerator[Any, None]) -> Any:
    return await anext(made, OVER)


def _end(thread: ThreadPool) -> None:
    thread.join()
    thread.kill()
