"""`make pictures`: every page as a picture for `docs/`, in light, in dark and on a phone.

The whole stack runs with a provider that follows a script, so that the pictures change with the
pages and with nothing else.
"""

from __future__ import annotations

import base64
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from playwright.sync_api import Browser, Page, sync_playwright

from tests.browser.watching import Watcher
from tests.support.deadline import eventually
from tests.support.provider import Script
from tests.support.real import CHROMIUM_FLAGS, ROOT, chromium
from tests.support.shared import Shared, shared_stack

INTO = ROOT / "docs" / "pictures"
QUALITY = 78
LOOKS: Mapping[str, tuple[int, int, str]] = {
    "light": (1200, 800, "light"),
    "dark": (1200, 800, "dark"),
    "phone": (390, 780, "light"),
}

QUESTIONS = ("Explain server-sent events in three sentences", "And how does a browser resume?")
ANSWERS = (
    "Server-sent events are a **one-way stream** from a server to a browser, over one ordinary "
    "HTTP response that stays open. Each event is a few lines of text, ended by an empty line. "
    "When the connection drops, the browser comes back by itself.\n",
    """It sends the id of the last event that it has seen. A server that keeps a history goes on:

```python
@app.get("/events")
def events():
    after = request.headers.get("Last-Event-ID")
    return stream(history.since(after))
```

| | Polling | Streaming |
| --- | --- | --- |
| Delay | the period | milliseconds |
| Resume | by hand | built in |

> What was published while the connection was away comes once, and in order.
""",
)
NEWS = (
    ("news", "notice", "Version 2.1 is out: conversations, and a status page that draws."),
    ("sport", "goal", "1:0 in the 89th minute"),
    ("news", "build", '{"job": "tests", "passed": 1509}'),
)


def main() -> None:
    INTO.mkdir(parents=True, exist_ok=True)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium(), args=[*CHROMIUM_FLAGS])
        for look in LOOKS:
            with _stack() as shared:
                _pictures(shared, browser, look)
        browser.close()


@contextmanager
def _stack() -> Iterator[Shared]:
    with shared_stack({"HUB_HEARTBEAT_SECONDS": "1", "HUB_MODEL": "smollm2"}) as shared:
        for question, answer in zip(QUESTIONS, ANSWERS, strict=True):
            shared.provider.scripts[question] = Script(answer)
        yield shared


def _pictures(shared: Shared, browser: Browser, look: str) -> None:
    width, height, scheme = LOOKS[look]
    context = browser.new_context(
        viewport={"width": width, "height": height},
        color_scheme="dark" if scheme == "dark" else "light",
        reduced_motion="reduce",
        locale="en-GB",
    )
    page = context.new_page()
    hub = shared.hub
    page.goto(hub.url)
    page.get_by_text("What would you like to know?").wait_for()
    _take(page, f"start-{look}")
    for number, question in enumerate(QUESTIONS, 1):
        page.get_by_label("Your question").fill(question)
        page.keyboard.press("Enter")
        page.locator('.generation[data-status="completed"]').nth(number - 1).wait_for()
    watcher = Watcher(page).until_ended()
    _take(page, f"conversation-{look}")
    if look == "light":
        page.screenshot(path=ROOT / "docs" / "page.png")
    page.goto(f"{hub.url}/g/{watcher.generation_id}")
    Watcher(page).until_ended()
    _take(page, f"generation-{look}")
    page.goto(f"{hub.url}/notifications?channel=news,sport")
    page.locator('[data-connection][data-state="open"]').wait_for()
    for channel, event, data in NEWS:
        hub.publish(channel, data, event)
    page.get_by_text("passed").wait_for()
    _take(page, f"notifications-{look}")
    page.goto(f"{hub.url}/status")
    line = page.locator(".plot", has_text="Published").locator(".line")
    eventually(
        lambda: "L" in (line.get_attribute("d") or ""), 30
    )  # two samples, five seconds apart
    _take(page, f"status-{look}")
    context.close()


def _take(page: Page, name: str) -> None:
    page.wait_for_timeout(600)  # what is drawn when the browser is idle: colours of code, a plot
    taken = page.context.new_cdp_session(page).send(
        "Page.captureScreenshot", {"format": "webp", "quality": QUALITY}
    )
    path = INTO / f"{name}.webp"
    path.write_bytes(base64.b64decode(taken["data"]))
    print(f"{path.relative_to(ROOT)}: {path.stat().st_size // 1000} kB")


if __name__ == "__main__":
    main()
