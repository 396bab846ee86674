"""Where a request carries its token: header, then cookie, then, where that may be, the query.

A query is written down in many places, so it counts only where a browser cannot do otherwise: for
an EventSource, and for the page of a share link.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Literal, NamedTuple

from hub.web.request_head import RequestHead, query_pairs

COOKIE = "hubbub_token"
SECURE_COOKIE = f"__Host-{COOKIE}"
"""Over TLS: no other host and no unencrypted page of the same name can set it."""

_QUERIED = re.compile(r"/events|/(?:channels|generations)/[^/]+/events|(?P<page>/g/[^/]+)")
"""Where the query counts: on subscribing, and on the page of a share link."""


class Credential(NamedTuple):
    token: str
    shown_in: Literal["header", "cookie", "query"]


def credential_of(head: RequestHead) -> Credential | None:
    """The token that counts for this request; None where it shows none."""
    header = head.headers.get("authorization")
    if header is not None:
        scheme, _, token = header.strip().partition(" ")
        if scheme.lower() == "bearer":
            return Credential(token.strip(), "header")
    cookie = _cookie(head)
    if head.query and head.method in ("GET", "HEAD"):
        place = _QUERIED.fullmatch(head.path)
        # A share link's page is asked for by people who may be signed in as somebody else.
        if place is not None and (cookie is None or place["page"]):
            queried = _token_in(head.query)
            if queried is not None:
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


@lru_cache(256)
def _token_in(query: str) -> str | None:
    return next((value for name, value in query_pairs(query) if name == "token"), None)
