"""The configured providers, and which of them may answer a request."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from hub.fanout.pace import joined, json_parts
from hub.settings import Settings
from workers.provider import failure
from workers.provider.config import ProviderConfig, load_providers
from workers.provider.failure import ProviderFailure
from workers.provider.json_door import NotJson, Unsound, checked, mended, read
from workers.provider.request import ModelRequest
from workers.provider.retry import retry_after_seconds
from workers.provider.session import Cut, Exchange, Session, Silence
from workers.provider.stream import Stream, Surroundings

MODELS_SECONDS = 60.0
"""How long a provider's list of models is believed."""
_MODELS_TIMEOUT_SECONDS = 10.0
_MAX_MODELS_BYTES = 4 * 2**20


class Provider:
    """One provider in use: its connections, its models, what it is known to reject."""

    def __init__(
        self, config: ProviderConfig, settings: Settings, clock: Callable[[], float]
    ) -> None:
        self.config = config
        self.connection = Session(config, idle=settings.worker_concurrency, clock=clock)
        self.amendments: set[str] = set()
        self._preferred = settings.model
        self._allowed = settings.models
        self._clock = clock
        self._models: tuple[str, ...] = ()
        self._models_until = 0.0

    def serves(self, model: str | None) -> bool:
        return model is None or not self.config.models or model in self.config.models

    def model_for(self, model: str | None, exchange: Exchange) -> str:
        """What this provider calls a model; None: the default."""
        model = model or self._preferred
        if model is None:
            known = self.models(exchange)
            allowed = [name for name in known if not self._allowed or name in self._allowed]
            if not allowed:
                raise ProviderFailure(
                    failure.REFUSED, f"{self.config.name} lists no model: set HUB_MODEL"
                )
            model = allowed[0]
        return self.config.models.get(model, model)

    def embed(self, body: Mapping[str, Any], at: Surroundings, max_bytes: int) -> bytes:
        """Raises `ProviderFailure`."""
        exchange = self.connection.exchange()
        seconds = at.first_delta_timeout_seconds
        whole = False
        try:
            asked = {**body, "model": self.model_for(body.get("model"), exchange)}
            response = exchange.send("POST", "embeddings", joined(json_parts(asked)), seconds)
            answer, whole = exchange.read_body(max_bytes, seconds)
        except (Silence, Cut):
            raise _silent(self.config.name, seconds) from None
        finally:
            exchange.finish(reuse=whole)
        if response.status_code != 200:
            error = failure.from_status(response.status_code, answer)
            error.retry_after_seconds = retry_after_seconds(response.headers, at.now())
            raise error
        if not whole:
            raise _silent(self.config.name, seconds)
        return answer

    def models(self, exchange: Exchange | None = None) -> tuple[str, ...]:
        """Our names of its models: those configured, else those that it lists (for a while)."""
        if self.config.models:
            return tuple(self.config.models)
        if self._clock() >= self._models_until:
            self._models = self._listed(exchange or self.connection.exchange())
            self._models_until = self._clock() + MODELS_SECONDS
        return self._models

    def _listed(self, exchange: Exchange) -> tuple[str, ...]:
        seconds = _MODELS_TIMEOUT_SECONDS
        silent = ProviderFailure(
            failure.UNAVAILABLE, f"{self.config.name} did not list its models within {seconds:g} s"
        )
        whole = False
        try:
            response = exchange.send("GET", "models", None, seconds)
            body, whole = exchange.read_body(_MAX_MODELS_BYTES, seconds)
        except (Silence, Cut):
            raise silent from None
        finally:
            exchange.finish(reuse=whole)
        if not whole:
            raise silent
        if response.status_code != 200:
            raise failure.from_status(response.status_code, body)
        return _names(body)


