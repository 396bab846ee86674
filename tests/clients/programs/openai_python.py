"""The official package for Python: `chat`, `whole`, `responses` or `cancel`."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable

import httpx2
import openai

from tests.clients.programs.say import TOKEN, say

hub, prompt, what = sys.argv[1:]
key = TOKEN or "a-token"
client = openai.OpenAI(base_url=f"{hub}/v1", api_key=key, max_retries=0, timeout=30)
MODEL = "scripted"


def chat() -> None:
    try:
        for chunk in client.chat.completions.create(
            model=MODEL, messages=[{"role": "user", "content": prompt}], stream=True
        ):
            say(text=chunk.choices[0].delta.content or "")
    except (openai.APIError, httpx2.TransportError) as error:
        say(error=type(error).__name__)
        return
    say(end="[DONE]")


def whole() -> None:
    answer = client.chat.completions.create(
        model=MODEL, messages=[{"role": "user", "content": prompt}]
    )
    say(text=answer.choices[0].message.content)
    say(end="the answer")


def responses() -> None:
    stream = client.responses.create(model=MODEL, input=prompt, background=True, stream=True)
    response_id, number = "", -1
    while True:
        try:
            for event in stream:
                number = event.sequence_number
                if event.type == "response.created":
                    response_id = event.response.id
                elif event.type == "response.output_text.delta":
                    say(text=event.delta)
                elif event.type == "response.completed":
                    say(end=event.type)
                    return
        except (openai.APIError, httpx2.TransportError):
            pass
        try:
            stream = client.responses.retrieve(response_id, stream=True, starting_after=number)
        except openai.APIConnectionError:
            time.sleep(0.1)


def cancel() -> None:
    response = client.responses.create(model=MODEL, input=prompt, background=True)
    while response.status == "queued" or not response.output_text:
        response = client.responses.retrieve(response.id)
        time.sleep(0.05)
    response = client.responses.cancel(response.id)
    say(text=response.output_text)
    say(end=response.status)


things: dict[str, Callable[[], None]] = {
    "chat": chat,
    "whole": whole,
    "responses": responses,
    "cancel": cancel,
}
things[what]()
