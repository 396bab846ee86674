"""The gunicorn worker that lets a listener keep its socket.

gunicorn's gevent worker ignores that a response was `ALREADY_HANDLED` and goes on in its keep-alive
loop: it would parse whatever the client sends next and write an answer into the stream. This worker
leaves the loop. It also starts the delivery with the process, ends the streams on SIGTERM, spread
over `HUB_GRACE_SECONDS`, lets the kernel find clients that have vanished, answers a head that
gunicorn cannot parse in the hub's own form, and counts connections of which something is awaited
(`waiting`). A request's head has gunicorn's `keepalive` seconds to come.

gunicorn imports this module before gevent has patched the process: nothing here may import redis.
"""

from __future__ import annotations

import _socket
import logging
import socket
import sys
from collections.abc import Callable
from functools import partial
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

import gevent
from gevent.event import Event
from gevent.server import StreamServer
from gunicorn import util
from gunicorn.arbiter import Arbiter
from gunicorn.http import errors
from gunicorn.workers.base_async import AsyncWorker
from gunicorn.workers.ggevent import GeventWorker

from hub.errors import RedisUnfit
from hub.event import compact_json
from hub.fanout.uncaught import log_uncaught
from hub.process import collect_for_ever, spare_the_collector
from hub.web.body import pass_over
from hub.web.proxies import TrustedProxies
from hub.web.visit import REFUSAL, PutBack, Rest, cooperative, let_the_answer_be_read
from hub.web.waiting import WAITING, WaitingConnection, WaitingConnections

if TYPE_CHECKING:
    from hub.fanout.delivery import Delivery
    from hub.fanout.loops import Loop
    from hub.store.stops import Stops
    from hub.web.door import Door

log = logging.getLogger("hub.gunicorn_worker")

MARK = "hubbub.takeover"
"""In a request's environment: this worker will let go of the socket."""

_KEEPALIVE_SECONDS = 30
_LOOK_SECONDS = 0.1
_HANDSHAKE_SECONDS = 10
_UNSENT_BYTES = 256 * 1024
_TAKE_BACK_SECONDS = 1.0

_BROKEN_BODY = (
    errors.ChunkMissingTerminator,
    errors.InvalidChunkSize,
    errors.InvalidChunkExtension,
)
_APPLICATION_S_FAULT = (errors.InvalidResponseHeader, errors.InvalidResponseHeaderName)
_STATUS = {
    errors.LimitRequestLine: HTTPStatus.REQUEST_URI_TOO_LONG,
    errors.LimitRequestHeaders: HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE,
    errors.ExpectationFailed: HTTPStatus.EXPECTATION_FAILED,
}
"""What a head that cannot be parsed is answered, where it is not 400."""


class Server(StreamServer):  # type: ignore[misc]
    """Accepts connections for the door; those that are gunicorn's come to `worker.handle`."""

    def __init__(self, worker: Worker, door: Door, listening: Any, *, spawn: Any, **_: Any) -> None:
        super().__init__(listening, handle=partial(worker.handle, listening), spawn=spawn)
        if worker.cfg.workers > 1:  # as gunicorn has it, so that processes share what comes
            self.max_accept = 1
        self._waiting = worker.waiting
        self._door = door
        name = listening.getsockname()
        self._port = str(name[1]) if isinstance(name, tuple) else None

    def do_read(self) -> tuple[Any, Any] | None:
        listening = self.socket
        try:
            descriptor, address = listening._accept()
        except BlockingIOError:
            return None
        how = (listening.family, listening.type, listening.proto)
        return _socket.socket(*how, fileno=descriptor), address

    def do_handle(self, sock: Any, address: Any) -> None:
        if self._port is None:
            self._hand_over(address, sock, Rest(b""))
            return
        sock.setblocking(False)
        waiting = WaitingConnection(self._waiting, sock, address[0])
        self._door.comes(sock, address[0], self._port, waiting, partial(self._hand_over, address))

    def _hand_over(self, address: Any, sock: Any, rest: Rest) -> None:
        client = PutBack(cooperative(sock), rest)
        if not self.started:  # it ends, and takes nothing new on
            client.close()
        elif self.pool.full():  # room is waited for, and the loop must not
            gevent.spawn(super().do_handle, client, address)
        else:
            super().do_handle(client, address)


