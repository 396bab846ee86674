"""FastAPI + sse-starlette, in two recipes: a pub/sub connection for each listener, as tutorials
have it, and one for all of them with a queue for each listener."""

import asyncio
import contextlib
import os
from collections import defaultdict
from collections.abc import AsyncIterator

import redis.asyncio as redis
from fastapi import FastAPI
from sse_starlette import EventSourceResponse

pool = redis.ConnectionPool.from_url(
    os.environ["REDIS_URL"], max_connections=20000, decode_responses=True
)
queues: dict[str, set[asyncio.Queue[str]]] = defaultdict(set)


async def share() -> None:
    pubsub = redis.Redis(connection_pool=pool).pubsub()
    await pubsub.psubscribe("*")
    async for message in pubsub.listen():
        if message["type"] == "pmessage":
            for queue in queues[message["channel"]]:
                queue.put_nowait(message["data"])


@contextlib.asynccontextmanager
async def lifespan(app: FastAPI) -> AsyncIterator[None]:
    task = asyncio.create_task(share()) if os.environ["RECIPE"] == "shared" else None
    yield
    if task:
        task.cancel()


app = FastAPI(lifespan=lifespan)


async def own(channel: str) -> AsyncIterator[dict[str, str]]:
    async with redis.Redis(connection_pool=pool).pubsub() as pubsub:
        await pubsub.subscribe(channel)
        async for message in pubsub.listen():
            if message["type"] == "message":
                yield {"data": message["data"]}


async def shared(channel: str) -> AsyncIterator[dict[str, str]]:
    queue: asyncio.Queue[str] = asyncio.Queue()
    queues[channel].add(queue)
    try:
        while True:
            yield {"data": await queue.get()}
    finally:
        queues[channel].discard(queue)


@app.get("/stream/{channel}")
async def stream(channel: str) -> EventSourceResponse:
    events = shared if os.environ["RECIPE"] == "shared" else own
    return EventSourceResponse(events(channel))
