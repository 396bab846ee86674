"""The one way in: what is decided about a request before anything reads its body.

`Entrance` stands in front of the application and sees every request, pages, health and what does
not exist among them. It reads the head once, lets the guards judge it, and opens the common stream
without Flask: a subscription whose socket can be taken over. Reconnect storms are the worst hour of
such a system, and Flask would take a third of an arrival.

Two hand it requests: a WSGI server, and the door in front of one (`door`).

Whatever is refused here goes on to Flask with the refusal beside it, which gives it the form that
its reader expects. Nothing is judged a second time there.
"""

from __future__ import annotations

import re
import socket
from collections.abc import Callable, Mapping
from typing import Any

from gunicorn.workers.base_async import ALREADY_HANDLED

from hub.channel import check_channel
from hub.errors import HubError
from hub.fanout.delivery import Delivery
from hub.trace import Trace
from hub.web import cors
from hub.web.caller import Caller, Callers, remember_caller
from hub.web.guards import Guards
from hub.web.headers import with_programs_own
from hub.web.problems import is_refused, refuse
from hub.web.proxies import TrustedProxies
from hub.web.request_head import RequestHead, remember
from hub.web.stream_response import StreamAnswer, listed_channels, open_stream, take_over
from hub.web.tracing import remember_trace, shown
from hub.web.transport import SocketTransport, can_take_over

_ONE_CHANNEL = re.compile(r"/channels/([^/]+)/events")


class Entrance:
    """A WSGI application around another one. `own_users`: a program tells friend from foe by a rule
    of its own, and answers to whatever names it is called by."""

    def __init__(
        self,
        application: Callable[..., Any],
        delivery: Delivery,
        callers: Callers,
        *,
        own_users: bool = False,
    ) -> None:
        settings = delivery.settings
        self._application = application
        self.delivery = delivery
        self._proxies = TrustedProxies(settings.trusted_proxies)
        self._guards = Guards(settings, open_to_all=not (settings.keyed or own_users))
        self.callers = callers

    def __call__(self, environ: dict[str, Any], start_response: Any) -> Any:
        head = RequestHead.from_environ(environ, self._proxies, self.delivery.settings.base_path)
        remember(head, environ)
        trace = Trace.of(head.headers)
        remember_trace(trace, environ)
        answer = None
        if not is_refused(environ):
            try:
                caller = self.admit(head, _local_port(environ))
                remember_caller(caller, environ)
                if can_take_over(environ):
                    answer = self.stream(head, caller)
            except HubError as error:
                refuse(environ, error)
        if answer is None:
            return self._application(environ, start_response)
        headers = [*answer.headers, *self.headers(head), *shown(trace, head)]
        if answer.stream is not None:
            transport = SocketTransport.beside(environ["gunicorn.socket"])
            own = with_programs_own(environ, headers)
            take_over(transport, self.delivery, answer.stream, own)
            return ALREADY_HANDLED
        start_response(answer.status_line, headers)
        return [answer.body]

    def head(
        self, method: str, path: str, query: str, headers: Mapping[str, str], peer: str
    ) -> RequestHead:
        """The head of a request that came without TLS and without a WSGI server."""
        base_path = self.delivery.settings.base_path
        return RequestHead.of(method, path, query, headers, peer, "http", self._proxies, base_path)

    def admit(self, head: RequestHead, port: str) -> Caller:
        """Who asks. `port` is the local one. Raises `HubError` for a request that must not be."""
        self._guards.check(head)
        # Who asks is found here, and nowhere else (contract §7).
        return self.callers.of(head, port)

    def admit_at_once(self, head: RequestHead, port: str) -> Caller | None:
        """`admit` where that needs no waiting for anybody; else None. For the same head it is the
        same as long as `callers.still_counts`: what the guards look at is the head alone."""
        self._guards.check(head)
        return self.callers.at_once(head, port)

    def stream(
        self, head: RequestHead, caller: Caller, *, heard: bool = False
    ) -> StreamAnswer | None:
        """The answer to a subscription of channels; None to whatever else is asked. `heard`: what
        was announced before it came."""
        if head.method != "GET":
            return None
        one = events_of(head.path)
        if one is not None:
            caller.refuse_strangers()
            return open_stream(self.delivery, head, caller, [check_channel(one)], heard=heard)
        if head.path == "/events":
            caller.refuse_strangers()
            return open_stream(self.delivery, head, caller, listed_channels(head), listed=True)
        return None

    def headers(self, head: RequestHead) -> list[tuple[str, str]]:
        """What every answer to this request carries."""
        return cors.headers(head, self.delivery.settings.cors_origins)


def _local_port(environ: Mapping[str, Any]) -> str:
    """The port that the request came to. One that came through a socket in the file system has
    none: what stands there is what the client says (gunicorn takes it from the Host)."""
    sock = environ.get("gunicorn.socket")
    if sock is not None and sock.family == socket.AF_UNIX:
        return ""
    return str(environ.get("SERVER_PORT", ""))


def events_of(path: str) -> str | None:
    """The channel whose events a path is; None for another path."""
    found = _ONE_CHANNEL.fullmatch(path)
    return found and found[1]
