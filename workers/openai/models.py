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


def known_models(
    settings: Settings, environ: Mapping[str, str], roster: Roster
) -> Callable[[], Sequence[str]]:
    """A function that lists their names, the default first; it may raise `ProviderFailure`."""
    try:
        providers = Providers.from_settings(settings, environ)
    except SettingError:
        providers = Providers((), settings)

    def names() -> Sequence[str]:
        try:
            found = providers.models() or roster.models()
        except ProviderFailure:
            if settings.model is None and not settings.generators:
                raise
            found = (settings.model,) if settings.model else ()
        return tuple(dict.fromkeys([*found, *settings.generators]))

    return names
