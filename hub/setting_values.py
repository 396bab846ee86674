"""What each setting's value may be: from the text in the environment to what the hub works with.

Each raises `ValueError` with what must be, behind the setting's name, and does not repeat a value
that may be a secret.
"""

from __future__ import annotations

import ipaddress
import json
import math
import re
from collections.abc import Callable, Mapping
from difflib import get_close_matches
from urllib.parse import parse_qsl

from hub.address import BASE_PATH, Network, is_loopback, split_url
from hub.number import whole_number

OWN_PATHS = frozenset(
    {
        *("ag-ui", "api", "channels", "events", "g", "generations", "healthz", "metrics"),
        *("notifications", "openapi.json", "readyz", "session", "static", "status", "threads"),
        *("tokens", "v1"),
    }
)
"""What the hub's own paths begin with: under such a prefix a path could mean two things."""

_HOST_NAME = re.compile(r"[A-Za-z0-9_-]+(?:\.[A-Za-z0-9_-]+)*\.?")
_HOST = re.compile(r"(?:\*\.)?[a-z0-9_-]+(?:\.[a-z0-9_-]+)*")


def number(low: float, high: float) -> Callable[[str], float]:
    def parse(value: str) -> float:
        try:
            number = float(value)
        except ValueError:
            raise ValueError("must be a number") from None
        if not low <= number <= high:
            raise ValueError(f"must be from {low:g} to {high:g}")
        return number

    return parse


def whole(low: int, high: int) -> Callable[[str], int]:
    return lambda value: whole_number(value, low, high)


def flag(value: str) -> bool:
    if value.lower() in ("1", "true", "yes", "on"):
        return True
    if value.lower() in ("0", "false", "no", "off"):
        return False
    raise ValueError("must be 1 or 0")


def words(value: str) -> tuple[str, ...]:
    return tuple(part.strip() for part in value.split(",") if part.strip())


def redis_url(value: str) -> str:
    parts = split_url(value)
    if parts.scheme not in _REDIS_SCHEMES:
        raise ValueError(f"must start with one of {', '.join(f'{s}://' for s in _REDIS_SCHEMES)}")
    database = parts.path.strip("/")
    if parts.scheme == "unix" and not database:
        raise ValueError("must name a socket, for example unix:///run/redis.sock")
    if parts.scheme in ("redis", "rediss") and not re.fullmatch(r"[0-9]{0,5}", database):
        raise ValueError("must end with the number of a database, for example redis://host:6379/0")
    for name, given in parse_qsl(parts.query, keep_blank_values=True):
        if name not in _REDIS_OPTIONS:
            nearest = get_close_matches(name, _REDIS_OPTIONS, 1)
            meant = f": is {nearest[0]} meant?" if nearest else ""
            raise ValueError(f"must not have the option {name}, which there is not{meant}")
        if not re.fullmatch(_REDIS_OPTIONS[name], given):
            raise ValueError(f"must have another value for {name}")
    return parts.scheme + value[len(parts.scheme) :]


_REDIS_SCHEMES = (
    "redis", "rediss", "unix",
    "redis+sentinel", "rediss+sentinel", "redis+cluster", "rediss+cluster",
)  # fmt: skip
REDIS_FILES = ("ssl_ca_certs", "ssl_certfile", "ssl_keyfile")

_SECONDS, _ANY, _YES_OR_NO = r"[0-9]+(\.[0-9]+)?", r".+", r"(?i)true|false|yes|no|0|1"
_REDIS_OPTIONS = {
    **dict.fromkeys(("db", "max_connections"), r"[0-9]{1,5}"),
    **dict.fromkeys(("socket_timeout", "socket_connect_timeout", "timeout"), _SECONDS),
    **dict.fromkeys(("socket_keepalive", "ssl_check_hostname"), _YES_OR_NO),
    **dict.fromkeys((*REDIS_FILES, "ssl_ca_path", "ssl_ca_data", "ssl_password"), _ANY),
    **dict.fromkeys(("ssl_ciphers", "client_name"), _ANY),
    **dict.fromkeys(("username", "password", "sentinel_username", "sentinel_password"), _ANY),
    "health_check_interval": _SECONDS,
    "ssl_cert_reqs": "none|optional|required",
}
"""What may stand behind the `?`, as redis-py reads it (`store.redis_client`)."""


