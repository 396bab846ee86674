"""A hub somewhere else, over HTTP: what the command line does its work with.

A stream that breaks off is taken up again after the last id, as EventSource does it, until the hub
says that it is over (204, or `closing` without `reconnect`). Errors are the hub's own words. Where
it waits for a hub that has gone, the logger `hub.client.remote` says so.
"""

from __future__ import annotations

import json
import logging
import os
import time
from collections.abc import Generator, Iterator, Mapping, Sequence
from typing import Any
from urllib.parse import quote, urlsplit

import requests
from requests.utils import get_environ_proxies, select_proxy
from urllib3.exceptions import HTTPError

from hub import sse
from hub.address import is_loopback
from hub.showing import without_passwords

CONNECT_SECONDS = 10
SILENCE_SECONDS = 45
"""A stream that shows nothing, not even a heartbeat, for so long is taken for dead."""

_LONGEST_PAUSE_SECONDS = 15.0
_TRIES = 5

log = logging.getLogger(__name__)


class RemoteError(Exception):
    """The hub refused, in its own words, or could not be reached: then `status` is 0."""

    def __init__(
        self,
        message: str,
        *,
        status: int = 0,
        code: str = "",
        retry_after: str = "",
        proxied: str = "",
    ) -> None:
        """`proxied`: the host that was asked for through a proxy of the environment."""
        super().__init__(message)
        self.status = status
        self.code = code
        self.retry_after = retry_after
        self.proxied = proxied

    @property
    def passing(self) -> bool:
        """Whether the same request may succeed a little later."""
        return self.status in (0, 502, 503, 504)


class Remote:
    """The hub at `url`. `token` is shown with every request."""

    def __init__(self, url: str, token: str = "") -> None:
        self.url = url.rstrip("/")
        self._session = requests.Session()
        if is_loopback(urlsplit(self.url).hostname or ""):
            self._session.trust_env = False  # no proxy of the environment is asked for it
            bundle = os.environ.get("REQUESTS_CA_BUNDLE") or os.environ.get("CURL_CA_BUNDLE")
            self._session.verify = bundle or True
        if token:
            self._session.headers["Authorization"] = f"Bearer {token}"

    @property
    def proxy(self) -> str:
        """The proxy of the environment that leads to the hub; '' where none does."""
        if not self._session.trust_env:
            return ""
        return select_proxy(self.url, get_environ_proxies(self.url)) or ""

    def __enter__(self) -> Remote:
        return self

    def __exit__(self, *_: object) -> None:
        self._session.close()

    def call(self, method: str, path: str, body: object = None, *, key: str | None = None) -> Any:
        """One request with a JSON answer. `key` makes a repetition harmless (`Idempotency-Key`).
        Raises `RemoteError`."""
        return _json(self.answer(method, path, json=body, headers=_keyed(key)))

    def publish(
        self, channel: str, data: object, event: str | None = None, *, key: str | None = None
    ) -> str:
        """Publish one event; its id."""
        body = {"data": data} if event is None else {"event": event, "data": data}
        event_id: str = self.call("POST", f"{channel_path(channel)}/events", body, key=key)["id"]
        return event_id

    def publish_lines(self, channel: str, lines: bytes, *, key: str | None = None) -> list[str]:
        """Publish NDJSON, all or nothing; the ids."""
        headers = {**_keyed(key), "Content-Type": "application/x-ndjson"}
        path = f"{channel_path(channel)}/events"
        ids: list[str] = _json(self.answer("POST", path, data=lines, headers=headers))["ids"]
        return ids

    def events(
        self,
        path: str,
        query: Mapping[str, str | Sequence[str]] | None = None,
        after: str | None = None,
        *,
        lasting: bool = False,
        tries: float = _TRIES,
        silence_seconds: float = SILENCE_SECONDS,
    ) -> Generator[sse.Parsed, None, None]:
        """Every event of a stream, heartbeats too, over all its breaks. Ends where the hub ends
        it for good. A `lasting` one that has once begun waits for its hub as long as it takes.
        Raises `RemoteError` where the hub refuses, or stays away."""
        last_id, wait_seconds, failures = after or "", 0.0, 0
        while True:
            try:
                response = self._open(path, query, last_id, silence_seconds)
                if response.status_code == 204:
                    return
                parser = sse.Parser()
                parser.last_id = last_id
                for event in _parsed(response, parser):
                    failures, last_id = 0, event.id
                    tries = float("inf") if lasting else tries
                    if event.retry_ms is not None:
                        wait_seconds = event.retry_ms / 1000
                    yield event
                    if event.event == "closing" and not json.loads(event.data)["reconnect"]:
                        return
            except (HTTPError, OSError, RemoteError) as error:
                if isinstance(error, RemoteError) and not error.passing:
                    raise
                failures += 1
                told = error if isinstance(error, RemoteError) else self._unreachable(error)
                if failures > tries:
                    raise told from None
                if failures == 1:
                    log.warning("%s; trying again", told)
            time.sleep(pause_seconds(wait_seconds, failures))

    def _open(
        self,
        path: str,
        query: Mapping[str, str | Sequence[str]] | None,
        last_id: str,
        silence_seconds: float,
    ) -> requests.Response:
        headers = {"Accept": "text/event-stream"}
        if last_id:
            headers["Last-Event-ID"] = last_id
        return self.answer(
            "GET",
            path,
            params=query,
            headers=headers,
            stream=True,
            timeout=(CONNECT_SECONDS, silence_seconds),
        )

    def answer(self, method: str, path: str, **options: Any) -> requests.Response:
        """The answer to one request, as `requests` gives it. Raises `RemoteError`."""
        options.setdefault("timeout", SILENCE_SECONDS)
        try:
            response = self._session.request(method, self.url + path, **options)
        except requests.RequestException as error:
            raise self._unreachable(error) from error
        if response.status_code >= 400:
            with response:
                raise _refusal(response)
        return response

    def _unreachable(self, error: Exception) -> RemoteError:
        where, proxied = self.url, ""
        if proxy := self.proxy:
            where, proxied = f"{where}, asked through {proxy},", urlsplit(self.url).hostname or ""
        said = without_passwords(f"{where} cannot be reached: {_reason(error)}")
        return RemoteError(said, proxied=proxied)


