"""flask-sse's quickstart as a program of its own, under the server that its documentation names."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import requests

from tests.support.deadline import answers, eventually
from tests.support.process import Process, ReservedPort
from tests.support.real import ROOT
from tests.support.stack import clean_environ
from tests.support.stream import EventStream
from tests.support.valkey import Valkey

# Processes are started and ended in each.
pytestmark = pytest.mark.slow

Listen = Callable[..., EventStream]


@pytest.fixture(params=["gevent", "gthread", "hub.web.gunicorn_worker.Worker"])
def url(
    request: pytest.FixtureRequest, valkey: Valkey, tmp_path: Path, processes: list[Process]
) -> Iterator[str]:
    port = ReservedPort()
    command = [sys.executable, "-m", "gunicorn", "sse:app", "--worker-class", request.param]
    command += ["--threads", "16"] if request.param == "gthread" else []
    command += ["--bind", f"127.0.0.1:{port.number}", "--no-control-socket"]
    server = Process(
        "flask-sse program",
        [*command, "--pythonpath", str(ROOT), "--graceful-timeout", "1"],
        tmp_path / "log",
        env={
            **clean_environ(),
            "REDIS_URL": valkey.url,
            "HUB_HEARTBEAT_SECONDS": "1",
            "HUB_GRACE_SECONDS": "1",
        },
        cwd=ROOT / "examples" / "flask_sse",
    )
    processes.append(server)
    server.start()
    url = f"http://127.0.0.1:{port.number}"
    answers(lambda: requests.get(url, timeout=2).raise_for_status())
    yield url
    port.close()


def test_the_quickstart_s_page_gets_its_greeting(url: str, listen: Listen) -> None:
    stream = listen(f"{url}/stream")

    assert requests.get(f"{url}/hello", timeout=5).text == "Message sent!"

    event = stream.next()
    assert (event.event, json.loads(event.data)) == ("greeting", {"message": "Hello!"})


def test_heartbeats_are_comments(url: str, listen: Listen) -> None:
    stream = listen(f"{url}/stream")

    stream.until(lambda s: s.comments >= 3)

    assert stream.events == []


def test_a_listener_that_was_cut_off_returns_and_misses_nothing(url: str, listen: Listen) -> None:
    stream = listen(f"{url}/stream")
    requests.post(f"{url}/send_message", data={"message": "1"}, timeout=5)
    stream.next()
    stream.cut()
    for number in range(2, 30):
        requests.post(f"{url}/send_message", data={"message": number}, timeout=5)

    again = stream.returned()

    events = again.take(28)
    assert [json.loads(e.data)["message"] for e in events] == [str(n) for n in range(2, 30)]
    again.close()


def test_listeners_of_one_process_share_their_connections_to_redis(
    url: str, listen: Listen, valkey: Valkey
) -> None:
    with valkey.client() as client:
        before = len(client.client_list())
        streams = [listen(f"{url}/stream") for _ in range(12)]
        requests.get(f"{url}/hello", timeout=5)
        for stream in streams:
            stream.next("greeting")

        eventually(lambda: client.pubsub_numsub("hub:{sse}")[0][1] == 1)
        assert len(client.client_list()) < before + 8