def key_prefix(value: str) -> str:
    """Without braces, which are the hash tag's, and `@`, which is the database's (`store.keys`)."""
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._:-]{0,63}", value):
        raise ValueError("must be letters, digits and . _ : -, at most 64, no sign in front")
    return value


def generators(value: str) -> Mapping[str, str]:
    """`agent=mypackage.agent:answer,other=…`: the model's name → where its generator is."""
    found = {}
    for entry in words(value):
        name, _, where = entry.partition("=")
        if not re.fullmatch(r"[^\s=,]{1,256}", name) or not re.fullmatch(r"[\w.]+:[\w.]+", where):
            raise ValueError(f"{entry!r} is not of the form name=package.module:function")
        found[name] = where
    return found


def host(value: str) -> str:
    """A name or an address to listen at, an IPv6 one with brackets or without."""
    bare = value[1:-1] if value.startswith("[") and value.endswith("]") else value
    try:
        ipaddress.ip_address(bare)
    except ValueError:
        if not _HOST_NAME.fullmatch(value):
            raise ValueError(
                "must be an address or a name, such as 127.0.0.1 (the port is PORT's)"
            ) from None
    return value


def api_key(value: str) -> str:
    """A key that a header can carry. Raises `ValueError`."""
    if not re.fullmatch(r"[\x21-\x7e]+", value):
        raise ValueError("must be ASCII without spaces")
    return value


def secret(value: str) -> str:
    if len(value.encode()) < 32:
        raise ValueError("must be at least 32 bytes long")
    if value.startswith("-----BEGIN"):
        raise ValueError("must be a secret and not a PEM key, which HUB_JWT_PUBLIC_KEY takes")
    return value


def jwks_url(value: str) -> str:
    parts = split_url(value)
    local = parts.scheme == "http" and is_loopback(parts.hostname or "")
    if not parts.hostname or not (parts.scheme == "https" or local):
        raise ValueError("must be an https:// URL, or an http:// one of this machine")
    return value


def origins(value: str) -> tuple[str, ...]:
    origins = words(value)
    for origin in origins:
        parts = split_url(origin)
        if origin != "*" and (not parts.scheme or not parts.netloc or parts.path not in ("", "/")):
            raise ValueError(f"{origin!r} is not an origin such as https://example.org")
    return tuple(origin.rstrip("/").lower() for origin in origins)


def base_path(value: str) -> str:
    path = value.rstrip("/")
    if path and not BASE_PATH.fullmatch(path):
        raise ValueError("must be a path such as /hub")
    if path and path.split("/")[1] in OWN_PATHS:
        raise ValueError("must not begin like one of the hub's own paths, such as /channels")
    return path


def hosts(value: str) -> tuple[str, ...]:
    hosts = tuple(host.lower().removesuffix(".") for host in words(value))
    for host in hosts:
        if not _HOST.fullmatch(host):
            raise ValueError(f"{host!r} is not a host's name such as hub.example.org (no port)")
    return hosts


def networks(value: str) -> tuple[Network, ...]:
    networks = []
    for network in words(value):
        try:
            networks.append(ipaddress.ip_network(network))
        except ValueError:
            raise ValueError(
                f"{network!r} is not an address or a network such as 10.0.0.0/8"
            ) from None
    return tuple(networks)


_PRICED = frozenset({"prompt", "completion", "cached", "reasoning"})


def prices(value: str) -> Mapping[str, Mapping[str, float]]:
    """`{"model": {"prompt": 0.15, "completion": 0.6, "cached": 0.075}}`, per million tokens."""
    try:
        prices = json.loads(value)
    except ValueError as error:
        raise ValueError(f"is not JSON: {error}") from None
    if not isinstance(prices, dict):
        raise ValueError("must be a JSON object of models")
    for model, price in prices.items():
        if not isinstance(price, dict) or set(price) - _PRICED:
            raise ValueError(
                f'{model}: must be {{"prompt": …, "completion": …, "cached": …, "reasoning": …}}'
            )
        for amount in price.values():
            number = isinstance(amount, int | float) and not isinstance(amount, bool)
            if not number or not 0 <= amount < math.inf:
                raise ValueError(f"{model}: a price is a number, not less than 0")
    return prices


def log_format(value: str) -> str:
    if value not in ("text", "json"):
        raise ValueError("must be text or json")
    return value
