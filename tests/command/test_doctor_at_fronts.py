"""The doctor before real servers that are set up wrong: the lines of docs/proxies.md with one of
them missing or false, a clock that is wrong, a Redis that refuses, two versions side by side."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from hub.client import stream_checks, way_checks
from hub.client.finding import Ill, Note, Patient
from hub.client.remote import Remote
from tests.browser.fronts import KINDS, UPSTREAM, Front, Kind
from tests.command.conftest import Run
from tests.conftest import StartStack, StartValkey
from tests.support.deadline import eventually
from tests.support.real import missing
from tests.support.stack import Stack
from tests.versions import unpack

pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("ignore:Unverified HTTPS request")]

Check = Callable[[Patient], str]
NGINX, APACHE, HAPROXY, CADDY = KINDS
HTTP = f"proxy_pass http://{UPSTREAM};"


@dataclass(frozen=True)
class Wrong:
    """What stands in the place of words of the page, and what the doctor says of it."""

    check: Check
    kind: Kind
    words: str
    instead: str
    seen: str
    mend: str
    prefix: str = ""
    state: str = field(default="ill")


WRONG = [
    Wrong(stream_checks.untouched, NGINX, "gzip off;", "", "gzip", "gzip off"),
    Wrong(stream_checks.untouched, APACHE, "SetEnv no-gzip 1", "", "gzip", "SetEnv no-gzip 1"),
    Wrong(
        stream_checks.begins,
        NGINX,
        "proxy_buffering off;",
        "proxy_ignore_headers X-Accel-Buffering;",
        "",
        "proxy_buffering off",
    ),
    Wrong(
        stream_checks.resumes,
        NGINX,
        'proxy_set_header Connection "";',
        'proxy_set_header Connection ""; proxy_set_header Last-Event-ID "";',
        "lost",
        "let the header pass",
    ),
    Wrong(
        stream_checks.stays_open,
        HAPROXY,
        "timeout server 1h",
        "timeout server 3s",
        "cut",
        "timeout",
    ),
    Wrong(
        way_checks.answers,
        NGINX,
        "X-Forwarded-Prefix /hub;",
        'X-Forwarded-Prefix "";',
        "nothing is at",
        "HUB_BASE_PATH=/hub",
        "/hub",
    ),
    Wrong(
        way_checks.six_connections,
        HAPROXY,
        "alpn h2,http/1.1",
        "alpn http/1.1",
        "six connections",
        "HTTP/2",
        state="note",
    ),
]


@pytest.mark.parametrize(
    "wrong", WRONG, ids=lambda wrong: f"{wrong.kind.program} {wrong.check.__name__}"
)
def test_a_wrong_line_is_seen_and_the_right_one_said(
    hub: Stack, channel: str, tmp_path: Path, wrong: Wrong, monkeypatch: pytest.MonkeyPatch
) -> None:
    front = Front(wrong.kind, hub, wrong.prefix, tmp_path, wrong={wrong.words: wrong.instead})
    try:
        front.start(answers=wrong.check is not way_checks.answers)
        monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(tmp_path / "cert.pem"))
        with Remote(front.url) as remote, pytest.raises(Ill) as found:
            wrong.check(Patient(remote, channel))
    finally:
        front.end()
    assert found.value.state == wrong.state
    assert wrong.seen in str(found.value) and found.value.why and wrong.mend in found.value.mend


@pytest.mark.parametrize(("hours", "seen"), [("+1h", "behind"), ("-1h", "ahead of")])
def test_clocks_that_differ_are_ill(run: Run, hours: str, seen: str) -> None:
    library = next(Path("/usr/lib").glob("*/faketime/libfaketime.so.1"), None)
    if library is None:
        missing("libfaketime (.ci/proxies)")
    done = run("doctor", "--json", LD_PRELOAD=str(library), FAKETIME=hours)
    assert done.returncode == 1
    found = [json.loads(line) for line in done.stdout.splitlines()]
    [clocks] = [one for one in found if one["check"] == "the clocks agree"]
    assert clocks["state"] == "ill" and seen in clocks["seen"]
    assert 3590 < float(clocks["seen"].split()[4]) < 3610
    assert "timedatectl" in clocks["mend"]


def test_web_processes_of_two_versions_behind_one_address_are_a_note(
    stack: StartStack, channel: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    hub = stack()
    hub.until_ready()
    (tmp_path / "earlier").mkdir()
    hub.tree = unpack(tmp_path / "earlier")
    earlier = hub.add_web()
    place = tmp_path / "front"
    place.mkdir()
    both = "".join(
        f"server {name} {web.url.removeprefix('http://')}\n"
        for name, web in (("new", hub.web), ("earlier", earlier))
    )
    front = Front(HAPROXY, hub, "", place, wrong={f"server hub {hub.url[7:]}\n": both})
    try:
        front.start()
        monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(place / "cert.pem"))
        with Remote(front.url) as remote, pytest.raises(Note, match="web processes have"):
            way_checks.one_version(Patient(remote, channel))
    finally:
        front.end()


def test_a_right_that_redis_takes_away_is_ill_and_the_rule_said(
    stack: StartStack, start_valkey: StartValkey, run: Run
) -> None:
    server = start_valkey(tcp=True)
    everything = ("on", ">a-password", "~*", "&*", "+@all")
    with server.client() as client:
        client.execute_command("ACL", "SETUSER", "hubbub", *everything)
    url = f"redis://hubbub:a-password@127.0.0.1:{server.port}/0"
    hub = stack(redis_url=url)
    hub.until_ready()
    with server.client() as client:
        client.execute_command("ACL", "SETUSER", "hubbub", "-xadd")
    eventually(lambda: hub.get("/readyz").status_code == 503, 30)
    done = run("doctor", "--json", at=hub)
    assert done.returncode == 1
    found = [json.loads(line) for line in done.stdout.splitlines()]
    [ready] = [one for one in found if one["state"] == "ill" and "xadd" in one["seen"]]
    assert "ACL SETUSER hubbub" in ready["mend"]
