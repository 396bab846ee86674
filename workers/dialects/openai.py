"""The dialect `openai`: `chat.completion.chunk`s and `[DONE]`, as OpenAI's packages read them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Any, ClassVar

from hub.event import compact_json
from hub.store.frame import Frame
from workers.dialects.block import block, broken, in_turn, json_block, parsed
from workers.generation import Generation
from workers.openai.error import error_json
from workers.openai.legacy import as_function_call
from workers.provider.members import CHOICE, COMPLETION, CONTENT, DELTA, PLAIN, Place, unflat
from workers.transcript import SNAPSHOT, apart

_NAMES = {
    "content": "content",
    "reasoning": "reasoning_content",
    "refusal": "refusal",
    "tool_calls": "tool_calls",
}
"""What the hub understands of a delta, and how the face of OpenAI calls it."""
_NOTHING: Mapping[str, Any] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class OpenAI:
    """`chat.completion.chunk`s and `[DONE]`.

    `opened`: the choices that have had a delta, the first of which tells the role. `usage_chunk`:
    the usage comes in a chunk of its own without choices (`stream_options.include_usage`), else
    beside the last finish reason. `functions`: calls have their older name.
    """

    generation_id: str
    created_seconds: int
    model: str | None
    opened: frozenset[int] = frozenset()
    lost: bool = False
    usage_chunk: bool = False
    functions: bool = False

    headers: ClassVar[Mapping[str, str]] = {}

    @classmethod
    def of(cls, generation: Generation, *, sent: bool = False, lost: bool = False) -> OpenAI:
        """`sent`: something of it was sent before; `lost`: and has been taken back since."""
        return cls(
            generation.id,
            generation.created_ms // 1000,
            generation.model,
            opened=frozenset(range(generation.request.n)) if sent else frozenset(),
            lost=lost,
            usage_chunk=generation.request.usage_in_stream,
            functions=generation.request.functions,
        )

    def render(self, frames: Sequence[Frame]) -> tuple[bytes, OpenAI | None]:
        return in_turn(self, frames, OpenAI._render)

    def _render(self, frame: Frame, out: list[bytes]) -> OpenAI | None:
        event, data = parsed(frame)
        error = self._error(event, data)
        if error is not None:
            self._fail(frame, error, out)
            return None
        if event == "completed":
            self._complete(frame, data, out)
            return None
        if event == "delta":
            return self._delta(frame, data, out)
        return self._snapshot(frame, data, out) if event == "snapshot" else self

    def _error(self, event: str, data: Mapping[str, Any]) -> Mapping[str, Any] | None:
        problem = broken(event, sent=bool(self.opened), lost=self.lost)
        if problem is not None:
            return problem
        if event == "cancelled":
            return {"code": "cancelled", "message": f"cancelled by {data['by']}"}
        return data if event == "failed" else None

    def _delta(
        self,
        frame: Frame,
        data: Mapping[str, Any],
        out: list[bytes],
        beside: Mapping[str, Any] = _NOTHING,
    ) -> OpenAI:
        """One chunk with everything where the provider has put it."""
        index = data["index"]
        delta = {name: data[kind] for kind, name in _NAMES.items() if kind in data}
        if self.functions:
            as_function_call(delta)
        choice: dict[str, Any] = {"index": index, "delta": delta, "finish_reason": None}
        if "logprobs" in data:
            choice["logprobs"] = data["logprobs"]
        if not PLAIN.issuperset(data):
            stood: dict[Place, dict[str, Any]] = {DELTA: delta, CHOICE: choice, COMPLETION: {}}
            for (place, name), value in unflat(data).items():
                if place == CONTENT:
                    delta["content"] = value
                else:
                    stood[place][name] = value
            beside = {**beside, **stood[COMPLETION]}
        view = self
        if index not in self.opened:
            choice["delta"] = {"role": "assistant", **delta}
            view = replace(self, opened=self.opened | {index})
        out.append(json_block(frame, self._chunk([choice], beside)))
        return view

    def _snapshot(self, frame: Frame, data: Mapping[str, Any], out: list[bytes]) -> OpenAI:
        view = self
        beside: Mapping[str, Any] = apart(data, SNAPSHOT)
        for choice in data["choices"]:
            view = view._delta(frame, _as_delta(choice), out, beside)
            beside = _NOTHING
        return view

    def _complete(self, frame: Frame, data: Mapping[str, Any], out: list[bytes]) -> None:
        usage = {} if data.get("usage") is None else {"usage": data["usage"]}
        choices = data["choices"]
        for at, choice in enumerate(choices, 1):
            finish = {"index": choice["index"], "delta": {}, "finish_reason": None}
            finish["finish_reason"] = choice["finish_reason"]
            around = usage if at == len(choices) and not self.usage_chunk else _NOTHING
            out.append(block(frame.prev, compact_json(self._chunk([finish], around))))
        if self.usage_chunk:
            out.append(block(frame.prev, compact_json(self._chunk([], usage))))
        out.append(block(frame.id, "[DONE]"))

    def _fail(self, frame: Frame, data: Mapping[str, Any], out: list[bytes]) -> None:
        # Nothing beside the error: clients that look at `choices` first would take it for a chunk.
        out.append(block(frame.prev, compact_json({"error": error_json(data)})))
        out.append(block(frame.id, "[DONE]"))

    def _chunk(
        self, choices: list[dict[str, Any]], beside: Mapping[str, Any] = _NOTHING
    ) -> dict[str, Any]:
        return {
            **beside,
            "id": f"chatcmpl-{self.generation_id}",
            "object": "chat.completion.chunk",
            "created": self.created_seconds,
            "model": self.model or "",
            "choices": choices,
        }


def _as_delta(choice: Mapping[str, Any]) -> dict[str, Any]:
    """A snapshot's choice as the one delta that it amounts to."""
    delta = {name: value for name, value in choice.items() if value or name not in _NAMES}
    if "tool_calls" in delta:
        delta["tool_calls"] = [{"index": i, **c} for i, c in enumerate(choice["tool_calls"])]
    return delta
