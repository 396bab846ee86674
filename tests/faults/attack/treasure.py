"""What an owner keeps on a hub, all of it marked, and whether anybody else has touched it."""

from __future__ import annotations

import secrets
from typing import Any

import requests

from tests.support.deadline import eventually
from tests.support.provider import Gate, Script, ScriptedProvider

MARK = secrets.token_hex(8)
"""Stands in everything that only the owner may read, and in no request of an attacker's."""

CHANNEL, THREAD, CHAT, RUN = "secret", "owners-thread", "owners-chat", "owners-run"


class Treasure:
    """A channel with a history, a generation that runs and one that has ended, a conversation, a
    chat, a run, a response."""

    def __init__(self, url: str, owner: str, provider: ScriptedProvider) -> None:
        self._url = url
        self._session = requests.Session()
        self._session.headers["Authorization"] = f"Bearer {owner}"
        self._gate = Gate()
        running, ended = f"running {MARK}", f"ended {MARK}"
        provider.scripts[running] = Script(text=f"{MARK} goes on and on", gate=self._gate)
        provider.scripts[ended] = provider.scripts[MARK] = Script(text=f"it says {MARK}")
        for number in range(3):
            self._post(f"/channels/{CHANNEL}/events", {"data": f"{MARK} {number}"})
        self.running = self._post("/generations", {"prompt": running})["id"]
        self._gate.release(5)
        question = {"prompt": ended, "metadata": {"thread": THREAD}}
        self.ended = self._post("/generations", question)["id"]
        self.response = self._post("/v1/responses", {"input": MARK, "model": "scripted"})["id"]
        text = {"id": "m", "role": "user", "parts": [{"type": "text", "text": MARK}]}
        self._stream("/api/chat", {"id": CHAT, "messages": [text], "trigger": "submit-message"})
        run: dict[str, Any] = {"threadId": RUN, "runId": "r", "tools": [], "context": []}
        message = {"id": "1", "role": "user", "content": MARK}
        self._stream("/ag-ui", {**run, "messages": [message], "state": {}, "forwardedProps": {}})
        eventually(lambda: self._get(f"/generations/{self.ended}")["status"] == "completed", 30)
        eventually(lambda: MARK in str(self._get(f"/generations/{self.running}")["choices"]), 30)
        self._before = self._state()

    @property
    def names(self) -> dict[str, list[str]]:
        """By the variable of a rule that they may stand for; `run` is a thread of AG-UI's."""
        ids = [self.running, self.ended]
        conversation = self._get(f"/threads/{THREAD}")["channel"]
        channels = [CHANNEL, conversation, *(f"generation:{one}" for one in ids)]
        return {
            "channel": channels,
            "generation_id": ids,
            "response_id": [self.response, *(f"resp_{one}" for one in ids)],
            "thread_id": [THREAD, conversation.removeprefix("thread:")],
            "chat_id": [CHAT],
            "run": [RUN],
        }

    def changed(self) -> str:
        """What is another than it was; '' where nothing is."""
        now = self._state()
        different = [name for name in now if now[name] != self._before[name]]
        return "; ".join(f"{name} was {self._before[name]}, is {now[name]}" for name in different)

    def close(self) -> None:
        self._gate.open()
        self._session.close()

    def _state(self) -> dict[str, Any]:
        channel = self._get(f"/channels/{CHANNEL}")
        mine = (self.running, self.ended)
        return {
            "channel": (channel["last_event_id"], channel["retained"]),
            "generations": [self._get(f"/generations/{one}")["status"] for one in mine],
            "conversation": self._get(f"/threads/{THREAD}"),
            "response": self._get(f"/v1/responses/{self.response}")["status"],
            "token": self._get("/session")["signed_in"],
        }

    def _get(self, path: str) -> Any:
        answer = self._session.get(self._url + path, timeout=20)
        assert answer.status_code == 200, (path, answer.text)
        return answer.json()

    def _post(self, path: str, body: object) -> Any:
        answer = self._session.post(self._url + path, json=body, timeout=20)
        assert answer.ok, answer.text
        return answer.json()

    def _stream(self, path: str, body: object) -> None:
        with self._session.post(self._url + path, json=body, timeout=20, stream=True) as answer:
            assert answer.ok, answer.text
            answer.raw.read()
