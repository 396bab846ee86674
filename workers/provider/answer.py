"""Chunks in any dialect → parts. No I/O: bytes in, parts out, so that each dialect is one test.

    answer = Answer(n)
    parts = answer.feed(data)      # until answer.done or answer.failure, or the body ends:
    parts = answer.end()           # raises if the stream was cut
    parts = answer.summary()       # Finish for each choice, then Usage

What a provider can make long is read in steps, between which `step` is called.

What a chunk may leave out, null, move or repeat is listed in docs/providers.md. Finish reasons are
kept until the end: some servers say `stop` in every chunk, some take it back, and usage follows
them anyway. What the hub does not know (`members`) leaves with the next piece of its choice, and
never before the answer has begun: until then it may be asked for again.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from hub.json_text import go_on
from workers.provider import failure, json_door
from workers.provider.beside import QUIET, Beside
from workers.provider.choice_reader import ChoiceReader
from workers.provider.failure import ProviderFailure
from workers.provider.json_door import (
    LARGE_BYTES,
    TEXTS,
    Halves,
    NotJson,
    Unsound,
    checked,
    mended,
    short,
)
from workers.provider.members import CHOICE, COMPLETION, DELTA, known
from workers.provider.parts import Delta, Finish, Model, Part, Usage
from workers.provider.sse_reader import MAX_EVENT_BYTES, EventTooLong, SseReader, WireEvent
from workers.provider.usage import usage_of

MAX_LOGPROBS_BYTES = 262_144
"""Of one chunk's."""
_MANY = 100
_SHOWN_BYTES = 1000
_PLAIN_CHOICE = frozenset({"index", "delta", "finish_reason", "logprobs"})


class _NotAChunk(ProviderFailure):
    """Or not a whole one."""


