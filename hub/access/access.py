"""From the token that a request shows to the identity that asks. Nothing else reads a token."""

from __future__ import annotations

from hub.access.jwks import Jwks
from hub.access.keys import keys_of
from hub.access.revocations import Revocations
from hub.access.shares import Shares
from hub.access.tokens import Tokens
from hub.errors import HubError, Unauthorized
from hub.fanout.delivery import Delivery
from hub.identity import EVERYBODY, NOBODY, Identity
from hub.settings import Settings


class Access:
    """Who asks at this hub. Without a key in the settings that is everybody, token or not."""

    def __init__(self, settings: Settings, delivery: Delivery) -> None:
        """Raises `SettingError` for a key that cannot be honoured."""
        link = delivery.history.link
        self.keyed = settings.keyed
        self.shares = Shares(link)
        self.revocations = Revocations(
            link, delivery.feed, delivery.endings, delivery.loops, delivery.in_its_loop
        )
        self._tokens = Tokens(
            keys_of(settings),
            source=Jwks(settings.jwt_jwks_url) if settings.jwt_jwks_url else None,
            audience=settings.jwt_audience,
            issuer=settings.jwt_issuer,
            claim=settings.jwt_claim,
        )

    def identify(self, token: str | None) -> Identity:
        """The identity that shows `token`. Where the token does not count, it says why, and is
        refused when it wants something that needs one: a page that asks for a token must still be
        shown. May wait, for the identity provider or for Redis."""
        if not self.keyed:
            return EVERYBODY
        if token is None:
            return NOBODY
        try:
            return self.check(token)
        except HubError as error:
            return Identity(refusal=error)

    def identify_at_once(self, token: str | None) -> Identity | None:
        """`identify` where that needs no waiting and nothing is wrong; else None."""
        if not self.keyed:
            return EVERYBODY
        if token is None:
            return NOBODY
        identity = self._tokens.known(token)
        if identity is None or (identity.jti and not self.revocations.known):
            return None
        return None if self._is_revoked(identity) else identity

    @property
    def keys(self) -> object:
        """The keys that tokens are checked with at the moment."""
        return self._tokens.keys

    def still_counts(self, identity: Identity, checked_with: object) -> bool:
        """Whether `identify_at_once` would say the same again as it did with the keys
        `checked_with`. Also `False` where that cannot be told at once."""
        if not self.keyed:
            return True
        if checked_with is not self._tokens.keys or not self._tokens.live(identity):
            return False
        return not identity.jti or (self.revocations.known and not self._is_revoked(identity))

    def check(self, token: str) -> Identity:
        """The identity of a token that counts. Raises `Unauthorized`, or another `HubError` where
        that cannot be told at the moment."""
        identity = (self.shares if self.shares.made(token) else self._tokens).check(token)
        if self._is_revoked(identity):
            raise Unauthorized("the token was revoked")
        return identity

    def _is_revoked(self, identity: Identity) -> bool:
        return bool(identity.jti) and self.revocations.is_revoked(identity.jti)
