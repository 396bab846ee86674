"""The pages: `/`, `/g/{id}`, `/notifications`, `/status`, and the files that they load.

The server sends four empty rooms; the browser fills them through the same interface that everyone
else uses (`static/hubbub.js`), so there is no second way to a generation's text. What a browser may
do with them is in `headers.py`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import lru_cache

from flask import Blueprint, Response, render_template, request

from hub.errors import NotFound, ProviderUnavailable, RedisFailure, Unauthorized
from hub.identity import Action
from hub.web.caller import caller_of
from hub.web.files import STATIC, TEMPLATES
from hub.web.problems import challenge, is_navigation
from hub.web.static_files import StaticFiles, packed


@dataclass(frozen=True, slots=True)
class Preview:
    """What a link to a generation's page shows of it where links are shown with a preview."""

    title: str
    description: str


NOTHING_TO_SEE = Preview("Hubbub", "One answer, watched live by any number of people.")


def pages_blueprint(
    preview: Callable[[str], Preview | None] | None = None,
    *,
    kept_seconds: int,
    most_bytes: int,
    notice: str = "",
) -> Blueprint:
    """The blueprint `pages`. `preview(generation_id)` is None, or raises `NotFound`, where the
    caller may not see a generation: its page is a 404 then (which says so in words, from the same
    template). It may raise `HubError`. A page that shows something to nobody is a 401 and still the
    page: it asks for a token.

    `kept_seconds` is how long conversations are kept, `most_bytes` how large a question may be,
    `notice` what `/` says above everything, such as why there is no model.
    """
    pages = Blueprint(
        "pages",
        __name__,
        template_folder=str(TEMPLATES),
    )

    @pages.after_request
    def always_fresh(response: Response) -> Response:
        # A page and its modules belong together: each is asked for again, and costs a 304.
        response.headers.setdefault("Cache-Control", "no-cache")
        return packed(response) if response.mimetype == "text/html" else response

    files = StaticFiles(STATIC)

    @pages.get("/static/<path:filename>", endpoint="static")
    def file(filename: str) -> Response:
        found = files.answer(filename)
        if found is None:
            raise NotFound(f"there is no file {filename[:100]!r}")
        return found

    @pages.get("/")
    def ask() -> str:
        also = [_RENDERING] if "thread" in request.args else []
        return _page(
            "ask", also, kept=_duration(kept_seconds), most_bytes=most_bytes, notice=notice
        )

    @pages.get("/g/<generation_id>")
    def generation(generation_id: str) -> Response:
        refusal: Unauthorized | None = None
        found: Preview | None = NOTHING_TO_SEE
        try:
            found = NOTHING_TO_SEE if preview is None else _seen(preview, generation_id)
        except Unauthorized as error:
            refusal = error
        shown = found or NOTHING_TO_SEE
        page = _page(
            "generation",
            [_RENDERING],
            id=generation_id,
            found=found is not None,
            title=shown.title,
            description=shown.description,
        )
        return _asking(page, refusal) if refusal else Response(page, 200 if found else 404)

    @pages.get("/notifications")
    def notifications() -> str:
        return _page("notifications")

    @pages.get("/status")
    def status() -> Response:
        try:
            caller_of(request.environ).require(Action.OPERATE)
        except Unauthorized as error:
            if not is_navigation():
                raise
            return _asking(_page("status"), error)
        return Response(_page("status"))

    return pages


_RENDERING = "pages/rendering.js"
"""What an answer is drawn with. A page that shows none yet loads it when one is asked for."""


def _page(name: str, also: Iterable[str] = (), **values: object) -> str:
    script = f"pages/{name}.js"
    modules = {module: None for one in (script, *also) for module in (one, *_modules(one))}
    del modules[script]
    return render_template(f"{name}.html", script=script, modules=modules, **values)


def _asking(page: str, error: Unauthorized) -> Response:
    return Response(page, 401, {"WWW-Authenticate": challenge(error)})


def _seen(preview: Callable[[str], Preview | None], generation_id: str) -> Preview | None:
    """Where something does not answer, the page comes all the same and waits for it."""
    try:
        return preview(generation_id)
    except NotFound:
        return None
    except (RedisFailure, ProviderUnavailable):
        return NOTHING_TO_SEE


_IMPORT = re.compile(r'^(?:import|export)\b(?:[^"\';]*?from)?\s*"(\.[^"]+)"', re.MULTILINE)


@lru_cache
def _modules(script: str) -> tuple[str, ...]:
    """All modules that a script imports, at any depth: a page names them (`modulepreload`), so that
    a browser fetches them at once and not one level after another."""
    found: dict[str, None] = {}
    waiting = [script]
    while waiting:
        name = waiting.pop()
        folder = (STATIC / name).parent
        for path in _IMPORT.findall((STATIC / name).read_text("utf-8")):
            module = (folder / path).resolve().relative_to(STATIC).as_posix()
            if module not in found:
                found[module] = None
                waiting.append(module)
    return tuple(found)


def _duration(seconds: int) -> str:
    for name, length in (("day", 86_400), ("hour", 3_600), ("minute", 60)):
        if seconds >= length:
            count = round(seconds / length)
            return f"{count} {name}{'' if count == 1 else 's'}"
    return f"{seconds} seconds"
