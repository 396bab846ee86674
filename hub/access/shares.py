"""Share links: tokens of the hub's own, for one channel each (contract §4).

They are signed with a key that the hub has made for itself and keeps in Redis, whatever keys its
users' tokens are checked with: a hub that only knows an identity provider's public keys can make
links, too, and changing the secret does not end them. A program that can read that key in Redis can
read every channel there without it.

A token of this kind is told by its header, is checked with this key alone and allows to subscribe
to its channel and nothing else, whatever it says.
"""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable
from dataclasses import dataclass
from types import MappingProxyType

import jwt

from hub.channel import check_channel
from hub.errors import RequestError, Unauthorized
from hub.identity import Grants, Identity, Patterns
from hub.store.redis_link import RedisLink

_TYPE = "hubbub-share+jwt"
_NAME = "share"
_KEY_BYTES = 32
_REREAD_SECONDS = 10.0


@dataclass(frozen=True, slots=True)
class Link:
    """`expires`: seconds since the epoch. By its name `jti` it can be revoked."""

    token: str
    expires: int
    jti: str


class Shares:
    """`now` is in seconds since the epoch."""

    def __init__(self, link: RedisLink, now: Callable[[], float] = time.time) -> None:
        self._link = link
        self._place = link.keys.key("tokens", "share-key")
        self._now = now
        self._key = b""
        self._read_at = 0.0
        probe = jwt.encode({}, secrets.token_bytes(_KEY_BYTES), headers={"typ": _TYPE})
        self._head = probe.partition(".")[0] + "."

    def made(self, token: str) -> bool:
        """Whether a token says that it is a share link's. It may lie."""
        return token.startswith(self._head)

    def make(self, channel: str, ttl_seconds: int) -> Link:
        """A link to this channel. Raises `RedisUnavailable`."""
        self._read_key()
        expires, jti = int(self._now()) + ttl_seconds, name_of(channel)
        payload = {"exp": expires, "jti": jti, "channel": channel}
        token = jwt.encode(payload, self._key, algorithm="HS256", headers={"typ": _TYPE})
        return Link(token, expires, jti)

    def check(self, token: str) -> Identity:
        """Raises `Unauthorized`, `RedisUnavailable`."""
        payload = self._payload(token)
        if payload is None and self._now() - self._read_at > _REREAD_SECONDS:
            self._read_key()  # Redis may have been emptied, and another process made a new one
            payload = self._payload(token)
        if payload is None:
            raise Unauthorized("the link is not valid, or not any more")
        return _identity(payload["channel"], float(payload["exp"]), payload["jti"])

    def _payload(self, token: str) -> dict[str, str] | None:
        if not self._key:
            self._read_key()
        try:
            payload: dict[str, str] = jwt.decode(
                token,
                self._key,
                algorithms=["HS256"],
                options={"require": ["exp", "jti", "channel"]},
            )
            check_channel(payload["channel"])
        except (jwt.PyJWTError, RequestError, ValueError, TypeError, RecursionError):
            return None
        return payload

    def _read_key(self) -> None:
        fresh = secrets.token_bytes(_KEY_BYTES)
        self._link.call(lambda client: client.set(self._place, fresh, nx=True))
        self._key = self._link.call(lambda client: client.get(self._place)) or fresh
        self._read_at = self._now()


def name_of(channel: str) -> str:
    """A new name (`jti`) for a link to this channel; `channel_of` reads the channel from it."""
    return f"{_NAME}:{secrets.token_urlsafe(9)}:{channel}"


def channel_of(name: str) -> str | None:
    """The channel that a share link's token of this name is for; None for other tokens' names."""
    kind, _, rest = name.partition(":")
    channel = rest.partition(":")[2]
    return channel if kind == _NAME and channel else None


def _identity(channel: str, exp: float, jti: str) -> Identity:
    claims = MappingProxyType({"exp": exp, "jti": jti, "channel": channel})
    return Identity("", Grants(subscribe=Patterns(frozenset({channel}))), exp, jti, claims)
