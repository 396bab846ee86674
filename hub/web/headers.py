"""What a browser may do with the hub's answers (contract §7).

Every answer says that its type is what it says. Pages, error pages too, say more: no script but the
files of `/static`, no markup made from text (Trusted Types), no foreign origin, no frame around
them, and no address of theirs told to anybody (a share link carries its token in it).
"""

from __future__ import annotations

from flask import Flask, Response, request

EVERY_ANSWER = {"X-Content-Type-Options": "nosniff"}

CONTENT_SECURITY_POLICY = "; ".join(
    (
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
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


def register(app: Flask) -> None:
    """Let every answer of `app` carry its headers, whichever view or error handler made it."""

    @app.after_request
    def protect(answer: Response) -> Response:
        wanted = dict(EVERY_ANSWER)
        if answer.mimetype == "text/html" or request.blueprint == "pages":
            wanted |= PAGE
            if request.scheme == "https":
                wanted |= _BEHIND_TLS
        for name, value in wanted.items():
            answer.headers.setdefault(name, value)
        if answer.status_code in (204, 304):  # there is nothing that could have a type
            answer.headers.pop("Content-Type", None)
        return answer