class Worker(GeventWorker):  # type: ignore[misc]
    """gunicorn's gevent worker for streams. The application is to carry its `Delivery`, or what
    makes it in the worker's process, in `app.extensions["hubbub"]`; what waits until its Redis is
    fit to work with may be in `app.extensions["hubbub.redis"]`, and who is told of its stop in
    `app.extensions["hubbub.stops"]`."""

    wsgi: Any
    _unfit = False

    def load_wsgi(self) -> None:
        log_uncaught()
        super().load_wsgi()
        application: Any = self.wsgi
        connections: dict[Any, WaitingConnection] = {}
        mark = MARK

        def marked(environ: dict[str, Any], start_response: Any) -> Any:
            environ[mark] = True
            sock = environ["gunicorn.socket"]
            environ[WAITING] = connections[sock]
            if isinstance(sock, PutBack) and (refusal := sock.take_refusal()) is not None:
                environ[REFUSAL] = refusal
            return application(environ, start_response)

        delivery = getattr(application, "extensions", {}).get("hubbub")
        if delivery is None:
            raise RuntimeError(
                f"{application!r} is no Flask application with hub.Hubbub or hub.flask_sse"
            )
        self.delivery: Delivery = delivery() if callable(delivery) else delivery
        self._wait_until_fit: Callable[[], None] | None = application.extensions.get("hubbub.redis")
        self._stops: Stops | None = application.extensions.get("hubbub.stops")
        settings = self.delivery.settings
        proxies = TrustedProxies(settings.trusted_proxies)
        self.waiting = WaitingConnections(
            settings.max_waiting,
            settings.max_waiting_per_address,
            longest_seconds=settings.body_seconds + _HANDSHAKE_SECONDS,
            head_seconds=self.cfg.keepalive or float("inf"),
            shared=lambda address: not address or proxies.trusts(address),
        )
        self.delivery.figures_beside.append(self.waiting.figures)
        self._connections = connections
        self._keeps_alive = bool(self.cfg.keepalive)  # looked up by gunicorn each time, for 2 µs
        self.door: Door | None = application.extensions.get("hubbub.door")
        # Somebody who stands in front of the application would not be asked at the door.
        if self.door is not None and self.door.leads_to(application.wsgi_app):
            self.door.counted = self._counted
            if self._door_is_wide_enough():
                self.server_class = partial(Server, self, self.door)
        self.wsgi = marked

    def run(self) -> None:
        for listening in self.sockets:
            _find_the_vanished(listening, self.delivery.settings.stall_seconds)
        self.delivery.start()
        self.delivery.loops.start("waiting", self._tidy)
        if self._wait_until_fit is not None:
            gevent.spawn(self._check_redis, self._wait_until_fit)
        self._drained = Event()  # not before: the worker is made in gunicorn's master
        self.delivery.loops.start("drain", self._drain_when_told)
        self.delivery.loops.start("collector", collect_for_ever)
        spare_the_collector()
        try:
            super().run()
        finally:
            self._drained.wait(self.delivery.settings.grace_seconds + 1)
        if self._unfit:
            sys.exit(Arbiter.APP_LOAD_ERROR)  # gunicorn ends, and does not try the same again

    def _check_redis(self, wait_until_fit: Callable[[], None]) -> None:
        """End where Redis lacks what is needed. Until it answers the process serves as it does
        while Redis is away."""
        try:
            wait_until_fit()
        except RedisUnfit as error:
            log.critical("%s", error.detail)
            self._unfit = True
            self.alive = False

    def _drain_when_told(self, loop: Loop) -> None:
        """SIGTERM only clears `alive`; a loop that ends streams in good order must look."""
        while self.alive:
            loop.sleep(_LOOK_SECONDS)
        self.waiting.hurry()
        if self.door is not None:
            self.door.close_idle()
        grace_seconds = self.delivery.settings.grace_seconds
        told = None
        if self._stops is not None and self.delivery.listeners:
            told = gevent.spawn(self._stops.begins, grace_seconds)
        self.delivery.close_all("shutdown", grace_seconds * 0.8)
        while self.door is not None and self.door.busy:
            loop.sleep(_LOOK_SECONDS)
        if told is not None and self._stops is not None:
            told.join(_TAKE_BACK_SECONDS)  # a key that is set after it was taken back would stay
            gevent.spawn(self._stops.ended).join(_TAKE_BACK_SECONDS)
        self._drained.set()

    def _tidy(self, loop: Loop) -> None:
        while True:
            loop.sleep(_LOOK_SECONDS)
            self.waiting.tidy()

    def handle(self, listener: Any, client: Any, addr: Any) -> None:
        connection = WaitingConnection(self.waiting, client, addr[0] if addr else "")
        self._connections[client] = connection
        connection.waits()
        try:
            super().handle(listener, client, addr)
        finally:
            connection.came()
            del self._connections[client]

    def _door_is_wide_enough(self) -> bool:
        """Whether nothing was asked of gunicorn that only its own way does."""
        cfg = self.cfg
        return not (cfg.is_ssl or cfg.accesslog or cfg.statsd_host) and cfg.proxy_protocol == "off"

    def _counted(self) -> bool:
        """As gunicorn counts requests; whether the connection may be kept."""
        self.nr += 1
        if self.nr >= self.max_requests and self.alive:
            self.log.info("Autorestarting worker after current request.")
            self.alive = False
        return bool(self.alive and self._keeps_alive)

    def handle_request(self, listener_name: Any, req: Any, sock: Any, addr: Any) -> None:
        connection = self._connections[sock]
        self.waiting.came(connection)
        connection.say_close = req.force_close
        try:
            # Past GeventWorker's own method, which drops the answer.
            handled = AsyncWorker.handle_request(self, listener_name, req, sock, addr)
        except gevent.GreenletExit:
            return
        except StopIteration:  # the answer said that it was the last
            handled = False
        if connection.spoiled:
            let_the_answer_be_read(sock)
        if handled is False or connection.spoiled:
            raise StopIteration
        self.waiting.waits(connection)
        # gunicorn would do so by the kilobyte, for as long as it comes, and give nobody a turn.
        left = getattr(req.body.reader, "length", None) != 0
        if left and not pass_over(req.body, self.delivery.settings):
            let_the_answer_be_read(sock)
            raise StopIteration

    def handle_error(self, req: Any, client: Any, addr: Any, exc: BaseException) -> None:
        """Answer what never became a request. Nothing of it is repeated, in the answer or the log:
        its line may carry a token."""
        if isinstance(exc, _BROKEN_BODY):
            return  # of a request that has been answered: a second answer would be the next one's
        if isinstance(exc, errors.ParseException) and not isinstance(exc, _APPLICATION_S_FAULT):
            status = _STATUS.get(type(exc), HTTPStatus.BAD_REQUEST)
            log.warning("request refused address=%s: %s", addr and addr[0], type(exc).__name__)
        else:
            status = HTTPStatus.INTERNAL_SERVER_ERROR
            log.error("error outside of the application", exc_info=exc)
        try:
            util.write_nonblock(client, _unparsed(status))
        except OSError:
            pass  # it has left


