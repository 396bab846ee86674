"""Errors on the wire: RFC 9457 for programs, a page for people, OpenAI's shape under `/v1/`."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

from flask import Flask, Response, current_app, render_template, request
from flask.typing import ResponseReturnValue
from werkzeug.exceptions import HTTPException, NotFound

from hub.errors import (
    HubError,
    NotGranted,
    Overloaded,
    ProviderUnavailable,
    RedisUnavailable,
    RequestError,
    TooMany,
    Unauthorized,
)
from hub.web.json_response import json_answer
from hub.web.visit import REFUSAL

log = logging.getLogger("hub.problems")

PROBLEM_TYPE = "application/problem+json"

INTERNAL = ("internal", "Something went wrong", "The hub failed; its log says how.")
"""Code, title and detail of what nobody has foreseen."""


def refuse(environ: dict[str, Any], error: HubError) -> None:
    """Let the application answer this request with `error`, before anything else looks at it."""
    environ[REFUSAL] = error


def is_refused(environ: Mapping[str, Any]) -> bool:
    """Whether it was decided already that the answer is an error."""
    return REFUSAL in environ


def register(app: Flask) -> None:
    """Let every error of `app` leave in the form that its reader expects."""
    app.before_request(_raise_refusal)
    app.register_error_handler(HubError, _hub_error)
    app.register_error_handler(HTTPException, _http_error)
    app.register_error_handler(Exception, _unexpected)


def register_beside(app: Flask) -> None:
    """Let an error of ours leave an application of somebody else's as a problem, where that has no
    handler for it: neither for `HubError` nor for every `Exception`."""
    if HubError not in app.error_handler_spec[None][None]:
        app.register_error_handler(HubError, _beside)


def _beside(error: HubError) -> ResponseReturnValue:
    own = current_app.error_handler_spec[None][None].get(Exception)
    if own is not None:  # it may have been registered later
        answered: ResponseReturnValue = current_app.ensure_sync(own)(error)
        return answered
    body = problem_members(error.status, error.code, error.title, error.detail, field_of(error))
    answer = json_answer(body, error.status, PROBLEM_TYPE)
    answer.headers.update(problem_headers(error))
    return answer


def problem(
    status: int, code: str, title: str, detail: str, *, field: str | None = None
) -> Response:
    """One error in the form for this request (contract §1)."""
    if f"{request.path}/".startswith("/v1/"):
        kind = "server_error" if status >= 500 else "invalid_request_error"
        error = {"message": detail, "type": kind, "param": field, "code": code}
        return json_answer({"error": error}, status)
    if is_navigation():
        # Somebody else may be allowed: the page says who is signed in, and lets them sign out.
        script = "pages/session.js" if status == 403 else None
        page = render_template(
            "error.html", status=status, title=title, detail=detail, script=script
        )
        return Response(page, status, content_type="text/html; charset=utf-8")
    body = problem_members(status, code, title, detail, field)
    return json_answer(body, status, PROBLEM_TYPE)


def problem_members(
    status: int, code: str, title: str, detail: str, field: str | None = None
) -> dict[str, Any]:
    """RFC 9457's, and our `code` and `field`."""
    members = {
        "type": "about:blank", "title": title, "status": status, "detail": detail, "code": code,
    }  # fmt: skip
    return members if field is None else {**members, "field": field}


def problem_headers(error: HubError) -> dict[str, str]:
    """What stands in the answer's head beside the problem."""
    if isinstance(error, RedisUnavailable | ProviderUnavailable | Overloaded):
        return {"Retry-After": str(error.retry_after_seconds)}
    if isinstance(error, TooMany):
        return error.headers
    if isinstance(error, Unauthorized):
        return {"WWW-Authenticate": challenge(error)}
    if isinstance(error, NotGranted):
        return {"WWW-Authenticate": 'Bearer error="insufficient_scope"'}
    return {}


def _raise_refusal() -> None:
    if REFUSAL in request.environ:
        raise request.environ[REFUSAL]


def _hub_error(error: HubError) -> Response:
    answer = problem(error.status, error.code, error.title, error.detail, field=field_of(error))
    answer.headers.update(problem_headers(error))
    return answer


def field_of(error: HubError) -> str | None:
    """The field of the request that is wrong, where it is one."""
    return error.field if isinstance(error, RequestError) else None


def challenge(error: Unauthorized) -> str:
    """`WWW-Authenticate` (RFC 6750 §3)."""
    return f'Bearer error="invalid_token", error_description="{error.detail}"'


def _http_error(error: HTTPException) -> Response:
    status = error.code or 500
    title = HTTPStatus(status).phrase
    detail = error.description or title
    if detail == NotFound.description:
        detail = "There is nothing at this address."
    answer = problem(status, title.lower().replace(" ", "-"), title, detail)
    if status == 405 and (allowed := error.get_response().headers.get("Allow")):
        answer.headers["Allow"] = ", ".join(sorted(allowed.split(", ")))
    return answer


def _unexpected(error: Exception) -> Response:
    log.exception("unexpected error at %s %s", request.method, request.path, exc_info=error)
    return problem(500, *INTERNAL)


def is_navigation() -> bool:
    """A page is for those who name it, and like nothing better. The best type by werkzeug's order
    would be the longest one: Chromium's `application/signed-exchange;v=b3;q=0.7`."""
    named = dict(request.accept_mimetypes)
    page = max(named.get("text/html", 0), named.get("application/xhtml+xml", 0))
    wanted = page > 0 and page >= named.get("application/json", 0)
    return wanted and request.method in ("GET", "HEAD")
