"""Which providers there are: one from `OPENAI_BASE_URL`, or several from the file `HUB_PROVIDERS`.

The file is TOML because people write it by hand and want comments in it; docs/providers.md shows
one. A mistake in it raises `SettingError` with one line that names the entry and the field.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated
from urllib.parse import urlsplit

import msgspec

from hub.address import base_url
from hub.errors import FieldError
from hub.setting_values import api_key
from hub.settings import SettingError, Settings
from hub.shape import ClosedShape, a, shaped

OPENAI_URL = "https://api.openai.com/v1"
_KEY_NAME = re.compile(r"(?i)key|token|sig|secret")
_Text = Annotated[str, a("text", min_length=1)]
_Texts = Annotated[dict[str, Annotated[str, a("text")]], a("a table of texts")]


@dataclass(frozen=True, slots=True)
class ProviderConfig:
    """One provider. `models`: our name of a model → the provider's; empty: any it has.

    `headers` and `query` go with every request. The key is left out of the representation.
    `api_key_file` holds one that changes while we run: the bundled model makes its own at each
    start.
    """

    name: str
    base_url: str
    api_key: str | None = field(default=None, repr=False)
    api_key_file: Path | None = field(default=None, kw_only=True)
    models: Mapping[str, str] = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    query: Mapping[str, str] = field(default_factory=dict, repr=False)

    def key(self) -> str | None:
        """What to show now; None: nothing. Raises `OSError` where the file cannot be read."""
        return self.api_key_file.read_text().strip() if self.api_key_file else self.api_key

    def secrets(self) -> tuple[str, ...]:
        """What must not appear in any message: the key, and headers that may carry one."""
        keys = [value for name, value in self.query.items() if _KEY_NAME.search(name)]
        try:
            key = self.key()
        except OSError:
            key = None  # then none was shown
        values = [key or "", *self.headers.values(), *keys]
        return tuple(value for value in values if len(value) >= 8)


def load_providers(settings: Settings, environ: Mapping[str, str]) -> tuple[ProviderConfig, ...]:
    """The providers in fall-back order; none where nothing is configured. Raises `SettingError`."""
    file = providers_file(settings)
    if file is not None:
        return _read(file, environ)
    if settings.local_model_url is not None and asks_local_model(settings):
        key_file = settings.local_model_key_file
        return (
            ProviderConfig(
                "the local model",
                settings.local_model_url,
                settings.local_model_key,
                api_key_file=Path(key_file) if key_file else None,
            ),
        )
    if settings.openai_base_url is None and settings.openai_api_key is None:
        return ()
    url = settings.openai_base_url or OPENAI_URL
    return (ProviderConfig(urlsplit(url).hostname or "provider", url, settings.openai_api_key),)


def asks_local_model(settings: Settings) -> bool:
    """Whether the bundled model answers: it is there, and nothing else is named."""
    return (
        settings.local_model_url is not None
        and settings.openai_base_url is None
        and settings.openai_api_key is None
        and providers_file(settings) is None
    )


def providers_file(settings: Settings) -> Path | None:
    """The file that lists the providers. `/dev/null` is none: compose mounts it where no file is
    named, since a mount cannot be left out by a condition."""
    if settings.providers_file is None:
        return None
    file = Path(settings.providers_file)
    return None if file.is_char_device() else file


def _read(path: Path, environ: Mapping[str, str]) -> tuple[ProviderConfig, ...]:
    try:
        document = tomllib.loads(path.read_text(encoding="utf-8-sig"))
    except OSError as error:
        raise SettingError(f"HUB_PROVIDERS cannot be read: {error.strerror}") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise SettingError(f"HUB_PROVIDERS is not TOML: {error}") from None
    entries = document.get("providers")
    if not isinstance(entries, list) or not entries or set(document) != {"providers"}:
        raise SettingError("HUB_PROVIDERS must hold [[providers]] entries and nothing else")
    configs = tuple(_config(entry, environ) for entry in entries)
    names = [config.name for config in configs]
    for name in names:
        if names.count(name) > 1:
            raise SettingError(f"HUB_PROVIDERS names two providers {name!r}")
    return configs


class ProviderEntry(ClosedShape, frozen=True):
    """One `[[providers]]` of the file."""

    name: _Text
    base_url: Annotated[str, a("an http:// or https:// URL")]
    api_key: _Text | None = None
    api_key_env: _Text | None = None
    models: (
        Annotated[list[_Text], a("a list of names")]
        | Annotated[dict[str, _Text], a("a table of ours = theirs")]
    ) = msgspec.field(default_factory=list)
    headers: _Texts = msgspec.field(default_factory=dict)
    query: _Texts = msgspec.field(default_factory=dict)


def _config(entry: object, environ: Mapping[str, str]) -> ProviderConfig:
    if not isinstance(entry, dict) or not isinstance(entry.get("name"), str) or not entry["name"]:
        raise SettingError("HUB_PROVIDERS: every [[providers]] entry needs a name")
    where = f"HUB_PROVIDERS: {entry['name']}:"
    try:
        given = shaped(entry, ProviderEntry)
    except FieldError as error:
        raise SettingError(f"{where} {error.detail.replace(': ', ' ', 1)}") from None
    return ProviderConfig(
        name=given.name,
        base_url=_url(given.base_url, where),
        api_key=_key(given, environ, where),
        models=given.models if isinstance(given.models, dict) else {n: n for n in given.models},
        headers=given.headers,
        query=given.query,
    )


def _url(url: str, where: str) -> str:
    try:
        return base_url(url)
    except ValueError as error:
        raise SettingError(f"{where} base_url {error}") from None


def _key(given: ProviderEntry, environ: Mapping[str, str], where: str) -> str | None:
    if given.api_key is not None and given.api_key_env is not None:
        raise SettingError(f"{where} set api_key or api_key_env, not both")
    key = given.api_key
    if given.api_key_env is not None and not (key := environ.get(given.api_key_env, "").strip()):
        raise SettingError(f"{where} api_key_env names a variable that is not set")
    try:
        return api_key(key) if key else None
    except ValueError as error:
        raise SettingError(f"{where} {given.api_key_env or 'api_key'} {error}") from None