def _unparsed(status: HTTPStatus) -> bytes:
    """The answer to a head that cannot be parsed, as RFC 9457 has it."""
    body = {
        "type": "about:blank",
        "title": status.phrase,
        "status": status.value,
        "detail": "the request could not be read",
        "code": status.phrase.lower().replace(" ", "-"),
    }
    content = compact_json(body).encode()
    head = (
        f"HTTP/1.1 {status.value} {status.phrase}\r\nConnection: close\r\n"
        "Content-Type: application/problem+json\r\nX-Content-Type-Options: nosniff\r\n"
        f"Content-Length: {len(content)}\r\n\r\n"
    )
    return head.encode() + content


def _find_the_vanished(sock: Any, stall_seconds: float) -> None:
    """Options that every accepted socket inherits: a host that has vanished is found by probes,
    or by data that it never acknowledges (a stream's is found by `stalls`); and the kernel buffers
    little that is not yet on its way, for a slow listener's backlog belongs into history, not into
    kernel memory."""
    if sock.family not in (socket.AF_INET, socket.AF_INET6):
        return
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for name, value in (
        ("TCP_KEEPIDLE", _KEEPALIVE_SECONDS),
        ("TCP_KEEPINTVL", 10),
        ("TCP_KEEPCNT", 3),
        ("TCP_USER_TIMEOUT", int(stall_seconds * 1000) + 30_000),
        ("TCP_NOTSENT_LOWAT", _UNSENT_BYTES),
    ):
        option = getattr(socket, name, None)
        if option is not None:
            sock.setsockopt(socket.IPPROTO_TCP, option, value)
