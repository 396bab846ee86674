"""Configuration, publishing, channels, access and streaming, from flask-sse's documentation."""

from __future__ import annotations

import re
import threading
from collections.abc import Iterator

import pytest
from flask import Flask, abort, request
from werkzeug.test import TestResponse

from hub.flask_sse import Message, ServerSentEventsBlueprint, sse
from hub.sse import Parsed, Parser
from hub.store.frame import StoredEvent
from tests.flask_sse.conftest import end_streams
from tests.support.valkey import Valkey


def events(answer: TestResponse) -> Iterator[Parsed]:
    parser = Parser()
    for piece in answer.response:
        yield from parser.feed(piece if isinstance(piece, bytes) else piece.encode())


# ── configuration ────────────────────────────────────────────────────────────────────────────


def test_without_a_redis_url_publishing_and_streaming_raise_key_error(app: Flask) -> None:
    del app.config["REDIS_URL"]
    app.testing = True

    with app.app_context(), pytest.raises(KeyError, match="redis connection URL"):
        sse.publish("x")
    with pytest.raises(KeyError):
        app.test_client().get("/stream")


def test_sse_redis_url_comes_before_redis_url(
    app: Flask, blueprint: ServerSentEventsBlueprint
) -> None:
    app.config["SSE_REDIS_URL"] = "redis://192.0.2.2"

    with app.app_context():
        assert blueprint.redis.connection_pool.connection_kwargs["host"] == "192.0.2.2"


def test_the_module_s_blueprint_is_ready_to_register() -> None:
    app = Flask(__name__)
    app.register_blueprint(sse, url_prefix="/stream")

    assert isinstance(sse, ServerSentEventsBlueprint)
    with app.test_request_context():
        assert app.url_for("sse.stream", channel="users.social") == "/stream?channel=users.social"


# ── publishing ───────────────────────────────────────────────────────────────────────────────


def test_publishing_nothing_is_a_type_error(
    blueprint: ServerSentEventsBlueprint, context: None
) -> None:
    with pytest.raises(TypeError):
        blueprint.publish()  # type: ignore[call-arg]


def test_messages_yields_what_is_published(
    app: Flask, blueprint: ServerSentEventsBlueprint, context: None
) -> None:
    messages = blueprint.messages("garden")
    heard: list[Message] = []
    begun = threading.Event()

    def hear() -> None:
        with app.app_context():
            iterator = blueprint.messages("garden")
            begun.set()
            heard.extend(next(iterator) for _ in range(4))

    published = [
        Message("thing"),
        Message({"user": "alice"}, type="example"),
        Message("x", id="abc", retry=500),
        Message('{"not json', type="error"),
    ]
    thread = threading.Thread(target=hear)
    thread.start()
    begun.wait(5)
    while thread.is_alive():  # the listener begins when it is first asked
        for message in published:
            blueprint.publish(message.data, message.type, message.id, message.retry, "garden")
        thread.join(0.05)
    messages.close()  # type: ignore[attr-defined]

    at = heard.index(Message("thing"))
    assert heard[at:] + heard[:at] == published


@pytest.mark.parametrize("channel", ["users.social", "user/5", "été #1", "", "generation:abc"])
def test_every_name_of_a_channel_will_do(
    app: Flask, blueprint: ServerSentEventsBlueprint, channel: str
) -> None:
    client = app.test_client()
    with app.app_context():
        first = blueprint.publish("first", channel=channel or "sse")
        blueprint.publish("second", channel=channel or "sse")

    answer = client.get(
        "/stream", query_string={"channel": channel}, headers={"Last-Event-ID": first}
    )

    assert next(events(answer)).data == "second"
    answer.close()


def test_no_name_of_a_channel_leads_to_a_generation(
    app: Flask, blueprint: ServerSentEventsBlueprint
) -> None:
    with app.app_context():
        blueprint.publish("x", channel="generation:abc")
        assert not blueprint.redis.exists("hub:{generation:abc}:events")


# ── streaming ────────────────────────────────────────────────────────────────────────────────


