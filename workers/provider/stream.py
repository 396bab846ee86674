"""One generation's way through the providers: tries, pauses, fall-back, deadlines, and the end.

Everything happens in the iterating greenlet; `close` may be called from any. The deadlines are
total: one for all that comes before the first delta, then one for each next piece of the answer,
which only payload moves on. While the consumer is busy with what came, nothing is due.

A provider that never pauses holds the loop no longer than a short step (`fanout.pace`).
"""

from __future__ import annotations

import json
import logging
import re
import threading
from collections.abc import Callable, Generator, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from hub.fanout.pace import Pace, joined, json_parts
from workers.provider import failure
from workers.provider.answer import Answer
from workers.provider.failure import ProviderFailure
from workers.provider.json_door import mended_text
from workers.provider.parts import Delta, Part
from workers.provider.request import ModelRequest
from workers.provider.retry import pause_seconds, retry_after_seconds
from workers.provider.session import Cut, Exchange, Session, Silence

_log = logging.getLogger(__name__)

_MAX_ERROR_BYTES = 65536
_ERROR_BODY_SECONDS = 5.0
_MANY = 100
_MAX_HELD = 1000
"""Parts that wait for the answer to begin."""

Parts = Generator[Part, None, None]


@dataclass(frozen=True, slots=True)
class Surroundings:
    """Time, chance and limits, passed in so that tests need none of them to pass.

    `clock`: monotonic seconds; `now`: seconds since the epoch; `random`: from 0 to 1; `wait`: until
    the event is set or the seconds are over.
    """

    clock: Callable[[], float]
    now: Callable[[], float]
    random: Callable[[], float]
    wait: Callable[[threading.Event, float], object]
    first_delta_timeout_seconds: float
    stall_timeout_seconds: float
    max_request_bytes: int


class Candidate(Protocol):
    """A provider that may answer a request."""

    connection: Session
    amendments: set[str]

    def model_for(self, model: str | None, exchange: Exchange) -> str: ...


