"""The tests' own tools: each does what the tests that use it take for granted."""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest
import requests

from hub.event import Event
from hub.store.history import History
from tests.support.deadline import eventually
from tests.support.process import ReservedPort
from tests.support.provider import Gate, Script, ScriptedProvider, deltas_of, text_for
from tests.support.stack import LocalModel
from tests.support.stream import Ended, EventStream
from tests.support.valkey import Valkey

HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n"


@contextmanager
def answering(*pieces: bytes) -> Iterator[str]:
    """The URL of a server that answers one connection with `pieces`, then closes it."""
    with socket.create_server(("127.0.0.1", 0)) as server:

        def serve() -> None:
            connection, _ = server.accept()
            with connection:
                connection.recv(65536)
                for piece in pieces:
                    connection.sendall(piece)

        thread = threading.Thread(target=serve)
        thread.start()
        yield f"http://127.0.0.1:{server.getsockname()[1]}/stream"
        thread.join()


def test_a_started_valkey_answers_again_at_the_same_address_after_a_kill(
    start_valkey: Callable[..., Valkey],
) -> None:
    server = start_valkey(tcp=True)
    server.kill()
    assert server.code == -9
    server.start()
    with server.client() as client:
        assert client.ping()


def test_the_session_s_valkey_is_empty_at_each_test(valkey: Valkey) -> None:
    with valkey.client() as client:
        assert client.dbsize() == 0
        client.set("left", "behind")


def test_the_session_s_valkey_is_empty_also_after_another_test_wrote(valkey: Valkey) -> None:
    with valkey.client() as client:
        assert client.dbsize() == 0


def test_history_works_on_fakeredis_and_on_a_real_server(history: History) -> None:
    [event_id] = history.append("news", [Event("hello")]).ids
    assert [frame.id for frame in history.read("news", "0-0").frames] == [event_id]


def test_a_reserved_port_refuses_until_a_server_listens_on_it() -> None:
    reserved = ReservedPort()
    address = ("127.0.0.1", reserved.number)
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(address)
    with socket.create_server(address), socket.create_connection(address):
        pass
    reserved.close()


def test_a_stream_is_read_at_any_border_with_chunks_and_without() -> None:
    body = b"id: 1-0\ndata: a\n\n:\nid: 2-0\nevent: notice\ndata: b\n\n"
    chunked = b"".join(b"%x\r\n%s\r\n" % (len(part), part) for part in (body[:9], body[9:]))
    for head, payload in (
        (HEAD + b"\r\n", body),
        (HEAD + b"Transfer-Encoding: chunked\r\n\r\n", chunked + b"0\r\n\r\n"),
    ):
        whole = head + payload
        with (
            answering(*(whole[at : at + 1] for at in range(len(whole)))) as url,
            EventStream(url) as stream,
        ):
            assert [event.data for event in stream.take(2)] == ["a", "b"]
            assert (stream.last_id, stream.comments) == ("2-0", 1)
            stream.to_end()
            assert stream.clean and bytes(stream.raw) == body


def test_a_stream_that_ends_or_stays_silent_fails_and_does_not_hang() -> None:
    with answering(HEAD + b"Transfer-Encoding: chunked\r\n\r\n") as url, EventStream(url) as stream:
        with pytest.raises(Ended):
            stream.next()
        assert not stream.clean
    with (
        socket.create_server(("127.0.0.1", 0)) as server,
        pytest.raises(TimeoutError),
    ):
        EventStream(f"http://127.0.0.1:{server.getsockname()[1]}/", timeout=0.05)


def test_the_provider_answers_the_same_text_at_every_run(provider: ScriptedProvider) -> None:
    assert _stream(provider, "hello") == deltas_of(text_for("hello"))
    assert _stream(provider, "hello") == deltas_of(text_for("hello"))


def test_the_provider_sends_nothing_past_its_gate_and_notices_who_leaves(
    provider: ScriptedProvider,
) -> None:
    gate = Gate()
    provider.scripts["slow"] = Script("abcdefgh", gate=gate)
    gate.release()
    body = {"messages": [{"role": "user", "content": "slow"}], "stream": True}
    with EventStream(f"{provider.base_url}/chat/completions", body=body) as stream:
        assert '"abcd"' in stream.next().data
        with pytest.raises(TimeoutError):
            stream.next(within_seconds=0.05)
    eventually(lambda: provider.abandoned)


@pytest.mark.model
def test_the_local_model_answers_with_text(local_model: LocalModel) -> None:
    answer = requests.post(
        f"{local_model.base_url}/chat/completions",
        json={"messages": [{"role": "user", "content": "Say hello."}], "max_tokens": 8},
        timeout=60,
    ).json()
    assert answer["model"] == "smollm2-135m"
    assert answer["choices"][0]["message"]["content"]


def _stream(provider: ScriptedProvider, prompt: str) -> list[str]:
    body = {"messages": [{"role": "user", "content": prompt}], "stream": True}
    with EventStream(f"{provider.base_url}/chat/completions", body=body) as stream:
        parsed = [json.loads(e.data) for e in stream.to_end()[:-3]]
    return [chunk["choices"][0]["delta"]["content"] for chunk in parsed]
