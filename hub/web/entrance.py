"""The one way in: what is decided about a request before anything reads its body.

`Entrance` stands in front of the application and sees every request, pages, health and what does
not exist among them. It reads the head once, lets the guards judge it, and opens the common stream
without Flask: a subscription whose socket can be taken over. Reconnect storms are the worst hour of
such a system, and Flask would take a third of an arrival.

Whatever is refused here goes on to Flask with the refusal beside it, which gives it the form that
its reader expects. Nothing is judged a second time there.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from hub.channel import check_channel
from hub.errors import HubError
from hub.fanout.delivery import Delivery
from hub.web import cors
from hub.web.caller import Caller, Callers, remember_caller
from hub.web.guards import Guards
from hub.web.problems import refuse
from hub.web.proxies import TrustedProxies
from hub.web.request_head import RequestHead, remember
from hub.web.stream_response import StreamAnswer, listed_channels, open_stream, take_over
from hub.web.transport import can_take_over

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
        self._delivery = delivery
        self._proxies = TrustedProxies(settings.trusted_proxies)
        self._guards = Guards(settings, open_to_all=not (settings.keyed or own_users))
        self._callers = callers

    def __call__(self, environ: dict[str, Any], start_response: Any) -> Any:
        head = RequestHead.from_environ(environ, self._proxies, self._delivery.settings.base_path)
        remember(head, environ)
        try:
            self._guards.check(head)
            # Who asks is found here, and nowhere else (contract §7).
            caller = self._callers.of(head, environ.get("SERVER_PORT", ""))
            remember_caller(caller, environ)
            answer = self._stream(head, caller, environ)
        except HubError as error:
            refuse(environ, error)
            answer = None
        if answer is None:
            return self._application(environ, start_response)
        headers = [*answer.headers, *cors.headers(head, self._delivery.settings.cors_origins)]
        if answer.stream is not None:
            return take_over(environ, self._delivery, answer.stream, headers)
        start_response(answer.status_line, headers)
        return [answer.body]

    def _stream(
        self, head: RequestHead, caller: Caller, environ: dict[str, Any]
    ) -> StreamAnswer | None:
        """The answer to a subscription of channels; None to whatever else is asked."""
        if head.method != "GET" or not can_take_over(environ):
            return None
        one = _ONE_CHANNEL.fullmatch(head.path)
        if one or head.path == "/events":
            caller.refuse_strangers()
        if one:
            return open_stream(self._delivery, head, caller, [check_channel(one[1])])
        if head.path == "/events":
            return open_stream(self._delivery, head, caller, listed_channels(head), listed=True)
        return None
