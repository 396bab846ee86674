"""Who makes a request, and the way to ask what they may. Found once, at the entrance."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from flask import Flask, request

from hub.access.access import Access
from hub.access.gate import Gate, May, require_known
from hub.address import is_loopback
from hub.errors import CrossOrigin, Unauthorized
from hub.identity import EVERYBODY, OPERATOR, Action, Identity
from hub.web.credentials import Credential, credential_of
from hub.web.guards import SAFE_METHODS, host_name, is_own_origin
from hub.web.request_head import RequestHead, head_of

OPEN_TO_NOBODY = frozenset({"pages", "health", "sessions", "openapi"})
"""Blueprints that ask by themselves where they must: probes, signing in, pages that ask for a
token, and the description of all routes, which tells nothing of anybody."""

_KEY = "hubbub.caller"
_OPERATORS_LOOK_AT = re.compile(
    r"/metrics|/status|/status/(?:data|events)|/generations|/channels/[^/]+"
)


class Caller(NamedTuple):
    """`checked_with`: the keys with which the token was checked, where one was."""

    identity: Identity
    address: str
    gate: Gate
    checked_with: object = None

    def require(self, action: Action, channel: str = "") -> None:
        """Return if the caller may do this. Raises `Unauthorized`, `Forbidden`, `NotFound`."""
        self.gate.require(self.identity, action, channel)

    def require_free(self, channel: str) -> None:
        """Return where clients may write to the channel at all. Raises `Unauthorized`,
        `Forbidden`, `FieldError`."""
        self.gate.require_free(self.identity, channel)

    def may(self, action: Action, channel: str = "") -> bool:
        """Whether the grants allow it, no matter whose the channel is."""
        return self.gate.may(self.identity, action, channel)

    def require_known(self) -> None:
        """Return if somebody is there at all. Raises `Unauthorized`."""
        require_known(self.identity)

    def refuse_strangers(self) -> None:
        """Raises `Unauthorized` for one whose token does not count, before anything else is said.
        Where that cannot be told at the moment, it is left to what is asked for: an EventSource,
        for one, must not get an error."""
        if isinstance(self.identity.refusal, Unauthorized):
            raise self.identity.refusal

    @property
    def subject(self) -> str:
        """The name under which what the caller makes is the caller's; '' on an open hub."""
        return self.identity.subject

    @property
    def counted_as(self) -> str:
        """Whose limits count."""
        return f"subject {self.subject}" if self.subject else f"address {self.address}"


class Callers:
    """Finds out who calls. `admin_port` is the local port by which the operator comes in; `rule()`
    what decides about the current request in place of the gate's own `may`."""

    def __init__(
        self,
        access: Access,
        gate: Gate,
        admin_port: int | None,
        rule: Callable[[], May] | None = None,
    ) -> None:
        self._access = access
        self._of_the_hub = gate
        self._rule = rule
        self._admin_port = None if admin_port is None else str(admin_port)

    def of(self, head: RequestHead, port: str) -> Caller:
        """`port`: the local one that the request came to. Raises `CrossOrigin` for a change asked
        for by a cookie that does not come from a page of the hub's own."""
        if not self._access.keyed:
            return Caller(EVERYBODY, head.address, self._gate)
        shown, keys = credential_of(head), self._access.keys
        identity = self._access.identify(shown.token if shown else None)
        return self._caller(head, port, shown, identity, keys)

    def at_once(self, head: RequestHead, port: str) -> Caller | None:
        """The same, where it is known without waiting for anything; else None."""
        if not self._access.keyed:
            return Caller(EVERYBODY, head.address, self._gate)
        shown, keys = credential_of(head), self._access.keys
        identity = self._access.identify_at_once(shown.token if shown else None)
        return None if identity is None else self._caller(head, port, shown, identity, keys)

    def still_counts(self, caller: Caller) -> bool:
        """Whether `at_once` would find the same for the same head as it did when it found `caller`.
        A program's own rule may look at anything."""
        return self._rule is None and self._access.still_counts(
            caller.identity, caller.checked_with
        )

    def _caller(
        self,
        head: RequestHead,
        port: str,
        shown: Credential | None,
        identity: Identity,
        keys: object,
    ) -> Caller:
        if shown is None and port == self._admin_port and _may_be_the_operator(head):
            identity = OPERATOR
        if identity.known:
            _check_origin(head, shown)
        return Caller(identity, head.address, self._gate, keys)

    @property
    def _gate(self) -> Gate:
        return self._of_the_hub if self._rule is None else self._of_the_hub.by(self._rule())


def remember_caller(caller: Caller, environ: dict[str, Any]) -> None:
    environ[_KEY] = caller


def register(app: Flask) -> None:
    """Let no view of `app` be reached by nobody but those of `OPEN_TO_NOBODY`: a new route that
    forgets to ask is closed, not open."""

    @app.before_request
    def ask() -> None:
        exists = request.endpoint is not None and request.method != "OPTIONS"
        if exists and request.blueprint not in OPEN_TO_NOBODY:
            caller_of(request.environ).refuse_strangers()


def register_operators(app: Flask) -> None:
    """Let those of `OPEN_TO_NOBODY` be reached by operators alone, where a program's own rule says
    who may do what, and nothing is there for everybody."""

    @app.before_request
    def ask_operators() -> None:
        if request.blueprint in OPEN_TO_NOBODY:
            caller_of(request.environ).require(Action.OPERATE)


def caller_of(environ: Mapping[str, Any]) -> Caller:
    """The caller of this request. A program without an `Entrance` has its own users and decides
    itself what it answers."""
    found: Caller | None = environ.get(_KEY)
    return found or Caller(EVERYBODY, head_of(environ).address, _NOTHING_OWNED)


_NOTHING_OWNED = Gate()


def _check_origin(head: RequestHead, shown: Credential | None) -> None:
    """A browser sends a cookie by itself, whichever page asked for the request."""
    by_cookie = shown is not None and shown.shown_in == "cookie"
    if by_cookie and head.method not in SAFE_METHODS:
        origin = head.headers.get("origin", "").lower()
        if not origin or not is_own_origin(origin, head):
            raise CrossOrigin("a change by cookie needs an Origin that is the hub's own")


def _may_be_the_operator(head: RequestHead) -> bool:
    """Looking, by a program or a page on this machine; not by a page elsewhere to which a name of
    its own was made to lead here."""
    return (
        head.method in SAFE_METHODS
        and _OPERATORS_LOOK_AT.fullmatch(head.path) is not None
        and is_loopback(host_name(head.host or ""))
    )
