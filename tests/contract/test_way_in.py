"""Contract §1, §7: what is decided by a request's head, on every way in and before its body."""

from __future__ import annotations

import base64
import hashlib
import http.client
import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

import pytest
import redis

from hub.web.headers import PAGE
from tests.contract.conftest import ORIGIN, Hubs
from tests.faults.fuzz.requests import routes
from tests.support import keys
from tests.support.stack import Web

# What is judged before anybody asks who it is.
pytestmark = pytest.mark.sets_keys

FOREIGN = "https://evil.example"

READS = (
    "/", "/g/x", "/status", "/static/style.css", "/healthz", "/readyz", "/metrics", "/nowhere",
    "/channels/news", "/channels/news/history", "/channels/news/events", "/events?channel=a",
    "/generations", "/generations/x/events", "/v1/models", "/v1/responses/resp_x",
)  # fmt: skip
CHANGES = (
    ("POST", "/channels/news/events"), ("DELETE", "/channels/news"), ("POST", "/generations"),
    ("POST", "/generations/x/cancel"), ("DELETE", "/generations/x"),
    ("POST", "/generations/x/share"), ("POST", "/v1/chat/completions"), ("POST", "/v1/responses"),
    ("POST", "/v1/responses/resp_x/cancel"), ("DELETE", "/v1/responses/resp_x"),
    ("POST", "/nowhere"), ("PUT", "/channels/news"), ("POST", "/"),
)  # fmt: skip


PROGRAMS = ("/v1", "/readyz")
"""Where a person gets no page."""


@dataclass(frozen=True)
class Answer:
    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def code(self) -> str:
        found: Any = json.loads(self.body)
        code: str = found["error"]["code"] if "error" in found else found["code"]
        return code


def ask(web: Web, method: str, path: str, headers: Mapping[str, str], body: bytes = b"") -> Answer:
    """One request, with nothing in its head but what is given. Of a stream, only the head."""
    parts = urlsplit(web.url)
    assert parts.hostname
    connection = http.client.HTTPConnection(parts.hostname, parts.port, timeout=10)
    try:
        connection.putrequest(method, path, skip_host=True, skip_accept_encoding=True)
        for name, value in {**headers, **keys.headers(headers, path)}.items():
            connection.putheader(name, value)
        connection.endheaders(body or None)
        answer = connection.getresponse()
        is_stream = (answer.getheader("Content-Type") or "").startswith("text/event-stream")
        found = {name.lower(): value for name, value in answer.getheaders()}
        return Answer(answer.status, found, b"" if is_stream else answer.read())
    finally:
        connection.close()


def own_host(web: Web) -> str:
    return urlsplit(web.url).netloc


@pytest.fixture
def opened(hubs: Hubs, way: str) -> Iterator[Web]:
    """A hub that knows a name, and a proxy at 127.0.0.1 that it believes."""
    yield hubs(
        way,
        "opened",
        HUB_ALLOWED_HOSTS="hub.example,*.wild.example",
        HUB_TRUSTED_PROXIES="127.0.0.1",
    )


@pytest.mark.parametrize("path", READS)
def test_an_open_hub_does_not_answer_to_a_name_of_somebody_else_s(hub: Web, path: str) -> None:
    answer = ask(hub, "GET", path, {"Host": "rebound.example:8000"})
    assert (answer.status, answer.code) == (421, "unknown-host")
    assert answer.headers["x-content-type-options"] == "nosniff"


@pytest.mark.parametrize(
    "host",
    [
        "localhost", "LocalHost:80", "localhost.", "127.0.0.1", "127.0.0.1:9", "10.1.2.3", "[::1]",
        "[::1]:8000", "hub.example", "HUB.example.:443", "a.wild.example", "a.b.wild.example:1",
        "127.0.0.1.", "[::ffff:127.0.0.1]", "\tlocalhost ",
    ],
)  # fmt: skip
def test_an_open_hub_answers_to_localhost_to_addresses_and_to_names_that_it_was_given(
    opened: Web, host: str
) -> None:
    for path in ("/healthz", "/channels/news/events"):
        assert ask(opened, "GET", path, {"Host": host}).status == 200


