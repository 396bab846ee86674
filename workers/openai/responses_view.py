"""A generation's channel as the stream of a response (contract §5).

The events come out of the stored ones and nothing else, so the n-th event is the same whenever and
wherever it is read: that is what makes `starting_after` work. Nothing can be taken back here
either: after a restart, or where the beginning has left the history, the stream ends as a failure.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import chain
from typing import Any, ClassVar

from hub import sse
from hub.event import Event, compact_json
from hub.fanout.pace import LONG_TEXT, Pace, joined, json_parts, paced
from hub.store.frame import Frame
from hub.store.history import History
from workers.dialects.block import in_turn, parsed
from workers.generation import (
    ENDED,
    Generation,
    Terminal,
    channel_of,
    check_id,
    generation_of,
)
from workers.log_reader import LogReader
from workers.openai.error import error_json
from workers.openai.responses_output import Output, Said
from workers.provider.members import COMPLETION, PARTS, flat
from workers.run.claim import WORKER_LOST
from workers.transcript import SNAPSHOT, apart, within

PREFIX = "resp_"
_INCOMPLETE = {"length": "max_output_tokens", "content_filter": "content_filter"}


@dataclass(frozen=True, slots=True, eq=False)
class ResponseView:
    """`number` is the sequence number of the next event; those up to `skip` are not sent.

    The same numbers of one generation come of the same events, so two views at one number are equal
    and share what they render.
    """

    generation: Generation
    output: Output
    number: int = 0
    skip: int = -1

    headers: ClassVar[Mapping[str, str]] = {}

    def _place(self) -> tuple[str, int, int]:
        return self.generation.id, self.number, max(self.skip, self.number - 1)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, ResponseView) and self._place() == other._place()

    def __hash__(self) -> int:
        return hash(self._place())

    @classmethod
    def of(cls, generation: Generation, starting_after: int = -1) -> ResponseView:
        # As it was when it was asked: what has happened since comes with the frames.
        begun = replace(generation, status="queued", terminal=None)
        return cls(begun, Output(generation.id), skip=starting_after)

    def render(self, frames: Sequence[Frame]) -> tuple[bytes, ResponseView | None]:
        return in_turn(self, frames, ResponseView._render)

    def _render(self, frame: Frame, out: list[bytes]) -> ResponseView | None:
        event, data = parsed(frame)
        if event in ENDED:
            self._end(Terminal(event, data), frame.id, out)
            return None
        if event == "started":
            begun = replace(self.generation, status="running", model=data["model"])
            view = replace(self, generation=begun)
            return view._say(view._opening(), out)
        if event == "delta":
            return self._delta(data, out)
        if event == "restarted":
            return self._restarted(frame.id, out)
        if event == "snapshot":
            return self._snapshot(data, out)
        return self

    def _opening(self) -> list[Said]:
        response = response_json(self.generation, self.output)
        return [
            ("response.created", {"response": response}),
            ("response.in_progress", {"response": response}),
        ]

    def _delta(self, data: Mapping[str, Any], out: list[bytes]) -> ResponseView:
        if data["index"] != 0:
            return self
        output, said = self.output.add(data, Pace().step)
        return replace(self, output=output)._say(said, out)

    def _restarted(self, event_id: str, out: list[bytes]) -> ResponseView | None:
        if not self.output.items:
            return self
        lost = "the worker was lost, and the text was begun anew"
        self._end(Terminal.failed(WORKER_LOST, lost, retryable=True), event_id, out)
        return None

    def _snapshot(self, data: Mapping[str, Any], out: list[bytes]) -> ResponseView | None:
        """The beginning is not in the history any more: who wants all gets it as one, who has had
        a part cannot be helped."""
        if self.number or self.skip >= 0:
            lost = "what comes next is not in the history any more"
            told = {"code": "history-lost", "message": lost, "param": None}
            replace(self, skip=-1)._say([("error", told)], out)
            return None
        view = replace(self, generation=replace(self.generation, status="running"))
        view = view._say(view._opening(), out)
        beside = apart(data, SNAPSHOT)
        around = flat({(COMPLETION, name): value for name, value in beside.items()})
        for choice in data["choices"]:
            calls = [{"index": i, **call} for i, call in enumerate(choice.get("tool_calls") or ())]
            whole = {**choice, "tool_calls": calls}
            if PARTS in choice:
                del whole["content"]  # which is among them
            view = view._delta(whole, out)
        return view._delta({"index": 0, **around}, out) if around else view

    def _end(self, terminal: Terminal, event_id: str, out: list[bytes]) -> None:
        view = self if self.number else self._say(self._opening(), out)
        output = view.output
        said: list[Said] = []
        if terminal.type == "completed":
            output, said = output.finish(Pace().step)
        ended = replace(
            view.generation, status=terminal.type, terminal=terminal, finished_ms=_ms(event_id)
        )
        response = response_json(ended, output)
        # OpenAI has no event for a cancelled response; its packages know how to read this one.
        last = "incomplete" if terminal.type == "cancelled" else response["status"]
        said.append((f"response.{last}", {"response": response}))
        if terminal.type == "failed":
            said.append(("error", _error_event(terminal.data)))
        view._say(said, out)

    def _say(self, said: Sequence[Said], out: list[bytes]) -> ResponseView:
        number = self.number
        for event, fields in paced(said):
            if number > self.skip:
                out.append(_frame(event, {"type": event, "sequence_number": number, **fields}))
            number += 1
        return replace(self, number=number)


def _error_event(failed: Mapping[str, Any]) -> dict[str, Any]:
    """What stands behind `response.failed`: some clients pass over that one, and all raise where an
    event has an `error`. OpenAI's schema has its words beside it, its server within it."""
    error = error_json(failed)
    return {**{name: error[name] for name in ("code", "message", "param")}, "error": error}


