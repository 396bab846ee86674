"""The head of a request: what the hub decides by, before it reads any body.

A frozen value, so that a rule about paths, hosts, origins, addresses or tokens is written once and
holds on every way in: gunicorn and Flask hand over a WSGI environment; a worker that parses the
socket itself would make the same value from its bytes.

Where the request came from and how its client named the hub is derived here, once. `X-Forwarded-*`
is believed only from trusted proxies (`proxies.TrustedProxies`).
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any, NamedTuple
from urllib.parse import parse_qsl

from hub.web.proxies import NO_PROXIES, TrustedProxies

_HOST = re.compile(r"(?:\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9_-]+(?:\.[A-Za-z0-9_-]+)*\.?)(?::[0-9]{1,5})?")
_WHOLE_ADDRESS = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://([^/?#]*)")

_KEY = "hubbub.head"


class RequestHead(NamedTuple):
    """`path` is percent-decoded and begins behind the prefix; a slash at its end is gone.

    `headers` have lower-case names. `peer` is the socket's other end, `address` the client's.
    `host` is the name (and port) by which the client called the hub: None where it named none and
    need not, empty where what it named cannot be a host. `prefix` is the path that the hub hangs
    under: empty, or `/hub`.
    """

    method: str
    path: str
    query: str
    headers: Mapping[str, str]
    peer: str
    address: str
    scheme: str
    host: str | None
    prefix: str

    @classmethod
    def of(
        cls,
        method: str,
        path: str,
        query: str,
        headers: Mapping[str, str],
        peer: str,
        scheme: str,
        proxies: TrustedProxies,
        base_path: str = "",
        named_host: str | None = None,
    ) -> RequestHead:
        """The head as it came, and what follows from it. `base_path` is the prefix where no proxy
        names another; a path that a proxy has cut already is taken as it is. `named_host` counts
        in the place of the header."""
        forwarded = proxies.forwarded(peer, headers)
        prefix = forwarded.prefix or base_path
        named = headers.get("host") if named_host is None else named_host
        return cls(
            method=method,
            path=_path_behind(prefix, path),
            query=query,
            headers=headers,
            peer=peer,
            address=forwarded.address,
            scheme=forwarded.scheme or scheme,
            host=_host(forwarded.host or named),
            prefix=prefix,
        )

    @classmethod
    def from_environ(
        cls,
        environ: Mapping[str, Any],
        proxies: TrustedProxies = NO_PROXIES,
        base_path: str = "",
    ) -> RequestHead:
        headers = {
            _header(name): value for name, value in environ.items() if name.startswith("HTTP_")
        }
        if kind := environ.get("CONTENT_TYPE"):
            headers["content-type"] = kind
        return cls.of(
            environ["REQUEST_METHOD"],
            environ["PATH_INFO"],
            environ.get("QUERY_STRING", ""),
            headers,
            environ.get("REMOTE_ADDR") or "-",
            environ["wsgi.url_scheme"],
            proxies,
            base_path or environ.get("SCRIPT_NAME", "").rstrip("/"),
            _host_beside(environ),
        )

    @property
    def media_type(self) -> str:
        """The body's, without its parameters; '' where none is named."""
        return self.headers.get("content-type", "").partition(";")[0].strip().lower()

    @property
    def origin(self) -> str:
        """The hub's own origin, as this client sees it; empty where it named no host."""
        return f"{self.scheme}://{self.host}" if self.host else ""

    def query_pairs(self) -> Sequence[tuple[str, str]]:
        return query_pairs(self.query) if self.query else ()


def remember(head: RequestHead, environ: dict[str, Any]) -> None:
    """Keep the head with its request, and let Flask see the request as the head has it."""
    environ[_KEY] = head
    environ["SCRIPT_NAME"] = head.prefix
    environ["PATH_INFO"] = head.path
    environ["REMOTE_ADDR"] = head.address
    environ["wsgi.url_scheme"] = head.scheme
    if head.host:
        environ["HTTP_HOST"] = head.host


def head_of(environ: Mapping[str, Any]) -> RequestHead:
    """The head of this request. In a program that has no `Entrance` it is read from what its
    server and its own middleware say."""
    return environ.get(_KEY) or RequestHead.from_environ(environ)


@lru_cache(1024)
def _header(name: str) -> str:
    """A header's name of a WSGI environment. Few are ever used, and an arrival has a dozen."""
    return name[5:].replace("_", "-").lower()


def _path_behind(prefix: str, path: str) -> str:
    if prefix and (path == prefix or path.startswith(f"{prefix}/")):
        path = path[len(prefix) :]
    if len(path) > 1 and path[-1] == "/":
        path = path[:-1]
    return path or "/"


def _host_beside(environ: Mapping[str, Any]) -> str | None:
    """What counts in the place of a Host: that of a whole address in the request line (RFC 9112
    §3.2.2); and nothing is a host where HTTP/1.1 demands one, and none was named."""
    found = _WHOLE_ADDRESS.match(environ.get("RAW_URI", "/"))
    if found:
        return found[1]
    must = "HTTP_HOST" not in environ and environ.get("SERVER_PROTOCOL") == "HTTP/1.1"
    return "" if must else None


# Both are asked for several times in a request, and a crowd asks for the same.
@lru_cache(256)
def query_pairs(query: str) -> Sequence[tuple[str, str]]:
    return tuple(parse_qsl(query, keep_blank_values=True))


@lru_cache(1024)
def _host(named: str | None) -> str | None:
    if named is None:
        return None
    return named.lower() if _HOST.fullmatch(named) else ""
