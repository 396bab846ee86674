"""httpx-sse on the named events. It does not reconnect by itself; these ten lines do."""

from __future__ import annotations

import json
import sys
import time

import httpx
from httpx_sse import ServerSentEvent, connect_sse

from tests.clients.programs.say import SHOWN, say

hub, generation_id = sys.argv[1:]
url = f"{hub}/generations/{generation_id}/events"


def take(event: ServerSentEvent) -> None:
    data = json.loads(event.data)
    if event.event == "snapshot":
        say(whole=data["choices"][0]["content"])
    elif event.event == "delta":
        say(text=data.get("content", ""))


def listen() -> None:
    last_id = ""
    with httpx.Client(timeout=httpx.Timeout(5, read=30), headers=SHOWN) as client:
        while True:
            headers = {"Last-Event-ID": last_id} if last_id else {}
            try:
                with connect_sse(client, "GET", url, headers=headers) as source:
                    if source.response.status_code == 204:
                        return
                    for event in source.iter_sse():
                        last_id = event.id or last_id
                        take(event)
            except httpx.TransportError:
                time.sleep(0.1)


listen()
say(end="204")
