"""Settings of a program that serves, from the environment; and of an application, where
`app.config["HUBBUB_…"]` stands in front of it.

A setting `HUB_HISTORY_EVENTS` is `HUBBUB_HISTORY_EVENTS` there, and one without `HUB_`, such as
`REDIS_URL`, is `HUBBUB_REDIS_URL`. Values may be what Python has for them.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, MutableMapping
from dataclasses import fields
from typing import Any

from hub.access.keys import keys_of
from hub.settings import SettingError, Settings

_PREFIX = "HUBBUB_"


def settings_of(config: Mapping[str, Any], environ: Mapping[str, str]) -> Settings:
    """Raises `SettingError` naming the setting as the application has it."""
    known = _names()
    for name in config:
        if name.startswith(_PREFIX) and name not in known:
            raise SettingError(f"{name} is no setting")
    return Settings.from_environ(environ_of(config, environ))


def settings_to_serve(environ: MutableMapping[str, str]) -> Settings:
    """Those of a program that others reach, and whose keys and files must be there at once. Raises
    `SettingError`.

    `SCRIPT_NAME` is another name for `HUB_BASE_PATH`. It goes: gunicorn would cut it from every
    path, and fail at the probes that come without it.
    """
    if name := environ.pop("SCRIPT_NAME", ""):
        environ.setdefault("HUB_BASE_PATH", name)
    settings = Settings.from_environ(environ)
    settings.check_bind()
    settings.check_files()
    keys_of(settings)
    return settings


def environ_of(config: Mapping[str, Any], environ: Mapping[str, str]) -> dict[str, str]:
    """The environment in which another process has the same settings."""
    given = {
        variable: _text(config[name])
        for name, variable in _names().items()
        if config.get(name) is not None
    }
    return {**environ, **given}


def _names() -> dict[str, str]:
    """The name in `app.config` → the environment's."""
    variables = [setting.metadata["name"] for setting in fields(Settings)]
    return {_PREFIX + variable.removeprefix("HUB_"): variable for variable in variables}


def _text(value: object) -> str:
    if isinstance(value, bool):
        return "1" if value else "0"
    if isinstance(value, Mapping):
        return json.dumps(value)
    if isinstance(value, list | tuple | set):
        return ",".join(str(one) for one in value)
    return str(value)
