"""What a request must not be, from any client (contract §7): decided by its head alone.

An open hub trusts its own machine. A web page is not its own machine, though it runs there, so two
things are refused: a request that changes something and comes from a page of another origin, and
one that calls an open hub by a name of somebody else's (a name that is rebound to 127.0.0.1 makes
a foreign page the hub's own origin). And no body is unpacked here (contract §1).
"""

from __future__ import annotations

from functools import lru_cache
from ipaddress import ip_address

from hub.errors import CrossOrigin, UnknownHost, UnsupportedMediaType
from hub.settings import Settings
from hub.web.request_head import RequestHead

SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})
"""Methods that change nothing."""

_OURS = (None, "same-origin", "none")
"""What a browser says of a page of ours (`Sec-Fetch-Site`), of a person, and other programs. A page
on another port of this machine is `same-site`."""

_DEFAULT_PORT = {"http": ":80", "https": ":443"}


class Guards:
    """`open_to_all`: nobody must show a token, so the host's name is all that tells friend from
    foe."""

    def __init__(self, settings: Settings, *, open_to_all: bool) -> None:
        self._origins = frozenset(settings.cors_origins)
        self._hosts = frozenset(
            {"localhost", host_name(settings.host.lower()), *settings.allowed_hosts}
        )
        self._open_to_all = open_to_all
        self._is_ours = lru_cache(1024)(self._look_up)

    def check(self, head: RequestHead) -> None:
        """Raises `UnknownHost`, `CrossOrigin` or `UnsupportedMediaType`."""
        # Every browser names a host; probes of HTTP/1.0 need not.
        if head.host is not None and not self._is_ours(head.host):
            raise UnknownHost(
                f"this hub does not answer to the host {head.host[:128]!r}: call it by its address "
                "or name it in HUB_ALLOWED_HOSTS"
            )
        if head.method not in SAFE_METHODS and self._from_another_origin(head):
            raise CrossOrigin(
                "this request comes from a page of another origin: HUB_CORS_ORIGINS names those "
                "that may"
            )
        encoding = head.headers.get("content-encoding", "").strip().lower()
        if encoding not in ("", "identity") and head.method not in SAFE_METHODS:
            raise UnsupportedMediaType(
                f"Content-Encoding: {encoding[:40]!r} is not read here, send the body as it is",
                code="unsupported-content-encoding",
            )

    def _look_up(self, host: str) -> bool:
        if not host or not self._open_to_all:
            return bool(host)
        name = host_name(host)
        if name in self._hosts or _is_address(name):
            return True
        return any(f"*.{parent}" in self._hosts for parent in _parents(name))

    def _from_another_origin(self, head: RequestHead) -> bool:
        site = head.headers.get("sec-fetch-site")
        origin = head.headers.get("origin")
        if origin is None:
            return site not in _OURS
        origin = origin.lower()
        if origin in self._origins or ("*" in self._origins and origin != "null"):
            return False
        if site not in _OURS:
            return True
        if is_own_origin(origin, head):
            return False
        # Pages that send no referrer send the origin `null` with their own forms, and behind TLS
        # that ends in front of the hub, the scheme is another. What no page can forge is the
        # browser's own `same-origin`.
        return site != "same-origin" or origin not in ("null", f"https://{head.host}")


def host_name(host: str) -> str:
    """The host without its port, without the dot that ends a full name."""
    if host[:1] == "[":
        return host.partition("]")[0][1:]
    return (host if host.count(":") > 1 else host.partition(":")[0]).removesuffix(".")


def is_own_origin(origin: str, head: RequestHead) -> bool:
    """Whether a page of this origin, in lower case, is the hub's own as the request's client sees
    it."""
    return _without_default_port(origin) == _without_default_port(head.origin)


def _parents(name: str) -> list[str]:
    labels = name.split(".")
    return [".".join(labels[start:]) for start in range(1, len(labels))]


def _is_address(name: str) -> bool:
    try:
        ip_address(name)
    except ValueError:
        return False
    return True


def _without_default_port(origin: str) -> str:
    return origin.removesuffix(_DEFAULT_PORT.get(origin.partition("://")[0], "\n"))
