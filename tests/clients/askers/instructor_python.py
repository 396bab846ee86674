"""instructor: objects of a given shape that grow. Only its `async` client shows that."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator

import instructor
from openai import AsyncOpenAI
from pydantic import BaseModel

from tests.clients.askers.asked import BASE_URL, HEADERS, KEY, MODEL, serve
from tests.clients.programs.say import say


class Person(BaseModel):
    name: str
    age: int


def grow(prompt: str) -> AsyncGenerator[Person, None]:
    client = AsyncOpenAI(base_url=BASE_URL, api_key=KEY, max_retries=0, default_headers=HEADERS)
    return instructor.from_openai(client).create_partial(
        model=MODEL, response_model=Person, messages=[{"role": "user", "content": prompt}]
    )


async def shape(prompt: str) -> None:
    async for person in grow(prompt):
        say(object=person.model_dump())


async def part(prompt: str) -> None:
    async for person in grow(prompt):
        if person.name:
            say(object=person.model_dump())
            break


serve(
    text=lambda prompt: asyncio.run(shape(prompt)),
    shaped=lambda prompt: asyncio.run(shape(prompt)),
    leave=lambda prompt: asyncio.run(part(prompt)),
)
