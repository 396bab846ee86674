"""A body of `application/x-ndjson`: the data of `delta` and `data` events, one a line, and the end.

    {"index": 0, "content": "Hi"}                       or reasoning, refusal, tool_calls
    {"name": "progress", "data": {"step": 1}, "id": "step"}
    {"usage": {"prompt_tokens": 3, "completion_tokens": 5, "total_tokens": 8}}
    {"completed": {"choices": [{"index": 0, "finish_reason": "stop"}]}}      {} will do
    {"failed": {"code": "no-money", "message": "…", "retryable": false}}

`index` may be left out. What the hub does not know in a delta is carried, as a provider's is
(`provider.members`).
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Annotated, Any

from hub.errors import FieldError
from hub.fanout.pace import Pace
from hub.json_text import JsonLimits, parse_json
from hub.shape import ClosedShape, Shape, a, shaped
from workers.generation import Terminal
from workers.producers.line import Completed, Line
from workers.provider import Data, Delta, Said, json_door
from workers.provider.beside import MAX_CARRIED
from workers.provider.choice_reader import MAX_PARTS
from workers.provider.json_door import (
    LARGE_BYTES,
    TEXTS,
    Halves,
    Unsound,
    checked,
    may_be_deep,
    mended,
    mended_text,
    short,
)
from workers.provider.members import CHOICE, COMPLETION, DELTA, PARTS, Place, unflat
from workers.provider.sse_reader import MAX_EVENT_BYTES
from workers.provider.tool_calls import ToolCalls

MAX_LINE_BYTES = MAX_EVENT_BYTES
PRODUCER_FAILED = "producer-failed"

_NAME = re.compile(r"[A-Za-z][A-Za-z0-9._-]{0,63}")
_CODE = re.compile(r"[a-z0-9][a-z0-9._-]{0,63}")
_NAME_WORDS = f"a name: {_NAME.pattern}"
_CODE_WORDS = "a word of a-z, 0-9, '.', '_' and '-'"
_MAX_COUNT = 2**63 - 1
_MAX_MESSAGE = 2_000
_IN_A_DELTA = frozenset({"index", "content", "reasoning", "refusal", "tool_calls", "logprobs"})


_Count = Annotated[int, a("a whole number", ge=0, le=_MAX_COUNT)]


class UsageLine(Shape, frozen=True):
    """Counts are checked; what else a producer says of its usage stays as it is."""

    prompt_tokens: _Count | None = None
    completion_tokens: _Count | None = None
    total_tokens: _Count | None = None


class EndedChoice(Shape, frozen=True):
    index: int | None = None
    finish_reason: str | None = None


class CompletedLine(ClosedShape, frozen=True):
    choices: list[EndedChoice] | None = None
    usage: UsageLine | None = None
    cost: float | None = None
    finish_reason: str | None = None


class FailedLine(ClosedShape, frozen=True):
    code: Annotated[
        str,
        a(_CODE_WORDS, schema={"pattern": f"^{_CODE.pattern}$"}),
    ] = PRODUCER_FAILED
    message: Annotated[
        str, a(f"a string of at most {_MAX_MESSAGE} characters", max_length=_MAX_MESSAGE)
    ] = "the producer failed"
    retryable: bool = False


class DataLine(ClosedShape, frozen=True):
    """A part of the application's own."""

    name: Annotated[
        str,
        a(_NAME_WORDS, schema={"pattern": f"^{_NAME.pattern}$"}),
    ]
    data: Any
    id: str | None = None


