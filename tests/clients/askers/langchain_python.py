"""langchain-openai: a model's stream, an agent with tools, an object of a given shape."""

from __future__ import annotations

from langchain.agents import create_agent
from langchain_core.messages import AIMessageChunk
from langchain_openai import ChatOpenAI
from pydantic import BaseModel, SecretStr

from tests.clients.askers.asked import BASE_URL, FACE, HEADERS, KEY, MODEL, clock, serve, weather
from tests.clients.programs.say import say

model = ChatOpenAI(
    model=MODEL,
    base_url=BASE_URL,
    api_key=SecretStr(KEY),
    max_retries=0,
    stream_usage=True,
    default_headers=HEADERS,
    use_responses_api=FACE == "responses",
)


class Person(BaseModel):
    name: str
    age: int


def text(prompt: str) -> None:
    whole = None
    for chunk in model.stream(prompt):
        say(text=chunk.text)
        whole = chunk if whole is None else whole + chunk
    assert isinstance(whole, AIMessageChunk)
    assert whole.usage_metadata is not None
    say(usage=[whole.usage_metadata["input_tokens"], whole.usage_metadata["output_tokens"]])


def tools(prompt: str) -> None:
    agent = create_agent(model, tools=[weather, clock])
    asked = {"messages": [{"role": "user", "content": prompt}]}
    for chunk, _ in agent.stream(asked, stream_mode="messages"):
        if isinstance(chunk, AIMessageChunk):
            say(text=chunk.text)


def shaped(prompt: str) -> None:
    found = model.with_structured_output(Person, method="json_schema").invoke(prompt)
    say(object=found.model_dump())


def leave(prompt: str) -> None:
    stream = model.stream(prompt)
    for chunk in stream:
        if chunk.text:
            say(text=chunk.text)
            break
    stream.close()


serve(text=text, tools=tools, shaped=shaped, leave=leave)
