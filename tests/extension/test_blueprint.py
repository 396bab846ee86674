"""The hub's own routes within a program: every one asked through its rule (contract §6)."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest
import requests

from hub.access.minting import mint
from tests.extension.conftest import Serve
from tests.support.process import Process
from tests.support.provider import Script, ScriptedProvider
from tests.support.stream import EventStream

# Processes are started and ended in each.
pytestmark = pytest.mark.slow

Listen = Callable[..., EventStream]


def signed_in(url: str, name: str) -> requests.Session:
    session = requests.Session()
    session.headers["Connection"] = "close"
    assert session.post(f"{url}/login/{name}", timeout=5).ok
    return session


def cookie(session: requests.Session) -> dict[str, str]:
    return {"Cookie": f"session={session.cookies['session']}"}


@pytest.mark.parametrize("server", ["gunicorn", "flask"])
def test_the_rule_decides_who_hears_and_publishes(
    serve: Serve, listen: Listen, server: str
) -> None:
    url = serve(server)
    ada = signed_in(url, "ada")
    hub = f"{url}/hub"
    stream = listen(f"{hub}/channels/user:ada:inbox/events", headers=cookie(ada))
    assert stream.status == 200
    assert stream.headers["x-program"].startswith("request ")
    assert stream.headers["set-cookie"].startswith("session=")
    sent = ada.post(f"{hub}/channels/user:ada:inbox/events", json={"data": "hello"}, timeout=5)
    assert sent.status_code == 201
    assert stream.next("message").data == "hello"
    listed = listen(f"{hub}/events?channel=news&channel=user:ada:inbox", headers=cookie(ada))
    assert listed.status == 200
    assert "x-program" in listed.headers

    for path in ("channels/user:bob:inbox/events", "channels/user:bob:inbox", "events?channel=x"):
        answer = ada.get(f"{hub}/{path}", timeout=5)
        assert (answer.status_code, answer.json()["code"]) == (403, "forbidden"), path
        assert requests.get(f"{hub}/{path}", timeout=5).status_code == 403
    other = ada.post(f"{hub}/channels/user:bob:inbox/events", json={"data": "x"}, timeout=5)
    assert other.status_code == 403


@pytest.mark.sets_keys
@pytest.mark.parametrize("server", ["gunicorn", "flask"])
def test_the_first_token_that_is_shown_opens_a_stream_under_any_server(
    serve: Serve, listen: Listen, environ: dict[str, str], server: str
) -> None:
    """It has the revoked ones read and listened for, where the request is in another thread."""
    secret = environ["HUB_JWT_SECRET"] = "a secret of the tests, 32 bytes or more"
    url = serve(server)
    ada = signed_in(url, "ada")
    ada.headers["Authorization"] = f"Bearer {mint(secret, ttl_seconds=600, subject='ada')}"
    news = f"{url}/hub/channels/news/events"
    shown = {**cookie(ada), "Authorization": str(ada.headers["Authorization"])}

    stream = listen(news, headers=shown)

    assert stream.next().event == "subscribed"
    assert ada.post(news, json={"data": "hello"}, timeout=5).status_code == 201
    assert stream.next("message").data == "hello"


def test_pages_and_figures_are_the_operators(serve: Serve) -> None:
    url = serve("gunicorn")
    ada, root = signed_in(url, "ada"), signed_in(url, "root")
    for path in ("", "status", "healthz", "readyz", "metrics", "session", "notifications"):
        for nobody in (ada, requests.Session()):
            assert nobody.get(f"{url}/hub/{path}", timeout=5).status_code == 403, path
    page = root.get(f"{url}/hub/status", headers={"Accept": "text/html"}, timeout=5)
    assert page.status_code == 200
    assert 'src="/hub/static' in page.text
    assert root.get(f"{url}/hub/healthz", timeout=5).status_code == 200


def test_without_a_rule_everything_is_refused(serve: Serve) -> None:
    url = serve("gunicorn")
    ada = signed_in(url, "ada")
    for path in ("", "events?channel=news", "channels/news", "channels/news/events", "metrics",
                 "healthz", "generations", "v1/models", "nothing-here"):  # fmt: skip
        assert ada.get(f"{url}/closed/{path}", timeout=5).status_code == 403, path
    for path in ("generations", "channels/news/events", "v1/chat/completions"):
        answer = ada.post(f"{url}/closed/{path}", json={"data": "x"}, timeout=5)
        assert answer.status_code == 403, path


def test_faces_and_generations_work_behind_the_prefix(
    serve: Serve, listen: Listen, worker: Process, provider: ScriptedProvider
) -> None:
    provider.scripts["Why?"] = Script(deltas=["Be", "cause."])
    url = serve("gunicorn")
    ada = signed_in(url, "ada")
    made = ada.post(f"{url}/hub/generations", json={"prompt": "Why?"}, timeout=5)
    assert made.status_code == 202
    assert made.headers["Location"] == f"/hub/generations/{made.json()['id']}"
    assert made.json()["events"].startswith("/hub/generations/")
    stream = listen(url + made.json()["events"], query={"from": "start"}, headers=cookie(ada))
    stream.next("completed", within_seconds=20)
    text = "".join(json.loads(e.data)["content"] for e in stream.events if e.event == "delta")
    assert text == "Because."
    asked = {"model": "m", "messages": [{"role": "user", "content": "Why?"}]}
    answer = ada.post(f"{url}/hub/v1/chat/completions", json=asked, timeout=20)
    assert answer.json()["choices"][0]["message"]["content"] == "Because."
    nobody = requests.post(f"{url}/hub/v1/chat/completions", json=asked, timeout=5)
    assert (nobody.status_code, nobody.json()["error"]["code"]) == (403, "forbidden")
    begun = ada.post(f"{url}/hub/generations", json={"producer": "client"}, timeout=5).json()
    line = b'{"content": "mine"}\n{"completed": {}}\n'
    kind = {"Content-Type": "application/x-ndjson"}
    assert ada.post(url + begun["deltas"], data=line, headers=kind, timeout=5).ok
    record = ada.get(f"{url}/hub/generations/{begun['id']}", timeout=5).json()
    assert record["status"] == "completed"


def test_a_page_of_another_origin_changes_nothing_by_the_program_s_cookie(serve: Serve) -> None:
    url = serve("gunicorn")
    ada = signed_in(url, "ada")
    answer = ada.post(
        f"{url}/hub/channels/news/events",
        json={"data": "x"},
        headers={"Origin": "https://evil.example"},
        timeout=5,
    )
    assert (answer.status_code, answer.json()["code"]) == (403, "cross-origin")
