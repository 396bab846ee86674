"""Settings: read once from the environment, checked, frozen, passed on as one value.

A setting that does not parse raises `SettingError` with one line that names it; nothing reads the
environment after that.
"""

from __future__ import annotations

import ipaddress
import json
import re
from collections.abc import Callable, Mapping, MutableMapping
from dataclasses import dataclass, field, fields
from difflib import get_close_matches
from typing import Any
from urllib.parse import urlsplit

from hub.number import whole_number

Network = ipaddress.IPv4Network | ipaddress.IPv6Network

BASE_PATH = re.compile(r"(?:/(?!\.{1,2}(?:/|$))[A-Za-z0-9._~@:+-]+)+")
"""A path that the hub may hang under. No `//`, which would be another host in an address."""

OWN_PATHS = frozenset(
    {
        *("ag-ui", "api", "channels", "events", "g", "generations", "healthz", "metrics"),
        *("notifications", "openapi.json", "readyz", "session", "static", "status", "threads"),
        *("tokens", "v1"),
    }
)
"""What the hub's own paths begin with: under such a prefix a path could mean two things."""

_HOST = re.compile(r"(?:\*\.)?[a-z0-9_-]+(?:\.[a-z0-9_-]+)*")


_COMMAND_S_OWN = frozenset({"HUB_TOKEN"})
"""Variables that the command line alone reads."""


class SettingError(ValueError):
    """One line: the setting's name and what it must be."""


def _text(value: str) -> str:
    return value


def _number(low: float, high: float) -> Callable[[str], float]:
    def parse(value: str) -> float:
        try:
            number = float(value)
        except ValueError:
            raise ValueError("must be a number") from None
        if not low <= number <= high:
            raise ValueError(f"must be from {low:g} to {high:g}")
        return number

    return parse


def _whole(low: int, high: int) -> Callable[[str], int]:
    return lambda value: whole_number(value, low, high)


def _flag(value: str) -> bool:
    if value.lower() in ("1", "true", "yes", "on"):
        return True
    if value.lower() in ("0", "false", "no", "off"):
        return False
    raise ValueError("must be 1 or 0")


def _list(value: str) -> tuple[str, ...]:
    return tuple(part.strip() for part in value.split(",") if part.strip())


def _redis_url(value: str) -> str:
    parts = urlsplit(value)
    if parts.scheme not in _REDIS_SCHEMES:
        raise ValueError(f"must start with one of {', '.join(f'{s}://' for s in _REDIS_SCHEMES)}")
    if parts.scheme == "unix":
        if not parts.path.strip("/"):
            raise ValueError("must name a socket, for example unix:///run/redis.sock")
        return value
    for server in parts.netloc.rpartition("@")[2].split(","):
        port = re.search(r":([^:\]]*)$", server)
        if port and not (re.fullmatch(r"[0-9]{1,5}", port[1]) and 0 < int(port[1]) < 65536):
            raise ValueError("must have a port from 1 to 65535 where it has one")
    database = parts.path.strip("/")
    if parts.scheme in ("redis", "rediss") and not re.fullmatch(r"[0-9]{0,5}", database):
        raise ValueError("must end with the number of a database, for example redis://host:6379/0")
    return value


_REDIS_SCHEMES = (
    "redis", "rediss", "unix",
    "redis+sentinel", "rediss+sentinel", "redis+cluster", "rediss+cluster",
)  # fmt: skip


def _key_prefix(value: str) -> str:
    """Without braces, which are the hash tag's, and `@`, which is the database's (`store.keys`)."""
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._:-]{0,63}", value):
        raise ValueError("must be letters, digits and . _ : -, at most 64, no sign in front")
    return value


def _generators(value: str) -> Mapping[str, str]:
    """`agent=mypackage.agent:answer,other=…`: the model's name → where its generator is."""
    found = {}
    for entry in _list(value):
        name, _, where = entry.partition("=")
        if not re.fullmatch(r"[^\s=,]{1,256}", name) or not re.fullmatch(r"[\w.]+:[\w.]+", where):
            raise ValueError(f"{entry!r} is not of the form name=package.module:function")
        found[name] = where
    return found


def _http_url(value: str) -> str:
    parts = urlsplit(value)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ValueError("must be an http:// or https:// URL")
    return value.rstrip("/")


def _secret(value: str) -> str:
    if len(value.encode()) < 32:
        raise ValueError("must be at least 32 bytes long")
    if value.startswith("-----BEGIN"):
        raise ValueError("must be a secret and not a PEM key, which HUB_JWT_PUBLIC_KEY takes")
    return value


