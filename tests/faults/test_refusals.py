"""What Redis refuses for good is called so: 500, nothing stored, and the log says which command."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from hub.errors import RedisRefused
from hub.event import Event
from hub.settings import Settings
from hub.store.history import History, RecordWrite
from hub.store.redis_link import RedisLink
from tests.faults.proxy import Proxy
from tests.support.deadline import eventually, patience
from tests.support.process import Process
from tests.support.stack import Web, clean_environ
from tests.support.stream import EventStream
from tests.support.valkey import Valkey

StartValkey = Callable[..., Valkey]
Listen = Callable[..., EventStream]
OwnWeb = Callable[..., Web]

USER, PASSWORD = "hubbub", "a-password-of-the-tests"


@pytest.fixture
def web(tmp_path: Path, processes: list[Process]) -> OwnWeb:
    def start(redis_url: str, **env: str) -> Web:
        web = Web(tmp_path / "web.log", {**clean_environ(), "REDIS_URL": redis_url, **env})
        processes.append(web)
        return web.start()

    return start


def user_url(server: Valkey) -> str:
    return f"redis://{USER}:{PASSWORD}@127.0.0.1:{server.port}/0"


def set_user(server: Valkey, *rules: str) -> None:
    """The hub's own user: it may do everything, but for `rules`."""
    with server.client() as client:
        everything = ("reset", "on", f">{PASSWORD}", "~*", "&*", "+@all")
        client.execute_command("ACL", "SETUSER", USER, *everything, *rules)


RIGHTS = {
    "xadd": ("-xadd",),
    "publish": ("-publish",),
    "hset": ("-hset",),
    "expire": ("-expire",),
    "evalsha": ("-evalsha", "-eval"),
    "'publish' on 'hub:{news}'": ("resetchannels",),
    "key": ("resetkeys", "~hub:{other}:*"),
}
"""What the log must name when these rules have taken a right away."""


def test_a_right_that_is_taken_away_stores_nothing_and_names_the_command(
    start_valkey: StartValkey, web: OwnWeb
) -> None:
    server = start_valkey(tcp=True)
    set_user(server)
    hub = web(user_url(server)).checked()
    hub.publish("news", "before")
    for command, rules in RIGHTS.items():
        set_user(server, *rules)

        one = hub.post("/channels/news/events", json={"data": "refused"})
        many = hub.post(
            "/channels/news/events",
            data='{"data":"1"}\n{"data":"2"}',
            headers={"Content-Type": "application/x-ndjson"},
        )

        for refused in (one, many):
            assert refused.status_code == 500, command
            assert refused.json()["code"] == "redis-refused"
            assert "Retry-After" not in refused.headers
            assert str(server.port) not in refused.text
            assert PASSWORD not in refused.text
        # Of the whole log: what was said a moment ago is not said again.
        refusals = [line for line in hub.log().splitlines() if "refuses" in line]
        assert any(command in line.lower() for line in refusals), (command, refusals)
    with server.client() as client:
        assert client.xlen("hub:{news}:events") == 1
    assert PASSWORD not in hub.log()
    set_user(server)
    assert hub.publish("news", "after")


def test_a_stream_of_what_may_not_be_read_is_an_error_and_not_an_overload(
    start_valkey: StartValkey, web: OwnWeb, listen: Listen
) -> None:
    server = start_valkey(tcp=True)
    set_user(server)
    hub = web(user_url(server)).checked()
    running = listen(f"{hub.url}/channels/news/events", query={"heartbeat": 1})
    running.next("subscribed")

    set_user(server, "-xrange", "resetchannels", "&hub:{news}")

    for path in ("/channels/sport/events", "/events?channel=sport"):
        answer = hub.get(path, stream=True)
        assert answer.status_code == 500, path
        assert answer.json()["code"] == "redis-refused"
    set_user(server)
    sport = listen(f"{hub.url}/channels/sport/events")
    assert sport.status == 200
    published = hub.publish("news", "after")
    assert running.take(1)[0].id == published


def test_a_value_too_large_for_redis_is_refused_at_once(
    start_valkey: StartValkey, web: OwnWeb
) -> None:
    """Redis answers and hangs up while the value is still being sent."""
    server = start_valkey(tcp=True, options=("--proto-max-bulk-len", "1mb"))
    hub = web(server.url, HUB_MAX_EVENT_BYTES=str(8 * 2**20))
    began = time.monotonic()

    answer = hub.post("/channels/news/events", json={"data": "x" * (3 * 2**20)})

    assert answer.status_code == 500
    assert answer.json()["code"] == "redis-refused"
    assert time.monotonic() - began < 3 * patience()
    assert "bulk" in hub.log()
    assert hub.get("/channels/news").json()["retained"] == 0
    assert hub.publish("news", "x" * 2**19)