@pytest.mark.parametrize(
    "host",
    [
        "example", "localhost.example", "evil-localhost", "127.0.0.1.example", "wild.example", "x",
        "awild.example", "hub.example.org", "hub.example@evil", "[::1].example", "127.1.example",
        "localhost/evil", "a b", "localhost:port", "evil.example#localhost", "0x7f.1", "",
        ".wild.example", "a..wild.example", "localhost..", "[localhost]", "user:x@localhost", "::1",
        "localhost, evil.example", "127.0.0.1.nip.io", "2130706433", "xn--lcalhost-54a",
        "l\xf6calhost", "localhost:80:80", "[::1%25lo]", '"localhost"', "*.wild.example",
    ],
)  # fmt: skip
def test_a_host_that_only_looks_like_one_of_its_own_is_unknown(opened: Web, host: str) -> None:
    for path in ("/healthz", "/channels/news/events"):
        assert ask(opened, "GET", path, {"Host": host}).status in (400, 421)


def test_a_probe_of_http_1_0_need_not_name_a_host(hub: Web) -> None:
    assert raw(hub, b"GET /healthz HTTP/1.0\r\n\r\n").split()[1] == b"200"


@pytest.mark.parametrize("path", [b"/healthz", b"/channels/news/events"])
@pytest.mark.parametrize(
    "hosts", [b"", b"Host: localhost\r\nHost: evil.example\r\n", b"X-Forwarded-Host: localhost\r\n"]
)
def test_a_request_of_http_1_1_names_one_host(hub: Web, path: bytes, hosts: bytes) -> None:
    answer = raw(hub, b"GET %s HTTP/1.1\r\n%s\r\n" % (path, hosts))
    assert answer.split()[1] in (b"400", b"421")


@pytest.mark.parametrize(
    ("target", "host"),
    [
        (b"http://evil.example/channels/news/events", b"localhost"),
        (b"HTTPS://evil.example/healthz", b"localhost"),
        (b"http://localhost@evil.example/healthz", b"localhost"),
        (b"http://evil.example?@localhost/", b"localhost"),
        (b"http://evil.example#http://localhost/", b"localhost"),
        (b"?http://localhost/", b"evil.example"),
        (b"/?http://localhost/", b"evil.example"),
        (b"//localhost/healthz", b"evil.example"),
    ],
)
def test_the_host_of_a_whole_address_in_the_request_line_counts(
    hub: Web, target: bytes, host: bytes
) -> None:
    answer = raw(hub, b"GET %s HTTP/1.1\r\nHost: %s\r\n\r\n" % (target, host))
    assert answer.split()[1] in (b"400", b"404", b"421")


@pytest.mark.parametrize(("method", "path"), CHANGES)
def test_a_page_of_another_origin_changes_nothing(hub: Web, method: str, path: str) -> None:
    """Its body never comes: the answer did not wait for it."""
    pages: tuple[dict[str, str], ...] = (
        {"Origin": FOREIGN},
        {"Origin": "null"},
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "Cross-Site", "Origin": hub.url},
        {"Sec-Fetch-Site": "same-site"},
        {"Origin": f"{hub.url} {FOREIGN}"},
        {"Origin": "chrome-extension://abcdefgh"},
        {"Origin": "http://localhost:1", "Sec-Fetch-Site": "same-site"},
        {"Origin": hub.url, "Sec-Fetch-Site": "cross-site"},
        {"Origin": FOREIGN, "Sec-Fetch-Site": "same-origin"},
        {"Origin": f"{hub.url}.evil.example"},
        {"Origin": hub.url.replace("http://", "https://")},
        {"Origin": ""},
    )
    for page in pages:
        head = {"Host": own_host(hub), "Content-Type": "text/plain", "Content-Length": "100"}
        answer = ask(hub, method, path, head | page)
        assert (answer.status, answer.code) == (403, "cross-origin"), page
        assert answer.headers["x-content-type-options"] == "nosniff"


@pytest.mark.parametrize(
    "page",
    [
        {},
        {"Origin": ORIGIN, "Sec-Fetch-Site": "cross-site"},
        {"Origin": ORIGIN.upper()},
        {"Origin": "own", "Sec-Fetch-Site": "same-origin"},
        {"Origin": "own"},
        {"Sec-Fetch-Site": "none"},
        {"Origin": "null", "Sec-Fetch-Site": "same-origin"},  # a form of a page without referrer
        {"Origin": "tls", "Sec-Fetch-Site": "same-origin"},  # TLS ended in front
    ],
)
def test_its_own_pages_those_of_allowed_origins_and_programs_may(
    hub: Web, channel: str, page: dict[str, str]
) -> None:
    shown = {"own": hub.url, "tls": hub.url.replace("http://", "https://")}
    head = {"Host": own_host(hub), "Content-Type": "text/plain", "Content-Length": "1"}
    head |= {name: shown.get(value, value) for name, value in page.items()}
    assert ask(hub, "POST", f"/channels/{channel}/events", head, b"x").status == 201


