"""pydantic-ai: an agent's stream, its tools, an object of a given shape."""

from __future__ import annotations

import asyncio
from typing import Any

from openai import AsyncOpenAI
from pydantic import BaseModel
from pydantic_ai import Agent, NativeOutput
from pydantic_ai.models.openai import OpenAIChatModel, OpenAIResponsesModel
from pydantic_ai.providers.openai import OpenAIProvider

from tests.clients.askers.asked import BASE_URL, FACE, HEADERS, KEY, MODEL, clock, serve, weather
from tests.clients.programs.say import say


class Person(BaseModel):
    name: str
    age: int


def agent(**more: Any) -> Agent[None, Any]:
    client = AsyncOpenAI(base_url=BASE_URL, api_key=KEY, max_retries=0, default_headers=HEADERS)
    model = OpenAIResponsesModel if FACE == "responses" else OpenAIChatModel
    return Agent(model(MODEL, provider=OpenAIProvider(openai_client=client)), retries=0, **more)


async def hear(agent: Agent[None, Any], prompt: str) -> None:
    async with agent.run_stream(prompt) as result:
        async for piece in result.stream_text(delta=True, debounce_by=None):
            say(text=piece)
        usage = result.usage
        say(usage=[usage.input_tokens, usage.output_tokens])


async def shape(prompt: str) -> None:
    async with agent(output_type=NativeOutput(Person)).run_stream(prompt) as result:
        say(object=(await result.get_output()).model_dump())


async def part(prompt: str) -> None:
    async with agent().run_stream(prompt) as result:
        async for piece in result.stream_text(delta=True, debounce_by=None):
            say(text=piece)
            break


serve(
    text=lambda prompt: asyncio.run(hear(agent(), prompt)),
    tools=lambda prompt: asyncio.run(hear(agent(tools=[weather, clock]), prompt)),
    shaped=lambda prompt: asyncio.run(shape(prompt)),
    leave=lambda prompt: asyncio.run(part(prompt)),
)
