"""Real nginx in front, at `/` and at `/hub/`, with the very lines of docs/proxies.md. TLS, HTTP/2,
and compression asked for."""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest
import requests
import urllib3
from playwright.sync_api import Browser, BrowserContext

from tests.browser.watching import Watcher
from tests.conftest import StartStack
from tests.support.deadline import eventually
from tests.support.process import Process, ReservedPort
from tests.support.provider import ScriptedProvider
from tests.support.real import ROOT, missing
from tests.support.stack import Stack

PAGE = (ROOT / "docs" / "proxies.md").read_text()
SECTION = PAGE.partition("## nginx")[2].partition("\n## ")[0]
AT_ROOT, UNDER_HUB = re.findall(r"```nginx\n(.*?)```", SECTION, re.DOTALL)
UPSTREAM = "127.0.0.1:8000"
PREFIXES = {"": AT_ROOT, "/hub": UNDER_HUB}

CONFIGURATION = """
daemon off; user {user}; pid {place}/pid; error_log {place}/error.log; worker_processes 1;
events {{ worker_connections 256; }}
http {{
    access_log off; gzip on; gzip_types text/event-stream application/json; gzip_min_length 1;
    types {{ }}
    client_body_temp_path {place}/body; proxy_temp_path {place}/proxy;
    fastcgi_temp_path {place}/f; uwsgi_temp_path {place}/u; scgi_temp_path {place}/s;
    server {{
        listen 127.0.0.1:{port} ssl http2;
        ssl_certificate {place}/cert.pem; ssl_certificate_key {place}/key.pem;
        {locations}
    }}
}}
"""

Front = Callable[[Stack, str], str]


@pytest.fixture
def front(tmp_path: Path, processes: list[Process]) -> Iterator[Front]:
    """`front(hub, prefix)`: nginx before a hub; the address of the hub there, with the prefix."""
    binary = shutil.which("nginx", path="/usr/sbin:/usr/bin") or missing("nginx")
    ports: list[ReservedPort] = []

    def start(hub: Stack, prefix: str) -> str:
        port = ReservedPort()
        ports.append(port)
        _certificate(tmp_path)
        configuration = tmp_path / "nginx.conf"
        configuration.write_text(
            CONFIGURATION.format(
                place=tmp_path,
                user="root",
                port=port.number,
                locations=PREFIXES[prefix].replace(UPSTREAM, urlsplit(hub.url).netloc),
            )
        )
        command = [binary, "-e", str(tmp_path / "error.log"), "-c", str(configuration)]
        nginx = Process("nginx", command, tmp_path / "nginx.log")
        processes.append(nginx)
        nginx.start()
        url = f"https://127.0.0.1:{port.number}{prefix}"
        eventually(lambda: _answers(f"{url}/healthz"), 15)
        return url

    yield start
    for port in ports:
        port.close()


def _certificate(place: Path) -> None:
    command = "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 1"
    names = ["-subj", "/CN=127.0.0.1", "-addext", "subjectAltName=IP:127.0.0.1"]
    files = ["-keyout", str(place / "key.pem"), "-out", str(place / "cert.pem")]
    subprocess.run([*command.split(), *names, *files], check=True, capture_output=True)


def _answers(url: str) -> bool:
    try:
        return get(url).status_code == 200
    except requests.ConnectionError:
        return False


def get(url: str, **options: object) -> requests.Response:
    return requests.get(url, verify=False, timeout=15, **options)  # type: ignore[arg-type]


@pytest.fixture(autouse=True)
def _own_certificate() -> None:
    urllib3.disable_warnings(urllib3.exceptions.InsecureRequestWarning)


@pytest.fixture
def hub(stack: StartStack) -> Stack:
    return stack({"HUB_TRUSTED_PROXIES": "127.0.0.1", "HUB_HEARTBEAT_SECONDS": "1"})


@pytest.fixture
def context(browser: Browser) -> Iterator[BrowserContext]:
    context = browser.new_context(ignore_https_errors=True)
    yield context
    context.close()


@pytest.mark.parametrize("prefix", PREFIXES)
def test_every_address_that_the_hub_writes_leads_back_through_the_proxy(
    prefix: str, hub: Stack, front: Front
) -> None:
    url = front(hub, prefix)
    origin = url.removesuffix(prefix)
    made = requests.post(f"{url}/generations", json={"prompt": "Why?"}, verify=False, timeout=15)
    assert made.status_code == 202
    body = made.json()
    assert made.headers["Location"] == f"{prefix}/generations/{body['id']}"
    assert body["events"] == f"{prefix}/generations/{body['id']}/events"
    assert body["page"] == f"{prefix}/g/{body['id']}"
    assert get(origin + made.headers["Location"]).json()["page"] == body["page"]
    stream = get(origin + body["events"], stream=True)
    assert stream.headers["Content-Type"].startswith("text/event-stream")
    assert "Content-Encoding" not in stream.headers
    assert b"event: completed" in b"".join(stream.iter_content(None))
    shared = requests.post(
        f"{url}/generations/{body['id']}/share", verify=False, timeout=15
    ).json()["url"]
    assert shared.startswith(f"{url}/g/{body['id']}")
    page = get(shared)
    assert page.status_code == 200
    assert page.headers["Strict-Transport-Security"]
    for link in re.findall(r'(?:href|src)="(/[^"]*)"', page.text):
        assert link.startswith(f"{prefix}/"), link
        assert get(origin + link).status_code == 200


def test_a_visitor_has_the_address_from_which_he_came(hub: Stack, front: Front) -> None:
    url = front(hub, "/hub")
    forged = {"X-Forwarded-For": "9.9.9.9", "X-Forwarded-Host": "evil.example"}
    with get(f"{url}/channels/visited/events", stream=True, headers=forged) as stream:
        assert stream.status_code == 200
    eventually(lambda: "channels=visited address=9.9.9.9" in hub.web.log())


@pytest.mark.browser
@pytest.mark.parametrize("prefix", PREFIXES)
def test_the_pages_work_there_in_a_browser(
    prefix: str, hub: Stack, front: Front, provider: ScriptedProvider, context: BrowserContext
) -> None:
    url = front(hub, prefix)
    page = context.new_page()
    failed: list[str] = []
    page.on("response", lambda answer: failed.append(answer.url) if answer.status > 399 else None)
    page.on("pageerror", lambda error: failed.append(str(error)))
    page.goto(f"{url}/")
    page.get_by_label("Your question").fill("Why?")
    page.keyboard.press("Enter")
    watcher = Watcher(page)
    eventually(lambda: watcher.status == "completed", 20)
    page.goto(f"{url}/g/{watcher.generation_id}")
    eventually(lambda: Watcher(page).status == "completed", 20)
    for name in ("Notifications", "Status", "Ask"):
        page.get_by_role("navigation").get_by_role("link", name=name).click()
        page.get_by_role("heading", level=1).wait_for()
        assert urlsplit(page.url).path.startswith(f"{prefix}/")
    page.goto(f"{url}/notifications")
    page.get_by_role("button", name="Listen").click()
    page.get_by_label("Data").fill("hello")
    page.get_by_role("button", name="Push").click()
    eventually(lambda: "hello" in (page.text_content("[data-events]") or ""), 15)
    assert not failed
