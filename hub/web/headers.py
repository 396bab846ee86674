"""What a browser may do with the hub's answers (contract §7).

Every answer says that its type is what it says. Pages, error pages too, say more: no script but
the files of `/static`, no style but the pages' own, no markup made from text (Trusted Types), no
foreign origin, no frame around them, and no address of theirs told to anybody (a share link carries
its token in it).
"""

from __future__ import annotations

import base64
import re
from collections.abc import Iterable, Mapping
from hashlib import sha256
from typing import Any

from flask import Flask, Response, request
from markupsafe import Markup

from hub.web.files import STATIC

_UNSAID = re.compile(r"/\*.*?\*/\s*|^\s+", re.DOTALL | re.MULTILINE)
STYLE = _UNSAID.sub("", (STATIC / "style.css").read_text("utf-8"))
"""What every page carries in itself: its first paint waits for no second answer. Comments and
indentation stay here."""
_STYLE_DIGEST = base64.b64encode(sha256(STYLE.encode()).digest()).decode()

EVERY_ANSWER = {"X-Content-Type-Options": "nosniff"}

CONTENT_SECURITY_POLICY = "; ".join(
    (
        "default-src 'none'",
        "script-src 'self'",
        f"style-src 'sha256-{_STYLE_DIGEST}'",
        "img-src 'self' data:",
        "connect-src 'self'",
        "worker-src 'self'",
        "base-uri 'none'",
        "form-action 'self'",
        "frame-ancestors 'none'",
        # DOMPurify parses by its own policy; hubbub.js starts its worker by the other.
        "trusted-types dompurify hubbub",
        "require-trusted-types-for 'script'",
    )
)

PAGE = {
    "Content-Security-Policy": CONTENT_SECURITY_POLICY,
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
}

_BEHIND_TLS = {"Strict-Transport-Security": "max-age=31536000"}

PROGRAMS_OWN = "hubbub.headers"
"""In a request's environment: what the program around the hub has set for its answer."""


def with_programs_own(
    environ: Mapping[str, Any], headers: Iterable[tuple[str, str]]
) -> list[tuple[str, str]]:
    """An answer's headers, and those of the program of which the hub says nothing else."""
    found = list(headers)
    said = {name.lower() for name, _ in found} - {"set-cookie"}
    return [*found, *(own for own in environ.get(PROGRAMS_OWN, ()) if own[0].lower() not in said)]


def register(app: Flask) -> None:
    """Let every answer of `app` carry its headers, whichever view or error handler made it, and
    every page its style."""
    app.jinja_env.globals["page_style"] = Markup(STYLE)

    @app.after_request
    def protect(answer: Response) -> Response:
        wanted = dict(EVERY_ANSWER)
        if _is_page_or_worker(answer):
            wanted |= PAGE
            if request.scheme == "https":
                wanted |= _BEHIND_TLS
        for name, value in wanted.items():
            answer.headers.setdefault(name, value)
        if answer.status_code in (204, 304):  # there is nothing that could have a type
            answer.headers.pop("Content-Type", None)
        return answer


_LOADED = frozenset({"text/javascript", "text/css"})
_WORKER = "/worker.js"


def _is_page_or_worker(answer: Response) -> bool:
    """Whether a browser makes a world of its own of it. A module is run, and a stylesheet applied,
    under the policy of the page that loads it: 600 bytes beside each of forty files say nothing."""
    if answer.mimetype == "text/html":
        return True
    loaded = answer.mimetype in _LOADED and not request.path.endswith(_WORKER)
    return request.blueprint == "pages" and not loaded
