"""The doctor, before hubs that are set up wrong on purpose: each fault, why, what mends it."""

from __future__ import annotations

import json
import os
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import count
from pathlib import Path
from threading import Thread
from typing import Any

import pytest

from hub.client import way_checks
from hub.client.causes import cause
from hub.client.finding import Ill, Note, Patient
from hub.client.remote import Remote
from hub.store.redis_link import RedisLink
from hub.store.stops import Stops
from tests.command.conftest import COMMAND, environ
from tests.conftest import StartStack, StartValkey
from tests.faults.proxy import Proxy
from tests.support.deadline import eventually
from tests.support.process import Process
from tests.support.real import ROOT
from tests.support.stack import Web
from tests.support.stream import EventStream
from tests.versions import unpack

pytestmark = pytest.mark.slow


FEW_FILES = ("prlimit", "--nofile=4096:4096")
AS_OTHERS = ("setpriv", "--bounding-set=-sys_resource", "--inh-caps=-sys_resource")
"""Only root may raise the hard limit."""


def findings(url: str, place: Path, processes: list[Process]) -> tuple[list[dict[str, Any]], int]:
    """What `doctor --json` says, and its exit status."""
    doctor = Process(
        "doctor", [*COMMAND, "doctor", "--json"], place, env=environ(url, {}), cwd=ROOT
    )
    processes.append(doctor)
    doctor.start()
    status = doctor.wait(60)
    return [json.loads(line) for line in doctor.log().splitlines() if line[0] == "{"], status


@pytest.mark.sets_keys
def test_each_fault_that_a_hub_bears_is_a_note_with_the_line_that_mends_it(
    stack: StartStack, start_valkey: StartValkey, tmp_path: Path, processes: list[Process]
) -> None:
    options = ["--maxmemory", "100mb", "--maxmemory-policy", "allkeys-lru", "--save", ""]
    options += ["--client-output-buffer-limit", "pubsub 1mb 0 0"]
    (tmp_path / "early").mkdir()
    (tmp_path / "early" / "sitecustomize.py").write_text("import requests")
    redis_url = start_valkey(options=options).url
    hub = stack({"HUB_GRACE_SECONDS": "0.5"}, redis_url=redis_url, webs=0, workers=0)
    web = Web(tmp_path / "web.log", {**hub.env, "PYTHONPATH": str(tmp_path / "early")})
    web.command = [*FEW_FILES, *(AS_OTHERS if os.geteuid() == 0 else ()), *web.command]
    hub.webs.append(web)
    web.start()
    hub.tree = unpack(tmp_path / "earlier")
    hub.add_worker()
    hub.until_ready(60)
    eventually(lambda: "workers have" in hub.get("/readyz").text, 30)

    found, status = findings(hub.url, tmp_path / "doctor", processes)

    assert status == 0, "all of it is borne"
    told = [one for one in found if one["check"] == "what the hub reports"]
    assert all(one["state"] == "note" and one["why"] for one in told)
    for seen, mend in {
        "allkeys-lru": "maxmemory-policy noeviction",
        "nothing is kept on disk": "appendonly yes",
        "client-output-buffer-limit pubsub 1048576": "pubsub 33554432",
        "may open 4096 files, too few for HUB_MAX_LISTENERS=10000": "ulimit -Hn",
        "half patched: requests, urllib3": "in the application",
        "HUB_GRACE_SECONDS=0.5": "HUB_GRACE_SECONDS=8",
        "workers have an older one": "same version",
    }.items():
        [one] = [one for one in told if seen in one["seen"]]
        assert mend in one["mend"]
    assert len(told) == 7


def test_a_stop_that_was_cut_short_is_told_and_one_that_was_not_is_not(
    stack: StartStack, real_link: RedisLink, listen: Callable[..., EventStream]
) -> None:
    hub = stack(webs=0, workers=0)
    cut, well = hub.add_web(HUB_GRACE_SECONDS="60"), hub.add_web()
    later = Stops(real_link, lambda: time.time() + 90)
    streams = [listen(f"{web.url}/channels/news/events") for web in (cut, cut, well)]
    for stream in streams:
        stream.next("subscribed")
    cut.signal(signal.SIGTERM)
    eventually(lambda: real_link.client.hlen("hub:{data}:stopping") == 1, 20)
    assert not Stops(real_link).cut_short(), "it may yet end well"
    cut.kill()
    assert "HUB_GRACE_SECONDS=60 were over" in later.cut_short()
    found = cause(later.cut_short())
    assert found is not None and "stop_grace_period" in found[1]
    real_link.client.delete("hub:{data}:stopping")
    well.terminate(within_seconds=60)
    assert not later.cut_short()


@contextmanager
def answering(answers: Callable[[], dict[str, str]]) -> Iterator[str]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            body = json.dumps(answers()).encode()
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None: ...

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


@pytest.mark.parametrize(("versions", "mixed"), [(("1+a", "1+b"), True), (("1+a", "1+a"), False)])
def test_web_processes_of_several_versions_behind_one_address_are_told(
    versions: tuple[str, str], mixed: bool
) -> None:
    asked = count()
    with (
        answering(lambda: {"status": "ready", "version": versions[next(asked) % 2]}) as url,
        Remote(url) as remote,
    ):
        patient = Patient(remote, "channel")
        if mixed:
            with pytest.raises(Note, match=r"1\+a, 1\+b"):
                way_checks.one_version(patient)
        else:
            assert way_checks.one_version(patient) == "1+a"


def test_a_redis_that_will_not_do_is_ill_and_the_line_mends_it(
    stack: StartStack, start_valkey: StartValkey
) -> None:
    """One after the other on a hub that runs: an older one, a right that is taken away, the data of
    another version."""
    server = start_valkey(tcp=True)
    proxy = Proxy(server.port)
    with server.client() as client:
        client.execute_command(
            "ACL", "SETUSER", "hubbub", "reset", "on", ">pw", "~*", "&*", "+@all"
        )
        hub = stack(redis_url=proxy.url.replace("//", "//hubbub:pw@"), webs=1, workers=0)
        well = {"version": b"", "right": "+xadd", "format": "1"}
        for fault, seen, mend in (
            ({"version": b"6.0.9"}, "its version is 6.0.9, at least 6.2", "Redis 6.2"),
            ({"right": "-xadd"}, "may not run xadd", "ACL SETUSER"),
            ({"format": "2"}, "its data has format 2", "HUB_KEY_PREFIX"),
            ({}, "no worker", "hubbub worker"),
        ):
            now: dict[str, Any] = {**well, **fault}
            proxy.version = now["version"]
            client.execute_command("ACL", "SETUSER", "hubbub", now["right"])
            client.set("hub:{data}:version", now["format"])
            with Remote(hub.url) as remote, pytest.raises(Ill) as found:
                way_checks.ready(Patient(remote, "channel"))
            assert seen in str(found.value) and found.value.why and mend in found.value.mend
    proxy.close()
