"""A real HTTP server is the identity provider: its keys are fetched, kept, rotated, and it goes."""

from __future__ import annotations

import json
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
from jwt.algorithms import ECAlgorithm, OKPAlgorithm, RSAAlgorithm

from hub.access import jwks
from hub.access.jwks import FETCH_PAUSE_SECONDS, REFRESH_SECONDS, Jwks
from hub.access.keys import KeySet
from hub.access.tokens import Tokens
from hub.errors import ProviderUnavailable, Unauthorized
from tests.access.signing import EC, ED, OTHER_RSA, RSA, SECRET, PrivateKey, algorithm_of, token
from tests.support.deadline import eventually, patience

_JWK: dict[str, Any] = {"RS256": RSAAlgorithm, "ES256": ECAlgorithm, "EdDSA": OKPAlgorithm}


def jwk(key: PrivateKey, kid: str, **members: object) -> dict[str, Any]:
    """The public half, as providers show it."""
    found = json.loads(_JWK[algorithm_of(key)].to_jwk(key.public_key()))
    return {**found, "kid": kid, "use": "sig", **members}


class Provider:
    """`keys` is what it shows; `status`, `body` and `pause` let it fail."""

    def __init__(self) -> None:
        self.keys: list[dict[str, Any]] = []
        self.status = 200
        self.body: bytes | None = None
        self.pause = 0.0
        self.asked = 0
        provider = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                provider.asked += 1
                time.sleep(provider.pause)
                body = provider.body or json.dumps({"keys": provider.keys}).encode()
                self.send_response(provider.status)
                if provider.status == 302:
                    self.send_header("Location", f"http://127.0.0.1:{provider.port}/elsewhere")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *args: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.port = self._server.server_port
        self.url = f"http://127.0.0.1:{self.port}/jwks.json"
        threading.Thread(target=self._server.serve_forever, args=(0.01,), daemon=True).start()

    def end(self) -> None:
        self._server.shutdown()
        self._server.server_close()


@pytest.fixture
def idp() -> Iterator[Provider]:
    provider = Provider()
    yield provider
    provider.end()


class Clock:
    def __init__(self) -> None:
        self.seconds = 1000.0

    def __call__(self) -> float:
        return self.seconds


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def source(idp: Provider, clock: Clock) -> Jwks:
    return Jwks(idp.url, clock=clock)


def checker(source: Jwks) -> Tokens:
    return Tokens(KeySet(), source=source)


def test_keys_are_fetched_when_first_needed_and_then_known(idp: Provider, source: Jwks) -> None:
    idp.keys = [jwk(RSA, "a"), jwk(EC, "b"), jwk(ED, "c")]
    tokens = checker(source)
    for key, kid in ((RSA, "a"), (EC, "b"), (ED, "c"), (RSA, "a")):
        assert tokens.check(token(key, kid=kid, sub="7")).subject == "7"
    assert idp.asked == 1


def test_a_rotation_is_noticed_by_its_first_token(
    idp: Provider, source: Jwks, clock: Clock
) -> None:
    idp.keys = [jwk(RSA, "old")]
    tokens = checker(source)
    tokens.check(token(RSA, kid="old"))
    idp.keys = [jwk(OTHER_RSA, "new")]
    clock.seconds += FETCH_PAUSE_SECONDS
    assert tokens.check(token(OTHER_RSA, kid="new", sub="7")).subject == "7"
    with pytest.raises(Unauthorized):
        tokens.check(token(RSA, kid="old"))


def test_unknown_keys_do_not_let_anybody_drive_the_fetching(
    idp: Provider, source: Jwks, clock: Clock
) -> None:
    idp.keys = [jwk(RSA, "a")]
    tokens = checker(source)
    tokens.check(token(RSA, kid="a"))
    for number in range(50):
        with pytest.raises(Unauthorized):
            tokens.check(token(OTHER_RSA, kid=f"forged-{number}"))
    assert idp.asked == 1
    clock.seconds += FETCH_PAUSE_SECONDS
    for number in range(50):
        with pytest.raises(Unauthorized):
            tokens.check(token(OTHER_RSA, kid=f"forged-{number}"))
    assert idp.asked == 2