def test_the_stream_is_an_event_stream_with_its_headers_at_once(app: Flask) -> None:
    answer = app.test_client().get("/stream")

    assert answer.status_code == 200
    assert answer.mimetype == "text/event-stream"
    assert answer.is_streamed
    assert answer.headers["X-Accel-Buffering"] == "no"
    assert re.fullmatch(rb":\nretry: [0-9]+\n", next(answer.response))  # type: ignore[call-overload]
    answer.close()


def test_a_listener_hears_only_its_channel(
    app: Flask, blueprint: ServerSentEventsBlueprint
) -> None:
    answer = app.test_client().get("/stream?channel=users.social")
    with app.app_context():
        blueprint.publish({"active_users": 100}, channel="analytics")
        blueprint.publish("for all")
        blueprint.publish({"user": "alice"}, type="status", channel="users.social")

    event = next(events(answer))

    assert (event.event, event.data) == ("status", '{"user": "alice"}')
    answer.close()


def test_whoever_returns_gets_what_was_missed(
    app: Flask, blueprint: ServerSentEventsBlueprint
) -> None:
    client = app.test_client()
    answer = client.get("/stream")
    with app.app_context():
        blueprint.publish("one")
        seen = next(events(answer))
        answer.close()
        blueprint.publish("two")
        blueprint.publish("three", type="notice")

    again = client.get("/stream", headers={"Last-Event-ID": seen.id})

    received = events(again)
    assert [next(received).data, next(received).data] == ["two", "three"]
    again.close()


def test_an_id_of_the_publisher_goes_on_the_wire_and_resolves(
    app: Flask, blueprint: ServerSentEventsBlueprint
) -> None:
    client = app.test_client()
    answer = client.get("/stream")
    with app.app_context():
        blueprint.publish("one", id="order/17")
        seen = next(events(answer))
        answer.close()
        blueprint.publish("two", id=18)

    again = client.get("/stream", headers={"Last-Event-ID": seen.id})
    event = next(events(again))
    again.close()

    assert seen.id == "order/17"
    assert (event.data, event.id) == ("two", "18")


def test_the_retry_of_the_publisher_goes_on_the_wire(
    app: Flask, blueprint: ServerSentEventsBlueprint
) -> None:
    answer = app.test_client().get("/stream")
    with app.app_context():
        blueprint.publish("x", retry=12_345)

    assert next(events(answer)).retry_ms == 12_345
    answer.close()


def test_what_the_query_says_besides_is_the_program_s_own(app: Flask) -> None:
    answer = app.test_client().get("/stream?from=home&heartbeat=never&quiet=please")

    assert answer.status_code == 200
    answer.close()


def test_an_idle_stream_shows_comments_and_no_events(app: Flask, valkey: Valkey) -> None:
    app.config["REDIS_URL"] = valkey.url
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("HUB_HEARTBEAT_SECONDS", "1")
        answer = app.test_client().get("/stream")
        pieces = [next(answer.response), next(answer.response)]  # type: ignore[call-overload]
        answer.close()

    assert pieces[1] == b":\n"


# ── access ───────────────────────────────────────────────────────────────────────────────────


def test_a_before_request_hook_decides_who_may_listen(
    blueprint: ServerSentEventsBlueprint, valkey: Valkey
) -> None:
    @blueprint.before_request
    def check_access() -> None:
        if request.args.get("channel") == "analytics":
            abort(403)

    app = Flask(__name__)
    app.config["REDIS_URL"] = valkey.url
    app.register_blueprint(blueprint, url_prefix="/stream")
    client = app.test_client()

    assert client.get("/stream?channel=analytics").status_code == 403
    allowed = client.get("/stream?channel=news")
    assert allowed.status_code == 200
    allowed.close()
    end_streams(app)


def test_events_are_kept_as_the_hub_keeps_them(
    app: Flask, blueprint: ServerSentEventsBlueprint, context: None
) -> None:
    """The same channel can be listened to on the hub's own routes."""
    event_id = blueprint.publish({"message": "Hello!"}, type="greeting", channel="news")

    (frame,) = (
        app.extensions["hub.flask_sse"][app.config["REDIS_URL"]].history.read("news", "0-0").frames
    )
    event = StoredEvent.of(frame)
    assert (event.id, event.event, event.data) == (event_id, "greeting", '{"message": "Hello!"}')
