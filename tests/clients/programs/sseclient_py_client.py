"""sseclient-py with requests, on the dialect `openai`."""

from __future__ import annotations

import json
import sys
import time

import requests
import sseclient

from tests.clients.programs.say import SHOWN, say

hub, generation_id = sys.argv[1:]
url = f"{hub}/generations/{generation_id}/events?format=openai"


def listen() -> str:
    last_id = ""
    while True:
        headers = {"Accept": "text/event-stream", **SHOWN}
        if last_id:
            headers["Last-Event-ID"] = last_id
        try:
            with requests.get(url, stream=True, headers=headers, timeout=(5, 30)) as answer:
                if answer.status_code == 204:
                    return "204"
                for event in sseclient.SSEClient(answer.iter_content(None)).events():
                    last_id = event.id or last_id
                    if event.data == "[DONE]":
                        return "[DONE]"
                    for choice in json.loads(event.data)["choices"]:
                        say(text=choice["delta"].get("content") or "")
        except requests.RequestException:
            time.sleep(0.1)


say(end=listen())
