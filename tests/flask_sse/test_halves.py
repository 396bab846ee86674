"""`messages()` of the application's own, and a deployment whose one half is still flask-sse."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from typing import Any

import flask_sse
import pytest
from flask import Flask

from hub.flask_sse import Message, ServerSentEventsBlueprint
from hub.sse import Parsed, Parser
from tests.flask_sse.conftest import end_streams
from tests.support.deadline import eventually
from tests.support.valkey import Valkey

# Each waits for leases, heartbeats or the other half.
pytestmark = pytest.mark.slow


class Withholding(ServerSentEventsBlueprint):
    """Lets nothing out that is for the staff, and says who hears it."""

    def messages(self, channel: str = "sse") -> Iterator[Message]:
        for message in super().messages(channel=channel):
            if message.type != "staff":
                yield message


def application(blueprint: Any, valkey: Valkey, **config: object) -> Flask:
    app = Flask(__name__)
    app.config.update(REDIS_URL=valkey.url, **config)
    blueprint.add_url_rule(rule="", endpoint="stream", view_func=blueprint.stream)
    app.register_blueprint(blueprint, url_prefix="/stream")
    return app


class Listener:
    """A client of the stream in a thread of its own; it looks up at each beat."""

    def __init__(self, app: Flask, **headers: str) -> None:
        self.app = app
        self.over = False
        self.answer = app.test_client().get("/stream", headers=headers)
        self.events: list[Parsed] = []
        self.comments = 0
        self._thread = threading.Thread(target=self._read, daemon=True)
        self._thread.start()

    def _read(self) -> None:
        parser = Parser()
        for piece in self.answer.response:
            self.events += parser.feed(piece if isinstance(piece, bytes) else piece.encode())
            self.comments = parser.comments
            if self.over:
                break
        self.answer.close()

    def close(self) -> None:
        self.over = True
        self._thread.join(10)

    def hear(self, count: int) -> list[tuple[str, str]]:
        eventually(lambda: len(self.events) >= count, 10)
        return [(event.event, event.data) for event in self.events]


Listen = Callable[..., Listener]


@pytest.fixture
def hear(monkeypatch: pytest.MonkeyPatch) -> Iterator[Listen]:
    """`hear(app)`: a `Listener` that leaves with the test."""
    monkeypatch.setenv("HUB_HEARTBEAT_SECONDS", "1")
    made: list[Listener] = []

    def make(app: Flask, **headers: str) -> Listener:
        made.append(Listener(app, **headers))
        return made[-1]

    yield make
    for listener in made:
        listener.over = True
    for listener in made:
        listener.close()
        end_streams(listener.app)


@pytest.fixture
def withholding() -> Withholding:
    return Withholding("sse", __name__)


def test_messages_of_one_s_own_decide_what_goes_out(
    withholding: Withholding, valkey: Valkey, hear: Listen
) -> None:
    app = application(withholding, valkey)
    listener = hear(app)

    with app.app_context():
        withholding.publish("one")
        withholding.publish("the safe's number", type="staff")
        withholding.publish("two", type="notice")

    assert listener.hear(2) == [("message", "one"), ("notice", "two")]


def test_what_they_pass_on_keeps_its_place_and_what_they_withhold_stays_withheld(
    withholding: Withholding, valkey: Valkey, hear: Listen
) -> None:
    app = application(withholding, valkey)
    listener = hear(app)
    with app.app_context():
        withholding.publish("one")
        listener.hear(1)
        withholding.publish("the safe's number", type="staff")
        withholding.publish("two")

    returned = hear(app, **{"Last-Event-ID": listener.events[0].id})

    assert returned.hear(1) == [("message", "two")]


def test_json_that_a_publisher_wrote_itself_is_passed_on_as_it_was(
    withholding: Withholding, valkey: Valkey, hear: Listen
) -> None:
    app = application(withholding, valkey)
    listener = hear(app)
    texts = ['{"b":1,  "a":1.50}', "[1,   2]", "{ no JSON"]
    with app.app_context():
        for text in texts:
            withholding.publish(text)
        withholding.publish({"b": 1, "a": 2})

    assert [data for _, data in listener.hear(4)] == [*texts, '{"a": 2, "b": 1}']


def test_their_idle_streams_show_comments_too(
    withholding: Withholding, valkey: Valkey, hear: Listen
) -> None:
    listener = hear(application(withholding, valkey))

    eventually(lambda: listener.comments >= 2, 10)


def test_an_error_of_theirs_ends_the_stream_and_leaves_no_subscription(valkey: Valkey) -> None:
    class Broken(ServerSentEventsBlueprint):
        def messages(self, channel: str = "sse") -> Iterator[Message]:
            yield next(iter(super().messages(channel=channel)))
            raise RuntimeError("this is the application's own")

    broken = Broken("sse", __name__)
    app = application(broken, valkey)
    answer = app.test_client().get("/stream")
    with app.app_context():
        # Its thread subscribes when it gets round to it; what was published before is not for it.
        eventually(lambda: broken.redis.pubsub_channels(), 10)
        broken.publish("one")
        with pytest.raises(RuntimeError, match="application's own"):
            list(answer.response)
        eventually(lambda: not broken.redis.pubsub_channels(), 10)


# ── two halves ───────────────────────────────────────────────────────────────────────────────


def test_the_old_half_hears_the_new_one(valkey: Valkey) -> None:
    new = ServerSentEventsBlueprint("sse", __name__)
    app = application(new, valkey, SSE_REDIS_PUBSUB="1")
    old = flask_sse.ServerSentEventsBlueprint("sse", __name__)
    heard: list[str] = []

    def listen() -> None:
        with application(old, valkey).app_context():
            heard.append(str(next(iter(old.messages()))))

    thread = threading.Thread(target=listen, daemon=True)
    thread.start()
    with app.app_context():
        eventually(lambda: dict(new.redis.pubsub_numsub("sse")).get(b"sse"), 10)
        new.publish({"user": "alice"}, type="status", retry=500)
    thread.join(10)

    assert heard == ['event:status\ndata:{"user": "alice"}\nretry:500\n\n']


def test_the_new_half_hears_the_old_one_and_its_own_only_once(valkey: Valkey, hear: Listen) -> None:
    new = ServerSentEventsBlueprint("sse", __name__)
    old = flask_sse.ServerSentEventsBlueprint("sse", __name__)
    app = application(new, valkey, SSE_REDIS_PUBSUB="1")
    listener = hear(app)

    with application(old, valkey).app_context():
        old.publish({"user": "bob"}, type="status")
    assert listener.hear(1) == [("status", '{"user": "bob"}')]
    with app.app_context():
        new.publish("from here")
        new.publish("and again")

    assert listener.hear(3)[1:] == [("message", "from here"), ("message", "and again")]
    assert [bool(event.id) for event in listener.events] == [False, True, True]


def test_a_plain_message_that_is_none_of_flask_sse_s_is_passed_over(
    valkey: Valkey, hear: Listen
) -> None:
    new = ServerSentEventsBlueprint("sse", __name__)
    app = application(new, valkey, SSE_REDIS_PUBSUB="1")
    listener = hear(app)

    with app.app_context():
        for payload in ("no json", '["data"]', '{"data": 1, "more": 2}', '{"type": "x"}'):
            new.redis.publish("sse", payload)
        new.publish("still here")

    assert listener.hear(1) == [("message", "still here")]


def test_without_the_setting_no_plain_message_is_made_or_heard(
    valkey: Valkey, hear: Listen
) -> None:
    new = ServerSentEventsBlueprint("sse", __name__)
    app = application(new, valkey)
    listener = hear(app)

    with app.app_context():
        new.redis.publish("sse", '{"data": "plain"}')
        new.publish("stored")

    assert listener.hear(1) == [("message", "stored")]