class Lines:
    """`n`: the number of the generation's choices."""

    def __init__(self, n: int, limits: JsonLimits) -> None:
        self._n = n
        self._others = 0
        self._carried: set[tuple[int, Place, str]] = set()
        self._limits = limits
        self._pieces: list[bytes] = []
        self._held = 0
        self._number = 0
        self._halves = Halves()
        self._calls: dict[int, ToolCalls] = {}
        self._pace = Pace()

    def feed(self, data: bytes) -> Iterator[Line]:
        *whole, rest = data.split(b"\n")
        for line in whole:
            yield from self._line(b"".join([*self._pieces, line]))
            self._pieces, self._held = [], 0
        if rest:
            self._pieces.append(rest)
            self._held += len(rest)
            if self._held > MAX_LINE_BYTES:
                raise self._too_long()

    def last(self) -> Iterator[Line]:
        yield from self._line(b"".join(self._pieces))
        self._pieces = []

    def behind(self) -> Line | None:
        """Halves of characters whose other halves did not come."""
        parts: list[Said] = [Delta(index, kind, "\ufffd") for index, kind in self._halves.rest()]
        for index, calls in self._calls.items():
            if rest := calls.end():
                parts.append(Delta(index, "tool_calls", rest))
        return Line(parts) if parts else None

    def _too_long(self) -> FieldError:
        return FieldError(
            f"line {self._number + 1}",
            f"is longer than {MAX_LINE_BYTES} bytes",
            code="line-too-long",
        )

    def _line(self, line: bytes) -> Iterator[Line]:
        self._number += 1
        self._pace.step()
        if not line.strip():
            return
        if len(line) > MAX_LINE_BYTES:
            self._number -= 1
            raise self._too_long()
        where = f"line {self._number}"
        value = parse_json(line, self._limits, where, self._pace.step)
        try:
            # Halves at the ends of texts may be one character; nobody cuts a long one there.
            if len(line) <= LARGE_BYTES and json_door.is_torn(line):
                value = mended(json_door.read(line), TEXTS)
            yield self._said(checked(value) if may_be_deep(line) else value, where)
        except Unsound as problem:
            raise FieldError(where, str(problem)) from None

    def _said(self, value: object, where: str) -> Line:
        if not isinstance(value, dict):
            raise FieldError(where, "must be a JSON object")
        for name in ("completed", "failed"):
            if name in value:
                _alone(value, {name}, where)
                end = self._completed if name == "completed" else _failed
                return Line(end=end(value[name], f"{where}.{name}"))
        if "usage" in value and not _IN_A_DELTA & value.keys():
            _alone(value, {"usage"}, where)
            shaped(value["usage"], UsageLine, f"{where}.usage")
            return Line(usage=_usage(value["usage"]))
        if "name" in value and "data" in value and not _IN_A_DELTA & value.keys():
            return Line([_data(value, where)])
        return Line(self._deltas(value, where))

    # ── a delta ──────────────────────────────────────────────────────────────────────────────

    def _deltas(self, value: dict[str, Any], where: str) -> list[Said]:
        if not _IN_A_DELTA & value.keys():
            raise FieldError(where, "is no delta, data, usage, completed or failed")
        index = _check_index(value.get("index", 0), f"{where}.index", self._n)
        found: list[Delta] = []
        for kind in ("reasoning", "content", "refusal"):
            text = value.get(kind)
            if text is None:
                continue
            if not isinstance(text, str):
                raise FieldError(f"{where}.{kind}", "must be a string")
            text = self._halves.joined((index, kind), text)
            if text:
                found.append(Delta(index, kind, text))
        pieces = self._tool_calls(index, value.get("tool_calls"), f"{where}.tool_calls")
        if pieces:
            found.append(Delta(index, "tool_calls", pieces))
        return self._with_what_is_beside(index, found, value, where)

    def _tool_calls(self, index: int, value: object, where: str) -> list[dict[str, Any]]:
        if value is None:
            return []
        if not isinstance(value, list) or not all(isinstance(piece, dict) for piece in value):
            raise FieldError(where, "must be a list of objects")
        for position, piece in enumerate(value):
            if not isinstance(piece.get("function") or piece.get("custom") or {}, Mapping):
                raise FieldError(f"{where}[{position}].function", "must be an object")
        return self._calls.setdefault(index, ToolCalls(self._pace.step, patience=0)).read(
            value, torn=True
        )

    def _with_what_is_beside(
        self, index: int, found: list[Delta], value: dict[str, Any], where: str
    ) -> list[Said]:
        logprobs = value.get("logprobs")
        if logprobs is not None and not isinstance(logprobs, dict):
            raise FieldError(f"{where}.logprobs", "must be an object")
        places = value.get("places")
        if places is not None and not _are_places(places, value):
            raise FieldError(
                f"{where}.places", "must name members, each with delta, choice or completion"
            )
        carried = {
            (place, short(name, "a member's name")): inner
            for (place, name), inner in unflat(value).items()
            if inner is not None
        }
        parts = value.get(PARTS)
        if parts is not None and not _are_objects(parts):
            raise FieldError(f"{where}.{PARTS}", "must be a list of objects")
        self._others += len(parts or ())
        self._carried.update((index, place, name) for place, name in carried)
        if len(self._carried) > MAX_CARRIED or self._others > MAX_PARTS:
            problem = f"with it all lines hold more than {MAX_CARRIED} members or {MAX_PARTS} parts"
            raise FieldError(where, problem)
        if not found and (logprobs is not None or carried):
            kind: Any = "content" if logprobs is not None else "carried"
            found = [Delta(index, kind, "")]
        if found:
            found[-1] = found[-1]._replace(logprobs=logprobs, carried=carried or None)
        return list(found)

    # ── the end ──────────────────────────────────────────────────────────────────────────────

    def _completed(self, value: object, where: str) -> Completed:
        if value is None or value is True:
            return Completed({})
        said = shaped(value, CompletedLine, where)
        reasons = {}
        if said.finish_reason is not None:
            reasons[0] = _reason(said.finish_reason)
        for position, choice in enumerate(said.choices or ()):
            index = position if choice.index is None else choice.index
            _check_index(index, f"{where}.choices[{position}].index", self._n)
            reasons[index] = _reason(choice.finish_reason)
        assert isinstance(value, dict)
        usage = value.get("usage")
        return Completed(reasons, None if usage is None else _usage(usage), said.cost)


