"""`make tabs`: tabs of one chat that open, reload and are cut off at random, with `useChat` of each
version in Chromium; at the end all show the same text, byte for byte. ROUNDS and SEED may be set.

Not part of `make test`: `test_use_chat` has one tab of each kind."""

from __future__ import annotations

import os
import random
from collections import Counter
from functools import partial

import pytest
from playwright.sync_api import BrowserContext, Page

from tests.browser.proxy import Proxy
from tests.frontends.conftest import ServePage
from tests.frontends.page import asked, status
from tests.frontends.test_use_chat import ALIASES, answer, opened
from tests.support.deadline import eventually
from tests.support.provider import Gate, Script, deltas_of, text_for
from tests.support.shared import Shared

ROUNDS = int(os.environ.get("ROUNDS") or 5)
SEED = int(os.environ.get("SEED") or random.randrange(10**6))
STEPS, TABS = 30, 6
TEXT = text_for("salt", words=80)


@pytest.mark.parametrize("version", sorted(ALIASES))
def test_all_tabs_show_the_same_text(
    shared: Shared, context: BrowserContext, serve_page: ServePage, version: int
) -> None:
    proxy = Proxy(shared.hub.url)
    url = serve_page("ai_sdk", ALIASES[version], hub=proxy.url)
    done: Counter[str] = Counter()
    for number in range(ROUNDS):
        rng = random.Random(f"{SEED} {version} {number}")
        chat = f"{url}/?chat=tabs-{version}-{SEED}-{number}"
        gate = Gate()
        shared.provider.scripts["salt"] = Script(text=TEXT, gate=gate)
        tabs = [opened(context, chat)]
        asked(tabs[0], "salt")
        gate.release(1)
        eventually(partial(_shows, tabs[0], TEXT[:4]), 30)
        left = len(deltas_of(TEXT)) - 5  # it must not be over while tabs may come and go
        for _ in range(STEPS):
            step = rng.choice(("more", "more", "reload", "cut", "open", "close"))
            given = min(rng.randrange(8), left)
            left -= given
            if step == "cut":
                proxy.cut()
            gate.release(given)
            if step == "cut":
                proxy.mend()
            elif step == "reload":
                _reload(rng.choice(tabs))
            elif step == "open" and len(tabs) < TABS:
                tabs.append(opened(context, chat))
            elif step == "close" and len(tabs) > 2:
                tabs.pop(rng.randrange(len(tabs))).close()
            done[step] += 1
        # A tab that comes after the end is told that nothing runs, and shows nothing.
        eventually(partial(_all_begun, tabs), 30)
        gate.open()
        try:
            eventually(partial(_all_ready, tabs), 30)
        finally:
            shown = [(status(tab), answer(tab) == TEXT) for tab in tabs]
        assert shown == [("ready", True)] * len(tabs), f"SEED={SEED}, ai {version}, chat {number}"
        done["tabs"] += len(tabs)
        for tab in tabs:
            tab.close()
    proxy.close()
    assert len(shared.provider.requests) == ROUNDS
    print(f"\nai {version}, SEED={SEED}, {ROUNDS} chats: {dict(done)}, all texts identical")


def _shows(tab: Page, text: str) -> bool:
    return answer(tab) == text


def _all_begun(tabs: list[Page]) -> bool:
    return all(answer(tab) for tab in tabs)


def _all_ready(tabs: list[Page]) -> bool:
    return all(status(tab) == "ready" for tab in tabs)


def _reload(tab: Page) -> None:
    tab.reload()
    tab.get_by_label("Question").wait_for()
