"""`POST /generations/{id}/deltas`: a producer's body, taken line by line (contract §4)."""

from __future__ import annotations

import time
from collections.abc import Iterator

from flask import Blueprint, Response, after_this_request, request

from hub.errors import BodyTimeout, FieldError, RequestError, UnsupportedMediaType
from hub.fanout.delivery import Delivery
from hub.identity import Action
from hub.number import whole_number
from hub.web.body import json_limits
from hub.web.json_response import json_answer
from hub.web.live_body import LiveBody
from hub.web.transport import can_take_over
from workers.guarded import GuardedGenerations
from workers.producers.bodies import OpenBodies
from workers.producers.chunks import Chunks
from workers.producers.line import Line, Reader
from workers.producers.lines import Lines
from workers.producers.writer import Ended, Writer

SEQUENCE = "Hubbub-Sequence"
MAX_SEQUENCE = 2**53


def producers_blueprint(guarded: GuardedGenerations, delivery: Delivery) -> Blueprint:
    blueprint = Blueprint("producers", __name__)
    generations = guarded.all
    bodies = OpenBodies(generations, delivery)
    limits = json_limits(delivery.settings)
    patience = generations.silence.patience_seconds

    @blueprint.post("/generations/<generation_id>/deltas")
    def produce(generation_id: str) -> Response:
        if can_take_over(request.environ):
            bodies.watch()
        body = LiveBody(request, patience)
        try:
            guarded.require(generation_id, Action.CHANGE)
            writer = Writer(generations, generation_id, _sequence(), bodies.turn(generation_id))
            after_this_request(lambda answer: _numbered(answer, writer))
            writer.begin()
            with bodies.open(writer.generation, body):
                _take(body, _reader(writer.generation.request.n), writer)
        finally:
            body.leave()
        one = writer.generation
        return json_answer(
            {"id": one.id, "status": one.status, "next_sequence": writer.next_sequence}
        )

    def _reader(n: int) -> Reader:
        if request.mimetype == "application/x-ndjson":
            return Lines(n, limits)
        if request.mimetype == "text/event-stream":
            return Chunks(n)
        raise UnsupportedMediaType(
            "Content-Type: must be application/x-ndjson or text/event-stream"
        )

    def _take(body: LiveBody, reader: Reader, writer: Writer) -> None:
        noted = time.monotonic()
        writer.alive()
        while True:
            try:
                data = body.piece()
            except BodyTimeout:
                generations.end_silent(writer.generation.id)
                raise Ended from None
            if time.monotonic() - noted >= generations.silence.report_seconds:
                noted = time.monotonic()
                writer.alive()
            lines, problem = _read(reader.feed(data) if data else reader.last())
            writer.write(lines)
            if problem is not None:
                raise problem
            if not data:
                break
            if writer.ended:
                return
        behind = reader.behind()
        if behind is not None:
            writer.write_behind(behind)

    return blueprint


def _read(lines: Iterator[Line]) -> tuple[list[Line], RequestError | None]:
    """The lines before the one that is wrong, and what is wrong with it."""
    found: list[Line] = []
    try:
        for line in lines:
            found.append(line)
    except RequestError as problem:
        return found, problem
    return found, None


def _sequence() -> int | None:
    given = request.headers.get(SEQUENCE)
    if given is None:
        return None
    try:
        return whole_number(given.strip(), 0, MAX_SEQUENCE)
    except ValueError as error:
        raise FieldError(SEQUENCE, str(error)) from None


def _numbered(answer: Response, writer: Writer) -> Response:
    """Every answer, a refusal too, says from which line to go on."""
    answer.headers[SEQUENCE] = str(writer.next_sequence)
    return answer