def _are_objects(value: object) -> bool:
    return isinstance(value, list) and all(isinstance(each, dict) for each in value)


def _failed(value: object, where: str) -> Terminal:
    given = {"message": value} if isinstance(value, str) else value
    said = FailedLine() if given is None or given is True else shaped(given, FailedLine, where)
    if not _CODE.fullmatch(said.code):
        raise FieldError(f"{where}.code", f"must be {_CODE_WORDS}")
    return Terminal.failed(said.code, mended_text(said.message), retryable=said.retryable)


def _data(value: object, where: str) -> Data:
    said = shaped(value, DataLine, where)
    if not _NAME.fullmatch(said.name):
        raise FieldError(f"{where}.name", f"must be {_NAME_WORDS}")
    return Data(said.name, mended(said.data), said.id and short(mended_text(said.id), "an id"))


def _usage(value: Mapping[str, Any]) -> Mapping[str, Any]:
    """Of a usage whose shape was checked."""
    found = {name: inner for name, inner in value.items() if inner is not None}
    if "total_tokens" not in found and "prompt_tokens" in found:
        found["total_tokens"] = found["prompt_tokens"] + found.get("completion_tokens", 0)
    return found


def _check_index(value: object, where: str, n: int) -> int:
    if type(value) is not int or not 0 <= value < n:
        raise FieldError(where, f"must be a whole number from 0 to {n - 1}")
    return value


def _reason(value: str | None) -> str:
    return "stop" if value is None else short(mended_text(value), "a finish reason")


def _are_places(places: object, value: Mapping[str, Any]) -> bool:
    return isinstance(places, dict) and all(
        name in value and place in (DELTA, CHOICE, COMPLETION) for name, place in places.items()
    )


def _alone(value: Mapping[str, Any], names: set[str], where: str) -> None:
    for name in value:
        if name not in names:
            raise FieldError(f"{where}.{name}", f"may not stand beside {', '.join(sorted(names))}")