def test_old_keys_are_renewed_without_holding_anybody_up(
    idp: Provider, source: Jwks, clock: Clock
) -> None:
    idp.keys = [jwk(RSA, "a")]
    tokens = checker(source)
    tokens.check(token(RSA, kid="a", jti="1"))
    idp.keys = [jwk(OTHER_RSA, "b")]
    clock.seconds += REFRESH_SECONDS + 1
    tokens.check(token(RSA, kid="a", jti="2"))  # answered from what is known, the fetch just begins
    eventually(lambda: source._under_way is None)
    with pytest.raises(Unauthorized):
        tokens.check(token(RSA, kid="a", jti="3"))


def test_a_withdrawn_key_ends_its_tokens_also_where_only_they_are_shown(
    idp: Provider, source: Jwks, clock: Clock
) -> None:
    idp.keys = [jwk(RSA, "a")]
    tokens, shown = checker(source), token(RSA, kid="a")
    tokens.check(shown)
    tokens.check(shown)  # the first of a key that is new is not remembered
    assert tokens.known(shown) is not None
    idp.keys = [jwk(OTHER_RSA, "b")]
    clock.seconds += REFRESH_SECONDS + 1
    eventually(lambda: tokens.known(shown) is None)
    assert idp.asked == 2


def test_a_rotation_is_noticed_also_where_each_request_has_a_thread_of_its_own(
    idp: Provider, source: Jwks, clock: Clock
) -> None:
    tokens = checker(source)

    def subject(key: PrivateKey, kid: str, jti: str) -> str:
        with ThreadPoolExecutor(1) as request:
            shown = token(key, kid=kid, jti=jti, sub="7")
            return request.submit(lambda: tokens.check(shown).subject).result()

    idp.keys = [jwk(RSA, "old")]
    assert subject(RSA, "old", "1") == "7"
    clock.seconds += REFRESH_SECONDS + 1
    assert subject(RSA, "old", "2") == "7"  # and begins a fetch, for which it does not wait
    eventually(lambda: source._under_way is None)
    idp.keys = [jwk(RSA, "old"), jwk(EC, "new")]
    clock.seconds += FETCH_PAUSE_SECONDS
    assert subject(EC, "new", "3") == "7"
    assert idp.asked == 3


def test_while_the_provider_is_away_what_it_said_last_counts(
    idp: Provider, source: Jwks, clock: Clock
) -> None:
    idp.keys = [jwk(RSA, "a")]
    tokens = checker(source)
    tokens.check(token(RSA, kid="a", jti="1"))
    idp.end()
    clock.seconds += 100 * REFRESH_SECONDS
    assert tokens.check(token(RSA, kid="a", jti="2", sub="7")).subject == "7"
    with pytest.raises(Unauthorized):
        tokens.check(token(OTHER_RSA, kid="b"))


@pytest.mark.parametrize(
    ("status", "body"),
    [
        (500, None),
        (404, None),
        (302, None),
        (200, b"not json"),
        (200, b"[]"),
        (200, b'{"keys": "none"}'),
        (200, b'{"keys": []}'),
        (200, b'{"keys": [{"kty":"oct","k":"c2VjcmV0","alg":"HS256"}, 7, null, {"kty":"?"}]}'),
        (200, b'{"keys":' + b"[" * 100_000),
        (200, b" " * (2 << 20)),
    ],
)
def test_a_provider_that_never_showed_a_key_lets_nobody_in_and_says_so(
    idp: Provider, source: Jwks, clock: Clock, status: int, body: bytes | None
) -> None:
    idp.keys = [jwk(RSA, "a")]
    idp.status, idp.body = status, body
    tokens = checker(source)
    for _ in range(3):
        with pytest.raises(ProviderUnavailable) as refusal:
            tokens.check(token(RSA, kid="a"))
        assert str(idp.port) not in refusal.value.detail
    assert idp.asked == 1
    idp.status, idp.body = 200, None
    clock.seconds += FETCH_PAUSE_SECONDS
    assert tokens.check(token(RSA, kid="a", sub="7")).subject == "7"