def test_reading_is_nobody_s_secret_but_only_an_allowed_page_gets_to_see_it(
    hub: Web, channel: str
) -> None:
    for path in (f"/channels/{channel}", f"/channels/{channel}/events"):
        head = {"Host": own_host(hub), "Sec-Fetch-Site": "cross-site"}
        refused = ask(hub, "GET", path, head | {"Origin": FOREIGN})
        assert refused.status == 200
        assert "access-control-allow-origin" not in refused.headers
        shown = ask(hub, "GET", path, head | {"Origin": ORIGIN})
        assert shown.headers["access-control-allow-origin"] == ORIGIN
        assert shown.headers["access-control-allow-credentials"] == "true"
        assert "Origin" in shown.headers["vary"] and "Origin" in refused.headers["vary"]


@pytest.mark.parametrize("path", ["/v1/chat/completions", "/v1/responses", "/generations"])
@pytest.mark.parametrize("kind", ["text/plain", "application/x-www-form-urlencoded", "", "x"])
def test_json_is_read_only_from_what_is_called_json(hub: Web, path: str, kind: str) -> None:
    body = b'{"messages":[{"role":"user","content":"Hi"}],"input":"Hi","prompt":"Hi"}'
    head = {"Host": own_host(hub), "Content-Length": str(len(body))}
    answer = ask(hub, "POST", path, head | ({"Content-Type": kind} if kind else {}), body)
    assert (answer.status, answer.code) == (415, "unsupported-media-type")


def test_a_slash_at_the_end_changes_nothing(hub: Web, channel: str) -> None:
    for path in (f"/channels/{channel}", f"/channels/{channel}/events", "/v1/models", "/events"):
        query = f"?channel={channel}" if path == "/events" else ""
        head = {"Host": own_host(hub)}
        plain, slashed = (ask(hub, "GET", path + end + query, head) for end in ("", "/"))
        assert (slashed.status, slashed.body) == (plain.status, plain.body)
    assert ask(hub, "GET", f"/channels//{channel}/events", {"Host": own_host(hub)}).status == 404
    assert ask(hub, "GET", f"/channels/{channel}/events//", {"Host": own_host(hub)}).status == 404


@pytest.mark.parametrize("path", ["/v1", "/v1/", "/v1/nowhere", "/v1/nowhere/"])
def test_what_is_not_there_under_v1_is_said_in_openai_s_shape(hub: Web, path: str) -> None:
    for method in ("GET", "POST"):
        answer = ask(hub, method, path, {"Host": own_host(hub), "Accept": "text/html"})
        assert answer.status == 404
        assert set(json.loads(answer.body)) == {"error"}


def test_the_client_s_address_is_the_one_that_a_trusted_proxy_tells(
    opened: Web, channel: str
) -> None:
    head = {"Host": "localhost", "X-Forwarded-For": "1.2.3.4, 2001:db8::7"}
    assert ask(opened, "GET", f"/channels/{channel}/events", head).status == 200
    assert f"channels={channel} address=2001:db8::7 " in opened.log()


def test_nobody_is_believed_where_no_proxy_is_trusted(hub: Web, channel: str) -> None:
    head = {"Host": "localhost", "X-Forwarded-For": "9.9.9.9", "X-Forwarded-Host": "evil.example"}
    head |= {"Forwarded": "for=9.9.9.9", "X-Forwarded-Prefix": "/evil"}
    assert ask(hub, "GET", f"/channels/{channel}/events", head).status == 200
    assert f"channels={channel} address=127.0.0.1 " in hub.log()


def test_a_forwarded_host_is_judged_as_every_other(opened: Web) -> None:
    for path in ("/healthz", "/channels/news/events"):
        good = {"Host": "inner", "X-Forwarded-Host": "hub.example"}
        bad = {"Host": "localhost", "X-Forwarded-Host": "evil.example"}
        assert ask(opened, "GET", path, good).status == 200
        assert ask(opened, "GET", path, bad).status == 421


