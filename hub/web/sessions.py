"""Signing in with a token, and who one is; tokens that count no more (contract §7).

A page hands the token in once and never sees it again: it stays in a cookie that no script can
read. Nothing is stored here: the session ends with the token, or when the browser forgets it.
"""

from __future__ import annotations

import time
from typing import Annotated, Any

from flask import Blueprint, Response, request

from hub.access.access import Access
from hub.access.shares import channel_of
from hub.errors import FieldError
from hub.identity import Action, Identity
from hub.settings import Settings
from hub.shape import Shape, a, shaped
from hub.timestamp import rfc3339
from hub.web.body import read_json
from hub.web.caller import Caller, caller_of
from hub.web.credentials import COOKIE, SECURE_COOKIE
from hub.web.json_response import json_answer
from hub.web.publishing import check_json
from hub.web.request_head import head_of

MAX_BODY_BYTES = 16 * 1024
MAX_NAME = 512
LAST_SECOND = 253_402_300_799
"""The end of the year 9999, which a time can still name."""


class SignIn(Shape, frozen=True):
    """The body of `POST /session`."""

    token: Annotated[str, a("a token", min_length=1)]


def sessions_blueprint(access: Access, settings: Settings) -> Blueprint:
    blueprint = Blueprint("sessions", __name__)

    @blueprint.get("/session")
    def who() -> Response:
        return _no_store(json_answer(_told(access, caller_of(request.environ).identity)))

    @blueprint.post("/session")
    def sign_in() -> Response:
        token = _given_token(settings)
        if not access.keyed:
            return _no_store(json_answer(_told(access, access.identify(None))))
        identity = access.check(token)
        answer = _no_store(json_answer(_told(access, identity)))
        _set_cookie(answer, token, identity.exp)
        return answer

    @blueprint.delete("/session")
    def sign_out() -> Response:
        answer = Response(status=204)
        for name in (COOKIE, SECURE_COOKIE):
            answer.delete_cookie(
                name, path="/", httponly=True, samesite="Lax", secure=name == SECURE_COOKIE
            )
        return answer

    @blueprint.delete("/tokens/<path:name>")
    def revoke(name: str) -> Response:
        """`?exp=` (seconds since the epoch) tells when the token would end by itself, and so how
        long it must be remembered."""
        _require_revoking(caller_of(request.environ), name)
        if len(name) > MAX_NAME:
            raise FieldError("jti", f"must be at most {MAX_NAME} characters")
        access.revocations.revoke(name, _exp())
        return Response(status=204)

    return blueprint


def _require_revoking(caller: Caller, name: str) -> None:
    """An admin may; and who made something may take back the links to it."""
    channel = channel_of(name)
    if channel is None:
        caller.require(Action.OPERATE)
    else:
        caller.require(Action.SHARE, channel)


def _given_token(settings: Settings) -> str:
    check_json(request)
    return shaped(read_json(request, MAX_BODY_BYTES, settings)[1], SignIn).token.strip()


def _exp() -> float | None:
    given = request.args.get("exp")
    if given is None:
        return None
    if not given.isascii() or not given.isdigit() or int(given[:13]) > LAST_SECOND:
        raise FieldError("exp", "must be seconds since the epoch")
    return float(given)


def _told(access: Access, identity: Identity) -> dict[str, Any]:
    """Who one is. `required`: whether this hub asks for tokens at all."""
    grants = identity.grants
    exp = identity.exp
    return {
        "required": access.keyed,
        "signed_in": access.keyed and identity.known,
        "subject": identity.subject or None,
        "expires": None if exp is None else rfc3339(min(exp, LAST_SECOND)),
        "subscribe": list(grants.subscribe),
        "publish": list(grants.publish),
        "generate": grants.generate,
        "admin": grants.admin,
    }


def _set_cookie(answer: Response, token: str, exp: float | None) -> None:
    secure = head_of(request.environ).scheme == "https"
    answer.set_cookie(
        SECURE_COOKIE if secure else COOKIE,
        token,
        max_age=None if exp is None else max(0, int(min(exp, LAST_SECOND) - time.time())),
        path="/",
        httponly=True,
        samesite="Lax",
        secure=secure,
    )


def _no_store(answer: Response) -> Response:
    answer.headers["Cache-Control"] = "no-store"
    return answer
