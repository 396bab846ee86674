"""The doctor, before hubs and ways that are broken on purpose: what it sees and what mends it."""

from __future__ import annotations

import json
import ssl
from collections.abc import Callable
from pathlib import Path
from socket import create_server
from threading import Thread

import pytest

from hub.client import stream_checks, way_checks
from hub.client.finding import Ill, Note, Patient
from hub.client.remote import Remote
from tests.command.broken_proxy import Fault, broken_proxy
from tests.command.conftest import Run
from tests.conftest import StartStack
from tests.support.provider import ScriptedProvider
from tests.support.stack import Stack
from tests.support.tls_redis import Authority

Check = Callable[[Patient], str]


def finding(check: Check, url: str, channel: str) -> Ill:
    """What `check` complains of."""
    with Remote(url) as remote, pytest.raises(Ill) as found:
        check(Patient(remote, channel))
    return found.value


def healthy(check: Check, url: str, channel: str) -> str:
    with Remote(url) as remote:
        return check(Patient(remote, channel))


BROKEN: list[tuple[Check, Fault, str, str]] = [
    (way_checks.knows_its_prefix, Fault(strip="/hub"), "/static/", "HUB_BASE_PATH=/hub"),
    (way_checks.clocks, Fault(skew_seconds=300), "ahead of", "timedatectl"),
    (way_checks.clocks, Fault(skew_seconds=-300), "behind", "timedatectl"),
    (stream_checks.untouched, Fault(compress=True), "gzip", "gzip off"),
    (
        stream_checks.untouched,
        Fault(heads={"Cache-Control": "max-age=60"}),
        "max-age=60",
        "Cache-Control",
    ),
    (stream_checks.begins, Fault(gather_seconds=2.5), "after ", "proxy_buffering off"),
    (stream_checks.beats, Fault(gather_seconds=4), "after ", "proxy_buffering off"),
    (stream_checks.resumes, Fault(without="Last-Event-ID"), "lost", "let the header pass"),
    (stream_checks.stays_open, Fault(idle_seconds=1.5), "cut", "proxy_read_timeout"),
]


@pytest.mark.slow
@pytest.mark.parametrize(("check", "fault", "seen", "mend"), BROKEN)
def test_a_way_that_is_broken_is_seen_and_the_line_that_mends_it_said(
    hub: Stack, channel: str, check: Check, fault: Fault, seen: str, mend: str
) -> None:
    with broken_proxy(hub.url, fault) as url:
        found = finding(check, url, channel)
    assert found.state == "ill"
    assert seen in str(found) and found.why and mend in found.mend


WELL = [
    way_checks.answers,
    way_checks.knows_its_prefix,
    way_checks.clocks,
    way_checks.who_may,
    way_checks.secret,
    way_checks.direct,
    stream_checks.untouched,
    stream_checks.begins,
    stream_checks.comes_through,
    stream_checks.beats,
    stream_checks.resumes,
]


def test_a_proxy_that_breaks_nothing_is_found_well(hub: Stack, channel: str) -> None:
    with broken_proxy(hub.url, Fault()) as url:
        for check in WELL:
            assert healthy(check, url, channel)


def test_a_hub_at_another_path_is_not_found_and_that_is_said(hub: Stack, channel: str) -> None:
    found = finding(way_checks.answers, f"{hub.url}/elsewhere", channel)
    assert "HUB_BASE_PATH=/elsewhere" in found.mend


def test_another_program_is_not_taken_for_a_hub(
    provider: ScriptedProvider, run: Run, channel: str
) -> None:
    done = run("doctor", f"http://127.0.0.1:{provider.port}")
    assert done.returncode == 1 and done.stdout.startswith("ILL   the hub answers: ")
    assert done.stdout.count("ILL") == 1, "nothing else is asked"


@pytest.mark.sets_keys
def test_an_open_hub_on_a_network_without_tls_and_a_proxy_on_the_way_are_told(
    stack: StartStack, run: Run, channel: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """At the address of all networks, which no rule takes for this machine's own."""
    for name in ("no_proxy", "NO_PROXY", "https_proxy", "HTTPS_PROXY", "ALL_PROXY", "all_proxy"):
        monkeypatch.delenv(name, raising=False)
    hub = stack({"HOST": "0.0.0.0", "HUB_ALLOW_ANONYMOUS": "1"}, workers=0)
    url = hub.url.replace("127.0.0.1", "0.0.0.0")
    assert "HUB_JWT_SECRET" in finding(way_checks.who_may, url, channel).mend
    assert "https://" in finding(way_checks.secret, url, channel).mend
    with broken_proxy(hub.url, Fault()) as proxy:
        monkeypatch.setenv("http_proxy", proxy.replace("//", "//me:secret@"))
        assert healthy(way_checks.answers, url, channel)
        between = finding(way_checks.direct, url, channel)
    assert isinstance(between, Note) and between.mend == "NO_PROXY=0.0.0.0"
    assert "secret" not in str(between)
    done = run("doctor", at=url)  # the proxy is gone
    assert done.returncode == 1 and "cannot be reached" in done.stdout
    assert "asked through http" in done.stdout and "mend: NO_PROXY=0.0.0.0" in done.stdout
    assert "secret" not in done.stdout


def test_what_redis_and_the_workers_lack_is_told(
    hub: Stack, own_hub: Stack, run: Run, channel: str
) -> None:
    with Remote(hub.url) as remote:
        assert "nothing is kept on disk" in str(way_checks.told(Patient(remote, channel))[0])
    worker = finding(way_checks.ready, own_hub.url, channel)
    assert "no worker" in str(worker) and worker.mend == "hubbub worker"
    assert run("doctor", own_hub.url).returncode == 1


@pytest.mark.parametrize(("protocols", "enough"), [(["h2", "http/1.1"], True), ([], False)])
def test_six_connections_are_told_where_there_is_no_http2(
    tmp_path: Path, channel: str, protocols: list[str], enough: bool
) -> None:
    authority = Authority(tmp_path)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(authority.cert, authority.key)
    if protocols:
        context.set_alpn_protocols(protocols)
    with create_server(("127.0.0.1", 0)) as server:

        def greet() -> None:
            link, _ = server.accept()
            context.wrap_socket(link, server_side=True).close()

        thread = Thread(target=greet)
        thread.start()
        url = f"https://127.0.0.1:{server.getsockname()[1]}"
        if enough:
            assert "HTTP/2" in healthy(way_checks.six_connections, url, channel)
        else:
            assert isinstance(finding(way_checks.six_connections, url, channel), Note)
        thread.join(10)


def test_a_healthy_hub_is_well_in_words_and_as_json(run: Run) -> None:
    done = run("doctor")
    assert done.returncode == 0, done.stdout
    heads = [line.split()[0] for line in done.stdout.splitlines() if line[0] != " "]
    assert set(heads) <= {"ok", "note"} and heads.count("ok") >= 10
    found = [json.loads(line) for line in run("doctor", "--json").stdout.splitlines()]
    assert len(found) == len(heads)
    assert all(one["why"] and one["mend"] for one in found if one["state"] == "note")