def test_an_allowed_page_s_origin_may_be_the_forwarded_one(opened: Web, channel: str) -> None:
    head = {
        "Host": "inner",
        "X-Forwarded-Host": "hub.example",
        "X-Forwarded-Proto": "https",
        "Origin": "https://hub.example",
        "Content-Type": "text/plain",
        "Content-Length": "1",
    }
    path = f"/channels/{channel}/events"
    assert ask(opened, "POST", path, head, b"x").status == 201
    head["X-Forwarded-Proto"] = "http"
    assert ask(opened, "POST", path, head, b"x").status == 403


def raw(web: Web, request: bytes) -> bytes:
    parts = urlsplit(web.url)
    assert parts.hostname
    connection = http.client.HTTPConnection(parts.hostname, parts.port, timeout=10)
    connection.connect()
    try:
        connection.sock.sendall(request)
        received: bytes = connection.sock.recv(65536)
        return received
    finally:
        connection.close()


@pytest.mark.parametrize(
    ("request_line", "status"),
    [
        (b"GET /x?token=secret", b"400"),
        (b"G@T / HTTP/1.1", b"400"),
        (b"GET / HTTP/9.9", b"400"),
        (b"GET /" + b"x" * 9000 + b" HTTP/1.1", b"414"),
        (b"GET / HTTP/1.1\r\nHost: localhost\r\nbad header", b"400"),
        (b"GET / HTTP/1.1\r\nHost: localhost\r\nX: " + b"x" * 20_000, b"431"),
        (b"POST / HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: gzip", b"400"),
        (b"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: -1", b"400"),
    ],
)
def test_a_head_that_cannot_be_read_is_its_client_s_fault(
    hubs: Hubs, request_line: bytes, status: bytes
) -> None:
    hub = hubs("taken over", "hub")
    answer = raw(hub, request_line + b"\r\n\r\n")
    head, _, body = answer.partition(b"\r\n\r\n")
    assert head.split()[1] == status
    assert b"X-Content-Type-Options: nosniff" in head
    assert json.loads(body)["status"] == int(status)
    assert "secret" not in hub.log() and "Traceback" not in hub.log()


def asked() -> Iterator[tuple[str, str]]:
    """Each of the application's routes with each of its methods and one that it has not."""
    found = {path: {"BREW"} for path, _ in routes()}
    for path, method in routes():
        found[path].add(method)
    for path, methods in found.items():
        named = path.replace("<path:filename>", "worker.js").replace("<", "").replace(">", "")
        yield from ((method, named.replace("path:", "")) for method in methods)
    yield from (("GET", path) for path in ("/nowhere", "/v1/nowhere", "/channels/-/events", "//"))
    yield "GET", "/events?channel=a"


@pytest.fixture
def broken(hubs: Hubs, opened: Web, channel: str) -> str:
    """A channel of which Redis refuses everything."""
    opened.publish(channel, "x")
    with redis.Redis.from_url(hubs.redis_url) as client:
        for key in client.scan_iter(f"*{channel}*"):
            client.delete(key)
            client.set(key, "no stream")
    return f"/channels/{channel}"


def test_every_answer_says_to_a_browser_what_it_may_do_with_it(opened: Web, broken: str) -> None:
    head = {"Host": "hub.example", "Accept": "text/html", "X-Forwarded-Proto": "https"}
    text = {"Content-Type": "text/plain"}
    foreign = {"Origin": FOREIGN}
    requests: list[tuple[str, str, dict[str, str], int]] = [
        *((method, path, {}, 0) for method, path in asked()),
        *(("GET", path, {"Host": "evil.example"}, 0) for path in ("/", "/events", broken)),
        *(("POST", path, foreign, 0) for path in ("/", "/generations", f"{broken}/events")),
        *(("POST", f"{broken}/events", text, size) for size in (1, 300_000)),
        ("GET", f"{broken}/history", {}, 0),
        ("GET", f"{broken}/events", {}, 0),
        ("DELETE", broken, {}, 0),
    ]
    statuses = set()
    for method, path, more, size in requests:
        length = {"Content-Length": str(size)} if size else {}
        answer = ask(opened, method, path, head | more | length, b"x" * size)
        statuses.add(answer.status)
        what = (method, path, answer)
        assert answer.headers["x-content-type-options"] == "nosniff", what
        page = answer.headers.get("content-type", "").startswith("text/html")
        assert page or method != "GET" or answer.status < 400 or path.startswith(PROGRAMS), what
        for name, value in (PAGE | {"Strict-Transport-Security": "max-age=31536000"}).items():
            assert not page or answer.headers[name.lower()] == value, what
    assert statuses >= {200, 204, 400, 403, 404, 405, 413, 415, 421, 500}


