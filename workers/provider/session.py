"""HTTP to one provider: a pooled `requests` session whose exchanges can be cut from outside.

`requests` gives no way to stop a call before its headers have come, so the connections note which
exchange they serve, and `cut` shuts the socket itself down: the provider sees the end at once, and
the reader wakes up. A connection that has gone back to the pool, or serves another
exchange, is left alone.

What is awaited has a total deadline (`due`), which cuts the exchange when it is over: a socket's
own timeout is re-armed by every byte.

`trust_env` is off because it costs every request a walk through the environment and a look for
`.netrc`; proxies and certificates are read from the environment once instead.
"""

from __future__ import annotations

import os
import re
import socket
import time
from collections.abc import Callable, Mapping
from contextvars import ContextVar
from http.cookiejar import DefaultCookiePolicy
from typing import Any
from urllib.parse import urlsplit

import requests
from requests.adapters import HTTPAdapter
from requests.utils import get_environ_proxies
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool

from hub.address import is_loopback
from hub.fanout.pace import Pace
from hub.trace import current
from workers.provider import failure
from workers.provider.config import ProviderConfig
from workers.provider.deadline import Deadline
from workers.provider.failure import ProviderFailure
from workers.provider.response import Response

CONNECT_TIMEOUT_SECONDS = 10.0
DRAIN_TIMEOUT_SECONDS = 0.02
READ_BYTES = 65536
_ENCODING = "Content-Encoding"
MAX_IDLE = 1000
"""Connections kept for the next generations, at most."""

_exchange: ContextVar[Exchange | None] = ContextVar("exchange", default=None)


class Silence(Exception):
    """What was due did not come in time."""


class Cut(Exception):
    """The connection broke in the middle of the body."""


class _Noted:
    """Mixed into urllib3's connections: tells the exchange which connection it is on."""

    exchange: Exchange | None = None
    sock: socket.socket | None

    def _note(self) -> None:
        self.exchange = _exchange.get()
        if self.exchange is not None:
            self.exchange.connection = self

    def connect(self) -> None:
        self._note()
        super().connect()  # type: ignore[misc]
        if self.exchange is not None and self.exchange.is_cut:
            raise OSError("cut while connecting")

    def request(self, *args: Any, **kwargs: Any) -> None:
        self._note()
        super().request(*args, **kwargs)  # type: ignore[misc]

    def getresponse(self) -> Any:
        if self.exchange is not None:
            self.exchange.socket = self.sock
        return super().getresponse()  # type: ignore[misc]


class _NotedHTTPConnection(_Noted, HTTPConnection):
    response_class = Response


class _NotedHTTPSConnection(_Noted, HTTPSConnection):
    response_class = Response


class _HTTPPool(HTTPConnectionPool):
    ConnectionCls = _NotedHTTPConnection


class _HTTPSPool(HTTPSConnectionPool):
    ConnectionCls = _NotedHTTPSConnection


_POOLS = {"http": _HTTPPool, "https": _HTTPSPool}


class _Adapter(HTTPAdapter):
    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
        super().init_poolmanager(*args, **kwargs)
        self.poolmanager.pool_classes_by_scheme = _POOLS

    def proxy_manager_for(self, *args: Any, **kwargs: Any) -> Any:
        manager = super().proxy_manager_for(*args, **kwargs)
        manager.pool_classes_by_scheme = _POOLS
        return manager


