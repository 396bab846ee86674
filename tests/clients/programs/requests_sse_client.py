"""requests-sse, which comes back by itself and raises at the answer 204."""

from __future__ import annotations

import json
import sys

from requests_sse import EventSource, InvalidStatusCodeError

from tests.clients.programs.say import SHOWN, say

hub, generation_id = sys.argv[1:]


def listen() -> str:
    try:
        url = f"{hub}/generations/{generation_id}/events"
        with EventSource(url, timeout=30, headers=dict(SHOWN)) as source:
            for event in source:
                if event.type == "snapshot":
                    say(whole=json.loads(event.data)["choices"][0]["content"])
                elif event.type == "delta":
                    say(text=json.loads(event.data).get("content", ""))
    except InvalidStatusCodeError as error:
        return str(error.status_code)
    return ""


say(end=listen())
