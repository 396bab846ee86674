"""Chunks in any dialect → parts. No I/O: bytes in, parts out, so that each dialect is one test.

    answer = Answer(n)
    parts = answer.feed(data)      # until answer.done or answer.failure, or the body ends:
    parts = answer.end()           # raises if the stream was cut
    parts = answer.summary()       # Finish for each choice, then Usage

What a chunk may leave out, null, move or repeat is listed in docs/providers.md. Finish reasons are
kept until the end: some servers say `stop` in every chunk, some take it back, and usage follows
them anyway.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any

from workers.provider import failure
from workers.provider.failure import ProviderFailure
from workers.provider.parts import Delta, Finish, Model, Part, Usage
from workers.provider.sse_reader import MAX_EVENT_BYTES, EventTooLong, SseReader, WireEvent
from workers.provider.thought import ThoughtSplitter
from workers.provider.tool_calls import ToolCalls

_loads = json.loads


class Answer:
    """One answer as it comes. `n` is the number of choices that were asked for."""

    def __init__(self, n: int = 1) -> None:
        self._n = n
        self._reader = SseReader()
        self._model = ""
        self._usage: Usage | None = None
        self._reasons: dict[int, str] = {}
        self._seen: set[int] = set()
        self._splitters: dict[int, ThoughtSplitter] = {}
        self._plain: set[int] = set()
        self._tool_calls: dict[int, ToolCalls] = {}
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
            raise ProviderFailure(
                failure.MALFORMED, f"one event of the stream is longer than {MAX_EVENT_BYTES} bytes"
            ) from None
        return self._kept(lambda parts: self._events(events, parts))

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

    def _last(self, parts: list[Part]) -> None:
        for event in self._reader.end():
            if self.done:
                break
            try:
                self._event(event, parts)
            except ProviderFailure as error:
                if error.code == failure.MALFORMED and event.data[:1] in (b"{", b"["):
                    raise self._truncated() from None  # half a chunk
                raise
        if self._reader.is_json and not self._seen:
            raise self._malformed(b"a JSON document without choices")
        if not (self.complete or self._reader.is_json):
            raise self._truncated()

    def summary(self) -> list[Part]:
        """What is known at the end: text held back, each choice's `Finish`, then the `Usage`."""
        if not self._seen:
            raise self._truncated()  # nothing but [DONE]
        parts: list[Part] = []
        for index in sorted(self._splitters):
            self._text(index, self._splitters[index].end(), None, parts)
        for index in sorted(self._seen):
            parts.append(Finish(index, self._reasons.get(index, "stop")))
        if self._usage is not None:
            parts.append(self._usage)
        return parts

    def _malformed(self, data: object) -> ProviderFailure:
        """A broken chunk may be whole the next time; another kind of document will not."""
        shown = data.decode("utf-8", "replace") if isinstance(data, bytes) else json.dumps(data)
        return ProviderFailure(
            failure.MALFORMED,
            f"the provider sent what is not a chat completion: {shown[:200]}",
            retryable=not self._reader.is_json,
        )

    @property
    def complete(self) -> bool:
        """Every choice that began has said how it ended, or `[DONE]` stands for them."""
        return bool(self._seen) and (self.done or self._seen <= self._reasons.keys())

    def _truncated(self) -> ProviderFailure:
        return ProviderFailure(
            failure.TRUNCATED,
            "the provider's stream ended before the answer did"
            if self._seen
            else "the provider's stream ended without an answer",
        )

    def _event(self, event: WireEvent, parts: list[Part]) -> None:
        data = event.data
        try:
            chunk = _loads(data.decode("utf-8", "replace"))
        except ValueError:
            self._not_json(event, parts)
            return
        except RecursionError:
            raise self._malformed(data) from None
        if event.name == "error":
            raise failure.from_payload(chunk) or failure.from_error(chunk)
        if event.name in ("", "message") or (type(chunk) is dict and "choices" in chunk):
            self._chunk(chunk, parts)

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
        elif data and event.name in ("", "message"):
            raise self._malformed(data)

    def _chunk(self, chunk: Any, parts: list[Part]) -> None:
        if type(chunk) is not dict:
            raise failure.from_payload(chunk) or self._malformed(chunk)
        choices = chunk.get("choices")
        if not choices:
            self._without_choices(chunk)
            return
        if type(choices) is not list or chunk.get("error") or "x_groq" in chunk:
            self._around(chunk)
        model = chunk.get("model")
        if model != self._model and isinstance(model, str) and model and not self._model:
            self._model = model
            parts.append(Model(model))
        if chunk.get("usage") is not None:
            self._read_usage(chunk["usage"])
        for position, choice in enumerate(choices if type(choices) is list else ()):
            if type(choice) is dict:
                self._choice(position, choice, chunk, parts)

    def _without_choices(self, chunk: Mapping[str, Any]) -> None:
        self._around(chunk)
        self._read_usage(chunk.get("usage"))

    def _around(self, chunk: Mapping[str, Any]) -> None:
        """What stands beside the choices: an error, Groq's own object."""
        error = failure.from_payload(chunk)
        if error is not None:
            raise error
        groq = chunk.get("x_groq")
        if isinstance(groq, Mapping):
            self._read_usage(groq.get("usage"))

    def _choice(
        self, position: int, choice: Mapping[str, Any], chunk: Mapping[str, Any], parts: list[Part]
    ) -> None:
        index = self._index(choice.get("index"), position)
        self._seen.add(index)
        delta = choice.get("delta")
        if type(delta) is not dict:
            delta = choice.get("message")
        if type(delta) is dict:
            content = delta.get("content")
            logprobs = choice.get("logprobs")
            if len(delta) == 1 and type(content) is str and content and index in self._plain:
                parts.append(Delta(index, "content", content, logprobs))
            else:
                self._delta(index, delta, logprobs, parts)
        elif isinstance(choice.get("text"), str):
            self._content(index, choice["text"], choice.get("logprobs"), parts)
        reason = choice.get("finish_reason")
        if reason:
            self._finish(index, reason, choice, chunk)
        if "usage" in choice:
            self._read_usage(choice["usage"])

    def _index(self, said: object, position: int) -> int:
        if self._n == 1:
            return 0  # whatever it says: TGI and Foundry Local count their chunks here
        if type(said) is int and 0 <= said < self._n:
            return said
        return min(position, self._n - 1)

    def _delta(
        self, index: int, delta: Mapping[str, Any], logprobs: Any, parts: list[Part]
    ) -> None:
        before = len(parts)
        reasoning = _reasoning(delta)
        if reasoning:
            parts.append(Delta(index, "reasoning", reasoning))
        content = delta.get("content")
        if isinstance(content, str):
            if content:
                self._content(index, content, logprobs, parts)
                logprobs = None
        elif isinstance(content, list):
            self._content_list(index, content, logprobs, parts)
            logprobs = None
        refusal = delta.get("refusal")
        if isinstance(refusal, str) and refusal:
            parts.append(Delta(index, "refusal", refusal))
        calls = delta.get("tool_calls")
        if not calls and isinstance(delta.get("function_call"), Mapping):
            calls = [{"index": 0, "function": delta["function_call"]}]
        if calls:
            reader = self._tool_calls.setdefault(index, ToolCalls())
            pieces = reader.read(calls)
            if pieces:
                parts.append(Delta(index, "tool_calls", pieces))
        if logprobs is not None and len(parts) == before:
            parts.append(Delta(index, "content", "", logprobs))

    def _content(self, index: int, text: str, logprobs: Any, parts: list[Part]) -> None:
        if not text:
            return
        if index in self._plain:
            parts.append(Delta(index, "content", text, logprobs))
            return
        splitter = self._splitters.setdefault(index, ThoughtSplitter())
        self._text(index, splitter.split(text), logprobs, parts)
        if splitter.plain:
            self._plain.add(index)

    def _text(
        self, index: int, pieces: list[tuple[bool, str]], logprobs: Any, parts: list[Part]
    ) -> None:
        for is_thought, text in pieces:
            parts.append(Delta(index, "reasoning" if is_thought else "content", text, logprobs))
            logprobs = None

    def _content_list(self, index: int, items: list[Any], logprobs: Any, parts: list[Part]) -> None:
        """Mistral: a list of texts and thoughts in place of the text."""
        for item in items:
            if isinstance(item, str):
                self._content(index, item, logprobs, parts)
            elif isinstance(item, Mapping) and item.get("type") == "thinking":
                thought = _joined(item.get("thinking"))
                if thought:
                    parts.append(Delta(index, "reasoning", thought))
            elif isinstance(item, Mapping) and isinstance(item.get("text"), str):
                self._content(index, item["text"], logprobs, parts)

    def _finish(
        self, index: int, reason: object, choice: Mapping[str, Any], chunk: Mapping[str, Any]
    ) -> None:
        if reason == "error":
            raise failure.from_payload(choice) or failure.from_error(
                "the provider ended the answer with an error"
            )
        if isinstance(reason, str):
            self._reasons.setdefault(index, reason)

    def _read_usage(self, usage: object) -> None:
        if not isinstance(usage, Mapping):
            return
        prompt, completion = usage.get("prompt_tokens"), usage.get("completion_tokens")
        if not isinstance(prompt, int) or not isinstance(completion, int | None):
            return
        completion = completion or 0
        total = usage.get("total_tokens")
        self._usage = Usage(
            prompt, completion, total if isinstance(total, int) else prompt + completion
        )


def _reasoning(delta: Mapping[str, Any]) -> str:
    """Thoughts, wherever they stand; the first place that has any, as some servers repeat them."""
    for name in ("reasoning_content", "reasoning"):
        value = delta.get(name)
        if isinstance(value, str) and value:
            return value
    return _joined(delta.get("reasoning_details"))


def _joined(items: object) -> str:
    """The text of a list of thoughts: `text`, or the `summary` given in its place."""
    if isinstance(items, str):
        return items
    if not isinstance(items, list):
        return ""
    texts = [item.get("text") or item.get("summary") for item in items if isinstance(item, Mapping)]
    return "".join(text for text in texts if isinstance(text, str))