@pytest.mark.parametrize("path", ["/", "/g/nowhere", "/nowhere", "/channels/-/events"])
def test_every_page_carries_its_policy_error_pages_too(hub: Web, path: str) -> None:
    for host in (own_host(hub), "rebound.example"):
        answer = ask(hub, "GET", path, {"Host": host, "Accept": "text/html"})
        assert answer.headers["content-type"] == "text/html; charset=utf-8"
        assert "require-trusted-types-for 'script'" in answer.headers["content-security-policy"]
        assert "unsafe-inline" not in answer.headers["content-security-policy"]
        assert answer.headers["referrer-policy"] == "no-referrer"
        [style] = re.findall(rb"<style[^>]*>(.*?)</style>", answer.body, re.DOTALL)
        digest = base64.b64encode(hashlib.sha256(style).digest()).decode()
        assert f"style-src 'sha256-{digest}';" in answer.headers["content-security-policy"]
        assert b" style=" not in answer.body
        assert "strict-transport-security" not in answer.headers


def test_an_answer_without_a_body_has_no_type(hub: Web, channel: str) -> None:
    head = {"Host": own_host(hub)}
    gone = ask(hub, "DELETE", f"/channels/{channel}", head)
    assert gone.status == 204 and "content-type" not in gone.headers


def test_every_origin_may_read_where_all_are_named_and_none_with_credentials(
    hubs: Hubs, way: str, channel: str
) -> None:
    hub = hubs(way, "to all", HUB_CORS_ORIGINS="*")
    head = {"Host": own_host(hub), "Origin": FOREIGN}
    for path in (f"/channels/{channel}", f"/channels/{channel}/events"):
        answer = ask(hub, "GET", path, head)
        assert answer.headers["access-control-allow-origin"] == "*"
        assert "access-control-allow-credentials" not in answer.headers


def test_a_preflight_says_which_headers_may_be_sent_and_read(hub: Web, channel: str) -> None:
    head = {"Host": own_host(hub), "Access-Control-Request-Method": "POST"}
    for path in (f"/channels/{channel}/events", "/generations", "/v1/chat/completions"):
        allowed = ask(hub, "OPTIONS", path, head | {"Origin": ORIGIN})
        assert allowed.status == 200
        names = allowed.headers["access-control-allow-headers"].lower().split(", ")
        assert {"last-event-id", "authorization", "content-type", "idempotency-key"} <= set(names)
        assert "POST" in allowed.headers["access-control-allow-methods"]
        shown = allowed.headers["access-control-expose-headers"].lower()
        assert shown == "location, hubbub-generation, retry-after"
        refused = ask(hub, "OPTIONS", path, head | {"Origin": FOREIGN})
        assert not [name for name in refused.headers if name.startswith("access-control")]


@pytest.mark.slow
@pytest.mark.parametrize("setting", ["HUB_BASE_PATH", "SCRIPT_NAME"])
def test_it_hangs_under_the_path_that_it_was_told_and_probes_need_not_know(
    hubs: Hubs, setting: str, channel: str
) -> None:
    hub = hubs("taken over", f"under a path by {setting}", **{setting: "/hub"})
    head = {"Host": own_host(hub), "Content-Type": "application/json"}
    for prefix in ("", "/hub"):
        assert ask(hub, "GET", f"{prefix}/healthz", head).status == 200
        assert ask(hub, "GET", f"{prefix}/channels/{channel}/events", head).status == 200
        assert b'src="/hub/static/pages/ask.js"' in ask(hub, "GET", f"{prefix}/", head).body
        body = b'{"prompt":"Hi"}'
        length = {"Content-Length": str(len(body))}
        made = ask(hub, "POST", f"{prefix}/generations", head | length, body)
        assert made.headers["location"].startswith("/hub/generations/")
