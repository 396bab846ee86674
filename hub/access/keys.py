"""Keys that tokens are signed with, each bound to the one algorithm that it is for.

What an algorithm's name in a token's header can reach is decided here, by the key: a public key can
never serve as an HMAC secret, and there is no key for `none`.

gunicorn's master checks the settings with this module before gevent has patched the process:
nothing here may import PyJWT, which brings ssl.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, EllipticCurvePublicKey
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.hazmat.primitives.serialization import load_pem_public_key
from cryptography.x509 import load_pem_x509_certificate

from hub.settings import SettingError, Settings

ALGORITHMS = frozenset({"HS256", "RS256", "ES256", "EdDSA"})

_LEAST_RSA_BITS = 2048
_BLOCK = re.compile(
    r"(?:(?P<kid>[^\s=]+)\s*=\s*)?"
    r"(?P<pem>-----BEGIN (?P<label>[A-Z0-9 ]+)-----.*?-----END (?P=label)-----)",
    re.DOTALL,
)


class UnfitKey(ValueError):
    """A key that no token can be checked with; says why, never what the key is."""


@dataclass(frozen=True, slots=True)
class Key:
    """`kid` is None for a key without a name, which serves tokens that name any or none."""

    algorithm: str
    material: Any
    kid: str | None = None

    @classmethod
    def of(cls, public: object, kid: str | None = None) -> Key:
        """Raises `UnfitKey`."""
        if isinstance(public, RSAPublicKey):
            if public.key_size < _LEAST_RSA_BITS:
                raise UnfitKey(f"an RSA key must have at least {_LEAST_RSA_BITS} bits")
            return cls("RS256", public, kid)
        if isinstance(public, EllipticCurvePublicKey):
            if not isinstance(public.curve, SECP256R1):
                raise UnfitKey("an elliptic curve's key must be of P-256")
            return cls("ES256", public, kid)
        if isinstance(public, Ed25519PublicKey):
            return cls("EdDSA", public, kid)
        raise UnfitKey("must be an RSA, P-256 or Ed25519 public key")

    def fits(self, algorithm: str, kid: str | None) -> bool:
        return self.algorithm == algorithm and (kid is None or self.kid in (None, kid))


@dataclass(frozen=True, slots=True)
class KeySet:
    """All keys that are good at the moment."""

    keys: tuple[Key, ...] = ()

    def find(self, algorithm: str, kid: str | None) -> Iterator[Key]:
        """The keys that a token with this header may have been signed with."""
        return (key for key in self.keys if key.fits(algorithm, kid))


def keys_of(settings: Settings) -> KeySet:
    """The keys that the settings hold. Raises `SettingError`, which does not repeat them."""
    keys: list[Key] = []
    if settings.jwt_secret is not None:
        keys.append(Key("HS256", settings.jwt_secret.encode()))
    if settings.jwt_public_key is not None:
        try:
            keys += _public_keys(settings.jwt_public_key)
        except UnfitKey as error:
            raise SettingError(f"HUB_JWT_PUBLIC_KEY: {error}") from None
    return KeySet(tuple(keys))


def _public_keys(text: str) -> Iterable[Key]:
    """One PEM or several, each with `kid=` in front if it has a name; or JSON, `{"kid": "PEM"}`.
    Line ends may be written as `\\n`, for files of settings that know only single lines."""
    if text.lstrip().startswith("{"):
        found = [_from_pem(pem, kid) for kid, pem in _json_object(text).items()]
    else:
        pems = text.replace("\\n", "\n")
        if _BLOCK.sub("", pems).strip():
            raise UnfitKey("must hold PEM blocks and nothing else (-----BEGIN PUBLIC KEY-----)")
        found = [_from_pem(block["pem"], block["kid"]) for block in _BLOCK.finditer(pems)]
    if not found:
        raise UnfitKey("holds no key")
    names = [key.kid for key in found if key.kid is not None]
    if len(set(names)) < len(names):
        raise UnfitKey("two keys have the same kid")
    return found


def _json_object(text: str) -> Mapping[str, object]:
    try:
        found = json.loads(text)
    except ValueError:
        raise UnfitKey("is not JSON") from None
    assert isinstance(found, dict)
    return found


def _from_pem(pem: object, kid: str | None) -> Key:
    if not isinstance(pem, str):
        raise UnfitKey("each kid must have a PEM block")
    if "PRIVATE KEY" in pem:
        raise UnfitKey("holds a private key: only the public half belongs here")
    try:
        data = pem.strip().encode()
        if "CERTIFICATE" in pem:
            return Key.of(load_pem_x509_certificate(data).public_key(), kid)
        return Key.of(load_pem_public_key(data), kid)
    except UnfitKey:
        raise
    except (ValueError, UnsupportedAlgorithm):
        raise UnfitKey("holds a PEM block that cannot be read as a public key") from None
