"""A tab on one generation, and what a person sees there."""

from __future__ import annotations

from typing import Any

from playwright.sync_api import BrowserContext, Page

from tests.support.deadline import eventually

ENDED = ("completed", "failed", "cancelled")


class Watcher:
    """A page that shows a generation: its own, `/g/{id}`, or `/`, whose last turn is looked at."""

    def __init__(self, page: Page) -> None:
        self.page = page

    @classmethod
    def at(cls, context: BrowserContext, url: str, generation_id: str) -> Watcher:
        page = context.new_page()
        page.goto(f"{url}/g/{generation_id}")
        return cls(page)

    def text(self, choice: int = 0) -> str:
        """The text as it stands in the page, shown or not; '' before there is any."""
        return self._last(f'[data-choice="{choice}"] [data-text]', "one.textContent")

    def attribute(self, name: str) -> str:
        return self._last("", f"one.getAttribute('data-{name}')")

    def _last(self, selector: str, expression: str) -> str:
        """What an expression says of `one`, a part of the last generation; '' where it is not."""
        found: list[str | None] = self.page.eval_on_selector_all(
            f"article.generation:last-of-type {selector}", f"all => all.map(one => {expression})"
        )
        return (found[0] or "") if found else ""

    @property
    def status(self) -> str:
        return self.attribute("status")

    @property
    def generation_id(self) -> str:
        return self.attribute("generation")

    @property
    def connection(self) -> str:
        return self.page.get_attribute("[data-connection]", "data-state") or ""

    def part(self, name: str) -> str:
        """The words of a part of the last generation, or of what stands above it."""
        return self._last(f"[data-{name}]", "one.textContent") or (
            self.page.text_content(f"main [data-{name}]") or ""
        )

    def until_text(self, start: str, within_seconds: float = 15.0) -> None:
        eventually(lambda: self.text().startswith(start), within_seconds)

    def until_ended(self, status: str = "completed", within_seconds: float = 20.0) -> Watcher:
        eventually(lambda: self.status in ENDED, within_seconds)
        assert self.status == status, self.part("note")
        eventually(lambda: self.page.locator("[data-drawing]").count() == 0)
        return self

    def is_shown(self, name: str) -> bool:
        inner = self.page.locator(f"article.generation:last-of-type [data-{name}]")
        return (inner if inner.count() else self.page.locator(f"main [data-{name}]")).is_visible()


def shows(watcher: Watcher, record: dict[str, Any]) -> None:
    """The page holds, byte for byte, what `GET /generations/{id}` says."""
    for choice in record["choices"]:
        assert watcher.text(choice["index"]).encode() == choice["content"].encode()
