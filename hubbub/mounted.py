"""The hub's own routes within another application, each asked through that application's rule.

    app.register_blueprint(hubbub.blueprint, url_prefix="/hub")

    @hubbub.authorize
    def may(identity, action, channel) -> bool: ...

A request is handed on to the hub's application as it stands, behind the prefix: the same guards,
faces, streams and errors as at a hub of its own, and a socket that is taken over where that can be
had. In the place of a token's grants stands the rule, which runs in the context of the program's
own request (its session, its users). Without a rule, nothing is allowed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from flask import Blueprint, Flask, Response, copy_current_request_context, request

from hub.access.gate import May
from hub.errors import Forbidden
from hub.identity import Action, Identity
from hub.web.headers import PROGRAMS_OWN, with_programs_own
from hub.web.problems import refuse

_METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")
_RULE = "hubbub.rule"
_HANDED_ON_AS_IT_IS = frozenset({"content-type", "content-length"})


def mounted_blueprint(hub: Callable[[], Flask], rule: Callable[[], May | None]) -> Blueprint:
    """`hub()` is the hub's application in this process, made with `current_rule`; `rule()` is what
    the program decides by, once it has said it."""
    blueprint = Blueprint("hubbub", __name__)

    @blueprint.route("/", defaults={"path": ""}, methods=_METHODS)
    @blueprint.route("/<path:path>", methods=_METHODS)
    def hand_on(path: str) -> Response:
        decides = rule()
        environ = request.environ
        if decides is not None:
            environ[_RULE] = copy_current_request_context(decides)
        behind = len(request.path) - len(path) - 1
        within = {
            **environ,
            "SCRIPT_NAME": environ.get("SCRIPT_NAME", "") + environ["PATH_INFO"][:behind],
            "PATH_INFO": environ["PATH_INFO"][behind:],
        }
        if decides is None:
            refuse(within, Forbidden("this program has no rule yet: @hubbub.authorize says it"))
        return _HandedOn(hub(), within)

    return blueprint


def current_rule() -> May:
    """What the program's rule says of the current request, wherever it is asked: a stream may be
    opened in another thread."""
    return request.environ.get(_RULE) or _nothing


def _nothing(identity: Identity, action: Action, channel: str) -> bool:
    return False


class _HandedOn(Response):
    """A response that the hub's application gives when the server asks for it. Headers that the
    program's own `after_request` has set stay, where the hub says nothing else."""

    def __init__(self, hub: Flask, within: dict[str, Any]) -> None:
        super().__init__()
        self._hub = hub
        self._within = within

    def __call__(self, environ: Any, start_response: Any) -> Any:
        within = self._within
        within[PROGRAMS_OWN] = [
            pair for pair in self.headers if pair[0].lower() not in _HANDED_ON_AS_IT_IS
        ]

        def start(status: str, headers: Iterable[tuple[str, str]], *rest: Any) -> Any:
            return start_response(status, with_programs_own(within, headers), *rest)

        return self._hub.wsgi_app(within, start)
