"""An agent with tools as a model of the hub: pydantic-ai decides, the hub streams what it does.

    pip install pydantic-ai-slim[openai]
    HUB_GENERATORS=agent=examples.tool_agent:answer .venv/bin/python -m workers

It asks the model at `OPENAI_BASE_URL` (`AGENT_MODEL` names it); without that, the bundled one of
`make run`. Every call of a tool is a `data` event, from its beginning to its result, and what was
looked up is told as a source. Any number of tabs see the same, also late ones.
"""

from __future__ import annotations

import os
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from functools import cache

from pydantic_ai import (
    Agent,
    FunctionToolCallEvent,
    FunctionToolResultEvent,
    PartDeltaEvent,
    PartStartEvent,
)
from pydantic_ai.messages import (
    ModelMessage,
    ModelRequest,
    ModelResponse,
    TextPart,
    TextPartDelta,
    ThinkingPartDelta,
    UserPromptPart,
)
from pydantic_ai.models.openai import OpenAIChatModel
from pydantic_ai.providers.openai import OpenAIProvider

from workers.generators import Data, Reasoning, Request, Usage

_GLOSSARY = {
    "sse": "Server-Sent Events: one response of HTTP that stays open and carries events.",
    "channel": "A name that events are published to, and that listeners subscribe to.",
}


def look_up(term: str) -> str:
    """What a term of this hub's means."""
    return _GLOSSARY.get(term.lower(), "There is no such term here.")


def time_now() -> str:
    """The time, UTC."""
    return datetime.now(UTC).isoformat(timespec="seconds")


@cache
def _agent() -> Agent[None, str]:
    base_url = os.environ.get("OPENAI_BASE_URL") or os.environ["HUB_LOCAL_MODEL_URL"]
    key = os.environ.get("OPENAI_API_KEY") or os.environ.get("HUB_LOCAL_MODEL_KEY", "none")
    model = OpenAIChatModel(
        os.environ.get("AGENT_MODEL", "smollm2-135m"),
        provider=OpenAIProvider(base_url=base_url, api_key=key),
    )
    return Agent(model, instructions="Answer briefly.", tools=[look_up, time_now])


async def answer(request: Request) -> AsyncIterator[str | Data | Reasoning | Usage]:
    """The agent's run: its words, its reasoning, its tools, its usage."""
    asked = _agent().run_stream_events(request.prompt, message_history=_turns(request))
    async with asked as events:
        async for event in events:
            if isinstance(event, PartStartEvent) and isinstance(event.part, TextPart):
                yield event.part.content
            elif isinstance(event, PartDeltaEvent):
                if isinstance(event.delta, TextPartDelta):
                    yield event.delta.content_delta
                elif isinstance(event.delta, ThinkingPartDelta):
                    yield Reasoning(event.delta.content_delta or "")
            elif isinstance(event, FunctionToolCallEvent):
                call = event.part
                told = {"tool": call.tool_name, "asked": call.args_as_dict(), "state": "running"}
                yield Data("tool", told, id=call.tool_call_id)
            elif isinstance(event, FunctionToolResultEvent):
                part = event.part
                told = {"tool": part.tool_name, "found": str(part.content), "state": "done"}
                yield Data("tool", told, id=part.tool_call_id)
                if part.tool_name == "look_up":
                    yield Data("source", {"title": "Glossary", "text": str(part.content)})
        usage = events.usage
        yield Usage(usage.input_tokens, usage.output_tokens)


def _turns(request: Request) -> list[ModelMessage]:
    """The conversation before the last question, as pydantic-ai has it."""
    turns: list[ModelMessage] = []
    for message in request.messages[:-1]:
        text = message.get("content")
        if not isinstance(text, str):
            continue
        if message["role"] == "user":
            turns.append(ModelRequest(parts=[UserPromptPart(text)]))
        elif message["role"] == "assistant":
            turns.append(ModelResponse(parts=[TextPart(text)]))
    return turns
