"""The body of `POST /v1/responses`, as a question of chat completions (contract §5).

Providers speak chat completions, so the input becomes messages (`responses_input`), tools take the
older shape, and what has another name there gets it. What neither knows is passed on as it is. What
needs a memory that the hub has not (`conversation`, `prompt`) is refused by name.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Protocol

from hub.fanout.pace import paced
from hub.shape import a, shaped
from workers import message
from workers.openai.chat_request import Asked, Question, Tokens, asked_of, read
from workers.openai.chat_response import message_of
from workers.openai.responses_input import Conversation, Messages
from workers.request import Request, Tool

_Text = Annotated[str, a("a string that is not empty", min_length=1)]


class ResponseRequest(Question, frozen=True, kw_only=True):
    """An item of the input has a shape for each type, and those are `responses_input`'s."""

    input: _Text | Annotated[list[dict[str, Any]], a("a list of at least one item", min_length=1)]
    instructions: str | None = None
    previous_response_id: _Text | None = None
    background: bool | None = None
    max_output_tokens: Tokens | None = None
    tools: list[Tool] | None = None
    text: dict[str, Any] | None = None
    reasoning: dict[str, Any] | None = None


_OURS = frozenset(
    {
        *ResponseRequest.__struct_fields__, "tool_choice", "stream_options", "include", "truncation"
    }
)  # fmt: skip
"""Parameters that are taken here; any other is passed on."""
_UNSUPPORTED = ("conversation", "prompt", "n", "messages")
_ECHOED = (
    "instructions", "max_output_tokens", "max_tool_calls", "parallel_tool_calls",
    "previous_response_id", "reasoning", "temperature", "text", "tool_choice", "tools", "top_p",
    "metadata", "user", "truncation", "top_logprobs", "presence_penalty", "frequency_penalty",
    "service_tier", "safety_identifier", "prompt_cache_key", "prompt_cache_retention",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class ResponseAsked(Asked):
    background: bool


class Past(Protocol):
    """The responses that a question may refer to."""

    def messages(self, response_id: str) -> Messages:
        """The conversation up to the end of that response. Raises `NotFound`."""
        ...

    def item(self, item_id: str) -> Mapping[str, Any] | None:
        """An item of an earlier answer; None where there is none of that id."""
        ...


def response_request(body: object, models: Collection[str], past: Past) -> ResponseAsked:
    """Raises `FieldError`, `NotFound`."""
    question, given = read(body, ResponseRequest, unsupported=_UNSUPPORTED)
    messages = _conversation(question, past)
    background = bool(question.background)
    return ResponseAsked(
        asked_of(
            question,
            messages,
            models,
            max_tokens=question.max_output_tokens,
            tools=[_tool(tool) for tool in given.get("tools", ())],
            extra=_extra(given),
            echo={"background": background, **{n: given[n] for n in _ECHOED if n in given}},
        ),
        stream=bool(question.stream),
        cancel_on_disconnect=question.cancel_on_disconnect,
        background=background,
    )


def messages_after(request: Request, choice: dict[str, Any]) -> Messages:
    """The conversation that a next response continues: this question (its instructions were for
    this one alone) and what was answered, with all that its provider will want to see again."""
    messages = [dict(message) for message in request.messages]
    if request.echo.get("instructions"):
        messages = messages[1:]
    answer = {
        name: v for name, v in message_of(choice).items() if name == "content" or v is not None
    }
    if not answer.get("tool_calls"):
        answer.pop("reasoning_content", None)  # where it is wanted, it is wanted with a call
    audio = answer.get("audio")
    if isinstance(audio, Mapping) and "id" in audio:
        answer["audio"] = {"id": audio["id"]}
    return [*messages, answer]


def _conversation(question: ResponseRequest, past: Past) -> Messages:
    messages: Messages = []
    if question.previous_response_id is not None:
        messages += past.messages(question.previous_response_id)
    before = len(messages)
    conversation = Conversation(messages, past.item)
    if isinstance(question.input, str):
        messages.append({"role": "user", "content": question.input})
    else:
        for number, item in enumerate(paced(question.input)):
            conversation.add(item, f"input[{number}]")
    shaped(messages[before:], message.Messages, "messages")
    if question.instructions:
        messages.insert(0, {"role": "system", "content": question.instructions})
    return messages


def _tool(tool: Mapping[str, Any]) -> dict[str, Any]:
    """A tool in the older shape; a hosted one is the provider's own affair."""
    kind = tool["type"]
    if kind not in ("function", "custom") or kind in tool:
        return dict(tool)
    inner = {name: value for name, value in tool.items() if name != "type"}
    form = inner.get("format")
    if isinstance(form, Mapping) and form.get("type") == "grammar" and "grammar" not in form:
        grammar = {name: value for name, value in form.items() if name != "type"}
        inner["format"] = {"type": "grammar", "grammar": grammar}
    return {"type": kind, kind: inner}


def _tool_choice(choice: Any) -> Any:
    if not isinstance(choice, Mapping):
        return choice
    kind = choice.get("type")
    if kind in ("function", "custom") and kind not in choice:
        return {"type": kind, kind: {"name": choice.get("name")}}
    if kind == "allowed_tools" and kind not in choice:
        tools = choice.get("tools")
        allowed = {name: value for name, value in choice.items() if name != "type"}
        if isinstance(tools, Sequence) and not isinstance(tools, str):
            allowed["tools"] = [_tool_choice(tool) for tool in tools]
        return {"type": kind, kind: allowed}
    return choice


def _extra(given: Mapping[str, Any]) -> dict[str, Any]:
    """The parameters that go to the provider as they are, and those with an older name."""
    extra = {name: value for name, value in given.items() if name not in _OURS}
    if "top_logprobs" in extra:
        extra["logprobs"] = True
    if "tool_choice" in given:
        extra["tool_choice"] = _tool_choice(given["tool_choice"])
    text = given.get("text", {})
    form = text.get("format")
    if isinstance(form, Mapping) and form.get("type") == "json_schema":
        schema = {name: value for name, value in form.items() if name != "type"}
        extra["response_format"] = {"type": "json_schema", "json_schema": schema}
    elif isinstance(form, Mapping) and form.get("type") != "text":
        extra["response_format"] = dict(form)
    extra |= {name: value for name, value in text.items() if name != "format"}
    effort = given.get("reasoning", {}).get("effort")
    if effort is not None:
        extra["reasoning_effort"] = effort
    return extra
