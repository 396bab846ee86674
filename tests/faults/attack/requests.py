"""Every route, aimed at what somebody else keeps, in all spellings of its names."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from random import Random
from typing import Any
from urllib.parse import quote

from tests.faults.attack.tokens import MINE, Tokens
from tests.faults.fuzz.requests import Requests, Route, Sent

_HOSTS = ("localhost", "127.0.0.1", "evil.example", "[::1]", "localhost:1", "", "hub.example.org")
_ORIGINS = ("null", "https://evil.example", "http://localhost", "http://127.0.0.1")
_PLACES = ("header", "header", "header", "cookie", "query", "scheme")
_SPELLINGS = (
    "{before}%{one}{after}", "{before}%25{one}{after}", f"{MINE}/../{{name}}",
    f"{MINE}%2f..%2f{{name}}", "./{name}", "{name}%00", "{name};x", "{name}%20", "/{name}",
    f"{MINE}%0d%0a{{name}}", "{big}", "user:7:../{name}", "{name}%23", "{name}%ff", "{name}.",
    "*{name}", "*", "%2a",
)  # fmt: skip
_QUERY = ("after", "last_event_id", "format", "from", "starting_after", "stream", "envelope")


class Attacks(Requests):
    """`names`: those of the treasure, by the variable of a rule that they may stand for. Behind
    `next`, `let_in` says whether the request showed a token that counts."""

    def __init__(
        self, random: Random, routes: Sequence[Route], names: Mapping[str, Sequence[str]]
    ) -> None:
        aimed = [route for route in routes if any(f"{name}>" in route[0] for name in names)]
        super().__init__(random, [*routes, *aimed * 3])
        self.let_in = False
        self._names = names
        self._tokens = Tokens(random)
        self._shown, self._place = "", ""

    def next(self) -> Sent:
        self._shown, self.let_in = self._tokens.next()
        self._place = self._random.choice(_PLACES)
        return super().next()

    def _name(self, variable: str) -> str:
        names = self._names.get(variable)
        if names is None or self._random.random() < 0.1:
            return super()._name(variable)
        return self._spelled(self._random.choice(names))

    def _good(self, route: str) -> Sequence[Any]:
        """With the treasure's names in them, where a body says what it goes on from."""
        (chat,), (run,) = (self._names[name] for name in ("chat_id", "run"))
        thread = self._random.choice(self._names["thread_id"])
        text = {"id": "m", "role": "user", "parts": [{"type": "text", "text": "x"}]}
        parent = self._random.choice(self._names["generation_id"])
        found: dict[str, list[Any]] = {
            "/ag-ui/connect": [{"threadId": run}],
            "/api/chat": [{"id": chat, "messages": [text], "trigger": "regenerate-message"}],
            "/generations": [{"prompt": "x", "metadata": {"thread": thread, "parent": parent}}],
            "/v1/responses": [
                {"input": "x", "previous_response_id": name} for name in self._names["response_id"]
            ],
        }
        return found.get(route) or super()._good(route)

    def _spelled(self, name: str) -> str:
        random = self._random
        if random.random() < 0.6:
            return name
        at = random.randrange(len(name))
        one = f"{ord(name[at]):02x}"
        return random.choice(_SPELLINGS).format(
            name=name, before=name[:at], one=one, after=name[at + 1 :], big=name.upper()
        )

    def _query(self) -> str:
        random = self._random
        pairs = []
        for _ in range(random.choice((0, 0, 1, 2, 4))):
            if random.random() < 0.6:
                secret = self._spelled(random.choice(self._names["channel"]))
                pairs.append(f"channel={random.choice((MINE, secret))}")
            else:
                value = random.choice(("0-0", "start", "snapshot", "openai", "text", "1", "true"))
                pairs.append(f"{random.choice(_QUERY)}={value}")
        if self._place == "query":
            pairs.append(f"token={quote(self._shown.encode('utf-8', 'replace'))}")
        return f"?{'&'.join(pairs)}" if pairs else ""

    def _headers(self) -> list[tuple[str, str]]:
        random = self._random
        found = super()._headers() if random.random() < 0.3 else []
        match self._place:
            case "header":
                found.append(("Authorization", f"Bearer {self._shown}"))
            case "cookie":
                found.append(("Cookie", f"hubbub_token={self._shown}"))
            case "scheme":
                scheme = random.choice(("Basic", "bearer", "Token", "Bearer Bearer", ""))
                found.append(("Authorization", f"{scheme} {self._shown}"))
        if random.random() < 0.2:
            found.append(("Origin", random.choice(_ORIGINS)))
        if random.random() < 0.1:
            found.append((random.choice(("X-Forwarded-Host", "Host")), random.choice(_HOSTS)))
        return found
