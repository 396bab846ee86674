"""One attempt at a generation: the provider's stream in, events out, and the ways it can end.

    completed / failed   the stream's end, published with the record's last fields in one append;
                         or a fault here or in what the provider said (`fault`)
    fenced               the record is another's, ended or gone: nothing is said any more
    stopped              somebody here has stopped it (`stop`): cancelled, lost lease, shutdown

The provider's connection is closed in each of them. The caller that stops a run has seen to what
the record says; the run itself writes nothing after that.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator
from typing import Protocol

import gevent

from hub.errors import RedisFailure, Refused
from hub.fanout.sender import Sender
from hub.settings import Settings
from hub.spans import Spans
from hub.store.history import RecordWrite
from hub.trace import current
from workers.generation import Generation, Terminal
from workers.provider import (
    Data,
    Delta,
    Finish,
    Model,
    ModelRequest,
    ProviderFailure,
    Said,
    Usage,
    cost,
)
from workers.request import Request
from workers.run import fault
from workers.run.claim import Claim
from workers.run.publisher import Publisher
from workers.store import Generations
from workers.telemetry.attempt import AttemptSpans
from workers.totals import ended

log = logging.getLogger("workers.run")

_FRESH_SECONDS = 0.2


class Stream(Protocol):
    """One answer of a provider (`workers.provider.Stream`)."""

    def __iter__(self) -> Iterator[Said]: ...

    def close(self) -> None: ...


class Opener(Protocol):
    """Whatever answers (`answerer.Answerer`)."""

    def open(self, request: ModelRequest, generation: Generation) -> Stream: ...

    def continues(self, generation: Generation) -> bool:
        """Whether a later attempt goes on from what the one before it has published."""
        ...


class Run:
    """`stop` and `check` may be called from any greenlet while `run` runs in its own."""

    def __init__(
        self,
        claim: Claim,
        generations: Generations,
        sender: Sender,
        opener: Opener,
        settings: Settings,
        spans: Spans | None = None,
    ) -> None:
        self.claim = claim
        self._spans = spans
        self.stopped = ""
        self._generations = generations
        self._settings = settings
        self._publisher = Publisher(
            claim,
            generations.history,
            sender,
            max_event_bytes=settings.max_event_bytes,
            max_answer_bytes=settings.max_answer_bytes,
            now=generations.now,
            # Not in the sender's greenlet: what a stream does when it is closed delays no other's.
            on_over=lambda: gevent.spawn(self._given_up),
        )
        request = claim.generation.request
        asked = model_request(request, settings.system_prompt)
        self._stream = opener.open(asked, claim.generation)

    @property
    def first_delta_seconds(self) -> float | None:
        """From the generation's creation to its first delta in the channel."""
        stored_at = self._publisher.first_delta_at
        return stored_at and max(0.0, stored_at - self.claim.generation.created_ms / 1000)

    def run(self) -> str:
        """Run to an end; returns the generation's status, or why it was stopped."""
        generation = self.claim.generation
        spans = AttemptSpans.begin(self._spans, generation) if self._spans else None
        # In this greenlet, for its lines and the provider's calls.
        current.set(spans.provider.trace if spans else generation.trace)
        began = time.monotonic()
        log.info("generation starts id=%s attempt=%d", generation.id, generation.attempt)
        terminal = self._answer()
        if terminal is not None and self._publisher.finish(terminal):
            terminal = self._publisher.failure or terminal
            outcome = terminal.type
            self._close(outcome)
        else:
            outcome = self.stopped or "stopped"
        code = terminal.data.get("code") if terminal else None
        if spans:
            spans.end(outcome, code or "", self._publisher.first_delta_at)
        log.info(
            "generation ends id=%s attempt=%d outcome=%s code=%s seconds=%.1f",
            generation.id,
            generation.attempt,
            outcome,
            code,
            time.monotonic() - began,
        )
        return outcome

    def stop(self, why: str) -> None:
        """Close the provider's connection and publish nothing more."""
        if not self.stopped:
            self.stopped = why
            self._publisher.abandon()
            self._stream.close()

    def _given_up(self) -> None:
        """The publisher takes nothing more."""
        if self._publisher.fenced:
            self.stop("fenced")
        else:
            self._stream.close()

    def check(self) -> None:
        """Stop if the record is not this attempt's any more, and keep it from expiring if it is.
        Raises `RedisUnavailable`."""
        if self._generations.now() - self._publisher.stored_at < _FRESH_SECONDS:
            return  # an append has just done both
        fence = {"fence": self.claim.fence}
        try:
            self._generations.history.append(
                self._publisher.channel, [], record=RecordWrite(fence, fence)
            )
        except Refused:
            if not self._publisher.stored_end:
                self.stop("fenced")

    def hand_over(self) -> None:
        """Stop, and let another worker start again at once; this attempt is not counted as lost.
        Where Redis does not answer in time, the lease lapses instead."""
        self.stop("handed over")
        try:
            self._generations.history.append(
                self._publisher.channel,
                [],
                record=RecordWrite({"fence": self.claim.fence}, {"fence": "", "handed_over": "1"}),
                try_seconds=1,
            )
            self._generations.queue.release(self.claim.job)
        except (Refused, RedisFailure):
            pass  # ended or taken over in this moment, or left to lapse

    def _answer(self) -> Terminal | None:
        """Read the provider's stream to its end; None where the run was stopped."""
        try:
            terminal = self._read()
        except ProviderFailure as failure:
            terminal = Terminal("failed", failure.as_failed())
        except Exception as error:
            terminal = fault.terminal_for(error, self.claim.generation.id)
        finally:
            self._stream.close()
        return None if self.stopped else terminal

    def _read(self) -> Terminal:
        reasons: dict[int, str] = {}
        usage: Usage | None = None
        model = self.claim.generation.model
        put = self._publisher.put
        for part in self._stream:
            if isinstance(part, Delta):
                if not put(part):
                    return self._publisher.failure or _REDIS_STAYED_AWAY
            elif isinstance(part, Finish):
                reasons[part.index] = part.reason
            elif isinstance(part, Data):
                if not self._publisher.put_data(part):
                    return self._publisher.failure or _REDIS_STAYED_AWAY
            elif isinstance(part, Model):
                model = part.name
                self._publisher.model(model)
            else:
                usage = part
        return Terminal.completed(reasons, usage and usage.to_json(), self._cost(usage, model))

    def _cost(self, usage: Usage | None, model: str | None) -> float | None:
        """By the name that the provider gives its model, or by the one that was asked for."""
        prices = self._settings.prices
        found = cost(usage, model, prices)
        return cost(usage, self.claim.generation.model, prices) if found is None else found

    def _close(self, status: str) -> None:
        """The job goes. If that fails, the worker that takes it over finds the generation ended."""
        try:
            self._generations.queue.finish(self.claim.job, ended(status, self.first_delta_seconds))
            self._generations.close(self.claim.generation)
        except RedisFailure as error:
            log.warning("job not finished id=%s: %s", self.claim.generation.id, error.detail)


def model_request(request: Request, system_prompt: str | None) -> ModelRequest:
    """What the provider is asked: the preset system prompt stands in where the request has none."""
    messages = list(request.messages)
    if system_prompt and not any(m.get("role") in ("system", "developer") for m in messages):
        messages.insert(0, {"role": "system", "content": system_prompt})
    return ModelRequest(
        messages=messages,
        model=request.model,
        temperature=request.temperature,
        max_tokens=request.max_tokens,
        n=request.n,
        stop=list(request.stop) or None,
        tools=list(request.tools) or None,
        extra=request.extra,
    )


_REDIS_STAYED_AWAY = Terminal.failed(
    "redis-unavailable",
    "Redis did not answer for so long that the text could not be held any more",
    retryable=True,
)
