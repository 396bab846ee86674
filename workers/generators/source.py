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
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterator
from functools import partial
from typing import Any, Protocol, cast

import gevent
from gevent.event import AsyncResult
from gevent.threadpool import ThreadPool

OVER = object()

log = logging.getLogger("workers.run")


class LeftThroughExit(Exception):
    """A generator raised what ends a program or a task (`sys.exit()`): it ends its answer, not the
    worker, and its answer is not whole."""


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
        if self._closed:
            return OVER
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
            self._answer(OVER)
        except BaseException as error:
            if self._closed and isinstance(error, GeneratorExit):
                self._answer(OVER)
            elif self._wanted is not None:
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


def _in_pool(thread: ThreadPool, step: Callable[..., Any], *args: Any) -> Any:
    """What `step` returns or raises in the pool's thread. gevent writes what leaves such a thread
    to stderr, and ends the process for a SystemExit."""
    item, error = thread.apply(_outcome, (step, *args))
    if error is not None:
        raise error
    return item


def _outcome(step: Callable[..., Any], *args: Any) -> tuple[Any, Exception | None]:
    try:
        return step(*args), None
    except BaseException as error:
        return None, _as_failure(error)


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
        _close(self._iterator)


class _ThreadSteps:
    def __init__(self, iterator: Iterator[Any]) -> None:
        self._iterator = iterator
        self._thread = ThreadPool(1)

    def next(self) -> Any:
        return _in_pool(self._thread, next, self._iterator, OVER)

    def close(self) -> None:
        self._thread.spawn(_quietly, partial(_close, self._iterator))
        gevent.spawn(_end, self._thread)


class _AsyncSteps:
    """One task runs the generator from its beginning to its end: what is opened around a `yield` (a
    task group, a deadline, a context variable) may be closed only in the task that opened it. The
    loop stops between the steps."""

    def __init__(self, made: AsyncGenerator[Any, None]) -> None:
        self._made = made
        self._thread = ThreadPool(1)
        self._loop: asyncio.AbstractEventLoop | None = None
        self._task: asyncio.Task[None] | None = None
        self._closing = False

    def next(self) -> Any:
        return _in_pool(self._thread, self._next)

    def close(self) -> None:
        # In this order: the task begins nothing once it can see `_closing`.
        self._closing = True
        loop, task = self._loop, self._task
        if loop is not None and task is not None:
            loop.call_soon_threadsafe(task.cancel)
        self._thread.spawn(_quietly, self._close)
        gevent.spawn(_end, self._thread)

    def _next(self) -> Any:
        if self._loop is None:
            loop = asyncio.new_event_loop()
            self._wanted, self._item = asyncio.Event(), loop.create_future()
            self._task, self._loop = loop.create_task(self._run()), loop
        else:
            self._item = self._loop.create_future()
        self._wanted.set()
        self._until_over_or(self._item)
        return self._item.result() if self._item.done() else OVER

    async def _run(self) -> None:
        try:
            while not self._closing:
                step = await self._begun_step()
                self._item.set_result(await step)
        except StopAsyncIteration:
            pass
        except (SystemExit, KeyboardInterrupt) as error:  # asyncio would let them through its loop
            raise _as_failure(error) from error
        finally:
            await self._made.aclose()

    async def _begun_step(self) -> Awaitable[Any]:
        """Once the next item is wanted, what gives it."""
        try:
            await self._wanted.wait()
        except asyncio.CancelledError as cancelled:
            if self._closing:
                raise
            # A deadline of the generator's own, which passed while it waited at its `yield`.
            return self._made.athrow(cancelled)
        finally:
            self._wanted.clear()
        return anext(self._made)

    def _until_over_or(self, *others: asyncio.Future[Any]) -> None:
        """Let the loop run; raises what the generator has raised."""
        loop, task = self._loop, self._task
        if loop is None or task is None:
            return
        loop.run_until_complete(asyncio.wait([task, *others], return_when="FIRST_COMPLETED"))
        if task.done():
            self._task = None
            if task.cancelled():
                if not self._closing:
                    raise LeftThroughExit("the generator was cancelled, and not from here")
            elif (error := task.exception()) is not None:
                raise error

    def _close(self) -> None:
        if self._loop is None:
            return
        try:
            self._until_over_or()
        finally:
            self._loop.run_until_complete(self._loop.shutdown_asyncgens())
            self._loop.close()


def _close(iterator: Iterator[Any]) -> None:
    """What a decorator gives in a generator's place may have nothing to close."""
    close = getattr(iterator, "close", None)
    if close is not None:
        close()


def _end(thread: ThreadPool) -> None:
    thread.join()
    thread.kill()
