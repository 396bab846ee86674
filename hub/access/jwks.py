"""An identity provider's keys, fetched from its JWKS address (RFC 7517) and kept.

    fetched     when first needed, again every few minutes in the background, and when a token names
                a key that is not known: a rotation is noticed by its first token
    bounded     a fetch ends within `FETCH_SECONDS`, whatever drips; at most one is begun in
                `FETCH_PAUSE_SECONDS`, however many unknown keys are named; one fetch at a time, for
                which all wait who need it
    kept        while the provider is away, what it said last goes on counting

A fetch runs beside the requests, in a greenlet or, where gevent has not patched the process, in a
thread: a server's own thread may end with its request, and a greenlet in it would never run. A
request with a token of a known key is never held up by it.
"""

from __future__ import annotations

import json
import logging
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, nullcontext
from typing import Any
from urllib.parse import urlsplit

import gevent
import jwt
import requests
from gevent.monkey import is_module_patched
from urllib3.exceptions import HTTPError

from hub.access.keys import Key, KeySet, UnfitKey
from hub.errors import ProviderUnavailable

log = logging.getLogger("hub.access")

FETCH_PAUSE_SECONDS = 10.0
REFRESH_SECONDS = 300.0
FETCH_SECONDS = 8.0
PATIENCE_SECONDS = 5.0
"""How long one who needs a key waits for the provider."""

_CONNECT_SECONDS = 3.0
_READ_SECONDS = 4.0
_MOST_BYTES = 1 << 20


class Jwks:
    """`clock` counts seconds and never goes back."""

    def __init__(self, url: str, *, clock: Callable[[], float] = time.monotonic) -> None:
        self.keys = KeySet()
        self._url = url
        self._clock = clock
        self._fetched_at: float | None = None
        self._tried_at: float | None = None
        self._under_way: threading.Event | None = None
        self._lock = threading.Lock()

    def renew(self) -> None:
        """Begin a fetch where the last one was long ago; returns at once. Called at each arrival: a
        token that was checked before asks for no key, and its key may have been withdrawn."""
        if self._fetched_at is not None and self._clock() - self._fetched_at > REFRESH_SECONDS:
            self._fetch()

    def find(self, algorithm: str, kid: str | None) -> KeySet:
        """The keys to look among for a token with such a header. Waits for a fetch where none of
        them fits, if one may be made. Raises `ProviderUnavailable` before the first success."""
        if not self._has(algorithm, kid):
            under_way = self._fetch()
            if under_way is not None:
                under_way.wait(PATIENCE_SECONDS)
        if self._fetched_at is None:
            raise ProviderUnavailable("the identity provider's keys cannot be fetched")
        return self.keys

    def _has(self, algorithm: str, kid: str | None) -> bool:
        return next(self.keys.find(algorithm, kid), None) is not None

    def _fetch(self) -> threading.Event | None:
        """The fetch that is under way, begun now if it may be; None where it is too soon."""
        with self._lock:
            if self._under_way is None:
                now = self._clock()
                if self._tried_at is not None and now - self._tried_at < FETCH_PAUSE_SECONDS:
                    return None
                self._tried_at = now
                self._under_way = threading.Event()
                _beside(self._run, self._under_way)
            return self._under_way

    def _run(self, done: threading.Event) -> None:
        try:
            with _deadline():
                keys = KeySet(tuple(_keys(_document(self._url))))
            if not keys.keys:
                raise ValueError("it holds no key that tokens can be checked with")
            self._fetched_at = self._clock()
            if keys.keys != self.keys.keys:
                self.keys = keys
                log.info("identity provider: %d keys", len(keys.keys))
        except (requests.RequestException, HTTPError, TimeoutError, ValueError) as error:
            # Not requests' own words: they repeat the address, which may hold a password.
            reason = str(error) if type(error) is ValueError else type(error).__name__
            log.warning("identity provider's keys not fetched: %s", reason)
        except Exception:
            log.exception("identity provider's keys not fetched")
        finally:
            self._under_way = None
            done.set()


def _beside(function: Callable[[threading.Event], None], done: threading.Event) -> None:
    if is_module_patched("threading"):
        gevent.spawn(function, done)
    else:
        threading.Thread(target=function, args=(done,), name="jwks", daemon=True).start()


def _deadline() -> AbstractContextManager[object]:
    """In all, whatever drips: the library's own deadlines are for each read. A thread has them
    alone, and nobody waits for it longer than `PATIENCE_SECONDS`."""
    late = TimeoutError("it did not answer in time")
    patched = is_module_patched("threading")
    found: AbstractContextManager[object] = (
        gevent.Timeout(FETCH_SECONDS, late) if patched else nullcontext()
    )
    return found


def _document(url: str) -> Any:
    with requests.Session() as session:
        # This machine is never asked through a proxy of the environment.
        session.trust_env = urlsplit(url).scheme == "https"
        with session.get(
            url,
            headers={"Accept": "application/json"},
            timeout=(_CONNECT_SECONDS, _READ_SECONDS),
            # A redirection would lead where nobody has said that keys may come from.
            allow_redirects=False,
            stream=True,
        ) as answer:
            if answer.status_code != 200:
                raise ValueError(f"it answers {answer.status_code}")
            body = b""
            give_up = time.monotonic() + _READ_SECONDS
            while piece := answer.raw.read1(65536, decode_content=True):
                body += piece
                if len(body) > _MOST_BYTES or time.monotonic() > give_up:
                    raise ValueError("its answer is too long, or too slow")
    try:
        return json.loads(body)
    except (ValueError, RecursionError):
        raise ValueError("its answer is not JSON") from None


def _keys(document: Any) -> Iterator[Key]:
    """The keys of a JWK set that are for checking signatures; others do not matter to us."""
    members = document.get("keys") if isinstance(document, dict) else None
    if not isinstance(members, list):
        raise ValueError("its answer is not a JWK set")
    for member in members:
        if not isinstance(member, dict) or member.get("use", "sig") != "sig":
            continue
        try:
            key = Key.of(jwt.PyJWK(member).key, _kid(member))
        except (jwt.PyJWTError, UnfitKey, ValueError, TypeError, KeyError):
            continue  # a kind of key that is not ours, beside which others may be
        if member.get("alg", key.algorithm) == key.algorithm:
            yield key


def _kid(member: dict[str, Any]) -> str | None:
    kid = member.get("kid")
    return kid if isinstance(kid, str) else None
