"""What is sent: every route with every method it has, and values that programs stumble over.

The routes are read from the application, so that a new one is driven from its first day. A body is
a good one of that route's kind, the same with a piece of it changed, or none at all.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from copy import deepcopy
from dataclasses import dataclass
from random import Random
from typing import Any
from urllib.parse import quote

from hub.settings import Settings
from hubbub.application import create_app

METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "BREW")
TEXTS = (
    "", "a", "0", "-1", "null", "ä", "🙂", "\ud83d", "\x00", "\x1b[2J", "\r\n", "data: x\n\nid: 1",
    "../../etc/passwd", "%2e%2e/", "%00", "{}", "{{7*7}}", "<script>", "' OR 1=1", "generation:x",
    "1795657916824-0", "0-0", "99999999999999999-9", "x" * 300, "x" * 70_000, "NaN", "9" * 401,
)  # fmt: skip
VALUES: tuple[Any, ...] = (
    None, True, False, 0, -1, 1.5, 10**25, 10**400, float("nan"), float("inf"), 1e308, [], {}, [[]],
    *TEXTS,
)  # fmt: skip
QUERIES = (
    "from", "heartbeat", "heartbeat_style", "quiet", "overload", "format", "limit", "after",
    "channel", "last_event_id", "lastEventId", "stream", "starting_after", "event",
    "envelope", "token", "x",
)  # fmt: skip
HEADERS = (
    "Accept", "Content-Type", "Content-Encoding", "Last-Event-ID", "Idempotency-Key", "Origin",
    "Host", "Sec-Fetch-Site", "Authorization", "Cookie", "X-Forwarded-For", "X-Forwarded-Prefix",
    "Expect",
    "Hubbub-Sequence", "Range", "If-None-Match", "Connection", "Upgrade", "X",
)  # fmt: skip
HEADER_VALUES = (
    "", "text/event-stream", "application/json", "text/html", "gzip", "*/*", "null",
    "http://evil.example", "cross-site", "localhost", "Bearer x.y.z", "hubbub_token=x",
    "100-continue", "bytes=0-1", "close",
    "h2c", "chunked", *TEXTS,
)  # fmt: skip
BODIES: tuple[Any, ...] = (
    {"data": "x", "event": "notice", "retry_ms": 10},
    {"prompt": "Why?"},
    {"messages": [{"role": "user", "content": "Why?"}], "model": "m", "n": 2, "stop": ["x"],
     "tools": [{"type": "function", "function": {"name": "f", "parameters": {}}}],
     "metadata": {"thread": "t", "a": "b"}, "temperature": 0.5, "max_tokens": 10},
    {"messages": [{"role": "user", "content": [{"type": "text", "text": "x"}]}], "stream": True,
     "stream_options": {"include_usage": True}, "hubbub": {"cancel_on_disconnect": True}},
    {"input": "x", "instructions": "y", "background": True, "text": {"format": {"type": "text"}},
     "tool_choice": "auto", "reasoning": {"effort": "low"}, "previous_response_id": "resp_x"},
    {"input": [{"role": "user", "content": [{"type": "input_text", "text": "x"}]}], "stream": True},
    {"name": "a thread"}, {"id": "chat", "messages": [{"id": "m", "role": "user", "parts": []}]},
    {"threadId": "t", "runId": "r", "messages": [], "tools": [], "context": [], "state": {}},
)  # fmt: skip


MAKING: dict[str, Sequence[Any]] = {
    "/channels/<channel>/events": BODIES[:1], "/generations": BODIES[1:3],
    "/v1/chat/completions": BODIES[2:4], "/v1/responses": BODIES[4:6],
}  # fmt: skip
"""Routes that make something, and good bodies for them."""
_BAD_CHUNKS = (b"zz\r\n", b"\r\n", b"5\r\nab", b"")
_LAST_CHUNKS = (*[b"0\r\n\r\n"] * 4, b"", b"0\r\nX: y\r\n\r\n")


@dataclass(frozen=True, slots=True)
class Sent:
    """One request as bytes. `whole`: all of its body is sent."""

    head: bytes
    body: bytes
    whole: bool = True

    @property
    def line(self) -> str:
        return self.head.partition(b"\r\n")[0].decode("latin-1")[:200]


Route = tuple[str, str]
"""A rule, with its variables in angle brackets, and a method."""


def routes() -> list[Route]:
    """All that the application has."""
    rules = create_app(Settings()).url_map.iter_rules()
    return sorted((rule.rule, method) for rule in rules for method in rule.methods or ())


class Requests:
    """`ids`: generations that exist; a driver adds those that it has made."""

    def __init__(self, random: Random, routes: Sequence[Route]) -> None:
        self.ids: list[str] = []
        self._random = random
        self._routes = routes

    def next(self) -> Sent:
        random = self._random
        if random.random() < 0.03:
            return Sent(random.randbytes(random.randrange(1, 300)) + b"\r\n\r\n", b"")
        route, method = random.choice(self._routes)
        if random.random() < 0.2:  # without generations most routes have only 404 to say
            route, method = random.choice(list(MAKING)), "POST"
        if random.random() < 0.1:
            method = random.choice(METHODS)
        target = self._path(route) + self._query()
        headers = self._headers()
        body, kind = (
            self._body(self._good(route)) if method not in ("GET", "HEAD", "OPTIONS") else (b"", "")
        )
        if kind and random.random() < 0.9:
            headers.append(("Content-Type", kind))
        whole = random.random() > 0.05 or not body
        framing, wire = self._framed(body)
        headers += framing
        lines = [f"{method} {target} HTTP/1.1", "Host: localhost"]
        lines += [f"{name}: {value}" for name, value in headers]
        head = ("\r\n".join(lines) + "\r\n\r\n").encode("utf-8", "surrogatepass")
        return Sent(head, wire if whole else wire[: len(wire) // 2], whole)

    def _path(self, route: str) -> str:
        parts = [
            self._name(part.strip("<>").removeprefix("path:")) if part.startswith("<") else part
            for part in route.split("/")
        ]
        return "/".join(parts) + ("/" if self._random.random() < 0.05 else "")

    def _good(self, route: str) -> Sequence[Any]:
        """Bodies that may be right there."""
        return MAKING.get(route, BODIES)

    def _name(self, variable: str) -> str:
        """What stands in a path for a variable of its rule."""
        random = self._random
        if self.ids and random.random() < 0.6:
            name = random.choice(self.ids)
            return f"resp_{name}" if random.random() < 0.4 else name
        names: Sequence[str] = ("news", "a.b:c~d@e-f", *TEXTS)
        text = random.choice(names)
        return quote(text.encode("utf-8", "replace")[:2000], safe="%:~@")

    def _query(self) -> str:
        random = self._random
        if random.random() < 0.6:
            return ""
        pairs = []
        for _ in range(random.randrange(1, 5)):
            value = random.choice(("1", "start", "snapshot", "text", "openai", "5", *TEXTS))[:1000]
            pairs.append(f"{random.choice(QUERIES)}={quote(value.encode('utf-8', 'replace'))}")
        return "?" + "&".join(pairs)

    def _headers(self) -> list[tuple[str, str]]:
        random = self._random
        found = []
        for _ in range(random.choice((0, 0, 0, 1, 1, 2, 4))):
            value = random.choice(HEADER_VALUES)
            if random.random() < 0.9:  # mostly such that HTTP can carry them
                value = value.replace("\r\n", " ").replace("\n", " ").replace("\x00", "")[:4000]
            found.append((random.choice(HEADERS), value))
        return found

    def _body(self, good: Sequence[Any]) -> tuple[bytes, str]:
        random = self._random
        kind = random.random()
        if kind < 0.1:
            return random.randbytes(random.randrange(2000)), "text/plain"
        if kind < 0.2:
            lines = [self._json(random.choice(good)) for _ in range(random.randrange(1, 20))]
            return b"\n".join(lines), "application/x-ndjson"
        if kind < 0.25:
            deep = random.choice((b"[", b'{"a":'))
            return deep * random.randrange(1, 100_000), "application/json"
        return self._json(random.choice(good)), "application/json"

    def _json(self, body: Any) -> bytes:
        random = self._random
        changed = json.loads(json.dumps(body))
        for _ in range(random.choice((0, 0, 0, 1, 1, 2, 5))):
            self._change(changed)
        text = json.dumps(changed).encode()
        if random.random() < 0.1 and text:
            at = random.randrange(len(text))
            text = text[:at] + random.randbytes(1) + text[at + 1 :]
        return text

    def _change(self, value: Any) -> None:
        random = self._random
        while isinstance(value, dict | list) and value:
            at = random.choice(list(value) if isinstance(value, dict) else range(len(value)))
            if random.random() < 0.5 or not isinstance(value[at], dict | list):
                if isinstance(value, dict) and random.random() < 0.3:
                    value[random.choice(TEXTS)] = value.pop(at)
                else:
                    value[at] = deepcopy(random.choice((*VALUES, [value[at]] * 3)))
                return
            value = value[at]

    def _framed(self, body: bytes) -> tuple[list[tuple[str, str]], bytes]:
        random = self._random
        kind = random.random()
        if not body or kind < 0.7:
            return ([("Content-Length", str(len(body)))] if body else []), body
        if kind < 0.75:
            length = random.choice(("-1", "x", "9" * 30, str(len(body) * 2), "0", "+5"))
            return [("Content-Length", length)], body
        chunks, at = [], 0
        while at < len(body):
            size = random.randrange(1, 5000)
            piece = body[at : at + size]
            chunks.append(b"%x\r\n%s\r\n" % (len(piece), piece))
            at += size
        if random.random() < 0.3:
            chunks[random.randrange(len(chunks))] = random.choice(_BAD_CHUNKS)
        chunks.append(random.choice(_LAST_CHUNKS))
        return [("Transfer-Encoding", "chunked")], b"".join(chunks)