def response_json(generation: Generation, output: Output) -> dict[str, Any]:
    """The `response` object, with every member that the schema of OpenResponses asks for."""
    status, incomplete = _status(generation)
    echo = generation.request.echo
    finished = generation.finished_ms
    beside = output.beside()
    own = {
        "id": f"{PREFIX}{generation.id}",
        "object": "response",
        "created_at": generation.created_ms // 1000,
        "completed_at": finished // 1000 if finished and status == "completed" else None,
        "status": status,
        "error": _error(generation),
        "incomplete_details": incomplete,
        "model": generation.model or "",
        "output": output.to_json(
            "incomplete" if status in _CUT_SHORT else "in_progress", Pace().step
        ),
        "usage": _usage(generation),
        "store": generation.request.store,
        "tools": [_shown_tool(tool) for tool in echo.get("tools", [])],
        "service_tier": beside.get("service_tier") or echo.get("service_tier", "default"),
        **{name: echo.get(name, value) for name, value in ECHOED.items()},
    }
    beside.pop("service_tier", None)
    return within(own, beside)


ECHOED: Mapping[str, Any] = {
    "background": False,
    "instructions": None,
    "max_output_tokens": None,
    "max_tool_calls": None,
    "metadata": {},
    "parallel_tool_calls": True,
    "previous_response_id": None,
    "reasoning": {"effort": None, "summary": None},
    "temperature": 1.0,
    "text": {"format": {"type": "text"}},
    "tool_choice": "auto",
    "top_logprobs": 0,
    "top_p": 1.0,
    "presence_penalty": 0.0,
    "frequency_penalty": 0.0,
    "truncation": "disabled",
    "safety_identifier": None,
    "prompt_cache_key": None,
    "prompt_cache_retention": None,
    "user": None,
}
"""What a response repeats of the question, and what stands there where nothing was said."""


def _shown_tool(tool: Mapping[str, Any]) -> dict[str, Any]:
    if tool.get("type") != "function":
        return dict(tool)
    return {"description": None, "parameters": None, "strict": None, **tool}


_MANY_TOKENS = 100
_CUT_SHORT = ("failed", "cancelled", "incomplete")


def _frame(event: str, words: Mapping[str, Any]) -> bytes:
    """One event. It may hold the whole answer, several times, unless it is an ordinary delta: then
    it is written in steps, between which others run. (JSON has no line ends: one line of data.)"""
    tokens = words.get("logprobs") or ()
    if event.endswith(".delta") and len(words["delta"]) < LONG_TEXT and len(tokens) < _MANY_TOKENS:
        return sse.encode(Event(compact_json(words), event))
    return joined(chain([b"event: %s\ndata: " % event.encode()], json_parts(words), [b"\n\n"]))


class Items:
    """The items that a record's log adds up to (`log_reader.Folding`)."""

    def __init__(self, name: str) -> None:
        self.output = Output(name)
        self._step = Pace().step

    def add(self, delta: Mapping[str, Any]) -> None:
        if delta.get("index") == 0:  # others: choices, and parts of an application's own
            self.output, _ = self.output.add(delta, self._step)


def read_items(
    history: History, generation_id: str, *, by_creator: bool = False
) -> tuple[Generation, Output]:
    """A generation and its items, of one moment. Raises `NotFound` (`generation_of`),
    `RedisUnavailable`."""
    channel = channel_of(check_id(generation_id))
    reader = LogReader(history, channel, lambda: Items(generation_id))
    record = reader.read()
    generation = generation_of(generation_id, record, by_creator=by_creator)
    if record.state.end:  # by the clock of the events, as the stream tells it
        generation = replace(generation, finished_ms=_ms(record.state.end))
    output = reader.fold.output
    return generation, output.finish(Pace().step)[0] if generation.status == "completed" else output


def _ms(event_id: str) -> int:
    return int(event_id.partition("-")[0])


def _status(generation: Generation) -> tuple[str, dict[str, str] | None]:
    if generation.status == "running":
        return "in_progress", None
    reason = _INCOMPLETE.get(generation.finish_reasons.get(0, ""))
    if generation.status == "completed" and reason is not None:
        return "incomplete", {"reason": reason}
    return generation.status, None


def _error(generation: Generation) -> dict[str, str] | None:
    if generation.status != "failed" or generation.terminal is None:
        return None
    error = error_json(generation.terminal.data)
    return {"code": str(error["code"]), "message": error["message"]}


def _usage(generation: Generation) -> dict[str, Any] | None:
    """As its provider counted it; what it did not tell is null, not 0."""
    usage = generation.terminal.data.get("usage") if generation.terminal else None
    if not usage:
        return None
    more = {name: value for name, value in usage.items() if name not in _COUNTED}
    return {
        **more,
        "input_tokens": usage.get("prompt_tokens"),
        "input_tokens_details": {
            "cached_tokens": None,
            **_details(usage, "input_tokens_details"),
            **_details(usage, "prompt_tokens_details"),
        },
        "output_tokens": usage.get("completion_tokens"),
        "output_tokens_details": {
            "reasoning_tokens": None,
            **_details(usage, "output_tokens_details"),
            **_details(usage, "completion_tokens_details"),
        },
        "total_tokens": usage.get("total_tokens"),
    }


def _details(usage: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    """What a provider may call so, and be no object: then chat completions alone repeat it."""
    told = usage.get(name)
    return told if isinstance(told, Mapping) else {}


_COUNTED = (
    "prompt_tokens", "completion_tokens", "total_tokens", "prompt_tokens_details",
    "completion_tokens_details",
)  # fmt: skip
