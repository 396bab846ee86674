"""What an attacker shows."""

from __future__ import annotations

import base64
import hmac
import json
import time
from hashlib import sha256
from random import Random

from tests.access.signing import OTHER_RSA, RSA, SECRET, by_hand, pem, rights, token

MINE = "mine"
STRANGERS = {"subscribe": [MINE, "user:7:*"], "publish": [MINE], "generate": True, "admin": False}
OWNER = "owner"
GOOD = {"sub": OWNER, "hub": rights(), "exp": 4_000_000_000}
REVOKED = token(sub=OWNER, hub=rights(), jti="revoked", exp=int(time.time()) + 86_400)
STRANGER = token(sub="stranger", hub=STRANGERS, ttl=86_400)


def owners() -> str:
    """The one that nobody else has."""
    return token(sub=OWNER, hub=rights(), ttl=86_400)


class Tokens:
    def __init__(self, random: Random) -> None:
        self._random = random
        header, payload, signature = STRANGER.split(".")
        more = base64.urlsafe_b64encode(json.dumps(GOOD).encode()).rstrip(b"=").decode()
        unsigned = by_hand({"alg": "HS256", "kid": "public"}, GOOD).rpartition(".")[0]
        confused = hmac.new(pem(RSA).encode(), unsigned.encode(), sha256).digest()
        self._forged = [
            by_hand({"alg": "none"}, GOOD),
            by_hand({"alg": "nOnE"}, GOOD, b"x" * 32),
            token("another secret of at least 32 bytes!", sub=OWNER, hub=rights()),
            token(OTHER_RSA, kid="public", sub=OWNER, hub=rights()),
            token(sub=OWNER, hub=rights(), ttl=-300),
            token(sub=OWNER, hub=rights(), nbf=4_000_000_000),
            f"{header}.{more}.{signature}",
            f"{header}.{payload}.",
            f"{unsigned}.{base64.urlsafe_b64encode(confused).rstrip(b'=').decode()}",
            REVOKED,
            *("", "null", "undefined", SECRET, "*", "Bearer", "a.b.c", "\ud83d.x.y", "x" * 9000),
        ]

    def next(self) -> tuple[str, bool]:
        """A token, and whether it is the stranger's own, with which a hub lets in."""
        random = self._random
        if random.random() < 0.35:
            return STRANGER, True
        if random.random() < 0.5:
            return random.choice(self._forged), False
        found = random.choice((STRANGER, REVOKED, *self._forged[:5]))
        at = random.randrange(len(found))
        other = random.choice("abcXYZ019-_.=+/ \x00é")
        if other == found[at] or (at == found.rfind(".") - 1 or at == len(found) - 1):
            return random.choice(self._forged), False  # a last letter may say the same
        return found[:at] + other + found[at + 1 :], False