class Providers:
    """All providers in fall-back order. Holds connections: make one per process."""

    def __init__(
        self,
        configs: Sequence[ProviderConfig],
        settings: Settings,
        *,
        clock: Callable[[], float] = time.monotonic,
        now: Callable[[], float] = time.time,
        chance: Callable[[], float] = random.random,
        wait: Callable[[threading.Event, float], object] = threading.Event.wait,
    ) -> None:
        self._providers = [Provider(config, settings, clock) for config in configs]
        self._allowed = settings.models
        self._preferred = settings.model
        self._none_because = (
            settings.no_model or "no provider is configured: set OPENAI_BASE_URL or HUB_PROVIDERS"
        )
        self._surroundings = Surroundings(
            clock=clock,
            now=now,
            random=chance,
            wait=wait,
            first_delta_timeout_seconds=settings.first_delta_timeout_seconds,
            stall_timeout_seconds=settings.stall_timeout_seconds,
            max_request_bytes=settings.max_request_bytes,
        )

    @classmethod
    def from_settings(cls, settings: Settings, environ: Mapping[str, str]) -> Providers:
        """Raises `SettingError` where the providers' file is wrong."""
        return cls(load_providers(settings, environ), settings)

    def open(self, request: ModelRequest) -> Stream:
        """The answer's stream; nothing is sent before it is iterated."""
        return Stream(request, lambda: self._candidates(request.model), self._surroundings)

    def embed(self, body: Mapping[str, Any], max_bytes: int) -> bytes:
        """The first answer to a request for embeddings, as it came, at most `max_bytes` of it; from
        the first provider that serves the model. Raises `ProviderFailure`."""
        model = body.get("model")
        candidates = self._candidates(model if isinstance(model, str) else None)
        for position, provider in enumerate(candidates, start=1):
            try:
                return provider.embed(body, self._surroundings, max_bytes)
            except ProviderFailure as error:
                if position == len(candidates) or not error.elsewhere:
                    raise error.scrubbed(provider.config.secrets()) from None
        raise AssertionError("there is always a candidate")

    def models(self) -> tuple[str, ...]:
        """The models that may be asked for, the default first. Asks those providers that have none
        configured; one that does not answer is left out, unless none does."""
        if self._allowed:
            return _default_first(self._allowed, self._preferred)
        names: list[str] = []
        problem: ProviderFailure | None = None
        for provider in self._providers:
            try:
                names += provider.models()
            except ProviderFailure as error:
                problem = error
        if not names and problem is not None:
            raise problem
        return _default_first(names, self._preferred)

    def _candidates(self, model: str | None) -> Sequence[Provider]:
        model = model or self._preferred
        if not self._providers:
            raise ProviderFailure(
                failure.UNAVAILABLE,
                self._none_because,
                retryable=False,
            )
        if model is not None and self._allowed and model not in self._allowed:
            raise _no_model(f"the model {model!r} is not allowed here")
        candidates = [provider for provider in self._providers if provider.serves(model)]
        if not candidates:
            raise _no_model(f"no provider serves the model {model!r}")
        return candidates


def _silent(name: str, seconds: float) -> ProviderFailure:
    return ProviderFailure(failure.UNAVAILABLE, f"{name} did not answer whole within {seconds:g} s")


def _no_model(words: str) -> ProviderFailure:
    """As OpenAI says it: its packages look for this code."""
    said = {"message": words, "type": "invalid_request_error", "param": "model"}
    return ProviderFailure(
        failure.REFUSED, words, answered=404, said={**said, "code": "model_not_found"}
    )


def _default_first(names: Sequence[str], preferred: str | None) -> tuple[str, ...]:
    unique = dict.fromkeys(names)
    if preferred is not None:
        unique = dict.fromkeys([preferred, *names])
    return tuple(unique)


def _names(body: bytes) -> tuple[str, ...]:
    try:
        listed = mended(checked(read(body)))
    except (NotJson, Unsound):
        listed = None
    data = listed.get("data") if isinstance(listed, dict) else listed
    if not isinstance(data, list):
        raise ProviderFailure(failure.MALFORMED, "the provider's list of models cannot be read")
    names = (entry.get("id") for entry in data if isinstance(entry, dict))
    return tuple(name for name in names if isinstance(name, str) and name)
