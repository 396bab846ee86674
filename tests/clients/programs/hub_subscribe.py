"""`hub.subscribe`, on Redis itself."""

from __future__ import annotations

import json
import sys

from hub import Hub
from tests.clients.programs.say import say

redis_url, generation_id = sys.argv[1:]
with Hub.from_url(redis_url) as hub:
    for event in hub.subscribe(f"generation:{generation_id}", after="0-0"):
        if event.event == "delta":
            say(text=json.loads(event.data).get("content", ""))
say(end="the iterator ends")
