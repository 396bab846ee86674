"""The limit for Python: one blocking `send` for each listener and event, and nothing else.

`GET …-N` makes a listener of channel N, a line `N data` on any other connection is an event.
"""

from __future__ import annotations

import select
import socket
import sys

HEAD = (
    b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nCache-Control: no-cache\r\n"
    b"Connection: close\r\n\r\n"
)


def main(port: int) -> None:
    server = socket.create_server(("127.0.0.1", port), backlog=4096)
    poller = select.epoll()
    poller.register(server, select.EPOLLIN)
    connections: dict[int, socket.socket] = {}
    channels: dict[int, dict[int, socket.socket]] = {}
    listening: dict[int, int] = {}
    rest = b""
    sequence = 0
    while True:
        for descriptor, _ in poller.poll():
            if descriptor == server.fileno():
                connection, _ = server.accept()
                connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                connections[connection.fileno()] = connection
                poller.register(connection, select.EPOLLIN)
                continue
            connection = connections[descriptor]
            try:
                data = connection.recv(65536)
            except OSError:
                data = b""
            if not data:
                poller.unregister(descriptor)
                channels.get(listening.pop(descriptor, -1), {}).pop(descriptor, None)
                connections.pop(descriptor).close()
            elif data.startswith(b"GET "):
                channel = int(data.split(b" ", 2)[1].rpartition(b"-")[2])
                listening[descriptor] = channel
                channels.setdefault(channel, {})[descriptor] = connection
                connection.send(HEAD)
            else:
                *lines, rest = (rest + data).split(b"\n")
                for line in lines:
                    sequence += 1
                    number, _, text = line.partition(b" ")
                    frame = b"id: %d\ndata: %s\n\n" % (sequence, text)
                    for listener in channels.get(int(number), {}).values():
                        try:
                            listener.send(frame)
                        except OSError:
                            pass


if __name__ == "__main__":
    main(int(sys.argv[1]))
