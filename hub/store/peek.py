"""Did no answer come, or has this process not looked yet?

A process that gets no processor for a while finds that its timers are over, and that the answers,
which came in time, are still in its sockets. So code that is about to give up on an answer looks
into the socket first.
"""

from __future__ import annotations

import _socket
import os
from typing import Any


def peek(sock: Any) -> bytes:
    """The next byte on a socket, which stays there; b"" where there is none, or the end."""
    try:
        look = _socket.socket(fileno=os.dup(sock.fileno()))
    except OSError:  # closed meanwhile
        return b""
    try:
        return look.recv(1, _socket.MSG_PEEK | _socket.MSG_DONTWAIT)
    except OSError:
        return b""
    finally:
        look.close()
