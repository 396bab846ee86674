"""What the tests of the examples' pages do on each of them."""

from __future__ import annotations

from typing import Any

from playwright.sync_api import Page

ANSWER = "Because of the rivers."
SIGNED: dict[str, Any] = {"extra_content": {"google": {"thought_signature": "c2ln"}}}
THOUGHT: dict[str, Any] = {
    "reasoning_details": [{"type": "reasoning.encrypted", "data": "zz", "index": 0}]
}


def asked(page: Page, question: str) -> None:
    page.get_by_label("Question").fill(question)
    page.get_by_role("button", name="Ask").click()


def status(page: Page) -> str:
    return page.locator("[role=status]").inner_text()


def chunk(finish: str | None = None, **delta: Any) -> dict[str, Any]:
    """A chunk of a provider's stream."""
    return {"choices": [{"index": 0, "delta": delta, "finish_reason": finish}]}


def calls(name: str) -> list[dict[str, Any]]:
    """The chunks of an answer that calls one of the page's tools."""
    function = {"name": name, "arguments": "{}"}
    piece = {"index": 0, "id": "call_1", "type": "function", "function": function, **SIGNED}
    return [chunk(**THOUGHT), chunk(tool_calls=[piece]), chunk("tool_calls")]


def is_whole(message: dict[str, Any]) -> bool:
    """Whether a call's message has come back with what its provider said beside it."""
    return message["tool_calls"][0].items() >= SIGNED.items() and message.items() >= THOUGHT.items()