class Stream:
    """The parts of one answer; see the package's docstring."""

    def __init__(
        self,
        request: ModelRequest,
        candidates: Callable[[], Sequence[Candidate]],
        surroundings: Surroundings,
    ) -> None:
        self._request = request
        self._candidates = candidates
        self._at = surroundings
        self._closing = threading.Event()
        self._exchange: Exchange | None = None
        self._began = False
        self.provider: str | None = None
        self.tries = 0
        self._parts = self._ask_all()

    def __iter__(self) -> Iterator[Part]:
        return self._parts

    def __enter__(self) -> Stream:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    @property
    def closed(self) -> bool:
        return self._closing.is_set()

    def close(self) -> None:
        """Stop: cut the connection, end a pause, end the iteration. From any greenlet."""
        self._closing.set()
        exchange = self._exchange
        if exchange is not None:
            exchange.cut()
        try:
            self._parts.close()
        except ValueError:
            pass  # it is running in another greenlet, which the cut wakes up

    def _ask_all(self) -> Parts:
        """The providers in their order, until one answers."""
        candidates = [] if self._closing.is_set() else self._candidates()
        for position, candidate in enumerate(candidates, start=1):
            self.provider = candidate.connection.config.name
            try:
                yield from self._ask(candidate)
                return
            except ProviderFailure as error:
                if self._closing.is_set():
                    return
                if self._began or position == len(candidates) or not error.elsewhere:
                    raise

    def _ask(self, candidate: Candidate) -> Parts:
        """One provider, up to `MAX_TRIES` times while nothing of an answer has been yielded."""
        tries = 0
        while not self._closing.is_set():
            tries += 1
            self.tries += 1
            try:
                yield from self._try(candidate)
                return
            except ProviderFailure as error:
                if self._closing.is_set():
                    return
                if self._began:
                    raise
                if _amend(candidate, error):
                    continue
                pause = None
                if error.asked_again:
                    pause = pause_seconds(tries, error.retry_after_seconds, self._at.random())
                if pause is None:
                    raise
                _log.info(
                    "provider %s failed with %s, asked again in %.1f s",
                    self.provider,
                    error.code,
                    pause,
                )
                self._at.wait(self._closing, pause)

    def _try(self, candidate: Candidate) -> Parts:
        exchange = self._exchange = candidate.connection.exchange()
        reuse = False
        try:
            if self._closing.is_set():
                return
            pace = Pace()
            answer = Answer(self._request.n, pace.step)
            self._send(candidate, exchange)
            yield from self._read(exchange, answer, pace)
            if self._closing.is_set():
                return
            reuse = True
            yield from answer.summary()
        except Silence:
            raise self._timeout() from None
        except Cut:
            raise ProviderFailure(failure.UNAVAILABLE, "the connection broke") from None
        except ProviderFailure as error:
            raise error.scrubbed(candidate.connection.config.secrets()) from None
        finally:
            exchange.finish(reuse=reuse)

    def _send(self, candidate: Candidate, exchange: Exchange) -> None:
        """Ask; returns once a 200 has come."""
        model = candidate.model_for(self._request.model, exchange)
        asked = amended(self._request.body(model), candidate.amendments)
        body = _encoded(asked)
        if len(body) > self._at.max_request_bytes:
            raise ProviderFailure(
                failure.REQUEST_TOO_LARGE,
                f"the request to the model takes {len(body)} bytes, "
                f"at most {self._at.max_request_bytes} are sent",
            )
        response = exchange.send(
            "POST", "chat/completions", body, self._at.first_delta_timeout_seconds
        )
        if response.status_code != 200:
            error = failure.from_status(response.status_code, self._error_body(exchange))
            error.retry_after_seconds = retry_after_seconds(response.headers, self._at.now())
            raise error
        if "text/html" in response.headers.get("content-type", ""):
            page = failure.from_status(200, self._error_body(exchange)).detail
            raise ProviderFailure(
                failure.MALFORMED, f"{page} (a web page: is the base URL right?)", retryable=False
            )

    def _error_body(self, exchange: Exchange) -> bytes:
        """As much as comes soon: the status says enough without it."""
        return exchange.read_body(_MAX_ERROR_BYTES, _ERROR_BODY_SECONDS)[0]

    def _read(self, exchange: Exchange, answer: Answer, pace: Pace) -> Parts:
        """The parts as they come. Until the answer begins it may be asked for again, so what comes
        before its first delta (the model's name) is held."""
        feed, read, stall = answer.feed, exchange.read, self._at.stall_timeout_seconds
        held: list[Part] = []
        while not answer.done:
            try:
                data = read()
            except Cut:
                data = b""
            except Silence:
                if answer.complete:
                    return  # it said how it ended, and then forgot to end
                raise
            if self._closing.is_set():
                return
            parts = feed(data) if data else answer.end()
            pace.step()  # it may have been long, and what it says is a step of its own
            if parts and (self._began or any(type(part) is Delta for part in parts)):
                exchange.not_due()
                self._began = True
                if held:
                    yield from held
                    held = []
                if len(parts) < _MANY:
                    yield from parts
                else:
                    for part in parts:
                        yield part
                        pace.step()
                exchange.due(stall)
            else:
                held += parts
                if exchange.overdue:
                    raise Silence
                if len(held) > _MAX_HELD:
                    raise ProviderFailure(failure.MALFORMED, "the answer never begins")
            if answer.failure is not None:
                raise answer.failure
            if not data:
                break
            if self._closing.is_set():
                return
            pace.step()  # reading what is there already lets nobody else run
        if not self._began:
            yield from held

    def _timeout(self) -> ProviderFailure:
        if self._began:
            seconds = self._at.stall_timeout_seconds
            return ProviderFailure(
                failure.STALL_TIMEOUT, f"nothing of the answer came for {seconds:g} s"
            )
        seconds = self._at.first_delta_timeout_seconds
        return ProviderFailure(failure.FIRST_DELTA_TIMEOUT, f"no answer began within {seconds:g} s")


def _encoded(asked: dict[str, Any]) -> bytes:
    try:
        return joined(json_parts(asked))
    except ValueError:  # from code, past the doors: half a character, or NaN
        return mended_text(json.dumps(asked, ensure_ascii=False)).encode()


def amended(body: dict[str, Any], amendments: set[str]) -> dict[str, Any]:
    """The body without what this provider is known to reject."""
    if "stream_options" in amendments:
        body.pop("stream_options", None)
    if "max_tokens" in amendments and "max_tokens" in body:
        body["max_completion_tokens"] = body.pop("max_tokens")
    if "reasoning_content" in amendments:
        for message in body["messages"]:
            message.pop("reasoning_content", None)
    return body


_TOO_MANY = re.compile(
    "extra|unknown|unrecogni|unexpected|unsupported|not (permitted|allowed|supported)|remove",
    re.IGNORECASE,
)
"""What is said of a field that may not be there; others are asked for where they are missing."""


def _amend(candidate: Candidate, error: ProviderFailure) -> bool:
    """Whether the refusal names a field that can be left out or renamed: then at once again."""
    if error.code != failure.REFUSED:
        return False
    words = error.detail
    for field, named in (
        ("stream_options", "stream_options" in words or "include_usage" in words),
        ("max_tokens", "max_tokens" in words and "max_completion_tokens" in words),
        ("reasoning_content", "reasoning_content" in words and _TOO_MANY.search(words)),
    ):
        if named and field not in candidate.amendments:
            candidate.amendments.add(field)
            return True
    return False