def _jwks_url(value: str) -> str:
    parts = urlsplit(value)
    local = parts.scheme == "http" and is_loopback(parts.hostname or "")
    if not parts.hostname or not (parts.scheme == "https" or local):
        raise ValueError("must be an https:// URL, or an http:// one of this machine")
    return value


def _origins(value: str) -> tuple[str, ...]:
    origins = _list(value)
    for origin in origins:
        parts = urlsplit(origin)
        if origin != "*" and (not parts.scheme or not parts.netloc or parts.path not in ("", "/")):
            raise ValueError(f"{origin!r} is not an origin such as https://example.org")
    return tuple(origin.rstrip("/").lower() for origin in origins)


def _base_path(value: str) -> str:
    path = value.rstrip("/")
    if path and not BASE_PATH.fullmatch(path):
        raise ValueError("must be a path such as /hub")
    if path and path.split("/")[1] in OWN_PATHS:
        raise ValueError("must not begin like one of the hub's own paths, such as /channels")
    return path


def take_script_name(environ: MutableMapping[str, str]) -> None:
    """`SCRIPT_NAME` is another name for `HUB_BASE_PATH`. It goes: gunicorn would cut it from every
    path, and fail at the probes that come without it."""
    if name := environ.pop("SCRIPT_NAME", ""):
        environ.setdefault("HUB_BASE_PATH", name)


def _hosts(value: str) -> tuple[str, ...]:
    hosts = tuple(host.lower().removesuffix(".") for host in _list(value))
    for host in hosts:
        if not _HOST.fullmatch(host):
            raise ValueError(f"{host!r} is not a host's name such as hub.example.org (no port)")
    return hosts


def _networks(value: str) -> tuple[Network, ...]:
    networks = []
    for network in _list(value):
        try:
            networks.append(ipaddress.ip_network(network))
        except ValueError:
            raise ValueError(
                f"{network!r} is not an address or a network such as 10.0.0.0/8"
            ) from None
    return tuple(networks)


_PRICED = frozenset({"prompt", "completion", "cached", "reasoning"})


def _prices(value: str) -> Mapping[str, Mapping[str, float]]:
    """`{"model": {"prompt": 0.15, "completion": 0.6, "cached": 0.075}}`, per million tokens."""
    prices = json.loads(value)
    if not isinstance(prices, dict):
        raise ValueError("must be a JSON object of models")
    for model, price in prices.items():
        if not isinstance(price, dict) or set(price) - _PRICED:
            raise ValueError(
                f'{model}: must be {{"prompt": …, "completion": …, "cached": …, "reasoning": …}}'
            )
        for amount in price.values():
            if isinstance(amount, bool) or not isinstance(amount, int | float) or amount < 0:
                raise ValueError(f"{model}: a price is a number, not less than 0")
    return prices


def _log_format(value: str) -> str:
    if value not in ("text", "json"):
        raise ValueError("must be text or json")
    return value


def _setting(name: str, parse: Callable[[str], Any], default: Any, *, secret: bool = False) -> Any:
    """`secret`: it does not stand in what is printed of the settings."""
    metadata = {"name": name, "parse": parse}
    return field(default_factory=lambda: default, repr=not secret, metadata=metadata)


