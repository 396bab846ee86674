"""litellm, which calls a tool by the caller's own hand."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import litellm

from tests.clients.askers.asked import BASE_URL, HEADERS, KEY, MODEL, clock, serve, weather
from tests.clients.programs.say import say

litellm.suppress_debug_info = True  # it would be printed

TOOLS: dict[str, tuple[Callable[..., str], str]] = {
    "weather": (weather, "city"),
    "clock": (clock, "zone"),
}
DECLARED = [
    {
        "type": "function",
        "function": {
            "name": name,
            "parameters": {
                "type": "object",
                "properties": {parameter: {"type": "string"}},
                "required": [parameter],
            },
        },
    }
    for name, (_, parameter) in TOOLS.items()
]


def ask(messages: list[Any], **more: Any) -> Any:
    return litellm.completion(
        model=f"openai/{MODEL}",
        api_base=BASE_URL,
        api_key=KEY,
        messages=messages,
        stream=True,
        stream_options={"include_usage": True},
        extra_headers=HEADERS,
        max_retries=0,
        **more,
    )


def listen(stream: Any) -> Any:
    chunks = []
    for chunk in stream:
        chunks.append(chunk)
        if chunk.choices and chunk.choices[0].delta.content:
            say(text=chunk.choices[0].delta.content)
    return litellm.stream_chunk_builder(chunks)


def text(prompt: str) -> None:
    usage = listen(ask([{"role": "user", "content": prompt}])).usage
    say(usage=[usage.prompt_tokens, usage.completion_tokens])


def tools(prompt: str) -> None:
    messages: list[Any] = [{"role": "user", "content": prompt}]
    message = listen(ask(messages, tools=DECLARED)).choices[0].message
    messages.append(message)
    for call in message.tool_calls:
        tool, _ = TOOLS[call.function.name]
        answer = tool(**json.loads(call.function.arguments))
        messages.append({"role": "tool", "tool_call_id": call.id, "content": answer})
    listen(ask(messages, tools=DECLARED))


def leave(prompt: str) -> None:
    stream = ask([{"role": "user", "content": prompt}])
    for chunk in stream:
        if chunk.choices[0].delta.content:
            say(text=chunk.choices[0].delta.content)
            break
    stream.close()


serve(text=text, tools=tools, leave=leave)
