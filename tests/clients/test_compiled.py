"""Clients in Go, Rust and Java, built and run by `make test-clients`: event streams, and OpenAI's
interface."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from tests.clients.asker import Asker, Kind
from tests.clients.client import ProgramClient
from tests.clients.test_askers import CITY, ZONE, chunk, failed, two_calls
from tests.support.deadline import eventually
from tests.support.provider import Gate, Script, deltas_of, text_for
from tests.support.shared import Shared

LONG = "long " * 100_000
"""A snapshot of it is one line, longer than what bufio reads unless told otherwise."""
STREAMS = {
    "tmaxmax.go": "204",
    "r3labs.go": "completed",
    "launchdarkly.go": "completed",
    "reqwest-eventsource.rs": "204",
    "okhttp-eventsource.java": "completed",
}
"""How each knows the end."""


@pytest.mark.parametrize("program", STREAMS)
@pytest.mark.parametrize("text", [text_for("go"), LONG], ids=["short", "long"])
def test_a_client_of_an_event_stream_gets_the_whole_text_and_ends(
    shared: Shared, program: str, text: str
) -> None:
    shared.provider.default = Script(deltas=deltas_of(text, max(4, len(text) // 20)))
    generation_id = shared.hub.generate(program)
    shared.hub.finished(generation_id)

    with closing(ProgramClient(program, shared.hub.url, generation_id)) as client:
        assert eventually(lambda: client.end, 20) == STREAMS[program]
        assert client.exit_code() == 0
        assert client.text == text


@pytest.fixture(scope="module", params=["go-openai.go", "openai-go.go", "async-openai.rs"])
def asker(
    request: pytest.FixtureRequest,
    whole_package: Shared,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Asker]:
    folder: Path = tmp_path_factory.mktemp("asker")
    kind = Kind(request.param, request.param)
    with closing(Asker(kind, whole_package.hub.url, folder)) as running:
        yield running


def test_text_usage_and_two_calls_from_pieces_are_whole(shared: Shared, asker: Asker) -> None:
    text = asker.do("text", "text")
    shared.provider.default = two_calls()
    calls = asker.do("tools", "tools")

    assert text.error is None
    assert text.text == text_for("text")
    assert text.usage == [7, len(deltas_of(text.text))]
    assert calls.error is None
    assert calls.calls == [("weather", {"city": CITY}), ("clock", {"zone": ZONE})]


@pytest.mark.parametrize("status", [400, 429])
def test_a_refusal_before_the_answer_has_its_status_and_code(
    shared: Shared, asker: Asker, status: int
) -> None:
    error = {"message": "because", "type": "a_type", "param": "messages", "code": "a_code"}
    shared.provider.default = Script(status=status, error={"error": error})

    found = failed(asker.do("text", "refused"))

    assert (found["status"], found["code"]) == (status, "a_code")


def test_a_failure_in_mid_stream_is_an_error(shared: Shared, asker: Asker) -> None:
    error = {"message": "it broke", "type": "server_error", "code": "server_error"}
    shared.provider.default = Script(chunks=[chunk(content="so far"), {"error": error}])

    said = asker.do("text", "broken")

    assert said.text == "so far"
    assert failed(said)


def test_to_leave_cancels(shared: Shared, asker: Asker) -> None:
    gate = Gate()
    shared.provider.default = Script(text="so far and no further", gate=gate)
    gate.release(4)

    said = asker.do("leave", "left")

    assert said.text
    newest: dict[str, Any] = shared.hub.get("/generations?limit=1").json()["generations"][0]
    assert shared.hub.finished(newest["id"])["status"] == "cancelled"
