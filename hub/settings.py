"""Settings: read once from the environment, checked, frozen, passed on as one value.

A setting that does not parse raises `SettingError` with one line that names it; nothing reads the
environment after that.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields
from difflib import get_close_matches
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from hub import setting_values as values
from hub.address import Network, base_url, is_loopback

_COMMAND_S_OWN = frozenset({"HUB_TOKEN"})
"""Variables that the command line alone reads."""


class SettingError(ValueError):
    """One line: the setting's name and what it must be."""


def _setting(
    name: str,
    parse: Callable[[str], Any],
    default: Any,
    *,
    secret: bool = False,
    quoted: bool = False,
) -> Any:
    """`secret`: it does not stand in what is printed of the settings. `quoted`: quotes around the
    value may belong to it."""
    metadata = {"name": name, "parse": parse, "quoted": quoted}
    return field(default_factory=lambda: default, repr=not secret, metadata=metadata)


@dataclass(frozen=True)
class Settings:
    """Every setting of contract §8 under its name in lower case, without the `HUB_`."""

    redis_url: str | None = _setting("REDIS_URL", values.redis_url, None, secret=True)
    key_prefix: str = _setting("HUB_KEY_PREFIX", values.key_prefix, "hub")
    host: str = _setting("HOST", values.host, "127.0.0.1")
    port: int = _setting("PORT", values.whole(0, 65535), 8000)
    web_concurrency: int = _setting("WEB_CONCURRENCY", values.whole(1, 256), 1)
    base_path: str = _setting("HUB_BASE_PATH", values.base_path, "")
    allowed_hosts: tuple[str, ...] = _setting("HUB_ALLOWED_HOSTS", values.hosts, ())
    trusted_proxies: tuple[Network, ...] = _setting("HUB_TRUSTED_PROXIES", values.networks, ())

    openai_base_url: str | None = _setting("OPENAI_BASE_URL", base_url, None)
    openai_api_key: str | None = _setting("OPENAI_API_KEY", values.api_key, None, secret=True)
    local_model_url: str | None = _setting("HUB_LOCAL_MODEL_URL", base_url, None)
    local_model_key: str | None = _setting("HUB_LOCAL_MODEL_KEY", str, None, secret=True)
    local_model_key_file: str | None = _setting("HUB_LOCAL_MODEL_KEY_FILE", str, None)
    no_model: str = _setting("HUB_NO_MODEL", str, "")
    model: str | None = _setting("HUB_MODEL", str, None)
    models: tuple[str, ...] = _setting("HUB_MODELS", values.words, ())
    providers_file: str | None = _setting("HUB_PROVIDERS", str, None)
    generators: Mapping[str, str] = _setting("HUB_GENERATORS", values.generators, {})
    system_prompt: str | None = _setting("HUB_SYSTEM_PROMPT", str, None, quoted=True)
    prices: Mapping[str, Mapping[str, float]] = _setting("HUB_PRICES", values.prices, {})

    heartbeat_seconds: int = _setting("HUB_HEARTBEAT_SECONDS", values.whole(1, 300), 15)
    retry_ms: int = _setting("HUB_RETRY_MS", values.whole(1, 3_600_000), 2000)

    history_events: int = _setting("HUB_HISTORY_EVENTS", values.whole(1, 10_000_000), 10_000)
    history_bytes: int = _setting("HUB_HISTORY_BYTES", values.whole(1024, 2**40), 64 * 2**20)
    history_seconds: int = _setting("HUB_HISTORY_SECONDS", values.whole(1, 10**9), 86_400)
    channel_seconds: int = _setting("HUB_CHANNEL_SECONDS", values.whole(1, 10**9), 2_592_000)

    max_listeners: int = _setting("HUB_MAX_LISTENERS", values.whole(0, 10_000_000), 10_000)
    max_listeners_per_address: int = _setting(
        "HUB_MAX_LISTENERS_PER_ADDRESS", values.whole(0, 10_000_000), 0
    )
    max_event_bytes: int = _setting("HUB_MAX_EVENT_BYTES", values.whole(1, 2**28), 262_144)
    stall_seconds: float = _setting("HUB_LISTENER_STALL_SECONDS", values.number(0.1, 86_400), 60.0)
    recent_bytes: int = _setting("HUB_RECENT_BYTES", values.whole(4096, 2**40), 4 * 2**20)
    recent_total_bytes: int = _setting(
        "HUB_RECENT_TOTAL_BYTES", values.whole(4096, 2**40), 256 * 2**20
    )

    body_seconds: float = _setting("HUB_BODY_SECONDS", values.number(0.1, 86_400), 30.0)
    body_bytes_per_second: int = _setting("HUB_BODY_BYTES_PER_SECOND", values.whole(0, 2**30), 256)
    max_json_depth: int = _setting("HUB_MAX_JSON_DEPTH", values.whole(8, 400), 128)
    max_json_nodes: int = _setting("HUB_MAX_JSON_NODES", values.whole(100, 10**7), 100_000)
    max_waiting: int = _setting("HUB_MAX_WAITING", values.whole(0, 10**6), 1024)
    max_waiting_per_address: int = _setting(
        "HUB_MAX_WAITING_PER_ADDRESS", values.whole(0, 10**6), 256
    )
    folded_bytes: int = _setting("HUB_FOLDED_BYTES", values.whole(0, 2**40), 64 * 2**20)
    generations_per_minute: int = _setting("HUB_GENERATIONS_PER_MINUTE", values.whole(0, 10**6), 30)
    running_generations: int = _setting("HUB_RUNNING_GENERATIONS", values.whole(0, 10**6), 20)
    publishes_per_second: int = _setting("HUB_PUBLISHES_PER_SECOND", values.whole(0, 10**6), 0)
    pulse_file: str | None = _setting("HUB_PULSE_FILE", str, None)
    cancel_on_disconnect: bool = _setting("HUB_CANCEL_ON_DISCONNECT", values.flag, False)
    worker_concurrency: int = _setting("HUB_WORKER_CONCURRENCY", values.whole(1, 100_000), 200)
    first_delta_timeout_seconds: float = _setting(
        "HUB_FIRST_DELTA_TIMEOUT_SECONDS", values.number(0.05, 86_400), 60.0
    )
    stall_timeout_seconds: float = _setting(
        "HUB_STALL_TIMEOUT_SECONDS", values.number(0.05, 86_400), 60.0
    )
    max_request_bytes: int = _setting("HUB_MAX_REQUEST_BYTES", values.whole(1024, 2**40), 8 * 2**20)
    max_answer_bytes: int = _setting("HUB_MAX_ANSWER_BYTES", values.whole(1024, 2**40), 32 * 2**20)
    lease_seconds: float = _setting("HUB_LEASE_SECONDS", values.number(0.2, 3600), 15.0)
    grace_seconds: float = _setting("HUB_GRACE_SECONDS", values.number(0, 3600), 8.0)
    wait_replicas: int = _setting("HUB_WAIT_REPLICAS", values.whole(0, 16), 0)

    jwt_secret: str | None = _setting("HUB_JWT_SECRET", values.secret, None, secret=True)
    jwt_public_key: str | None = _setting("HUB_JWT_PUBLIC_KEY", str, None, secret=True)
    jwt_jwks_url: str | None = _setting("HUB_JWT_JWKS_URL", values.jwks_url, None, secret=True)
    jwt_audience: str | None = _setting("HUB_JWT_AUDIENCE", str, None)
    jwt_issuer: str | None = _setting("HUB_JWT_ISSUER", str, None)
    jwt_claim: str = _setting("HUB_JWT_CLAIM", str, "hub")
    admin_port: int | None = _setting("HUB_ADMIN_PORT", values.whole(1, 65535), None)
    cors_origins: tuple[str, ...] = _setting("HUB_CORS_ORIGINS", values.origins, ())
    allow_anonymous: bool = _setting("HUB_ALLOW_ANONYMOUS", values.flag, False)

    url: str = _setting("HUB_URL", base_url, "http://127.0.0.1:8000")
    log_format: str = _setting("HUB_LOG_FORMAT", values.log_format, "text")

    @classmethod
    def from_environ(cls, environ: Mapping[str, str]) -> Settings:
        """Read the settings; an empty variable counts as unset. Raises `SettingError`.

        The value is not repeated in the error: it may be a secret.
        """
        given: dict[str, Any] = {}
        for setting in fields(cls):
            name = setting.metadata["name"]
            raw = environ.get(name, "").strip()
            if not raw:
                continue
            try:
                _check_plain(raw, quoted=setting.metadata["quoted"])
                given[setting.name] = setting.metadata["parse"](raw)
            except ValueError as error:
                raise SettingError(f"{name} {error}") from None
        settings = cls(**given)
        settings._check_together(given)
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

    def check_files(self) -> None:
        """Refuse a certificate of Redis' that is not here: a connection would fail at it for ever,
        as if Redis were away."""
        for name, file in parse_qsl(urlsplit(self.redis_url or "").query):
            if name in values.REDIS_FILES and not os.access(file, os.R_OK):
                raise SettingError(f"REDIS_URL names a file in {name} that cannot be read: {file}")

    def _check_together(self, given: Mapping[str, Any]) -> None:
        """What would be a lock without a door, or the same door twice, is a mistake to be told."""
        for name in ("jwt_audience", "jwt_issuer", "jwt_claim"):
            if name in given and not self.keyed:
                raise SettingError(
                    f"HUB_{name.upper()} says what tokens must hold, but there is no key to check "
                    "them with: set HUB_JWT_SECRET, HUB_JWT_PUBLIC_KEY or HUB_JWT_JWKS_URL, too"
                )
        if self.models and self.model not in (None, *self.models, *self.generators):
            raise SettingError("HUB_MODEL must be one of HUB_MODELS")
        if self.admin_port is not None and self.admin_port == self.port:
            raise SettingError("HUB_ADMIN_PORT must be another than PORT")


def _check_plain(value: str, *, quoted: bool) -> None:
    """Refuse what a file of settings made of a value that another program reads than it was written
    for; where it is `quoted`, quotes may belong to it."""
    if not quoted and len(value) > 1 and value[0] == value[-1] and value[0] in "\"'":
        raise ValueError(f"must stand without the {value[0]} around it")
    try:
        value.encode()
    except UnicodeEncodeError:
        raise ValueError("must be UTF-8") from None
