"""llm, as its own programs use it: a prompt's pieces, and a chain with tools."""

from __future__ import annotations

from collections.abc import Iterable

from llm.default_plugins.openai_models import Chat

from tests.clients.askers.asked import BASE_URL, HEADERS, KEY, MODEL, clock, serve, weather
from tests.clients.programs.say import say

model = Chat(
    MODEL, key=KEY, model_name=MODEL, api_base=BASE_URL, headers=HEADERS, supports_tools=True
)


def hear(pieces: Iterable[str]) -> None:
    for piece in pieces:
        say(text=piece)


def text(prompt: str) -> None:
    answer = model.prompt(prompt)
    hear(answer)
    usage = answer.usage()
    say(usage=[usage.input, usage.output])


def tools(prompt: str) -> None:
    hear(model.chain(prompt, tools=[weather, clock]))


serve(text=text, tools=tools)