def pause_seconds(wait_seconds: float, failures: int) -> float:
    """How long to wait before the next try, after a night of failures, too: 2 ** 1024 is more than
    a float can hold."""
    return min(max(wait_seconds, 0.1) * 2.0 ** min(failures, 8), _LONGEST_PAUSE_SECONDS)


def what_to_do(error: RemoteError) -> str:
    """What the person that asked can do about it, as the rest of a sentence; '' for nothing."""
    if error.proxied:
        return f"NO_PROXY={error.proxied}, or another HTTP_PROXY, HTTPS_PROXY or ALL_PROXY"
    if error.status == 0:
        return "start one with `hubbub run`, or say with HUB_URL or --url where it is"
    if error.status == 401:
        return f"set HUB_TOKEN or --token-file, or renew it; {_TOKEN}"
    if error.status == 403 and not error.code.startswith("reserved"):
        return f"the token has to grant it; {_TOKEN}"
    if error.status == 404 and "generation" in str(error):
        return "`hubbub ls` lists the generations that there are"
    if error.status == 404:
        return "say with HUB_URL or --url where the hub is, with the path in front of its own"
    if error.retry_after:
        return f"try again in {error.retry_after} s"
    if error.status == 421:
        return "name the host in the hub's HUB_ALLOWED_HOSTS"
    return ""


_TOKEN = "`hubbub token` makes one where the hub's secret is"


def channel_path(channel: str) -> str:
    return f"/channels/{quote(channel, safe=':@~')}"


def generation_path(generation_id: str) -> str:
    return f"/generations/{quote(generation_id, safe=':@~')}"


def _keyed(key: str | None) -> dict[str, str]:
    return {} if key is None else {"Idempotency-Key": key}


def _json(response: requests.Response) -> Any:
    try:
        return response.json()
    except ValueError:
        where = without_passwords(response.url)
        raise RemoteError(
            f"{where} answered something that is not JSON: is a hub there?",
            status=response.status_code,
        ) from None


def _parsed(response: requests.Response, parser: sse.Parser) -> Iterator[sse.Parsed]:
    with response:
        # read1: what is there, without waiting for a buffer to fill.
        while data := response.raw.read1(65536, decode_content=True):
            yield from parser.feed(data)


def _refusal(response: requests.Response) -> RemoteError:
    """RFC 9457's `detail`, or what there is instead."""
    said, code = f"HTTP {response.status_code} {response.reason}", ""
    try:
        body = response.json()
        code = str(body.get("code") or body.get("status"))
        said = f"{body.get('detail') or body.get('title')} ({code})"
    except (ValueError, AttributeError):
        pass
    retry_after = response.headers.get("Retry-After", "")
    return RemoteError(said, status=response.status_code, code=code, retry_after=retry_after)


def _reason(error: BaseException) -> str:
    """The innermost word of a failed connection: `Connection refused`, of five lines around it."""
    inner: BaseException | None = error
    while inner is not None:
        error = inner
        inner = next(
            (part for part in (getattr(error, "reason", None), *error.args)
             if isinstance(part, BaseException)),
            error.__cause__ or error.__context__,
        )  # fmt: skip
    return getattr(error, "strerror", None) or str(error) or type(error).__name__