class Session:
    """The session of one provider; keeps up to `idle` connections for the next generations."""

    def __init__(
        self,
        config: ProviderConfig,
        idle: int,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.config = config
        self.clock = clock
        session = requests.Session()
        session.trust_env = False
        if not is_loopback(urlsplit(config.base_url).hostname or ""):
            session.proxies.update(get_environ_proxies(config.base_url))
        bundle = os.environ.get("REQUESTS_CA_BUNDLE") or os.environ.get("CURL_CA_BUNDLE")
        session.verify = bundle or True
        session.headers.update(
            {"User-Agent": "hubbub", "Accept-Encoding": "identity", **config.headers}
        )
        # A cookie would tie together the generations of people who share nothing else.
        session.cookies.set_policy(DefaultCookiePolicy(allowed_domains=()))
        for scheme in ("http://", "https://"):
            session.mount(scheme, _Adapter(pool_connections=2, pool_maxsize=min(idle, MAX_IDLE)))
        self.session = session
        self._prepared: dict[tuple[str, str], requests.PreparedRequest] = {}

    def ask(
        self, method: str, path: str, body: bytes | None, headers: Mapping[str, str]
    ) -> requests.Response:
        """Raises what `requests` raises. The address and what is the same in every request are
        prepared once: it takes as long as the sending."""
        same = self._prepared.get((method, path))
        if same is None:
            asked = requests.Request(
                method, f"{self.config.base_url}/{path}", params=dict(self.config.query) or None
            )
            same = self._prepared[method, path] = self.session.prepare_request(asked)
        prepared = same.copy()
        prepared.headers.update({**headers, **_login(same)})
        prepared.prepare_body(body, None)
        settings = self.session.merge_environment_settings(prepared.url, {}, True, None, None)
        return self.session.send(
            prepared, timeout=(CONNECT_TIMEOUT_SECONDS, None), allow_redirects=False, **settings
        )

    def exchange(self) -> Exchange:
        return Exchange(self)


def _login(prepared: requests.PreparedRequest) -> dict[str, str]:
    """A name and password in the provider's address win over its key."""
    found = prepared.headers.get("Authorization")
    return {} if found is None else {"Authorization": found}


class Exchange:
    """One request and its answer. `send`, `read` and `finish` in one greenlet, `cut` from any."""

    def __init__(self, owner: Session) -> None:
        self._owner = owner
        self._response: requests.Response | None = None
        self._raw: Any = None
        self._chunks: Response | None = None
        self.connection: Any = None
        self.socket: socket.socket | None = None
        self.is_cut = False
        self._deadline = Deadline(self.cut)
        self._expired = False

    def send(
        self, method: str, path: str, body: bytes | None, within_seconds: float
    ) -> requests.Response:
        """Send the request and wait for the headers, with the connecting and whatever else comes
        before them. What follows is due in the same time, unless `due` says otherwise.
        Raises `Silence` or `ProviderFailure`."""
        config = self._owner.config
        self._deadline = Deadline(self._expire, self._owner.clock)
        self.due(within_seconds)
        headers = {
            "Content-Type": "application/json",
            "Accept": "text/event-stream" if body is not None else "application/json",
        }
        try:
            key = config.key()
        except OSError as error:  # its server has not begun, and makes it when it does
            words = f"{config.name}: its key cannot be read: {error.strerror}"
            raise ProviderFailure(failure.UNAVAILABLE, words) from None
        if key is not None:
            headers["Authorization"] = f"Bearer {key}"
        if (trace := current.get()) is not None:
            headers |= trace.headers()
        token = _exchange.set(self)
        try:
            self._response = self._owner.ask(method, path, body, headers)
        except requests.RequestException as error:
            if self._expired:
                raise Silence from None
            raise self._not_reached(error) from None
        except Exception as error:
            if self._expired:
                raise Silence from None
            # A socket cut in mid-handshake fails in whatever way the TLS layer finds.
            if self.is_cut:
                raise Cut from None
            raise self._not_reached(error) from None
        finally:
            _exchange.reset(token)
        self._raw = self._response.raw
        body = getattr(self._raw, "_fp", None)
        if isinstance(body, Response) and body.chunked and not self._raw.headers.get(_ENCODING):
            self._chunks = body
        return self._response

    def read(self) -> bytes:
        """What has come, at least a byte; empty at the end. Raises `Silence` or `Cut`."""
        try:
            # Past urllib3, which has nothing to decode here, for as long as something comes.
            if self._chunks is not None and (came := self._chunks.read1(READ_BYTES)):
                return came
            data: bytes = self._raw.read1(READ_BYTES, decode_content=True)
        except Exception:
            # ProtocolError, SSLError, a decoder's error, or whatever a socket shut down beneath
            # its TLS layer raises: the body will not go on.
            raise (Silence if self._expired else Cut) from None
        if not data and self._expired:  # a body without a length ends where it is cut
            raise Silence
        return data

    def read_body(self, max_bytes: int, within_seconds: float) -> tuple[bytes, bool]:
        """A short body, and whether it is whole: what came of it within the bounds."""
        body, pace = bytearray(), Pace()
        self.due(within_seconds)
        try:
            while len(body) < max_bytes and not self.overdue:
                data = self.read()
                if not data:
                    return bytes(body), True
                body += data
                pace.step()
        except (Silence, Cut):
            pass
        return bytes(body), False

    def due(self, seconds: float) -> None:
        """What is awaited must be there within `seconds` from now, or the exchange is cut and the
        reader gets `Silence`."""
        self._deadline.set(seconds)

    def not_due(self) -> None:
        """Nothing is awaited at the moment: the reader is busy with what came."""
        self._deadline.suspend()

    @property
    def overdue(self) -> bool:
        return self._deadline.over

    def _expire(self) -> None:
        self._expired = True
        self.cut()

    def _is_ours(self) -> bool:
        """The body's last byte sends a connection back to the pool, for others to take."""
        return self.connection is not None and self.connection.exchange is self

    def cut(self) -> None:
        """Shut the connection down, whatever is under way on it. Never blocks."""
        self.is_cut = True
        sock = (self.socket or self.connection.sock) if self._is_ours() else None
        if sock is None:
            return
        try:
            # By a duplicate: a TLS socket's own `shutdown` would pull its state from under a
            # reader, and the duplicate ends the connection for both.
            duplicate = socket.socket(fileno=os.dup(sock.fileno()))
        except OSError:
            return
        try:
            duplicate.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass  # the peer was faster
        finally:
            duplicate.close()

    def finish(self, *, reuse: bool) -> None:
        """Give the connection back where its answer is read to the end, else close it."""
        response = self._response
        if response is not None:
            if reuse and not self.is_cut:
                self._drain()
            elif not reuse:
                self.cut()  # the provider is to see it now, also where the response is kept
            response.close()
        self._deadline.end()
        if self._is_ours():
            self.connection.exchange = None
        self.socket = None

    def _drain(self) -> None:
        """Behind `[DONE]` only the body's end is due: with it, the connection serves again."""
        self.due(DRAIN_TIMEOUT_SECONDS)
        try:
            for _ in range(4):
                if not self.read():
                    return
        except (Silence, Cut):
            return

    def _not_reached(self, error: Exception) -> ProviderFailure:
        host = self._owner.config.name
        if isinstance(error, requests.ConnectTimeout):
            return ProviderFailure(
                failure.UNAVAILABLE, f"{host} did not accept a connection in time"
            )
        words = _cause(error)
        if isinstance(error, requests.exceptions.SSLError):
            return ProviderFailure(failure.UNAVAILABLE, f"{host}: TLS: {words}", retryable=False)
        if isinstance(error, requests.exceptions.ProxyError):
            return ProviderFailure(failure.UNAVAILABLE, f"{host}: proxy: {words}")
        if isinstance(error, requests.ConnectionError):
            return ProviderFailure(failure.UNAVAILABLE, f"{host} cannot be reached: {words}")
        return ProviderFailure(failure.REFUSED, f"{host} cannot be asked: {words}")


def _cause(error: BaseException) -> str:
    """The innermost reason's words: the outer ones repeat objects' addresses."""
    reason: Any = error
    for _ in range(6):
        inner = getattr(reason, "reason", None)
        if not isinstance(inner, BaseException):
            inner = next(
                (arg for arg in getattr(reason, "args", ()) if isinstance(arg, BaseException)), None
            )
        if inner is None:
            break
        reason = inner
    if isinstance(reason, OSError) and reason.strerror:
        return str(reason.strerror)
    words = str(reason).rpartition(": ")[2]
    return re.sub(r"^\[Errno -?\d+\] ", "", words) or type(reason).__name__
