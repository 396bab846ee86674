"""Where a request carries its token: header, then cookie, then, where that may be, the query.

A query is written down in many places, so it counts only where a browser cannot do otherwise: for
an EventSource, and for the page of a share link.
"""

from __future__ import annotations

import re
from typing import Literal, NamedTuple

from hub.web.request_head import RequestHead

COOKIE = "hubbub_token"
SECURE_COOKIE = f"__Host-{COOKIE}"
"""Over TLS: no other host and no unencrypted page of the same name can set it."""

_SUBSCRIPTION = re.compile(r"/events|/(?:channels|generations)/[^/]+/events")
_PAGE = re.compile(r"/g/[^/]+")


class Credential(NamedTuple):
    token: str
    shown_in: Literal["header", "cookie", "query"]


def credential_of(head: RequestHead) -> Credential | None:
    """The token that counts for this request; None where it shows none."""
    scheme, _, token = head.headers.get("authorization", "").strip().partition(" ")
    if scheme.lower() == "bearer":
        return Credential(token.strip(), "header")
    cookie = _cookie(head)
    queried = _queried(head)
    # A share link's page is asked for by people who may be signed in as somebody else.
    if queried is not None and (cookie is None or _PAGE.fullmatch(head.path)):
        return Credential(queried, "query")
    return None if cookie is None else Credential(cookie, "cookie")


def _cookie(head: RequestHead) -> str | None:
    sent = head.headers.get("cookie")
    if not sent:
        return None
    found: dict[str, str] = {}
    for pair in sent.split(";"):
        name, _, value = pair.strip().partition("=")
        found.setdefault(name, value.strip('"'))
    names = (SECURE_COOKIE, COOKIE) if head.scheme == "https" else (COOKIE,)
    return next((found[name] for name in names if found.get(name)), None)


def _queried(head: RequestHead) -> str | None:
    if head.method not in ("GET", "HEAD"):
        return None
    if not _SUBSCRIPTION.fullmatch(head.path) and not _PAGE.fullmatch(head.path):
        return None
    return next((value for name, value in head.query_pairs() if name == "token"), None)