@dataclass(frozen=True)
class Settings:
    """Every setting of contract §8 under its name in lower case, without the `HUB_`."""

    redis_url: str | None = _setting("REDIS_URL", _redis_url, None, secret=True)
    key_prefix: str = _setting("HUB_KEY_PREFIX", _key_prefix, "hub")
    host: str = _setting("HOST", _text, "127.0.0.1")
    port: int = _setting("PORT", _whole(0, 65535), 8000)
    web_concurrency: int = _setting("WEB_CONCURRENCY", _whole(1, 256), 1)
    base_path: str = _setting("HUB_BASE_PATH", _base_path, "")
    allowed_hosts: tuple[str, ...] = _setting("HUB_ALLOWED_HOSTS", _hosts, ())
    trusted_proxies: tuple[Network, ...] = _setting("HUB_TRUSTED_PROXIES", _networks, ())

    openai_base_url: str | None = _setting("OPENAI_BASE_URL", _http_url, None)
    openai_api_key: str | None = _setting("OPENAI_API_KEY", _text, None, secret=True)
    local_model_url: str | None = _setting("HUB_LOCAL_MODEL_URL", _http_url, None)
    local_model_key: str | None = _setting("HUB_LOCAL_MODEL_KEY", _text, None, secret=True)
    local_model_key_file: str | None = _setting("HUB_LOCAL_MODEL_KEY_FILE", _text, None)
    no_model: str = _setting("HUB_NO_MODEL", _text, "")
    model: str | None = _setting("HUB_MODEL", _text, None)
    models: tuple[str, ...] = _setting("HUB_MODELS", _list, ())
    providers_file: str | None = _setting("HUB_PROVIDERS", _text, None)
    generators: Mapping[str, str] = _setting("HUB_GENERATORS", _generators, {})
    system_prompt: str | None = _setting("HUB_SYSTEM_PROMPT", _text, None)
    prices: Mapping[str, Mapping[str, float]] = _setting("HUB_PRICES", _prices, {})

    heartbeat_seconds: int = _setting("HUB_HEARTBEAT_SECONDS", _whole(1, 300), 15)
    retry_ms: int = _setting("HUB_RETRY_MS", _whole(1, 3_600_000), 2000)

    history_events: int = _setting("HUB_HISTORY_EVENTS", _whole(1, 10_000_000), 10_000)
    history_bytes: int = _setting("HUB_HISTORY_BYTES", _whole(1024, 2**40), 64 * 2**20)
    history_seconds: int = _setting("HUB_HISTORY_SECONDS", _whole(1, 10**9), 86_400)
    channel_seconds: int = _setting("HUB_CHANNEL_SECONDS", _whole(1, 10**9), 2_592_000)

    max_listeners: int = _setting("HUB_MAX_LISTENERS", _whole(0, 10_000_000), 10_000)
    max_listeners_per_address: int = _setting(
        "HUB_MAX_LISTENERS_PER_ADDRESS", _whole(0, 10_000_000), 0
    )
    max_event_bytes: int = _setting("HUB_MAX_EVENT_BYTES", _whole(1, 2**28), 262_144)
    stall_seconds: float = _setting("HUB_LISTENER_STALL_SECONDS", _number(0.1, 86_400), 60.0)
    recent_bytes: int = _setting("HUB_RECENT_BYTES", _whole(4096, 2**40), 4 * 2**20)
    recent_total_bytes: int = _setting("HUB_RECENT_TOTAL_BYTES", _whole(4096, 2**40), 256 * 2**20)

    body_seconds: float = _setting("HUB_BODY_SECONDS", _number(0.1, 86_400), 30.0)
    body_bytes_per_second: int = _setting("HUB_BODY_BYTES_PER_SECOND", _whole(0, 2**30), 256)
    max_json_depth: int = _setting("HUB_MAX_JSON_DEPTH", _whole(8, 400), 128)
    max_json_nodes: int = _setting("HUB_MAX_JSON_NODES", _whole(100, 10**7), 100_000)
    max_waiting: int = _setting("HUB_MAX_WAITING", _whole(0, 10**6), 1024)
    max_waiting_per_address: int = _setting("HUB_MAX_WAITING_PER_ADDRESS", _whole(0, 10**6), 256)
    folded_bytes: int = _setting("HUB_FOLDED_BYTES", _whole(0, 2**40), 64 * 2**20)
    generations_per_minute: int = _setting("HUB_GENERATIONS_PER_MINUTE", _whole(0, 10**6), 30)
    running_generations: int = _setting("HUB_RUNNING_GENERATIONS", _whole(0, 10**6), 20)
    publishes_per_second: int = _setting("HUB_PUBLISHES_PER_SECOND", _whole(0, 10**6), 0)
    pulse_file: str | None = _setting("HUB_PULSE_FILE", _text, None)
    cancel_on_disconnect: bool = _setting("HUB_CANCEL_ON_DISCONNECT", _flag, False)
    worker_concurrency: int = _setting("HUB_WORKER_CONCURRENCY", _whole(1, 100_000), 200)
    first_delta_timeout_seconds: float = _setting(
        "HUB_FIRST_DELTA_TIMEOUT_SECONDS", _number(0.05, 86_400), 60.0
    )
    stall_timeout_seconds: float = _setting(
        "HUB_STALL_TIMEOUT_SECONDS", _number(0.05, 86_400), 60.0
    )
    max_request_bytes: int = _setting("HUB_MAX_REQUEST_BYTES", _whole(1024, 2**40), 8 * 2**20)
    max_answer_bytes: int = _setting("HUB_MAX_ANSWER_BYTES", _whole(1024, 2**40), 32 * 2**20)
    lease_seconds: float = _setting("HUB_LEASE_SECONDS", _number(0.2, 3600), 15.0)
    grace_seconds: float = _setting("HUB_GRACE_SECONDS", _number(0, 3600), 8.0)
    wait_replicas: int = _setting("HUB_WAIT_REPLICAS", _whole(0, 16), 0)

    jwt_secret: str | None = _setting("HUB_JWT_SECRET", _secret, None, secret=True)
    jwt_public_key: str | None = _setting("HUB_JWT_PUBLIC_KEY", _text, None, secret=True)
    jwt_jwks_url: str | None = _setting("HUB_JWT_JWKS_URL", _jwks_url, None, secret=True)
    jwt_audience: str | None = _setting("HUB_JWT_AUDIENCE", _text, None)
    jwt_issuer: str | None = _setting("HUB_JWT_ISSUER", _text, None)
    jwt_claim: str = _setting("HUB_JWT_CLAIM", _text, "hub")
    admin_port: int | None = _setting("HUB_ADMIN_PORT", _whole(1, 65535), None)
    cors_origins: tuple[str, ...] = _setting("HUB_CORS_ORIGINS", _origins, ())
    allow_anonymous: bool = _setting("HUB_ALLOW_ANONYMOUS", _flag, False)

    url: str = _setting("HUB_URL", _http_url, "http://127.0.0.1:8000")
    log_format: str = _setting("HUB_LOG_FORMAT", _log_format, "text")

    @classmethod
    def from_environ(cls, environ: Mapping[str, str]) -> Settings:
        """Read the settings; an empty variable counts as unset. Raises `SettingError`.

        The value is not repeated in the error: it may be a secret.
        """
        values: dict[str, Any] = {}
        for setting in fields(cls):
            name = setting.metadata["name"]
            raw = environ.get(name, "").strip()
            if not raw:
                continue
            try:
                values[setting.name] = setting.metadata["parse"](raw)
            except ValueError as error:
                raise SettingError(f"{name} {_problem(error)}") from None
        settings = cls(**values)
        settings._check_keys(values)
        return settings

    @classmethod
    def unknown(cls, environ: Mapping[str, str]) -> list[str]:
        """A line for each `HUB_…` variable that there is not, with the nearest name: a setting that
        was misspelt is otherwise one that silently does nothing. Kubernetes sets such variables for
        a service whose name begins with `hub` (`HUB_PORT_8000_TCP`); those are nobody's mistake."""
        known = {setting.metadata["name"] for setting in fields(cls)} | _COMMAND_S_OWN
        services = {"HUB"} | {
            name.removesuffix("_SERVICE_HOST") for name in environ if name.endswith("_SERVICE_HOST")
        }
        lines = []
        for name in sorted(environ):
            of_a_service = any(
                re.fullmatch(rf"{re.escape(service)}_(SERVICE|PORT)(_.*)?", name)
                for service in services
            )
            if name.startswith("HUB_") and name not in known and not of_a_service:
                nearest = get_close_matches(name, known, 1)
                meant = f": is {nearest[0]} meant?" if nearest else ""
                lines.append(f"there is no setting {name}{meant}")
        return lines

    @property
    def keyed(self) -> bool:
        """Whether everybody must show a token (contract §7). Without any key the hub is open."""
        return any((self.jwt_secret, self.jwt_public_key, self.jwt_jwks_url))

    def check_bind(self) -> None:
        """Refuse an address that others could reach while nobody must show who they are (§7)."""
        if not self.keyed and not self.allow_anonymous and not is_loopback(self.host):
            raise SettingError(
                f"HOST={self.host} can be reached by others and the hub is open to all: "
                "set HUB_JWT_SECRET or another key to ask for tokens, HUB_ALLOW_ANONYMOUS=1 if an "
                "open hub is meant, or HOST=127.0.0.1"
            )

    def _check_keys(self, given: Mapping[str, Any]) -> None:
        """What would be a lock without a door, or the same door twice, is a mistake to be told."""
        for name in ("jwt_audience", "jwt_issuer", "jwt_claim"):
            if name in given and not self.keyed:
                raise SettingError(
                    f"HUB_{name.upper()} says what tokens must hold, but there is no key to check "
                    "them with: set HUB_JWT_SECRET, HUB_JWT_PUBLIC_KEY or HUB_JWT_JWKS_URL, too"
                )
        if self.admin_port is not None and self.admin_port == self.port:
            raise SettingError("HUB_ADMIN_PORT must be another than PORT")


def _problem(error: ValueError) -> str:
    text = str(error)
    if isinstance(error, json.JSONDecodeError):
        return f"is not JSON: {text}"
    return (
        text if text.startswith("must") or ":" in text or " is not " in text else "is not a number"
    )


def is_loopback(host: str) -> bool:
    """Whether `host` is this machine to itself, whatever the environment says of proxies."""
    if host == "localhost" or host.endswith(".localhost"):
        return True
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False
