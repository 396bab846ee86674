"""From a token to an identity. PyJWT does the cryptography; what counts is decided here.

A token that was checked is remembered as it came until it ends, so that an arrival with one costs a
look-up. What is remembered is forgotten at once when the keys change: a token whose key an
identity provider has withdrawn is not to live on here.

What is wrong with a token is told as far as its holder may know it: of one whose signature does not
hold nothing but that it is not valid.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping
from hashlib import sha256
from types import MappingProxyType
from typing import Any, Protocol

import jwt

from hub.access.keys import ALGORITHMS, KeySet
from hub.errors import Unauthorized
from hub.identity import SKEW_SECONDS, Grants, Identity, Patterns

REMEMBERED = 10_000
_END_OF_TIME = 10**12
_NO_KEYS = KeySet()
_NOT_VALID = "the token is not valid"

_SAID: Mapping[type[Exception], str] = {
    jwt.ExpiredSignatureError: "the token has expired",
    jwt.ImmatureSignatureError: "the token is not valid yet",
    jwt.InvalidAudienceError: "the token is for another audience",
    jwt.InvalidIssuerError: "the token is from another issuer",
}


class KeySource(Protocol):
    """Keys that may change while the hub runs (`jwks.Jwks`)."""

    keys: KeySet

    def renew(self) -> None:
        """See to it that they do not grow old, without waiting."""
        ...

    def find(self, algorithm: str, kid: str | None) -> KeySet:
        """The keys for such a header. May wait for the provider; raises `HubError` where nothing
        is known of it yet."""
        ...


class Tokens:
    """Checks tokens and remembers those that hold. `now` is in seconds since the epoch."""

    def __init__(
        self,
        keys: KeySet,
        *,
        source: KeySource | None = None,
        audience: str | None = None,
        issuer: str | None = None,
        claim: str = "hub",
        now: Callable[[], float] = time.time,
    ) -> None:
        self._keys = keys
        self._source = source
        self._audience = audience
        self._issuer = issuer
        self._claim = claim
        self._now = now
        self._known: dict[str, Identity] = {}
        self._known_with = self.keys

    @property
    def keys(self) -> KeySet:
        """Those that may change: with others, nothing of what was found before counts."""
        if self._source is None:
            return _NO_KEYS
        self._source.renew()
        return self._source.keys

    def known(self, token: str) -> Identity | None:
        """The identity of a token that was checked before, at once; None for any other."""
        keys = self.keys
        if self._known_with is not keys:
            self._known.clear()
            self._known_with = keys
        identity = self._known.get(token)
        if identity is None or self.live(identity):
            return identity
        del self._known[token]
        return None

    def check(self, token: str) -> Identity:
        """Raises `Unauthorized`; may wait for the identity provider's keys."""
        identity = self.known(token)
        if identity is None:
            identity = self._identity(token, self._payload(token))
            while len(self._known) >= REMEMBERED:
                del self._known[next(iter(self._known))]
            self._known[token] = identity
        return identity

    def live(self, identity: Identity) -> bool:
        """Whether its token has not ended."""
        return identity.exp is None or self._now() < identity.exp + SKEW_SECONDS

    def _payload(self, token: str) -> Mapping[str, Any]:
        algorithm, kid = _header(token)
        for key in self._candidates(algorithm, kid):
            try:
                return self._decoded(token, key.material, key.algorithm)
            except jwt.InvalidSignatureError:
                pass  # perhaps another key's of the same kind
            except jwt.MissingRequiredClaimError as error:
                raise Unauthorized(f"the token has no {error.claim}") from None
            except (jwt.PyJWTError, ValueError, TypeError, OverflowError, RecursionError) as error:
                raise Unauthorized(_SAID.get(type(error), _NOT_VALID)) from None
        raise Unauthorized(_NOT_VALID)

    def _candidates(self, algorithm: str, kid: str | None) -> list[Any]:
        found = list(self._keys.find(algorithm, kid))
        if not found and self._source is not None and algorithm != "HS256":
            found = list(self._source.find(algorithm, kid).find(algorithm, kid))
        return found

    def _decoded(self, token: str, material: Any, algorithm: str) -> Mapping[str, Any]:
        return jwt.decode(
            token,
            material,
            algorithms=[algorithm],
            audience=self._audience,
            issuer=self._issuer,
            leeway=SKEW_SECONDS,
            options={"require": ["exp"], "verify_aud": self._audience is not None},
        )

    def _identity(self, token: str, payload: Mapping[str, Any]) -> Identity:
        _check_text(payload)
        # One that names no subject is its own: nothing that it makes is another token's. Its
        # signature may be spelled in several ways, which would be as many subjects with limits.
        signed = token.rpartition(".")[0].encode("ascii")
        subject = payload.get("sub") or f"token:{sha256(signed).hexdigest()[:32]}"
        return Identity(
            subject,
            grants_of(payload.get(self._claim), self._claim),
            _exp(payload["exp"]),
            payload.get("jti") or "",
            MappingProxyType(dict(payload)),
        )


def grants_of(claim: object, name: str) -> Grants:
    """What a claim allows; nothing where there is none. Raises `Unauthorized` for a claim of
    another shape: to guess what it means would be to grant it."""
    if claim is None:
        return Grants()
    if not isinstance(claim, dict):
        raise Unauthorized(f"the token's claim {_shown(name)} must be an object")
    return Grants(
        _patterns(claim, name, "subscribe"),
        _patterns(claim, name, "publish"),
        generate=_flag(claim, name, "generate"),
        admin=_flag(claim, name, "admin"),
    )


def _patterns(claim: Mapping[str, Any], name: str, member: str) -> Patterns:
    given = claim.get(member, [])
    if not isinstance(given, list) or not all(isinstance(pattern, str) for pattern in given):
        raise Unauthorized(f"the token's claim {_shown(name)}.{member} must be a list of strings")
    return Patterns.of(given)


def _flag(claim: Mapping[str, Any], name: str, member: str) -> bool:
    given = claim.get(member, False)
    if not isinstance(given, bool):
        raise Unauthorized(f"the token's claim {_shown(name)}.{member} must be true or false")
    return given


def _header(token: str) -> tuple[str, str | None]:
    """The algorithm and the key that a token claims to be signed with."""
    if not token.isascii():
        raise Unauthorized(_NOT_VALID)
    try:
        header = jwt.get_unverified_header(token)
    except (jwt.PyJWTError, ValueError, TypeError, RecursionError):
        raise Unauthorized(_NOT_VALID) from None
    algorithm, kid = header.get("alg"), header.get("kid")
    if not isinstance(algorithm, str) or algorithm not in ALGORITHMS:
        raise Unauthorized(_NOT_VALID)
    return algorithm, kid


def _check_text(payload: Mapping[str, Any]) -> None:
    """Refuse half a character (`"\\ud800"`) wherever it stands: no key in Redis and no answer could
    carry it, and to mend it would make one name of two."""
    try:
        json.dumps(payload, ensure_ascii=False).encode()
    except (UnicodeEncodeError, RecursionError):
        raise Unauthorized(_NOT_VALID) from None


def _exp(given: object) -> float:
    if isinstance(given, bool) or not isinstance(given, int | float):
        raise Unauthorized("the token's exp must be a number")
    return float(min(given, _END_OF_TIME))


def _shown(name: str) -> str:
    return "".join(c for c in name if c.isascii() and c.isprintable() and c not in '"\\')
