"""The pages: `/`, `/g/{id}`, `/notifications`, `/status`, and the files that they load.

The server sends four empty rooms; the browser fills them through the same interface that everyone
else uses (`static/hubbub.js`), so there is no second way to a generation's text. What a browser may
do with them is in `headers.py`.
"""

from __future__ import annotations

from collections.abc import Callable

from flask import Blueprint, Response, render_template

from hub.errors import NotFound, RedisUnavailable
from hub.web.files import STATIC, TEMPLATES


def pages_blueprint(exists: Callable[[str], bool] | None = None) -> Blueprint:
    """The blueprint `pages`. `exists(generation_id)` tells whether whoever asks may see a
    generation: where not, its page is a 404 (which says so in words, from the same template, and
    asks for a token where one would help). It may raise `HubError`.
    """
    pages = Blueprint(
        "pages",
        __name__,
        static_folder=str(STATIC),
        static_url_path="/static",
        template_folder=str(TEMPLATES),
    )

    @pages.after_request
    def always_fresh(response: Response) -> Response:
        # A page and its modules belong together: each is asked for anew, and costs a 304.
        response.headers.setdefault("Cache-Control", "no-cache")
        return response

    @pages.get("/")
    def ask() -> str:
        return render_template("ask.html")

    @pages.get("/g/<generation_id>")
    def generation(generation_id: str) -> tuple[str, int]:
        status = 200 if exists is None or _seen(exists, generation_id) else 404
        return render_template("generation.html", id=generation_id), status

    @pages.get("/notifications")
    def notifications() -> str:
        return render_template("notifications.html")

    @pages.get("/status")
    def status() -> str:
        return render_template("status.html")

    return pages


def _seen(exists: Callable[[str], bool], generation_id: str) -> bool:
    """Where Redis does not answer, the page comes all the same and waits for it."""
    try:
        return exists(generation_id)
    except NotFound:
        return False
    except RedisUnavailable:
        return True
