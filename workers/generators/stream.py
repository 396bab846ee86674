"""One generator's answer as a stream of parts, in the place of a provider's (`runner.Stream`)."""

from __future__ import annotations

import json
import logging
import re
from collections.abc import Iterator, Mapping
from typing import Any

import gevent
from gevent.event import Event
from gevent.lock import Semaphore

from hub.errors import FieldError
from hub.event import compact_json
from hub.json_text import JsonLimits, parse_json
from hub.settings import Settings
from workers.generators.parts import Data, Finish, GenerationFailed, Reasoning, Request, ToolCall
from workers.generators.parts import Usage as OwnUsage
from workers.generators.registry import Generator
from workers.generators.source import OVER, Source
from workers.provider import Delta, ProviderFailure, Said, Usage, failure
from workers.provider import Finish as Finished
from workers.provider.json_door import mended_text
from workers.provider.sse_reader import MAX_EVENT_BYTES

log = logging.getLogger("workers.run")

_NAME = re.compile(r"[A-Za-z][A-Za-z0-9._-]{0,63}")
_CODE = re.compile(r"[a-z0-9][a-z0-9_.-]{0,63}")
_MESSAGE_CHARACTERS = 2_000


class GeneratorStream:
    """Raises `ProviderFailure`, with `generator-failed` where it is the generator's fault."""

    def __init__(self, generator: Generator, request: Request, settings: Settings) -> None:
        self._generator = generator
        self._source = Source(
            lambda: generator.answer(request), in_thread=generator.marks.in_thread
        )
        self._settings = settings
        self._limits = JsonLimits(settings.max_json_depth, settings.max_json_nodes)
        self._closed = Event()
        self._began = False
        self._calls = 0
        self._reason = ""
        self._usage: Usage | None = None

    def __iter__(self) -> Iterator[Said]:
        slots = self._generator.slots
        if slots is None:
            yield from self._answered()
        elif self._waited_for(slots):
            try:
                yield from self._answered()
            finally:
                slots.release()

    def close(self) -> None:
        self._closed.set()
        self._source.close()

    def _waited_for(self, slots: Semaphore) -> bool:
        """Take a slot; False where the stream was closed before there was one."""
        while not self._closed.is_set():
            if slots.acquire(blocking=False):
                return True
            gevent.wait([slots, self._closed], count=1)
        return False

    def _answered(self) -> Iterator[Said]:
        while (item := self._next()) is not OVER:
            for part in self._parts(item):
                self._began = True
                yield part
        yield Finished(0, self._reason or ("tool_calls" if self._calls else "stop"))
        if self._usage is not None:
            yield self._usage

    def _next(self) -> Any:
        settings = self._settings
        seconds = settings.first_delta_timeout_seconds
        if self._began:
            seconds = settings.stall_timeout_seconds
        timeout = gevent.Timeout(seconds)
        try:
            with timeout:
                return self._source.next()
        except gevent.Timeout as over:
            if over is not timeout:
                raise
            code = failure.STALL_TIMEOUT if self._began else failure.FIRST_DELTA_TIMEOUT
            raise ProviderFailure(code, f"the generator said nothing for {seconds:g} s") from None
        except GenerationFailed as error:
            raise self._failed(error) from error
        except Exception as error:
            log.exception("generator %s failed", self._generator.name)
            raise ProviderFailure(
                failure.GENERATOR_FAILED, "the generator failed", retryable=False
            ) from error

    def _failed(self, error: GenerationFailed) -> ProviderFailure:
        code = error.code
        if not (isinstance(code, str) and _CODE.fullmatch(code)):
            log.error("generator %s: the code of its failure is none", self._generator.name)
            code = failure.GENERATOR_FAILED
        words = mended_text(str(error.message))[:_MESSAGE_CHARACTERS]
        return ProviderFailure(code, words, retryable=bool(error.retryable))

    def _parts(self, item: object) -> Iterator[Said]:
        match item:
            case str():
                if item:
                    yield Delta(0, "content", mended_text(item))
            case Reasoning(text=str(text)):
                if text:
                    yield Delta(0, "reasoning", mended_text(text))
            case ToolCall(name=str(name)) if name:
                yield Delta(0, "tool_calls", [self._call(item, name)])
            case Data(name=str(name), id=str() | None):
                yield self._data(item, name)
            case OwnUsage(more=Mapping()):
                counts = (item.prompt_tokens, item.completion_tokens, item.total_tokens)
                if not all(
                    count is None or (type(count) is int and count >= 0) for count in counts
                ):
                    raise _may_not("it yielded Usage whose counts are no whole numbers")
                self._usage = Usage(*counts, self._sound(item.more, "what Usage holds"))
            case Finish(reason=str(reason)):
                self._reason = mended_text(reason)
            case _:
                raise _may_not(f"it yielded {type(item).__name__}, which is none of its parts")

    def _call(self, call: ToolCall, name: str) -> dict[str, Any]:
        index, self._calls = self._calls, self._calls + 1
        arguments = call.arguments
        if isinstance(arguments, Mapping):
            arguments = compact_json(self._sound(arguments, "a tool call's arguments"))
        return {
            "index": index,
            "id": mended_text(call.id or f"call_{index}"),
            "type": "function",
            "function": {"name": mended_text(name), "arguments": mended_text(arguments)},
        }

    def _data(self, data: Data, name: str) -> Data:
        if not _NAME.fullmatch(name):
            raise _may_not("it yielded Data whose name is no name")
        value = self._sound(data.data, "what Data holds")
        return Data(name, value, data.id and mended_text(data.id))

    def _sound(self, value: object, what: str) -> Any:
        """JSON that every reader can bear, as what comes from outside is."""
        try:
            text = json.dumps(value, allow_nan=False)
        except (ValueError, TypeError, RecursionError):
            raise _may_not(f"{what} is not JSON") from None
        if len(text) > MAX_EVENT_BYTES:
            raise _may_not(f"{what} is larger than {MAX_EVENT_BYTES} bytes")
        try:
            return parse_json(text.encode(), self._limits, what)
        except FieldError as error:
            raise _may_not(error.detail) from None


def _may_not(words: str) -> ProviderFailure:
    log.error("a generator's fault: %s", words)
    return ProviderFailure(failure.GENERATOR_FAILED, words, retryable=False)