def test_a_symmetric_key_of_a_provider_s_is_no_key(idp: Provider, source: Jwks) -> None:
    idp.keys = [{"kty": "oct", "k": "YSBzZWNyZXQ", "kid": "s", "alg": "HS256"}, jwk(RSA, "a")]
    tokens = checker(source)
    tokens.check(token(RSA, kid="a"))
    with pytest.raises(Unauthorized):
        tokens.check(token(SECRET, kid="s"))


@pytest.mark.parametrize("members", [{"use": "enc"}, {"alg": "RS512"}, {"alg": "ES256"}])
def test_a_key_for_something_else_checks_no_token(
    idp: Provider, source: Jwks, members: dict[str, object]
) -> None:
    idp.keys = [jwk(RSA, "a", **members), jwk(EC, "b")]
    with pytest.raises(Unauthorized):
        checker(source).check(token(RSA, kid="a"))


def test_a_private_key_that_a_provider_shows_by_mistake_is_not_used(
    idp: Provider, source: Jwks
) -> None:
    idp.keys = [{**json.loads(RSAAlgorithm.to_jwk(RSA)), "kid": "a"}, jwk(EC, "b")]
    with pytest.raises(Unauthorized):
        checker(source).check(token(RSA, kid="a"))


def test_a_slow_provider_holds_up_only_those_who_need_it(
    idp: Provider, source: Jwks, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    idp.keys = [jwk(RSA, "a")]
    tokens = checker(source)
    tokens.check(token(RSA, kid="a", jti="1"))
    monkeypatch.setattr(jwks, "PATIENCE_SECONDS", 0.2)
    idp.pause = 1.0
    clock.seconds += FETCH_PAUSE_SECONDS
    with ThreadPoolExecutor(5) as requests:
        asking = [requests.submit(_refused, tokens, f"forged-{number}") for number in range(5)]
        eventually(lambda: idp.asked == 2)
        tokens.check(token(RSA, kid="a", jti="2"))
        assert source._under_way is not None, "it has waited for the fetch"
        for each in asking:
            each.result()
    assert idp.asked == 2


def _refused(tokens: Tokens, kid: str) -> None:
    with pytest.raises(Unauthorized):
        tokens.check(token(OTHER_RSA, kid=kid))


def test_the_provider_s_address_does_not_come_into_the_log(
    caplog: pytest.LogCaptureFixture, clock: Clock
) -> None:
    source = Jwks("http://user:hunter2@127.0.0.1:9/keys", clock=clock)
    with caplog.at_level("WARNING", logger="hub.access"), pytest.raises(ProviderUnavailable):
        checker(source).check(token(RSA, kid="a"))
    assert "not fetched" in caplog.text
    assert "hunter2" not in caplog.text and "127.0.0.1" not in caplog.text


_FETCHES = """
from gevent import monkey; monkey.patch_all()
import logging, sys, time
from hub.access import jwks
from hub.errors import ProviderUnavailable
logging.basicConfig(format="%(message)s", stream=sys.stdout)
jwks.FETCH_SECONDS = 0.5
source, began = jwks.Jwks(sys.argv[1]), time.monotonic()
try:
    source.find("RS256", None)
except ProviderUnavailable:
    print("over" if time.monotonic() - began < jwks.PATIENCE_SECONDS else "late")
"""


def test_a_provider_that_drips_its_head_is_let_go_in_time() -> None:
    """As a web process fetches: with gevent's sockets."""
    with socket.create_server(("127.0.0.1", 0)) as server:

        def drip() -> None:
            connection, _ = server.accept()
            with connection, suppress(OSError):
                connection.sendall(b"HTTP/1.1 200 OK\r\n")
                while True:
                    connection.sendall(b"X-Drip: 1\r\n")
                    time.sleep(0.05)

        threading.Thread(target=drip, daemon=True).start()
        url = f"http://127.0.0.1:{server.getsockname()[1]}/jwks.json"
        command = [sys.executable, "-c", _FETCHES, url]
        told = subprocess.run(command, capture_output=True, text=True, timeout=20 * patience())
    assert "keys not fetched" in told.stdout
    assert "over" in told.stdout
