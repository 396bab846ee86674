"""Keys as an operator sets them: what cannot be honoured stops the start, an identity provider
comes and goes, the operator looks by the admin port, and no secret is written anywhere."""

from __future__ import annotations

import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
import requests

from tests.access.signing import OTHER_RSA, RSA, SECRET, pem, rights, token
from tests.access.test_jwks import Provider, jwk
from tests.conftest import StartStack
from tests.support.deadline import eventually, patience
from tests.support.process import ReservedPort
from tests.support.real import ROOT
from tests.support.stack import clean_environ
from tests.support.stream import EventStream

pytestmark = pytest.mark.sets_keys

Listen = Callable[..., EventStream]

WRONG = [
    {"HUB_JWT_SECRET": "hunter2"},
    {"HUB_JWT_SECRET": pem(RSA)},
    {"HUB_JWT_PUBLIC_KEY": "hunter2"},
    {"HUB_JWT_PUBLIC_KEY": pem(RSA).replace("M", "N")},
    {"HUB_JWT_JWKS_URL": "http://user:hunter2@id.example/keys"},
    {"HUB_JWT_AUDIENCE": "hunter2"},
    {"HUB_JWT_ISSUER": "hunter2"},
    {"HUB_JWT_CLAIM": "hunter2"},
    {"HUB_ADMIN_PORT": "hunter2"},
    {"HOST": "0.0.0.0"},
]


