"""openai-agents: an agent's stream and its tools."""

from __future__ import annotations

import asyncio
from typing import Any

from agents import (
    Agent,
    ModelSettings,
    OpenAIChatCompletionsModel,
    OpenAIResponsesModel,
    Runner,
    function_tool,
    set_tracing_disabled,
)
from openai import AsyncOpenAI

from tests.clients.askers.asked import BASE_URL, FACE, HEADERS, KEY, MODEL, clock, serve, weather
from tests.clients.programs.say import say

set_tracing_disabled(True)


def run(prompt: str, *tools: Any) -> Any:
    client = AsyncOpenAI(base_url=BASE_URL, api_key=KEY, max_retries=0, default_headers=HEADERS)
    model = OpenAIResponsesModel if FACE == "responses" else OpenAIChatCompletionsModel
    agent = Agent(
        name="asker",
        model=model(model=MODEL, openai_client=client),
        model_settings=ModelSettings(include_usage=True),
        tools=[function_tool(tool) for tool in tools],
    )
    return Runner.run_streamed(agent, prompt)


async def hear(prompt: str, *tools: Any) -> None:
    running = run(prompt, *tools)
    async for event in running.stream_events():
        _tell(event)
    usage = running.context_wrapper.usage
    say(usage=[usage.input_tokens, usage.output_tokens])


async def part(prompt: str) -> None:
    running = run(prompt)
    async for event in running.stream_events():
        if _tell(event):
            running.cancel()


def _tell(event: Any) -> bool:
    if event.type != "raw_response_event" or event.data.type != "response.output_text.delta":
        return False
    say(text=event.data.delta)
    return True


serve(
    text=lambda prompt: asyncio.run(hear(prompt)),
    tools=lambda prompt: asyncio.run(hear(prompt, weather, clock)),
    leave=lambda prompt: asyncio.run(part(prompt)),
)
