"""A plain web server for the pages under test, on an origin of its own."""

from __future__ import annotations

import mimetypes
import threading
from collections.abc import Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import urlsplit


class PagesServer:
    """Serves folders by the beginning of the path, the longest that fits. A module that is imported
    without its ending is found all the same, as bundlers do."""

    def __init__(self, folders: Mapping[str, Path]) -> None:
        self._folders = sorted(folders.items(), key=lambda item: -len(item[0]))
        server = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                file = server.find(urlsplit(self.path).path)
                body = file.read_bytes() if file else b"not found"
                kind = mimetypes.guess_type(file.name)[0] if file else "text/plain"
                self.send_response(200 if file else 404)
                self.send_header("Content-Type", f"{kind}; charset=utf-8")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, format: str, *args: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.origin = f"http://127.0.0.1:{self._server.server_address[1]}"
        self._thread = threading.Thread(
            target=self._server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True
        )
        self._thread.start()

    def find(self, path: str) -> Path | None:
        for prefix, folder in self._folders:
            if path.startswith(prefix):
                place = (folder / path.removeprefix(prefix).lstrip("/")).resolve()
                if folder.resolve() not in place.parents:
                    return None
                found = (place, place.with_name(f"{place.name}.js"))
                return next((file for file in found if file.is_file()), None)
        return None

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()
