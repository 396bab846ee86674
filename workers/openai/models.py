"""Which models may be asked for, as a web process knows it.

The allowlist says it, else the providers do (asked at most once a minute). A web process may run
without the providers' keys, which only workers need: then the workers say what theirs have, and
where none is seen, the configured default is what it knows.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from hub.settings import SettingError, Settings
from workers.provider import ProviderFailure, Providers
from workers.roster import Roster


def known_providers(settings: Settings, environ: Mapping[str, str]) -> Providers:
    """Those whose keys are known here; none where they are not."""
    try:
        return Providers.from_settings(settings, environ)
    except SettingError:
        return Providers((), settings)


def known_models(
    settings: Settings, providers: Providers, roster: Roster
) -> Callable[[], Sequence[str]]:
    """A function that lists their names, the default first; it may raise `ProviderFailure`."""

    def names() -> Sequence[str]:
        try:
            found = providers.models() or roster.models()
        except ProviderFailure:
            if settings.model is None and not settings.generators:
                raise
            found = (settings.model,) if settings.model else ()
        return tuple(dict.fromkeys([*found, *settings.generators]))

    return names
