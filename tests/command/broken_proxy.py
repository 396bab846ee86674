"""A proxy in front of a hub that does one thing wrong, as real ones do."""

from __future__ import annotations

import gzip
import http.client
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from email.utils import formatdate
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from urllib.parse import urlsplit

HOP_BY_HOP = {"connection", "transfer-encoding", "keep-alive", "content-length", "date", "server"}


@dataclass(frozen=True)
class Fault:
    """`strip` takes that path off; `skew_seconds` sets the clock wrong; `gather_seconds` holds a
    stream back that long; `idle_seconds` cuts a stream that is silent that long; `without` drops a
    request header, `heads` writes heads of its own."""

    strip: str = ""
    skew_seconds: float = 0.0
    compress: bool = False
    gather_seconds: float = 0.0
    idle_seconds: float = 60.0
    without: str = ""
    heads: dict[str, str] = field(default_factory=dict)


@contextmanager
def broken_proxy(hub_url: str, fault: Fault) -> Iterator[str]:
    """The address at which the hub is reached through a proxy with `fault`."""
    target = urlsplit(hub_url)
    links: set[socket.socket] = set()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            self._forward()

        def do_POST(self) -> None:
            self._forward()

        def log_message(self, format: str, *args: object) -> None: ...

        def _forward(self) -> None:
            self.close_connection = True
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            asked = urlsplit(self.path)  # whole, where it is asked as a proxy
            path = asked.path.removeprefix(fault.strip)
            headers = {
                name: value
                for name, value in self.headers.items()
                if name.lower() not in (*HOP_BY_HOP, "host", fault.without.lower())
            }
            link = http.client.HTTPConnection(
                target.hostname or "", target.port, timeout=fault.idle_seconds
            )
            try:
                query = f"?{asked.query}" if asked.query else ""
                link.connect()
                links.add(link.sock)  # the answer will take it away from the connection
                link.request(self.command, path + query, body or None, headers)
                self._answer(link.getresponse())
            except OSError:
                pass  # the client has left, or the stream was silent for too long
            finally:
                link.close()

        def _answer(self, answer: http.client.HTTPResponse) -> None:
            self.send_response_only(answer.status)
            heads = {k: v for k, v in answer.getheaders() if k.lower() not in HOP_BY_HOP}
            heads["Date"] = formatdate(time.time() + fault.skew_seconds, usegmt=True)
            if fault.compress:
                heads["Content-Encoding"] = "gzip"
            for name, value in {**heads, **fault.heads, "Connection": "close"}.items():
                self.send_header(name, value)
            self.end_headers()
            stream = answer.getheader("Content-Type", "").startswith("text/event-stream")
            self._pour(answer.read1 if stream else answer.read, gathers=stream)

        def _pour(self, read: Callable[[int], bytes], *, gathers: bool) -> None:
            packed = gzip.GzipFile(fileobj=self.wfile, mode="wb") if fault.compress else None
            release = time.monotonic() + (fault.gather_seconds if gathers else 0.0)
            while data := read(65536):
                if time.monotonic() < release:
                    time.sleep(release - time.monotonic())  # what it is there for
                (packed or self.wfile).write(data)
                self.wfile.flush()
            if packed:
                packed.close()

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        server.daemon_threads = True
        thread = Thread(target=server.serve_forever, args=(0.02,), daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}{fault.strip}"
        server.shutdown()
        thread.join()
        # That a client has left is noticed at the next heartbeats; the hub is to know it now.
        for link in tuple(links):
            with suppress(OSError):  # most have ended by themselves
                link.shutdown(socket.SHUT_RDWR)
