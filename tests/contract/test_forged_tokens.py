"""Contract §7: no forged token gets in, wherever it is shown, on both ways, to read or to write.

`access/test_tokens.py` tries many more on the checker alone; here each kind meets a running hub
with a secret, two public keys, an audience and an issuer.
"""

from __future__ import annotations

import base64
import hmac
import json
from collections.abc import Callable
from hashlib import sha256
from typing import Any

import jwt
import pytest
import requests

from tests.access.signing import EC, OTHER_RSA, RSA, SECRET, by_hand, pem, rights, token
from tests.contract.conftest import Hubs
from tests.support.stack import Web

pytestmark = pytest.mark.sets_keys

ISSUER, AUDIENCE = "https://id.example", "hub"
OURS: dict[str, Any] = {"sub": "7", "hub": rights(), "iss": ISSUER, "aud": AUDIENCE}
PAYLOAD = {"exp": 4_000_000_000, **OURS}
GOOD = {
    "secret": lambda: token(**OURS),
    "RS256": lambda: token(RSA, kid="old", **OURS),
    "ES256": lambda: token(EC, kid="new", **OURS),
    "several audiences": lambda: token(**{**OURS, "aud": ["other", AUDIENCE]}),
    "within a minute of skew": lambda: token(ttl=-30, **OURS),
}


def _signed(secret: str, **header: str) -> str:
    """HS256 with what is no secret: nothing, or the PEM that everybody may know."""
    unsigned = by_hand({"alg": "HS256", "typ": "JWT", **header}, PAYLOAD).rpartition(".")[0]
    signature = hmac.new(secret.encode(), unsigned.encode(), sha256).digest()
    return f"{unsigned}.{base64.urlsafe_b64encode(signature).rstrip(b'=').decode()}"


def _altered(change: Callable[[str, str, str], str]) -> str:
    header, payload, signature = token(**OURS).split(".")
    return change(header, payload, signature)


_MORE = base64.urlsafe_b64encode(json.dumps({**PAYLOAD, "sub": "root"}).encode()).rstrip(b"=")
FORGED: dict[str, Callable[[], str]] = {
    "no algorithm": lambda: by_hand({"alg": "none", "typ": "JWT"}, PAYLOAD),
    "no algorithm, signed": lambda: by_hand({"alg": "None"}, PAYLOAD, b"x" * 32),
    "another secret": lambda: token("another secret of at least 32 bytes!", **OURS),
    "an empty secret": lambda: _signed(""),
    "another key": lambda: token(OTHER_RSA, **OURS),
    "another key under a name of ours": lambda: token(OTHER_RSA, kid="old", **OURS),
    "a key under the other's name": lambda: token(RSA, kid="new", **OURS),
    "a name that there is not": lambda: token(RSA, kid="../../dev/null", **OURS),
    "a name with NUL": lambda: token(RSA, kid="old\x00", **OURS),
    "a public key as a secret": lambda: _signed(pem(RSA)),
    "a public key as a secret, named": lambda: _signed(pem(EC), kid="new"),
    "a key that it brings along": lambda: jwt.encode(
        PAYLOAD, OTHER_RSA, algorithm="RS256", headers={"jku": "https://example.org/keys"}
    ),
    "another algorithm of the key's": lambda: jwt.encode(PAYLOAD, RSA, algorithm="PS256"),
    "another audience": lambda: token(**{**OURS, "aud": "other"}),
    "no audience": lambda: token(**{**OURS, "aud": None}),
    "an audience that begins alike": lambda: token(**{**OURS, "aud": "hubs"}),
    "another issuer": lambda: token(**{**OURS, "iss": ISSUER + "/"}),
    "no issuer": lambda: token(**{**OURS, "iss": None}),
    "no end": lambda: jwt.encode(OURS, SECRET, algorithm="HS256"),
    "an end that is no time": lambda: jwt.encode({**OURS, "exp": "soon"}, SECRET),
    "expired": lambda: token(ttl=-120, **OURS),
    "not yet": lambda: token(nbf=4_000_000_000, **OURS),
    "truncated": lambda: token(**OURS)[:-3],
    "without its signature": lambda: _altered(lambda h, p, s: f"{h}.{p}."),
    "another's signature": lambda: _altered(lambda h, p, s: f"{h}.{_MORE.decode()}.{s}"),
    "twice": lambda: _altered(lambda h, p, s: f"{h}.{p}.{s}.{s}"),
    "half a character in its subject": lambda: token(**{**OURS, "sub": "\ud800"}),
    "half a character in a grant": lambda: token(**{**OURS, "hub": {"subscribe": ["\ud800"]}}),
    "what must be understood and is not": lambda: jwt.encode(
        {**PAYLOAD}, SECRET, headers={"crit": ["x"], "x": 1}
    ),
    "a subject that is a number": lambda: jwt.encode({**PAYLOAD, "sub": 7}, SECRET),
    "made in the future": lambda: token(iat=4_000_000_000, **OURS),
    "an end that is no number": lambda: jwt.encode({**PAYLOAD, "exp": float("nan")}, SECRET),
    "a claim that is a list": lambda: token(**{**OURS, "hub": ["*"]}),
    "a grant that is a number": lambda: token(**{**OURS, "hub": {"subscribe": [1]}}),
}


@pytest.fixture
def web(way: str, hubs: Hubs) -> Web:
    return hubs(
        way,
        "with two public keys",
        HUB_JWT_SECRET=SECRET,
        HUB_JWT_PUBLIC_KEY=f"old={pem(RSA)}\nnew={pem(EC)}",
        HUB_JWT_AUDIENCE=AUDIENCE,
        HUB_JWT_ISSUER=ISSUER,
    )


def statuses(web: Web, shown: str) -> dict[str, int]:
    """What each way of showing the token is answered with."""
    session = requests.Session()
    headers, cookie = {"Authorization": f"Bearer {shown}"}, {"Cookie": f"hubbub_token={shown}"}
    own = {"Origin": web.url}
    path = "/channels/news/events"

    def asked(method: str, where: str, headers: dict[str, str], **more: Any) -> int:
        with session.request(
            method, web.url + where, headers=headers, stream=True, timeout=15, **more
        ) as answer:
            if answer.status_code == 401:
                assert answer.headers["WWW-Authenticate"].startswith("Bearer error=")
                assert shown not in answer.text
            return answer.status_code

    event = {"json": {"data": "forged"}}
    return {
        "subscribe": asked("GET", path, headers),
        "subscribe by cookie": asked("GET", path, cookie),
        "subscribe by query": asked("GET", path, {}, params={"token": shown}),
        "subscribe to several": asked("GET", "/events?channel=news&channel=other", headers),
        "publish": asked("POST", path, headers, **event),
        "publish by cookie": asked("POST", path, {**cookie, **own}, **event),
        "history": asked("GET", "/channels/news/history", headers),
        "list": asked("GET", "/generations", headers),
        "models": asked("GET", "/v1/models", headers),
    }


@pytest.mark.parametrize("kind", GOOD)
def test_a_good_one_gets_in_everywhere(web: Web, kind: str) -> None:
    assert set(statuses(web, GOOD[kind]()).values()) <= {200, 201}


@pytest.mark.parametrize("kind", FORGED)
def test_a_forged_one_gets_in_nowhere(web: Web, kind: str) -> None:
    assert set(statuses(web, FORGED[kind]()).values()) == {401}
