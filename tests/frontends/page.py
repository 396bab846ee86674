"""What the tests of the examples' pages do on each of them."""

from __future__ import annotations

from typing import Any

from playwright.sync_api import Page

ANSWER = "Because of the rivers."


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
    piece = {"index": 0, "id": "call_1", "type": "function", "function": function}
    return [chunk(tool_calls=[piece]), chunk("tool_calls")]
