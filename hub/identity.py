"""Who asks, and what they may: values that know neither tokens nor routes.

An identity is found once, at the hub's one way in, and passed on. The code that decides asks it
`may(action, channel)` and, of a channel that belongs to somebody (a generation's), `owns(owner)`;
`access.decision` joins the two.

Three come without a token: `EVERYBODY`, whom an open hub lets do everything; `NOBODY`, who shows no
token to a hub with keys; `OPERATOR`, who comes in by the admin port and may look.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from types import MappingProxyType
from typing import Any

from hub.errors import HubError, Unauthorized


class Action(StrEnum):
    """What one may want to do. The first three want a channel's `subscribe` grant."""

    SUBSCRIBE = "subscribe"
    HISTORY = "history"
    INFORM = "inform"
    PUBLISH = "publish"
    DELETE = "delete"
    GENERATE = "generate"
    CANCEL = "cancel"
    SHARE = "share"
    CHANGE = "change"
    """Rename it, or add to it."""
    OPERATE = "operate"
    """Metrics, the status page and its data, other people's tokens, everybody's generations."""


SKEW_SECONDS = 60
"""How far the clocks of those who make tokens and ours may differ."""

READING = frozenset({Action.SUBSCRIBE, Action.HISTORY, Action.INFORM})


@dataclass(frozen=True, slots=True)
class Patterns:
    """Names of channels; one that ends in `*` stands for all that begin with what is in front.

    `*` alone is every channel, every generation's among them. A `*` elsewhere is no channel's
    character and matches nothing, as does the empty string.
    """

    names: frozenset[str] = frozenset()
    prefixes: tuple[str, ...] = ()

    @classmethod
    def of(cls, patterns: Iterable[str]) -> Patterns:
        given = frozenset(patterns)
        prefixes = sorted(pattern[:-1] for pattern in given if pattern.endswith("*"))
        names = frozenset(pattern for pattern in given if pattern and not pattern.endswith("*"))
        return cls(names, tuple(prefixes))

    def match(self, channel: str) -> bool:
        return bool(channel) and (channel in self.names or channel.startswith(self.prefixes))

    def __iter__(self) -> Any:
        yield from sorted(self.names)
        yield from (f"{prefix}*" for prefix in self.prefixes)


@dataclass(frozen=True, slots=True)
class Grants:
    """What a token's claim allows. `admin` is allowed everything."""

    subscribe: Patterns = Patterns()
    publish: Patterns = Patterns()
    generate: bool = False
    admin: bool = False


@dataclass(frozen=True, slots=True)
class Identity:
    """One who asks. `subject` is '' where there is none to tell apart from others.

    `exp` (seconds since the epoch) is when the token ends and with it every stream that it has
    opened; None: never. `jti` is the name under which the token can be revoked, '' where it has
    none. `claims` is the whole token's, for a program that decides by more than the grants.
    `refusal`: there is nobody, and this is what one who wants something is told.
    """

    subject: str = ""
    grants: Grants = Grants()
    exp: float | None = None
    jti: str = ""
    claims: Mapping[str, Any] = field(default_factory=lambda: MappingProxyType({}), hash=False)
    refusal: HubError | None = field(default=None, compare=False)

    @property
    def known(self) -> bool:
        """Whether somebody is there at all."""
        return self.refusal is None

    def may(self, action: Action, channel: str = "") -> bool:
        """Whether the grants allow it, no matter whose the channel is."""
        grants = self.grants
        if grants.admin:
            return True
        if action in READING:
            return grants.subscribe.match(channel)
        if action is Action.PUBLISH:
            return grants.publish.match(channel)
        return action is Action.GENERATE and grants.generate

    def ends(self, now: float) -> float | None:
        """When a stream that is opened now ends: with the token, or, where it lives on the clocks'
        difference alone, with that."""
        if self.exp is None or now < self.exp:
            return self.exp
        return self.exp + SKEW_SECONDS

    def owns(self, owner: str) -> bool:
        """Whether what was made by `owner` is this one's. What nobody made is nobody's."""
        return bool(owner) and self.subject == owner


NOBODY = Identity(refusal=Unauthorized("this hub asks for a token"))
EVERYBODY = Identity(grants=Grants(Patterns.of("*"), Patterns.of("*"), generate=True, admin=True))
OPERATOR = Identity(grants=Grants(admin=True))