def bearer(shown: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {shown}"}


def started(env: dict[str, str]) -> subprocess.CompletedProcess[str]:
    settings = {**clean_environ(), "REDIS_URL": "redis://127.0.0.1:1/0", **env}
    command = [sys.executable, "-m", "gunicorn", "-c", "gunicorn.conf.py", "app:app"]
    return subprocess.run(
        command, cwd=ROOT, env=settings, capture_output=True, text=True, timeout=120, check=False
    )


@pytest.mark.slow
def test_a_key_that_cannot_be_honoured_stops_the_start_with_one_line_that_names_it() -> None:
    with ThreadPoolExecutor(2) as at_once:
        ended = list(at_once.map(started, WRONG))
    for env, process in zip(WRONG, ended, strict=True):
        (name,) = env
        (line,) = process.stderr.strip().splitlines()
        assert process.returncode == 2
        assert line.startswith("hubbub: ") and name in line
        assert "hunter2" not in process.stderr + process.stdout
        assert pem(RSA).splitlines()[1][:16] not in process.stderr + process.stdout


@pytest.fixture
def idp() -> Iterator[Provider]:
    provider = Provider()
    yield provider
    provider.end()


def test_an_identity_provider_s_tokens_count_and_it_may_rotate_and_go(
    stack: StartStack, idp: Provider, listen: Listen, monkeypatch: pytest.MonkeyPatch
) -> None:
    idp.keys = [jwk(RSA, "old")]
    hub = stack(
        {
            "HUB_JWT_JWKS_URL": idp.url,
            "HUB_JWT_AUDIENCE": "hub",
            "HUB_JWT_ISSUER": "https://id.example",
            "HUB_JWT_CLAIM": "rights",
        },
        workers=0,
    ).web
    claims: dict[str, Any] = {"aud": "hub", "iss": "https://id.example", "rights": rights()}
    old = bearer(token(RSA, kid="old", sub="7", **claims))
    listen(f"{hub.url}/channels/news/events", headers=old).verdict("news")
    assert hub.get("/channels/news", headers=bearer(token(sub="7", **claims))).status_code == 401
    # Somebody shows a key that is not known: the provider is asked, and nobody else waits for it.
    idp.pause, idp.keys = 2.0, [jwk(RSA, "old"), jwk(OTHER_RSA, "new")]
    new = bearer(token(OTHER_RSA, kid="new", sub="8", **claims))
    eventually(lambda: _asks_again(hub.url, new, idp), 30, every_seconds=0.5)
    began = time.monotonic()
    assert hub.get("/channels/news", headers=old).status_code == 200
    assert time.monotonic() - began < 1.5 * patience()
    eventually(lambda: hub.get("/channels/news", headers=new).status_code == 200, 10)
    idp.end()
    again = bearer(token(OTHER_RSA, kid="new", sub="9", **claims))
    assert hub.get("/channels/news", headers=again).status_code == 200
    assert hub.get("/channels/news", headers=old).status_code == 200
    stranger = bearer(token(RSA, kid="third", sub="9", **claims))
    assert hub.get("/channels/news", headers=stranger).status_code == 401


def _asks_again(url: str, headers: dict[str, str], idp: Provider) -> bool:
    """Whether showing this token has made the hub ask its provider, who takes his time."""
    before = idp.asked
    asking = threading.Thread(
        target=lambda: requests.get(f"{url}/channels/news", headers=headers, timeout=15)
    )
    asking.start()
    deadline = time.monotonic() + 0.4
    while idp.asked == before and time.monotonic() < deadline:
        time.sleep(0.02)
    if idp.asked == before:
        asking.join()
    return idp.asked > before


@pytest.fixture
def reserved() -> Iterator[ReservedPort]:
    port = ReservedPort()
    yield port
    port.close()


def test_the_operator_looks_without_a_token_by_the_admin_port_alone(
    stack: StartStack, reserved: ReservedPort
) -> None:
    hub = stack({"HUB_JWT_SECRET": SECRET, "HUB_ADMIN_PORT": str(reserved.number)}, workers=0).web
    admin = f"http://127.0.0.1:{reserved.number}"
    looks = ("/metrics", "/status", "/generations", "/channels/news", "/healthz", "/session")
    for path in looks:
        assert requests.get(admin + path, timeout=15).status_code == 200, path
    assert "hubbub_listeners" in requests.get(f"{admin}/metrics", timeout=15).text
    for path in looks[:4]:
        assert hub.get(path).status_code == 401
        for host in ("evil.example", "evil.example:80", "127.0.0.1.evil.example", ""):
            answer = requests.get(admin + path, headers={"Host": host}, timeout=15)
            assert answer.status_code in (400, 401, 421), (path, host)
    for method, path in (
        ("POST", "/channels/news/events"),
        ("DELETE", "/channels/news"),
        ("POST", "/generations"),
        ("DELETE", "/tokens/x"),
        ("GET", "/channels/news/events"),
        ("GET", "/channels/news/history"),
        ("GET", "/events?channel=news"),
        ("GET", "/v1/models"),
    ):
        answer = requests.request(method, admin + path, json={"data": 1}, timeout=15)
        assert answer.status_code == 401, (method, path)


def test_no_secret_is_written_anywhere(stack: StartStack, tmp_path: Path) -> None:
    shown = token(sub="7", hub=rights())
    hub = stack({"HUB_JWT_SECRET": SECRET, "OPENAI_API_KEY": "sk-of-the-tests"}, workers=1)
    for path in (
        "/generations",
        "/nowhere",
        "/channels/%",
        f"/channels/x/events?token={shown}&from=x",
    ):
        for headers in (bearer(shown), {"Cookie": f"hubbub_token={shown}"}, bearer(shown[:-5])):
            hub.get(path, headers={**headers, "Accept": "text/html"})
    hub.post("/session", json={"token": shown})
    hub.post("/session", data=shown, headers={"Content-Type": "text/plain"})
    titles = subprocess.run(
        ["ps", "-ww", "-o", "args=", "-p", ",".join(str(p.pid) for p in (*hub.webs, *hub.workers))],
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    answers = hub.get("/metrics", headers=bearer(shown)).text + hub.get("/readyz").text
    for written in (hub.logs(), titles, answers):
        for secret in (SECRET, "sk-of-the-tests", shown, shown.rpartition(".")[2]):
            assert secret not in written
