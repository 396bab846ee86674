"""aiosseclient, which shows no status: these lines come back, and end at the last event."""

from __future__ import annotations

import asyncio
import json
import sys

import aiohttp
from aiosseclient import aiosseclient

from tests.clients.programs.say import SHOWN, say

hub, generation_id = sys.argv[1:]
url = f"{hub}/generations/{generation_id}/events"


async def listen() -> str:
    last_id = None
    while True:
        try:
            async for event in aiosseclient(url, last_id, headers=dict(SHOWN)):
                last_id = event.id or last_id
                if event.event == "snapshot":
                    say(whole=json.loads(event.data)["choices"][0]["content"])
                elif event.event == "delta":
                    say(text=json.loads(event.data).get("content", ""))
                elif event.event == "completed":
                    return "completed"
        except aiohttp.ClientError:
            await asyncio.sleep(0.1)


say(end=asyncio.run(listen()))
