"""The suite once more, on hubs with keys (`HUBBUB_TEST_KEYS=1`, `make test-keys`).

Then every hub that a test starts has a secret, and whatever a test calls a hub with shows a token
that allows everything: `requests`, `EventStream`, the browser's cookie, `HUB_TOKEN` for the
command, the key of OpenAI's packages. Nothing else changes, so turning keys on breaks what fails.

A test marked `sets_keys` decides itself whether its hub has keys, or needs an open one: it runs in
the first of the two runs alone.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

import pytest
import requests

from hub.access.minting import mint

ON = os.environ.get("HUBBUB_TEST_KEYS") == "1"
MARK = "sets_keys"

_SECRET = "the secret of the second run, 32 bytes and more"
_LOOPBACK = frozenset({"127.0.0.1", "localhost"})
_TTL_SECONDS = 86_400


def _token() -> str:
    return mint(
        _SECRET,
        ttl_seconds=_TTL_SECONDS,
        subject="tester",
        subscribe=["*"],
        publish=["*"],
        generate=True,
        admin=True,
    )


TOKEN = _token() if ON else ""


def settings() -> Mapping[str, str]:
    """For every process that a test starts: a hub asks for tokens, a client shows one."""
    return {"HUB_JWT_SECRET": _SECRET, "HUB_TOKEN": TOKEN} if ON else {}


def headers(given: Mapping[str, str] | None, query: str = "") -> dict[str, str]:
    """What a request shows that shows no token of its own. A program's cookie is none."""
    shown = {name.lower(): value for name, value in (given or {}).items()}
    own = "authorization" in shown or "hubbub_token=" in shown.get("cookie", "")
    if not ON or own or "token=" in query:
        return {}
    return {"Authorization": f"Bearer {TOKEN}"}


def query() -> dict[str, str]:
    """For what can send no header."""
    return {"token": TOKEN} if ON else {}


def cookies() -> list[Any]:
    """For a browser that has signed in."""
    kept = {"httpOnly": True, "sameSite": "Lax", "path": "/"}
    if not ON:
        return []
    return [{"name": "hubbub_token", "value": TOKEN, "domain": host, **kept} for host in _LOOPBACK]


def show_with_every_request() -> None:
    """Let `requests` show the token to servers on this machine."""
    prepare = requests.Session.prepare_request

    def prepared(self: requests.Session, request: requests.Request) -> requests.PreparedRequest:
        found = prepare(self, request)
        parts = urlsplit(found.url or "")
        if parts.hostname in _LOOPBACK:
            found.headers.update(headers(found.headers, parts.query))
        return found

    requests.Session.prepare_request = prepared  # type: ignore[method-assign]


def deselect(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave to the first run what runs there alone."""
    if ON:
        config.hook.pytest_deselected(items=[one for one in items if one.get_closest_marker(MARK)])
        items[:] = [one for one in items if not one.get_closest_marker(MARK)]
