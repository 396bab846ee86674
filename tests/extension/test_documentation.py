"""docs/flask.md: the application that it shows, as it stands, on this test's Redis."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from flask_login import LoginManager, UserMixin, login_user

from tests.support.documentation import blocks
from tests.support.valkey import Valkey


class User(UserMixin):  # type: ignore[misc]
    def __init__(self, name: str) -> None:
        self.id = name


@pytest.fixture
def shown(valkey: Valkey) -> Iterator[dict[str, Any]]:
    """The names that the page's code makes. The users, whom it takes for granted, are made here."""
    code = "\n".join(blocks("flask.md", "python"))
    assert "redis://127.0.0.1:6379/0" in code
    names: dict[str, Any] = {"__name__": "docs"}
    code = code.replace("redis://127.0.0.1:6379/0", valkey.url)
    exec(compile(code, "docs/flask.md", "exec"), names)
    app: Flask = names["app"]
    app.secret_key = "for tests"
    LoginManager(app).user_loader(User)
    app.add_url_rule("/login/<name>", "login", lambda name: str(login_user(User(name))))
    yield names
    names["hubbub"].close(app)


@pytest.fixture
def ada(shown: dict[str, Any]) -> FlaskClient:
    client: FlaskClient = shown["app"].test_client()
    assert client.get("/login/ada").text == "True"
    return client


def test_its_views_stream_behind_the_login(shown: dict[str, Any], ada: FlaskClient) -> None:
    stranger = shown["app"].test_client()
    for path in ("/inbox", "/ask?question=Why"):
        assert stranger.get(path).status_code == 401
        answer = ada.get(path)
        assert (answer.status_code, answer.mimetype) == (200, "text/event-stream")
        answer.close()
    with shown["app"].app_context():
        assert [one.owner for one in shown["hubbub"].generations("ada")] == ["ada"]


def test_its_rule_decides_about_the_hub_s_own_routes(
    shown: dict[str, Any], ada: FlaskClient
) -> None:
    inbox, generations = "/hub/channels/user:ada:inbox", "/hub/generations"
    assert ada.get(inbox).status_code == 200
    assert ada.get("/hub/channels/user:bob:inbox").status_code == 403
    assert ada.post(generations, json={"prompt": "Why?"}).status_code == 202

    stranger = shown["app"].test_client()
    assert stranger.post(generations, json={"prompt": "Why?"}).status_code == 403
