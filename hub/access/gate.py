"""May this identity do this to this channel, and whose is it? Decided here, whichever face asks.

    grants        the token's claim (or a program's own `may`) allows it             → yes
    nobody        no token that counts, at a hub with keys                           → 401
    owner         the channel belongs to somebody, who asks for what owners may      → yes
    sees it       may read the channel, but not do this to it                        → 403
    owned channel which this one may not see: it does not exist                      → 404
    any other                                                                        → 403

Nobody writes to an owned channel but the hub itself, whatever a token grants (`require_free`): a
forged event there would be taken for the hub's. Its owner may do all else.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol

from hub.channel import check_channel
from hub.errors import Forbidden, NotFound, NotGranted
from hub.identity import Action, Identity

May = Callable[[Identity, Action, str], bool]

_OWNERS_MAY = frozenset(Action) - {Action.PUBLISH, Action.GENERATE, Action.OPERATE}


class OwnedChannels(Protocol):
    """A family of channels each of which belongs to somebody (generations, conversations)."""

    prefix: str

    def owner(self, channel: str) -> str:
        """Whose the channel is: a token's `sub`, '' for nobody's. Raises `NotFound` where there is
        no such channel, `RedisUnavailable`."""
        ...

    def unknown(self, channel: str) -> NotFound:
        """What one is told for whom there is no such channel, whether it exists or not."""
        ...


class Gate:
    """`may` stands in place of the token's grants where a program decides by rules of its own."""

    def __init__(self, owned: Sequence[OwnedChannels] = (), may: May = Identity.may) -> None:
        self._owned = owned
        self.may = may

    def by(self, may: May) -> Gate:
        """The same channels, decided by another rule."""
        return Gate(self._owned, may)

    def require(self, identity: Identity, action: Action, channel: str = "") -> None:
        """Return if it is allowed. Raises `Unauthorized`, `Forbidden`, `NotFound`."""
        if self.may(identity, action, channel):
            return
        require_known(identity)
        owned = self._owned_by_somebody(channel)
        if owned is None:
            raise _forbidden(action, channel)
        owns = identity.owns(owned.owner(channel))
        if owns and action in _OWNERS_MAY:
            return
        if owns or self.may(identity, Action.SUBSCRIBE, channel):
            raise _forbidden(action, channel)
        raise owned.unknown(channel)

    def require_free(self, identity: Identity, channel: str) -> None:
        """Return where the channel is one that clients may write to. Raises `Unauthorized`,
        `Forbidden`, `FieldError` for a name that is none."""
        require_known(identity)
        owned = self._owned_by_somebody(check_channel(channel))
        if owned is not None:
            raise Forbidden(f"{owned.prefix}* belongs to the hub", code="reserved-channel")

    def _owned_by_somebody(self, channel: str) -> OwnedChannels | None:
        return next((one for one in self._owned if channel.startswith(one.prefix)), None)


def require_known(identity: Identity) -> None:
    """Raises what is wrong with the token, or that there is none."""
    if identity.refusal is not None:
        raise identity.refusal


def _forbidden(action: Action, channel: str) -> NotGranted:
    what = f"{action} {channel}" if channel else action
    return NotGranted(f"the token does not grant this: {what}")
