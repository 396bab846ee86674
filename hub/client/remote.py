"""A hub somewhere else, over HTTP: what the command line does its work with.

A stream that breaks off is taken up again after the last id, as EventSource does it, until the hub
says that it is over (204, or `closing` without `reconnect`). Errors are the hub's own words.
"""

from __future__ import annotations

import json
import time
from collections.abc import Generator, Iterator, Mapping, Sequence
from typing import Any
from urllib.parse import quote, urlsplit

import requests
from urllib3.exceptions import HTTPError

from hub import sse
from hub.settings import is_loopback
from hub.showing import without_passwords

CONNECT_SECONDS = 10
SILENCE_SECONDS = 45
"""A stream that shows nothing, not even a heartbeat, for so long is taken for dead."""

_LONGEST_PAUSE_SECONDS = 15.0


class RemoteError(Exception):
    """The hub refused, in its own words, or could not be reached."""

    def __init__(self, message: str, *, passing: bool = False) -> None:
        super().__init__(message)
        self.passing = passing


class Remote:
    """The hub at `url`. `token` is shown with every request."""

    def __init__(self, url: str, token: str = "") -> None:
        self.url = url.rstrip("/")
        self._session = requests.Session()
        if is_loopback(urlsplit(self.url).hostname or ""):
            self._session.trust_env = False  # no proxy of the environment is asked for it
        if token:
            self._session.headers["Authorization"] = f"Bearer {token}"

    def __enter__(self) -> Remote:
        return self

    def __exit__(self, *_: object) -> None:
        self._session.close()

    def call(self, method: str, path: str, body: object = None) -> Any:
        """One request with a JSON answer. Raises `RemoteError`."""
        return self._answer(method, path, json=body).json()

    def publish(self, channel: str, data: object, event: str | None = None) -> str:
        """Publish one event; its id."""
        body = {"data": data} if event is None else {"event": event, "data": data}
        answer = self.call("POST", f"/channels/{quote(channel, safe=':@~')}/events", body)
        event_id: str = answer["id"]
        return event_id

    def events(
        self,
        path: str,
        query: Mapping[str, str | Sequence[str]] | None = None,
        after: str | None = None,
    ) -> Generator[sse.Parsed, None, None]:
        """Every event of a stream, heartbeats too, over all its breaks. Ends where the hub ends
        it for good. Raises `RemoteError` where the hub refuses."""
        last_id, wait_seconds, failures = after or "", 0.0, 0
        while True:
            try:
                response = self._open(path, query, last_id)
                if response.status_code == 204:
                    return
                parser = sse.Parser()
                parser.last_id = last_id
                for event in _parsed(response, parser):
                    failures, last_id = 0, event.id
                    if event.retry_ms is not None:
                        wait_seconds = event.retry_ms / 1000
                    yield event
                    if event.event == "closing" and not json.loads(event.data)["reconnect"]:
                        return
            except (HTTPError, OSError, RemoteError) as error:
                if isinstance(error, RemoteError) and not error.passing:
                    raise
                failures += 1
                if failures > 5:
                    raise RemoteError(self._unreachable(error)) from None
            time.sleep(min(max(wait_seconds, 0.1) * 2**failures, _LONGEST_PAUSE_SECONDS))

    def _open(
        self, path: str, query: Mapping[str, str | Sequence[str]] | None, last_id: str
    ) -> requests.Response:
        headers = {"Accept": "text/event-stream"}
        if last_id:
            headers["Last-Event-ID"] = last_id
        return self._answer(
            "GET",
            path,
            params=query,
            headers=headers,
            stream=True,
            timeout=(CONNECT_SECONDS, SILENCE_SECONDS),
        )

    def _answer(self, method: str, path: str, **options: Any) -> requests.Response:
        options.setdefault("timeout", SILENCE_SECONDS)
        try:
            response = self._session.request(method, self.url + path, **options)
        except requests.RequestException as error:
            raise RemoteError(self._unreachable(error), passing=True) from error
        if response.status_code >= 400:
            raise RemoteError(_problem(response), passing=response.status_code in (502, 503, 504))
        return response

    def _unreachable(self, error: Exception) -> str:
        return without_passwords(f"{self.url} cannot be reached: {error}")


def _parsed(response: requests.Response, parser: sse.Parser) -> Iterator[sse.Parsed]:
    with response:
        # read1: what is there, without waiting for a buffer to fill.
        while data := response.raw.read1(65536, decode_content=True):
            yield from parser.feed(data)


def _problem(response: requests.Response) -> str:
    """RFC 9457's `detail`, or what there is instead."""
    try:
        body = response.json()
        code = body.get("code") or body.get("status")
        return f"{body.get('detail') or body.get('title')} ({code})"
    except (ValueError, AttributeError):
        return f"HTTP {response.status_code} {response.reason}"
