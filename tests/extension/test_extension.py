"""The extension: configuration, streams under several servers, generations, and asking by `GET`."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest
import requests
from flask import Flask, request

from hub import Hub, Hubbub
from hub.errors import HubError
from hub.settings import SettingError
from hub.sse import Parsed, Parser
from tests.extension.conftest import SERVERS, Serve
from tests.extension.program import create_app
from tests.support.deadline import eventually
from tests.support.process import Process
from tests.support.provider import Gate, Script, ScriptedProvider
from tests.support.stream import EventStream
from tests.support.valkey import Valkey

Listen = Callable[..., EventStream]


Make = Callable[..., Flask]


@pytest.fixture
def make_app(valkey: Valkey) -> Iterator[Make]:
    """`make_app(HUBBUB_…=…)`: the program as an application in this process."""
    made: list[Flask] = []

    def make(**config: object) -> Flask:
        made.append(create_app(HUBBUB_REDIS_URL=valkey.url, **config))
        return made[-1]

    yield make
    for app in made:
        Hubbub().close(app)


@pytest.fixture
def app(make_app: Make) -> Flask:
    return make_app(HUBBUB_HEARTBEAT_SECONDS=1)


def signed_in(url: str, name: str) -> requests.Session:
    session = requests.Session()
    session.post(f"{url}/login/{name}", timeout=10).raise_for_status()
    return session


# ── configuration ────────────────────────────────────────────────────────────────────────────


def test_a_setting_that_is_wrong_is_named(valkey: Valkey) -> None:
    with pytest.raises(SettingError, match="HUB_HISTORY_EVENTS must be"):
        create_app(HUBBUB_HISTORY_EVENTS=0)
    with pytest.raises(SettingError, match="HUBBUB_HISTORY_EVENT is no setting"):
        create_app(HUBBUB_HISTORY_EVENT=5)


def test_the_application_s_configuration_goes_before_the_environment(
    make_app: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HUB_HEARTBEAT_SECONDS", "9")
    for config, seconds in (({}, 9), ({"HUBBUB_HEARTBEAT_SECONDS": 2}, 2)):
        app = make_app(**config)
        assert verdict(app, "news")["heartbeat_seconds"] == seconds


def test_two_applications_of_one_process_have_a_redis_each(
    valkey: Valkey, start_valkey: Callable[[], Valkey]
) -> None:
    hubbub, other = Hubbub(), start_valkey()
    apps = [Flask("one"), Flask("two")]
    for app, server in zip(apps, (valkey, other), strict=True):
        app.config["HUBBUB_REDIS_URL"] = server.url
        hubbub.init_app(app)

    with apps[0].app_context():
        hubbub.publish("news", "for one")
    hubbub.close(apps[0])

    assert Hub.from_url(valkey.url).history.read("news", "0-0").frames
    assert not Hub.from_url(other.url).history.read("news", "0-0").frames


def verdict(app: Flask, channel: str) -> dict[str, object]:
    hubbub = Hubbub()
    app.add_url_rule("/one/<name>", view_func=lambda name: hubbub.stream(name), endpoint="one")
    answer = app.test_client().get(f"/one/{channel}")
    try:
        return dict(json.loads(next(parsed(answer.response)).data))
    finally:
        answer.close()


def parsed(pieces: object) -> Iterator[Parsed]:
    parser = Parser()
    for piece in pieces:  # type: ignore[attr-defined]
        yield from parser.feed(piece)


# ── streams ──────────────────────────────────────────────────────────────────────────────────


def test_a_test_client_gets_a_stream_with_its_verdict_and_what_it_missed(
    app: Flask, valkey: Valkey
) -> None:
    client = app.test_client()
    client.post("/login/alice")
    first = client.post("/tell/alice", data="one").text
    client.post("/tell/alice", data="two")

    answer = client.get("/inbox?from=start")
    events = parsed(answer.response)

    assert next(events).event == "subscribed"
    assert [next(events).data for _ in range(2)] == ["one", "two"]
    client.post("/tell/alice", data="three")
    assert next(event for event in events if event.event != "heartbeat").data == "three"
    assert next(events).event == "heartbeat"
    answer.close()
    assert first


def test_the_application_s_hooks_sessions_and_error_handlers_stay_its_own(app: Flask) -> None:
    client = app.test_client()
    assert client.get("/inbox").status_code == 401
    client.post("/login/alice")

    answer = client.get("/inbox")
    assert answer.headers["X-Program"] == "request 3"
    answer.close()
    assert client.get("/inbox?from=yesterday").json == {"oh": "invalid-field"}


def test_an_error_that_the_application_has_no_handler_for_leaves_as_a_problem(
    valkey: Valkey,
) -> None:
    hubbub, app = Hubbub(), Flask(__name__)
    app.config["HUBBUB_REDIS_URL"] = valkey.url
    hubbub.init_app(app)
    app.add_url_rule("/streams", "streams", lambda: hubbub.stream(*request.args.getlist("channel")))
    app.add_url_rule("/gone", "gone", lambda: hubbub.stream(hubbub.generation("gone")))
    client = app.test_client()

    for path, status, code in (
        ("/streams", 400, "invalid-field"),
        ("/streams?channel=no/name", 400, "invalid-channel"),
        ("/streams?channel=news&from=yesterday", 400, "invalid-field"),
        ("/gone", 404, "not-found"),
    ):
        answer = client.get(path)
        assert (answer.status_code, answer.content_type) == (status, "application/problem+json")
        assert answer.json is not None
        assert answer.json["code"] == code, path
    hubbub.close(app)


@pytest.mark.parametrize("before", [True, False])
@pytest.mark.parametrize("kind", [HubError, Exception])
def test_a_handler_of_the_application_s_own_goes_first(
    valkey: Valkey, before: bool, kind: type[Exception]
) -> None:
    hubbub, app = Hubbub(), Flask(__name__)
    app.config["HUBBUB_REDIS_URL"] = valkey.url
    if before:
        app.register_error_handler(kind, lambda error: ("mine", 418))
    hubbub.init_app(app)
    if not before:
        app.register_error_handler(kind, lambda error: ("mine", 418))
    app.add_url_rule("/gone", "gone", lambda: hubbub.stream(hubbub.generation("gone")))

    answer = app.test_client().get("/gone")

    assert (answer.status_code, answer.text) == (418, "mine")
    hubbub.close(app)


@pytest.mark.slow
@pytest.mark.parametrize("server", SERVERS)
def test_under_every_server_listeners_hear_live_and_miss_nothing(
    server: str, serve: Serve, listen: Listen
) -> None:
    url = serve(server)
    alice = signed_in(url, "alice")
    cookie = "; ".join(f"{name}={value}" for name, value in alice.cookies.items())
    streams = [listen(f"{url}/inbox", headers={"Cookie": cookie}) for _ in range(5)]
    for stream in streams:
        assert stream.next().event == "subscribed"

    requests.post(f"{url}/tell/alice", data="one", timeout=10).raise_for_status()
    last = [stream.next("notice") for stream in streams].pop()
    for stream in streams:
        stream.next("heartbeat", within_seconds=10)
        stream.close()
    requests.post(f"{url}/tell/alice", data="two", timeout=10).raise_for_status()
    back = listen(f"{url}/inbox", headers={"Cookie": cookie}, last_event_id=last.id)

    assert json.loads(back.next("subscribed").data)["channels"]["user:alice:inbox"]["recovered"]
    assert back.next("notice").data == "two"


# ── generations ──────────────────────────────────────────────────────────────────────────────


@pytest.mark.slow
@pytest.mark.parametrize("server", ["gunicorn", "waitress"])
def test_a_user_s_question_is_answered_by_the_application_s_worker(
    server: str, serve: Serve, worker: Process, provider: ScriptedProvider, listen: Listen
) -> None:
    url = serve(server)
    alice = signed_in(url, "alice")
    cookie = "; ".join(f"{name}={value}" for name, value in alice.cookies.items())

    one = alice.post(f"{url}/questions", data="Why?", timeout=10).json()["id"]
    text = listen(f"{url}/questions/{one}?format=text", headers={"Cookie": cookie})
    late = listen(f"{url}/questions/{one}", headers={"Cookie": cookie})
    text.until(lambda stream: stream.ended, 30)

    assert "".join(event.data for event in text.events) == provider.script_for("Why?").text
    assert late.next("completed", within_seconds=30)


# ── asking by GET ────────────────────────────────────────────────────────────────────────────


def asked_ids(app: Flask) -> list[str]:
    with app.app_context():
        return [one.id for one in Hubbub().generations("")]


def test_a_browser_that_comes_back_is_led_to_the_same_generation(app: Flask) -> None:
    client = app.test_client()
    first = client.get("/ask?question=Why")
    seen = next(parsed(first.response))
    first.close()

    again = client.get("/ask?question=Why", headers={"Last-Event-ID": seen.id})
    back = next(parsed(again.response))
    again.close()

    assert len(asked_ids(app)) == 1
    assert seen.id == back.id == f"{asked_ids(app)[0]}~0-0"


def test_one_that_was_cut_off_before_it_saw_an_id_joins_what_is_being_answered(app: Flask) -> None:
    client = app.test_client()
    for _ in range(3):
        client.get("/ask?question=Why").close()
    other = client.get("/ask?question=How&format=ai-sdk")
    other.close()
    assert other.headers["x-vercel-ai-ui-message-stream"] == "v1"

    assert len(asked_ids(app)) == 2


def test_what_is_wrong_with_the_request_is_said_before_anything_is_asked(app: Flask) -> None:
    for wrong in ("format=prose", "from=yesterday", "heartbeat=0"):
        answer = app.test_client().get(f"/ask?question=Why&{wrong}")
        assert (answer.status_code, answer.is_json) == (400, True), wrong

    assert asked_ids(app) == []


def test_a_head_asks_nothing(app: Flask) -> None:
    answer = app.test_client().head("/ask?question=Why")

    assert (answer.status_code, answer.mimetype) == (200, "text/event-stream")
    assert asked_ids(app) == []


def test_many_at_once_ask_once(app: Flask) -> None:
    def ask(_: int) -> None:
        app.test_client().get("/ask?question=Why").close()

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(ask, range(24)))

    assert len(asked_ids(app)) == 1


def test_the_same_question_after_its_answer_is_a_new_one(app: Flask) -> None:
    client = app.test_client()
    client.get("/ask?question=Why").close()
    with app.app_context():
        Hubbub().cancel(asked_ids(app)[0])
    client.get("/ask?question=Why").close()
    client.get("/ask?question=Why").close()

    assert len(asked_ids(app)) == 2


def test_an_id_leads_nobody_to_another_owner_s_generation(app: Flask) -> None:
    with app.app_context():
        theirs = Hubbub().generate("secret", owner="bob")

    answer = app.test_client().get("/ask?question=x", headers={"Last-Event-ID": f"{theirs.id}~0-0"})

    assert (answer.status_code, answer.json) == (404, {"oh": "not-found"})


@pytest.mark.slow
@pytest.mark.parametrize("form", ["events", "openai"])
def test_whoever_has_seen_the_end_is_told_to_stop(
    serve: Serve, worker: Process, provider: ScriptedProvider, listen: Listen, form: str
) -> None:
    url = f"{serve('gunicorn')}/ask?question=Why&format={form}"
    gate = Gate()
    provider.scripts["Why"] = Script(text="Because.", gate=gate)
    stream = listen(url)
    eventually(lambda: len(provider.requests) == 1, 30)
    gate.open()
    stream.until(lambda stream: stream.ended, 30)

    end = stream.events[-1]
    if form == "events":
        assert end.event == "completed"
    else:
        assert end.data == "[DONE]"
        (first, *_, last) = [
            json.loads(each.data)["choices"][0] for each in stream.events[:-1] if each.data
        ]
        assert first["delta"]["role"] == "assistant"
        assert last["finish_reason"] == "stop"
    again = requests.get(url, headers={"Last-Event-ID": end.id}, timeout=10)
    assert again.status_code == 204
    assert len(provider.requests) == 1


# ── a copy of the process ────────────────────────────────────────────────────────────────────


def test_a_fork_has_connections_of_its_own(app: Flask) -> None:
    with app.app_context():
        hubbub = Hubbub()
        hubbub.publish("news", "from the parent")
        child = os.fork()
        if child == 0:
            try:
                hubbub.publish("news", "from the child")
                answer = app.test_client().get("/ask?question=x")
                next(parsed(answer.response))
            except BaseException:
                os._exit(1)
            os._exit(0)
        hubbub.publish("news", "from the parent again")
        assert os.waitpid(child, 0)[1] == 0
    eventually(lambda: len(asked_ids(app)) == 1)