class Answer:
    """One answer as it comes. `n` is the number of choices that were asked for."""

    def __init__(self, n: int = 1, step: Callable[[], None] = go_on) -> None:
        self._n = n
        self._step = step
        self._reader = SseReader()
        self._model = ""
        self._usage: Usage | None = None
        self._reasons: dict[int, str] = {}
        self._choices: dict[int, ChoiceReader] = {}
        self._halves = Halves()
        self._data = b""  # of the event that is being read
        self._deep: bool | None = None  # whether what it holds may be nested too deeply
        self._torn = False
        self._began = False
        self._beside = Beside()
        self.done = False
        """`[DONE]` came: whatever follows is not part of the answer."""
        self.failure: ProviderFailure | None = None
        """What went wrong behind the parts that were returned last: nothing follows them."""

    def feed(self, data: bytes) -> list[Part]:
        """The parts in these bytes. What cannot be read, or tells of an error, raises
        `ProviderFailure`, or is `failure` where parts came before it: text that shares a read with
        an error is not lost."""
        try:
            events = self._reader.feed(data)
        except EventTooLong:
            raise _unsound(f"one event is longer than {MAX_EVENT_BYTES} bytes") from None
        self._step()
        return self.take(events)

    def take(self, events: list[WireEvent]) -> list[Part]:
        """The parts in these events, which somebody else has read. Fails as `feed` does."""
        parts = self._kept(lambda parts: self._events(events, parts))
        if not self._began:
            self._began = _has_delta(parts)
        return parts

    def end(self) -> list[Part]:
        """The body is over: the last parts, or `provider-truncated` where it was cut. Fails as
        `feed` does."""
        return self._kept(self._last)

    def _kept(self, read: Callable[[list[Part]], None]) -> list[Part]:
        parts: list[Part] = []
        try:
            read(parts)
        except ProviderFailure as error:
            if not parts:
                raise
            self.failure = error
        return parts

    def _events(self, events: list[WireEvent], parts: list[Part]) -> None:
        for event in events:
            if self.done:
                break
            self._event(event, parts)
            if len(events) > _MANY:
                self._step()

    def _last(self, parts: list[Part]) -> None:
        for event in self._reader.end():
            if self.done:
                break
            try:
                self._event(event, parts)
            except _NotAChunk:
                if event.data[:1] in (b"{", b"["):
                    raise self._truncated() from None  # half a chunk
                raise
        if self._reader.is_json and not self._choices:
            raise self._malformed(b"a JSON document without choices")
        if not (self.complete or self._reader.is_json):
            raise self._truncated()

    def summary(self) -> list[Part]:
        """What is known at the end: what was held back, each choice's `Finish`, the `Usage`."""
        if not self._choices:
            raise self._truncated()  # nothing but [DONE]
        parts: list[Part] = []
        for index in sorted(self._choices):
            self._choices[index].end(parts)
        for index, kind in self._halves.rest():
            parts.append(Delta(index, kind, "\ufffd"))
        parts += self._beside.rest()
        for index in sorted(self._choices):
            parts.append(Finish(index, self._reasons.get(index, "stop")))
        if self._usage is not None:
            parts.append(self._usage)
        return parts

    def _malformed(self, data: bytes) -> ProviderFailure:
        """A broken chunk may be whole the next time; another kind of document will not."""
        shown = data[:_SHOWN_BYTES].decode("utf-8", "replace")
        return _NotAChunk(
            failure.MALFORMED,
            f"the provider sent what is not a chat completion: {shown[:200]}",
            retryable=not self._reader.is_json,
        )

    @property
    def complete(self) -> bool:
        """Every choice that began has said how it ended, or `[DONE]` stands for them."""
        return bool(self._choices) and (self.done or self._choices.keys() <= self._reasons.keys())

    def _truncated(self) -> ProviderFailure:
        return ProviderFailure(
            failure.TRUNCATED,
            "the provider's stream ended before the answer did"
            if self._choices
            else "the provider's stream ended without an answer",
        )

    def _event(self, event: WireEvent, parts: list[Part]) -> None:
        data = event.data
        try:
            self._data = data
            if len(data) > LARGE_BYTES:
                if json_door.begins_a_row(data):
                    raise NotJson
                self._step()
                chunk = json_door.read_large(data, self._step)
                self._deep = False
                self._torn = bool(self._halves)
                self._step()
            else:
                chunk = json_door.read(data)
                self._deep = None
                if b"\\u" in data and json_door.is_torn(data):
                    chunk = mended(checked(chunk), TEXTS)
                    self._torn = True
                else:
                    self._torn = bool(self._halves)
            if event.name == "error":
                raise failure.from_payload(chunk) or failure.from_error(chunk)
            if event.name in ("", "message") or (type(chunk) is dict and "choices" in chunk):
                self._chunk(chunk, parts)
        except NotJson:
            self._not_json(event, parts)
        except Unsound as problem:
            raise _unsound(str(problem)) from None

    def _not_json(self, event: WireEvent, parts: list[Part]) -> None:
        data = event.data.strip()
        if data == b"[DONE]":
            self.done = True
        elif event.name == "error":
            raise failure.from_error(data.decode("utf-8", "replace"))
        elif b"\n" in data:
            # No blank line between two chunks, or before [DONE].
            for line in data.split(b"\n"):
                if line and not self.done:
                    self._event(WireEvent(event.name, line), parts)
                    self._step()
        elif data and event.name in ("", "message"):
            raise self._malformed(data)

    def _chunk(self, chunk: Any, parts: list[Part]) -> None:
        if type(chunk) is not dict:
            raise failure.from_payload(chunk) or self._malformed(self._data)
        choices = chunk.get("choices")
        if not choices:
            self._around(chunk)
            return
        if type(choices) is not list or not (
            QUIET.issuperset(chunk) or self._beside.repeats(chunk)
        ):
            self._around(chunk)
        model = chunk.get("model")
        if model != self._model and isinstance(model, str) and model and not self._model:
            self._model = short(model, "the model's name")
            parts.append(Model(model))
        for position, choice in enumerate(choices if type(choices) is list else ()):
            if type(choice) is dict:
                self._choice(position, choice, parts)
                self._step()

    def _around(self, chunk: Mapping[str, Any]) -> None:
        """What stands beside the choices: an error, the usage, and what is carried."""
        error = failure.from_payload(chunk)
        if error is not None:
            raise error
        self._read_usage(chunk.get("usage"))
        groq = chunk.get("x_groq")
        if isinstance(groq, Mapping):
            self._read_usage(groq.get("usage"))
        self._beside.take(0, COMPLETION, chunk, self._sound)

    def _choice(self, position: int, choice: Mapping[str, Any], parts: list[Part]) -> None:
        index = self._index(choice.get("index"), position)
        reader = self._choices.get(index)
        if reader is None:
            reader = ChoiceReader(index, self._halves, self._beside, self._step)
            self._choices[index] = reader
        if not _PLAIN_CHOICE.issuperset(choice):
            self._read_usage(choice.get("usage"))
            self._beside.take(index, CHOICE, choice, self._sound)
        delta = choice.get("delta")
        message = choice.get("message")
        if type(delta) is not dict:
            delta = message
        elif type(message) is dict and not known(DELTA).issuperset(message):
            reader.whole = {n: self._sound(v) for n, v in message.items() if n not in known(DELTA)}
        if type(delta) is dict:
            content = delta.get("content")
            logprobs = choice.get("logprobs")
            if logprobs is not None:
                logprobs = self._logprobs(logprobs)
            if (
                len(delta) == 1
                and type(content) is str
                and content
                and reader.plain
                and not self._torn
            ):
                parts.append(Delta(index, "content", content, logprobs))
            else:
                if "usage" in delta:
                    self._read_usage(delta["usage"])
                reader.delta(delta, logprobs, parts, torn=self._torn, sound=self._sound)
        elif isinstance(choice.get("text"), str):  # a completion of the older kind
            told = {"content": choice["text"]}
            logprobs = self._logprobs(choice.get("logprobs"))
            reader.delta(told, logprobs, parts, torn=self._torn, sound=self._sound)
        if self._beside:
            self._beside.flush(index, parts, began=self._began or _has_delta(parts))
        reason = choice.get("finish_reason")
        if reason:
            self._finish(index, reason, choice)

    def _index(self, said: object, position: int) -> int:
        if self._n == 1:
            return 0  # whatever it says: TGI and Foundry Local count their chunks here
        if type(said) is int and 0 <= said < self._n:
            return said
        return min(position, self._n - 1)

    def _sound(self, value: Any) -> Any:
        """`value` as it may be passed on. Raises `Unsound`."""
        if self._torn:
            value = mended(value)
        if self._deep is None:
            self._deep = json_door.may_be_deep(self._data)
        return checked(value) if self._deep else value

    def _logprobs(self, logprobs: Any) -> dict[str, Any] | None:
        if logprobs is None:
            return None
        if type(logprobs) is not dict:
            raise Unsound("its logprobs are no object")
        if len(self._data) > MAX_LOGPROBS_BYTES:
            self._step()
            size = json_door.encoded_size(logprobs)
            if size > MAX_LOGPROBS_BYTES:
                raise Unsound(f"its logprobs are longer than {MAX_LOGPROBS_BYTES} bytes")
        found: dict[str, Any] = self._sound(logprobs) if logprobs else logprobs
        return found

    def _finish(self, index: int, reason: object, choice: Mapping[str, Any]) -> None:
        if reason == "error":
            raise failure.from_payload(choice) or failure.from_error(
                "the provider ended the answer with an error"
            )
        if isinstance(reason, str):
            self._reasons.setdefault(index, short(reason, "a finish reason"))

    def _read_usage(self, told: object) -> None:
        if told is not None:
            self._usage = usage_of(told, self._usage, self._sound)


def _has_delta(parts: list[Part]) -> bool:
    return any(type(part) is Delta for part in parts)


def _unsound(problem: str) -> ProviderFailure:
    """What may not pass will not be better the next time."""
    return ProviderFailure(
        failure.MALFORMED, f"the provider's answer may not pass: {problem}", retryable=False
    )
