"""Tokens and keys for tests, made with the libraries and not with the hub's own code."""

from __future__ import annotations

import base64
import json
import time
from typing import Any

import jwt
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

SECRET = "a secret of the tests, of at least 32 bytes"

RSA = rsa.generate_private_key(public_exponent=65537, key_size=2048)
OTHER_RSA = rsa.generate_private_key(public_exponent=65537, key_size=2048)
EC = ec.generate_private_key(ec.SECP256R1())
ED = ed25519.Ed25519PrivateKey.generate()

PrivateKey = rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey | ed25519.Ed25519PrivateKey

ALGORITHM: dict[type, str] = {
    rsa.RSAPrivateKey: "RS256",
    ec.EllipticCurvePrivateKey: "ES256",
    ed25519.Ed25519PrivateKey: "EdDSA",
}


def algorithm_of(key: PrivateKey | str) -> str:
    if isinstance(key, str):
        return "HS256"
    return next(name for kind, name in ALGORITHM.items() if isinstance(key, kind))


def pem(key: PrivateKey) -> str:
    """The public half."""
    return key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()


def token(
    key: PrivateKey | str = SECRET,
    *,
    kid: str | None = None,
    ttl: float = 7200,
    hub: object = None,
    **claims: object,
) -> str:
    """A token that holds what is given; `exp` is `ttl` seconds from now unless it is given."""
    payload: dict[str, Any] = {"exp": int(time.time() + ttl), **claims}
    if hub is not None:
        payload["hub"] = hub
    payload = {name: value for name, value in payload.items() if value is not None}
    headers = None if kid is None else {"kid": kid}
    return jwt.encode(payload, key, algorithm=algorithm_of(key), headers=headers)


def rights(**changes: object) -> dict[str, object]:
    """The claim of one who may everything but what `changes` say."""
    full = {"subscribe": ["*"], "publish": ["*"], "generate": True, "admin": True}
    return {**full, **changes}


def by_hand(header: object, payload: object, signature: bytes = b"") -> str:
    """A token with any header and signature, as a forger would put it together."""
    parts = [json.dumps(header).encode(), json.dumps(payload).encode(), signature]
    return ".".join(base64.urlsafe_b64encode(part).rstrip(b"=").decode() for part in parts)
