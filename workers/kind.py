"""What the hub must know of the channels `generation:<id>`: a `ChannelKind`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from itertools import chain

from hub import sse
from hub.channel import BEFORE_FIRST, order, place
from hub.errors import NotFound
from hub.fanout.channel_kind import Snapshot, View
from hub.fanout.pace import joined, json_parts
from hub.store.follow import continues
from hub.store.frame import Frame
from hub.store.history import Record
from workers.answers import Answers
from workers.dialects import DIALECTS, unknown_dialect
from workers.dialects.ag_ui import AgUi
from workers.dialects.ai_sdk import AiSdk
from workers.dialects.framed import Framed
from workers.dialects.openai import OpenAI
from workers.dialects.text import Text
from workers.generation import BRIEF, PREFIX, Generation, generation_of, unknown
from workers.transcript import within

FRAMED: Mapping[str, type[Framed]] = {"ai-sdk": AiSdk, "ag-ui": AgUi}
"""Dialects whose state at a position takes reading what lies in front of it."""


class GenerationKind:
    """Snapshots and dialects of the generations."""

    prefix = PREFIX

    def __init__(self, answers: Answers, history_events: int) -> None:
        self._answers = answers
        self._history_events = history_events

    def snapshot(self, channel: str) -> Snapshot | None:
        """Everything so far, as of one moment. Raises `RedisUnavailable`."""
        try:
            answer = self._answers.read(_id(channel))
        except NotFound:
            return None
        generation, record = answer.generation, answer.record
        position = record.state.before_end if record.state.end else record.state.head
        terminal = _terminal(generation, record)
        if not answer.choices and not answer.data:
            if self._begins_in_history(record):
                return Snapshot(None, BEFORE_FIRST, None)
            return Snapshot(None, position, terminal)
        own = {
            "attempt": generation.attempt,
            "choices": answer.choices,
            "status": generation.status,
        }
        if answer.data:
            own["data"] = answer.data
        data = within(own, answer.beside)
        # JSON has no line ends: it is one line of data (`sse.encode`), written in short steps.
        head = b"id: %s\nevent: snapshot\ndata: " % position.encode()
        body = joined(chain([head], json_parts(data), [b"\n\n"]))
        n = record.state.n - (1 if record.state.end else 0)
        frame = Frame(position, position, n, body, data)
        return Snapshot(frame, position, terminal, edition=str(generation.attempt))

    def edition(self, channel: str) -> str:
        """The attempt: what an earlier one has said is void. Raises `RedisUnavailable`."""
        return self._answers.history.record(channel, "attempt").fields.get("attempt") or "0"

    def owner(self, channel: str) -> str:
        record = self._answers.history.record(channel, "status", "owner")
        if not record.fields.get("status"):
            raise self.unknown(channel)
        return record.fields.get("owner", "")

    def unknown(self, channel: str) -> NotFound:
        return unknown(_id(channel))

    def view(self, channel: str, dialect: str, position: str | None) -> View:
        """Raises `FieldError`, `NotFound`, `RedisUnavailable`."""
        if dialect not in DIALECTS:
            raise unknown_dialect()
        record = self._answers.history.record(channel, *BRIEF)
        generation = generation_of(_id(channel), record)
        # Without any event's id in hand nothing was sent; with one, something was, because these
        # dialects show no other ids than those of what they have sent.
        sent = position is not None and position != BEFORE_FIRST
        lost = sent and _before_restart(position, generation.restarted_at)
        if dialect == "text":
            return Text(sent=sent, lost=lost)
        if dialect in FRAMED:
            framed = FRAMED[dialect](generation.id, lost=lost)
            return self._brought_to(framed, channel, position) if sent and not lost else framed
        return OpenAI.of(generation, sent=sent, lost=lost)

    def _brought_to(self, view: Framed, channel: str, position: str | None) -> Framed:
        """The view as it stands behind `position`: what was begun there and has not ended is not in
        the events that follow, so those in front are read again."""
        at = BEFORE_FIRST
        while place(at) < place(position or ""):
            page = self._answers.history.read(channel, at)
            frames = [frame for frame in page.frames if place(frame.id) <= place(position or "")]
            if not continues(page) or not frames:
                return replace(view, lost=True)
            went_on = view.render(frames)[1]
            if went_on is None:
                return replace(view, lost=True)
            view, at = went_on, frames[-1].id
        return view

    def _begins_in_history(self, record: Record) -> bool:
        """There is no text yet, but the first events tell of the generation, if they are there."""
        state = record.state
        lost = state.expired or state.deleted or state.n > self._history_events
        return not lost and state.n <= 1 + bool(state.end)


def _id(channel: str) -> str:
    return channel.removeprefix(PREFIX)


def _terminal(generation: Generation, record: Record) -> Frame | None:
    """The terminal event out of the record, which lives on when history has let it go."""
    if generation.terminal is None or not record.state.end:
        return None
    body = sse.encode(generation.terminal.event, record.state.end)
    return Frame(record.state.end, record.state.before_end, record.state.n, body)


def _before_restart(position: str | None, restarted_at: str) -> bool:
    place, restart = order(position or ""), order(restarted_at)
    return place is not None and restart is not None and place <= restart
