"""The address of the web: taken before anything is started, and asked whether it is ready."""

from __future__ import annotations

import errno
import http.client
import socket
import time
from collections.abc import Callable

from hubbub.parts.errors import CannotStart

BACKLOG = 2048
BIND_SECONDS = 3.0
"""How long a port may be taken: an instance that was killed leaves it only after a moment."""


def listening_socket(
    host: str, port: int, pause: Callable[[float], None], setting: str = "PORT"
) -> socket.socket:
    """A listening socket for gunicorn to inherit: a taken port is found before anything has been
    started, and port 0 has a number. `pause(seconds)` may raise to give up."""
    bare = host.strip("[]")
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(
            bare, port, type=socket.SOCK_STREAM
        )[0]
        listening = socket.socket(family, kind, protocol)
    except OSError as error:
        raise CannotStart(f"HOST={host}: {error.strerror or error}") from None
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    give_up = time.monotonic() + BIND_SECONDS
    while True:
        try:
            listening.bind(address)
            listening.listen(BACKLOG)
            return listening
        except OSError as error:
            if error.errno != errno.EADDRINUSE or time.monotonic() > give_up:
                listening.close()
                if error.errno == errno.EADDRNOTAVAIL:
                    raise CannotStart(f"HOST={host} is no address of this machine") from None
                raise CannotStart(
                    f"port {port} of {bare} cannot be used ({error.strerror}): "
                    f"set {setting} to another"
                ) from None
        pause(0.1)


def reachable(host: str, port: int) -> str:
    """`host:port` to open in a browser here; nobody can open "all addresses"."""
    bare = host.strip("[]")
    bare = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(bare, bare)
    return f"[{bare}]:{port}" if ":" in bare else f"{bare}:{port}"


def ask(address: str, path: str) -> tuple[int, str]:
    """The status of `GET path` (0 for no answer), and what to tell the user."""
    connection = http.client.HTTPConnection(address, timeout=5)
    try:
        connection.request("GET", path)
        answer = connection.getresponse()
        text = answer.read(2000).decode(errors="replace").strip()
        return answer.status, f"{path} answers {answer.status} {text}"
    except (OSError, http.client.HTTPException) as error:
        return 0, f"{path} does not answer ({error})"
    finally:
        connection.close()