def test_a_log_that_redis_will_not_lengthen_leaves_its_record_as_it_was(
    start_valkey: StartValkey,
) -> None:
    server = start_valkey(options=("--proto-max-bulk-len", "1mb"))
    history = History(RedisLink.from_url(server.url), Settings())
    half = "x" * (600 * 1024)
    history.append("c", [Event("1")], record=RecordWrite(fields={"n": "1"}, log=half))

    with pytest.raises(RedisRefused):
        history.append("c", [Event("2")], record=RecordWrite(fields={"n": "2"}, log=half))

    record = history.record("c", log_bytes=2**21)
    assert record.fields == {"n": "1"}
    assert len(record.log) == len(half)
    assert history.inspect("c").retained == 1
    history.link.close()


def test_a_key_of_another_program_is_refused_and_left_as_it_is(
    start_valkey: StartValkey, web: OwnWeb
) -> None:
    server = start_valkey()
    hub = web(server.url)
    with server.client() as client:
        client.set("hub:{news}:events", "mine")
        answer = hub.post("/channels/news/events", json={"data": "x"})

        assert answer.json()["code"] == "redis-refused"
        assert client.get("hub:{news}:events") == b"mine"
        assert client.keys("hub:{news}:*") == [b"hub:{news}:events"]


def test_no_memory_left_passes(start_valkey: StartValkey, web: OwnWeb) -> None:
    server = start_valkey(options=("--maxmemory-policy", "noeviction"))
    hub = web(server.url)
    hub.publish("news", "before")
    with server.client() as client:
        client.config_set("maxmemory", "1")

        answer = hub.post("/channels/news/events", json={"data": "x"})

        assert answer.status_code == 503
        assert answer.json()["code"] == "redis-unavailable"
        assert "memory" in answer.json()["detail"]
        client.config_set("maxmemory", "0")
    assert hub.get("/channels/news").json()["retained"] == 1
    assert hub.publish("news", "after")


def test_no_answer_shows_where_redis_is(start_valkey: StartValkey, web: OwnWeb) -> None:
    server = start_valkey(tcp=True)
    with server.client() as client:
        client.config_set("requirepass", PASSWORD)
    hub = web(f"redis://:{PASSWORD}@127.0.0.1:{server.port}/0")
    server.kill()

    answers = [
        hub.post("/channels/news/events", json={"data": "x"}),
        hub.get("/channels/news"),
        hub.get("/readyz"),
        hub.get("/generations"),
    ]

    for answer in answers:
        assert answer.status_code == 503
        for innards in (str(server.port), "127.0.0.1", PASSWORD, "Connection<", "Pool"):
            assert innards not in answer.text


def test_a_server_that_was_demoted_behind_its_address_is_let_go_of(
    start_valkey: StartValkey, web: OwnWeb, listen: Listen
) -> None:
    """A failover by DNS or by a proxy: the connections to the old primary are open and well."""
    old, new = start_valkey(tcp=True), start_valkey(tcp=True)
    with old.client() as client:
        client.execute_command("REPLICAOF", "127.0.0.1", new.port)
        eventually(lambda: client.info("replication")["master_link_status"] == "up", 20)
        client.execute_command("REPLICAOF", "NO", "ONE")
    with new.client() as client:
        client.execute_command("REPLICAOF", "127.0.0.1", old.port)
        eventually(lambda: client.info("replication")["master_link_status"] == "up", 20)
    way = Proxy(old.port)
    try:
        hub = web(f"redis://127.0.0.1:{way.port}/0", HUB_HEARTBEAT_SECONDS="2")
        streams = [listen(f"{hub.url}/channels/c{n}/events") for n in range(4)]
        for stream in streams:
            stream.next("subscribed")
        ids = [hub.publish(f"c{n}", "before") for n in range(4)]
        with new.client() as client:
            client.execute_command("REPLICAOF", "NO", "ONE")
        with old.client() as client:
            client.execute_command("REPLICAOF", "127.0.0.1", 1)  # it hears nobody any more
        way.lead_new_to(new.port)

        began = time.monotonic()
        after = [hub.publish(f"c{n}", "after") for n in range(4)]

        assert time.monotonic() - began < 8 * patience()
        for n, stream in enumerate(streams):
            assert [event.id for event in stream.take(2)] == [ids[n], after[n]]
    finally:
        way.close()


def test_a_password_that_is_wrong_is_named(start_valkey: StartValkey, web: OwnWeb) -> None:
    server = start_valkey(tcp=True)
    set_user(server)
    hub = web(user_url(server)).checked()
    hub.publish("news", "before")
    with server.client() as client:
        client.execute_command("ACL", "SETUSER", USER, "resetpass", ">another")
        client.client_kill_filter(_type="normal", skipme=True)
        client.client_kill_filter(_type="pubsub")

    answer = hub.post("/channels/news/events", json={"data": "x"})

    assert answer.status_code == 500
    assert "WRONGPASS" in json.dumps(answer.json())
    assert PASSWORD not in hub.log()
