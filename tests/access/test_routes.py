"""Every route of the application, as its map lists them: none is forgotten."""

from __future__ import annotations

import socket
from collections.abc import Iterator

import fakeredis
import pytest
from flask import Flask
from werkzeug.routing import Rule

from hub.fanout.delivery import Delivery
from hub.settings import Settings
from hub.store.redis_link import RedisLink
from hubbub.application import create_app
from tests.access.signing import SECRET, token

NEED_NO_TOKEN = {
    "pages.ask",
    "pages.notifications",
    "pages.static",
    "health.healthz",
    "health.readyz",
    "openapi.openapi",
    "sessions.who",
    "sessions.sign_in",
    "sessions.sign_out",
}

NOTHING_RUNS = {"ai_sdk.resume", "ai_sdk.stop"}
"""In a chat of one's own of that name: the same name of another's is another chat."""


ADMIN_PORT = 9100


@pytest.fixture(scope="module")
def app() -> Iterator[Flask]:
    settings = Settings(jwt_secret=SECRET, admin_port=ADMIN_PORT)
    made = create_app(settings, RedisLink(fakeredis.FakeRedis()))
    yield made
    delivery: Delivery = made.extensions["hubbub"]
    delivery.stop()


def routes(app: Flask) -> Iterator[tuple[Rule, str]]:
    for rule in app.url_map.iter_rules():
        for method in sorted((rule.methods or set()) - {"OPTIONS"}):
            yield rule, method


def path_of(rule: Rule) -> str:
    built = "/events?channel=abc" if rule.rule == "/events" else rule.rule
    for name in rule.arguments:
        for written in (f"<{name}>", f"<path:{name}>"):
            built = built.replace(written, "abc")
    assert "<" not in built
    return built


def test_every_route_but_those_named_is_closed_to_nobody(app: Flask) -> None:
    client = app.test_client()
    for rule, method in routes(app):
        if rule.endpoint in NEED_NO_TOKEN:
            continue
        for headers in ({}, {"Authorization": f"Bearer {token(ttl=-120)}"}):
            answer = client.open(path_of(rule), method=method, headers=headers)
            assert answer.status_code == 401, (rule.rule, method, answer.status_code)
            assert answer.headers["WWW-Authenticate"].startswith('Bearer error="invalid_token"')


def test_what_is_named_as_open_is_there(app: Flask) -> None:
    assert not NEED_NO_TOKEN - {rule.endpoint for rule in app.url_map.iter_rules()}


def test_one_who_may_nothing_gets_nothing(app: Flask) -> None:
    """A token without any right: an empty list, a 403, a 404, or an answer about itself."""
    client = app.test_client()
    shown = {"Authorization": f"Bearer {token(sub='nobody')}"}
    for rule, method in routes(app):
        if rule.endpoint in NEED_NO_TOKEN:
            continue
        answer = client.open(path_of(rule), method=method, headers=shown)
        if rule.endpoint in NOTHING_RUNS and answer.status_code == 204:
            continue
        if answer.status_code == 200 and method != "HEAD":
            assert answer.get_json() in (
                {"generations": []},
                {"threads": []},
                {"object": "list", "data": []},
            ), (rule.rule, method)
        else:
            # 400 and 415: nothing was sent that could be read, and nothing is given either.
            refused = (200, 400, 403, 404, 415)
            assert answer.status_code in refused, (rule.rule, method, answer.status_code)


def test_a_client_that_only_names_the_admin_port_is_nobody(app: Flask) -> None:
    """gunicorn takes the port from the Host where it listens on a socket in the file system."""
    client, host = app.test_client(), f"localhost:{ADMIN_PORT}"
    came = {"HTTP_HOST": host, "SERVER_PORT": str(ADMIN_PORT)}
    assert client.get("/metrics", environ_overrides=came).status_code == 200
    with socket.socket(socket.AF_UNIX) as front:
        through = {**came, "gunicorn.socket": front}
        assert client.get("/metrics", environ_overrides=through).status_code == 401
