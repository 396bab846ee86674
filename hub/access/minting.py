"""New tokens: what `hubbub token` prints, and what a test or a program with the secret may make."""

from __future__ import annotations

import re
import secrets
import time
from collections.abc import Iterable
from typing import Any

import jwt

_UNITS = {"": 1, "s": 1, "m": 60, "h": 3600, "d": 86_400, "w": 604_800}
_DURATION = re.compile(r"([1-9][0-9]{0,9})([smhdw]?)")


def mint(
    secret: str,
    *,
    ttl_seconds: int,
    subject: str | None = None,
    subscribe: Iterable[str] = (),
    publish: Iterable[str] = (),
    generate: bool = False,
    admin: bool = False,
    audience: str | None = None,
    issuer: str | None = None,
    claim: str = "hub",
    now: float | None = None,
) -> str:
    """A token signed with `secret` (HS256), with a `jti` of its own by which it can be revoked."""
    issued = int(time.time() if now is None else now)
    grants: dict[str, Any] = {"subscribe": list(subscribe), "publish": list(publish)}
    grants |= {name: True for name, given in (("generate", generate), ("admin", admin)) if given}
    payload: dict[str, Any] = {
        "iat": issued,
        "exp": issued + ttl_seconds,
        "jti": secrets.token_urlsafe(12),
        claim: grants,
    }
    named = {"sub": subject, "aud": audience, "iss": issuer}
    payload |= {name: value for name, value in named.items() if value}
    return jwt.encode(payload, secret, algorithm="HS256")


def seconds_of(duration: str) -> int:
    """`90`, `90s`, `15m`, `1h`, `7d`, `2w` in seconds. Raises `ValueError`."""
    found = _DURATION.fullmatch(duration)
    if found is None:
        raise ValueError("must be a number with s, m, h, d or w behind it, for example 1h")
    return int(found[1]) * _UNITS[found[2]]
