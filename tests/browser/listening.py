"""A tab that listens with `static/hubbub.js`, and what it has heard."""

from __future__ import annotations

from typing import Any

from playwright.sync_api import BrowserContext, Page

from tests.support.deadline import eventually

_LISTEN = """async ([channels, options, start]) => {
  const { connect } = await import("/static/hubbub.js");
  const hub = (globalThis.hub ??= connect({ heartbeatSeconds: 1, ...options }));
  const nothing = { events: [], states: [], verdicts: [], gaps: [], listeners: {} };
  const heard = (globalThis.heard ??= nothing);
  globalThis.subscription = hub.subscribe(channels, {
    event: ({ channel, type, data, id }) => heard.events.push([channel, type, data, id]),
    state: ({ name, reason, problem }) => heard.states.push({ name, reason, problem }),
    subscribed: (verdict, channel) => heard.verdicts.push([channel, verdict]),
    gap: (gap) => heard.gaps.push(gap),
    listeners: (count, tabs, channel) => { heard.listeners[channel] = [count, tabs]; },
  }, start);
}"""


class Tab:
    """One page with nothing on it but the module."""

    def __init__(self, context: BrowserContext, url: str) -> None:
        self.page: Page = context.new_page()
        self.page.goto(f"{url}/healthz")

    def listen(
        self,
        *channels: str,
        options: dict[str, Any] | None = None,
        start: dict[str, str] | None = None,
    ) -> Tab:
        self.page.evaluate(_LISTEN, [list(channels), options or {}, start or {}])
        return self

    def heard(self) -> dict[str, Any]:
        found: dict[str, Any] = self.page.evaluate("heard")
        return found

    def data(self, channel: str = "") -> list[str]:
        return [event[2] for event in self.heard()["events"] if not channel or event[0] == channel]

    def states(self) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = self.heard()["states"]
        return found

    def until_open(self) -> Tab:
        eventually(lambda: any(state["name"] == "open" for state in self.states()))
        return self

    def until(self, data: list[str], channel: str = "", within_seconds: float = 15.0) -> None:
        """Until exactly these have been heard; fails at once where something else was."""

        def whole() -> bool:
            got = self.data(channel)
            assert got == data[: len(got)], f"heard {got}"
            return got == data

        eventually(whole, within_seconds)
