"""An answer of ten thousand tokens keeps the page quick, while it grows and all at once."""

from __future__ import annotations

import json

import pytest
from playwright.sync_api import Browser, BrowserContext

from tests.browser.watching import Watcher, shows
from tests.conftest import StartStack
from tests.support.provider import Script, ScriptedProvider

pytestmark = pytest.mark.browser

SHARE = 4
"""The longest task is less than a quarter of all: drawing goes on in the next one, however fast or
slow the machine. How many milliseconds it takes on this one is printed (`make smooth`); a person
does not notice 50."""


def section(number: int) -> str:
    words = " ".join(f"word{at}" for at in range(90))
    rows = "\n".join(f"| {at} | `value {at}` | **{at * number}** |" for at in range(8))
    items = "\n".join(f"- item {at} with *words* in it" for at in range(12))
    code = "y = [1, 2, 3]  # a line\n" * 20
    return (
        f"## Part {number}\n\n{words}\n\n{items}\n\n| a | b | c |\n| - | - | - |\n{rows}\n\n"
        f"```python\n{code}```\n\n"
    )


SECTIONS = 27
TEXT = "".join(section(number) for number in range(1, SECTIONS + 1))
TOKENS = 10_000


class Tasks:
    """How long the tasks of the pages' threads worked while this is open, in milliseconds."""

    def __init__(self, browser: Browser) -> None:
        self._browser = browser

    def __enter__(self) -> Tasks:
        self._browser.start_tracing(categories=["disabled-by-default-devtools.timeline"])
        return self

    def __exit__(self, *_: object) -> None:
        events = json.loads(self._browser.stop_tracing())["traceEvents"]
        renderers = {
            (event["pid"], event["tid"])
            for event in events
            if event["name"] == "thread_name" and event["args"]["name"] == "CrRendererMain"
        }
        self.milliseconds = sorted(
            event["tdur"] / 1000
            for event in events
            if event["name"] == "RunTask"
            and "tdur" in event
            and (event["pid"], event["tid"]) in renderers
        )


def test_no_task_of_the_page_is_long_at_ten_thousand_tokens(
    stack: StartStack, provider: ScriptedProvider, browser: Browser, context: BrowserContext
) -> None:
    deltas = [TEXT[at : at + 4] for at in range(0, len(TEXT), 4)]
    assert len(deltas) >= TOKENS
    provider.scripts["long"] = Script(deltas=deltas, pace_seconds=0.0005)
    hub = stack()
    page = context.new_page()
    page.goto(hub.url)
    with Tasks(browser) as growing:
        page.get_by_label("Your question").fill("long")
        page.keyboard.press("Enter")
        watcher = Watcher(page).until_ended(within_seconds=90)
    assert page.locator("[data-formatted] h2").count() == SECTIONS
    shows(watcher, hub.finished(watcher.generation_id))
    late = context.new_page()
    with Tasks(browser) as at_once:
        late.goto(f"{hub.url}/g/{watcher.generation_id}")
        Watcher(late).until_ended()
        assert late.locator("[data-formatted] h2").count() == SECTIONS
    for tasks in (growing, at_once):
        assert len(tasks.milliseconds) > 50
        longest, whole = tasks.milliseconds[-1], sum(tasks.milliseconds)
        print(f"longest task {longest:.0f} ms, of {whole:.0f} ms in {len(tasks.milliseconds)}")
        assert longest < whole / SHARE, tasks.milliseconds[-8:]
