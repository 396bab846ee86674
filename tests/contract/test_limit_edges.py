"""Contract §7: limits that other tests reach by their defaults, by name and at their edges."""

from __future__ import annotations

import select
import socket
from collections.abc import Callable
from typing import Any

import pytest

from tests.contract.conftest import WAYS, Hubs
from tests.contract.test_bodies import JSON, Raw, answer, head
from tests.contract.test_bodies import raw as raw
from tests.support.deadline import eventually
from tests.support.stack import Web

pytestmark = [pytest.mark.sets_keys, pytest.mark.slow]

DEPTH, NODES, PER_ADDRESS = 8, 100, 4


@pytest.fixture
def narrow(hubs: Hubs) -> Callable[[str], Web]:
    def start(way: str) -> Web:
        return hubs(
            way,
            "narrow",
            HUB_MAX_JSON_DEPTH=str(DEPTH),
            HUB_MAX_JSON_NODES=str(NODES),
            HUB_MAX_WAITING_PER_ADDRESS=str(PER_ADDRESS),
            HUB_BODY_SECONDS="600",
            HUB_BODY_BYTES_PER_SECOND="1000000",
        )

    return start


def nested(depth: int) -> Any:
    value: Any = 1
    for _ in range(depth):
        value = [value]
    return value


def published(value: Any) -> dict[str, Any]:
    return {"data": value}


def asked(value: Any) -> dict[str, Any]:
    return {"prompt": "x", "metadata": value}


def completed(value: Any) -> dict[str, Any]:
    return {"model": "m", "messages": value}


ASKED: dict[str, Callable[[Any], dict[str, Any]]] = {
    "/channels/news/events": published,
    "/generations": asked,
    "/v1/chat/completions": completed,
}
"""By the door, the hub's own interface and another's. The body around a value is one level."""


@pytest.mark.parametrize("path", ASKED)
def test_a_body_s_json_is_as_deep_and_as_large_as_the_settings_say(
    narrow: Callable[[str], Web], way: str, path: str
) -> None:
    hub, body = narrow(way), ASKED[path]
    # The body is a value, and so is each member: the list that is its last one, too.
    kept = [1] * (NODES - 1 - len(body(None)))
    cases = [
        (nested(DEPTH - 1), ""),
        (nested(DEPTH), f"nested more than {DEPTH} deep"),
        (kept, ""),
        ([*kept, 1], f"holds more than {NODES} values"),
    ]
    for value, refused in cases:
        answered = hub.post(path, json=body(value))
        said = answered.text
        if not refused:
            assert "nested more" not in said and "more than" not in said, said
            continue
        assert answered.status_code == 400, said
        assert refused in said
        assert answered.json().get("error", answered.json())["code"] == "invalid-json"


def test_a_body_that_comes_too_slowly_is_408_long_before_its_whole_time(
    narrow: Callable[[str], Web], raw: Raw
) -> None:
    hubs = [narrow(way) for way in WAYS]
    said = head("/channels/news/events", f"{JSON}Content-Length: 10\r\n")
    prompt = [raw.connect(hub, said + b'{"data"') for hub in hubs]
    slow = [raw.connect(hub, said + b'{"data"') for hub in hubs]
    for sock in prompt:
        sock.sendall(b":1}")
        assert answer(sock)[0] == 201
    for sock in slow:  # of its 600 seconds it has 5
        status, _, told = answer(sock)
        assert (status, told["code"]) == (408, "body-timeout")


def test_of_one_address_so_many_wait_and_the_oldest_make_room(
    narrow: Callable[[str], Web], raw: Raw
) -> None:
    """With our gunicorn worker; other servers have limits of their own."""
    hub = narrow("taken over")
    said = head("/channels/news/events", f"{JSON}Content-Length: 10\r\n") + b'{"data"'
    others = [raw.connect(hub, said, "127.0.0.3") for _ in range(PER_ADDRESS)]
    crowd = [raw.connect(hub, said, "127.0.0.2") for _ in range(PER_ADDRESS + 3)]

    def answered() -> list[socket.socket]:
        return select.select(crowd, [], [], 0)[0]

    eventually(lambda: len(answered()) >= 3, 20)
    refused = answered()
    assert len(refused) == 3
    for sock in refused:
        status, headers, told = answer(sock)
        assert (status, told["code"]) == (503, "overloaded")
        assert int(headers["retry-after"]) > 0
    for sock in [*others, *(one for one in crowd if one not in refused)]:
        sock.sendall(b":1}")
        assert answer(sock)[0] == 201
