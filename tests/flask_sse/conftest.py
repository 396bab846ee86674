"""A Flask application as flask-sse's documentation has it, with the import changed."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from flask import Flask

from hub.flask_sse import ServerSentEventsBlueprint
from hub.web.delivery_thread import DeliveryThread
from tests.support.valkey import Valkey


@pytest.fixture
def blueprint() -> ServerSentEventsBlueprint:
    made = ServerSentEventsBlueprint("sse", __name__)
    made.add_url_rule(rule="", endpoint="stream", view_func=made.stream)
    return made


@pytest.fixture
def app(blueprint: ServerSentEventsBlueprint, valkey: Valkey) -> Iterator[Flask]:
    app = Flask(__name__)
    app.config["REDIS_URL"] = valkey.url
    app.register_blueprint(blueprint, url_prefix="/stream")
    yield app
    end_streams(app)


def end_streams(app: Flask) -> None:
    """A process ends with its application; a test does not."""
    for delivery in app.extensions.get("hub.flask_sse.delivery", {}).values():
        thread = DeliveryThread.of(delivery)
        assert thread is not None
        thread.stop()


@pytest.fixture
def context(app: Flask) -> Iterator[None]:
    with app.test_request_context("/"):
        yield
