"""Who answers a generation: a provider, or a generator of the application's own.

A `model` that is a generator's name is that generator's, whatever providers there are.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

from hub.settings import Settings
from workers.answers import Answers
from workers.generation import Generation
from workers.generators.parts import Request
from workers.generators.registry import Generator, Generators
from workers.generators.stream import GeneratorStream
from workers.provider import ModelRequest
from workers.provider.embeddings import EmbeddingsStream
from workers.run.runner import Opener, Stream


class Providing(Protocol):
    """`workers.provider.Providers`."""

    def open(self, request: ModelRequest) -> Stream: ...

    def embed(self, body: Mapping[str, Any], max_bytes: int) -> bytes: ...


class Answerer(Opener):
    def __init__(
        self, providers: Providing, generators: Generators, answers: Answers, settings: Settings
    ) -> None:
        self._providers = providers
        self._generators = generators
        self._answers = answers
        self._settings = settings

    def open(self, request: ModelRequest, generation: Generation) -> Stream:
        """What answers this attempt; nothing is asked before it is iterated."""
        if generation.request.embeddings:
            most = self._settings.max_answer_bytes
            return EmbeddingsStream(lambda: self._providers.embed(request.extra, most))
        generator = self._generator_of(generation)
        if generator is None:
            return self._providers.open(request)
        so_far = self._so_far(generation) if generator.marks.continues else ""
        return GeneratorStream(
            generator, _asked(request, generation, generator.name, so_far), self._settings
        )

    def continues(self, generation: Generation) -> bool:
        """Whether the next attempt goes on from what the one before it has published."""
        generator = self._generator_of(generation)
        return generator is not None and generator.marks.continues

    def _generator_of(self, generation: Generation) -> Generator | None:
        return self._generators.find(generation.request.model or self._settings.model)

    def _so_far(self, generation: Generation) -> str:
        choices = self._answers.read(generation.id).choices
        return "".join(str(choice["content"]) for choice in choices if choice["index"] == 0)


def _asked(request: ModelRequest, generation: Generation, name: str, so_far: str) -> Request:
    stop = [request.stop] if isinstance(request.stop, str) else request.stop or ()
    return Request(
        id=generation.id,
        messages=request.messages,
        prompt=generation.request.question,
        model=name,
        temperature=request.temperature,
        max_tokens=request.max_tokens,
        stop=stop,
        tools=request.tools or (),
        metadata=generation.request.metadata,
        extra=request.extra,
        owner=generation.owner,
        attempt=generation.attempt,
        so_far=so_far,
    )
