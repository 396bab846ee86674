"""What every client goes through: text, silence with heartbeats, a cut, more text, the end."""

from __future__ import annotations

from contextlib import closing

from tests.browser.proxy import Proxy
from tests.clients.client import Client
from tests.support.deadline import eventually
from tests.support.provider import Gate, Script, text_for
from tests.support.shared import Shared
from tests.support.stream import EventStream

BEATS = 2


class Scenario:
    """One generation whose deltas come when the test lets them."""

    def __init__(self, shared: Shared, proxy: Proxy, prompt: str, text: str = "") -> None:
        self.shared = shared
        self.hub = shared.hub
        self.proxy = proxy
        self.prompt = prompt
        self.text = text or text_for(prompt)
        self.heartbeats = 0
        self.generation_id = ""
        self._gate = Gate()
        shared.provider.scripts[prompt] = Script(text=self.text, gate=self._gate)

    def ask(self) -> str:
        """Start the generation; for clients that only watch."""
        self.generation_id = self.hub.generate(self.prompt)
        return self.generation_id

    def asked(self) -> str:
        """The generation that the client has started itself."""
        self.generation_id = eventually(self._newest)
        return self.generation_id

    def begin(self, client: Client) -> None:
        """The first words arrive, and then only heartbeats come for a while."""
        self._gate.release(6)
        eventually(lambda: client.text, 15)
        if not self.generation_id:
            self.asked()
        self.beat()

    def begin_unseen(self) -> None:
        """The first words are written, for a client that shows nothing before the end."""
        self._gate.release(6)

    def finish_unseen(self) -> str:
        self._gate.open()
        self.generation_id = eventually(self._newest)
        return self.finish()

    def beat(self) -> None:
        with closing(self._tab()) as tab:
            for _ in range(BEATS):
                tab.next("heartbeat")
        self.heartbeats += BEATS

    def cut(self) -> None:
        """The way breaks, and more is written meanwhile."""
        self.proxy.cut()
        with closing(self._tab()) as tab:
            for _ in range(3):
                self._gate.release(1)
                tab.next("delta")
        self.proxy.mend()

    def finish(self) -> str:
        """Let everything out; the text that the generation has then."""
        self._gate.open()
        found = self.hub.finished(self.generation_id)
        content: str = found["choices"][0]["content"]
        assert content == self.text
        return content

    def ended(self, client: Client) -> str:
        """How the client recognised the end; and it does not come back after it."""
        end = eventually(lambda: client.end, 20)
        channel = f"/channels/generation:{self.generation_id}"
        eventually(lambda: self.hub.get(channel).json()["listeners"] == 0)
        accepted = self.proxy.accepted
        with closing(self.hub.events("quiet-place", query={"heartbeat": 1})) as elsewhere:
            elsewhere.next("heartbeat")  # ten times the retry of this hub has passed by then
            elsewhere.next("heartbeat")
        assert self.proxy.accepted == accepted, "it came back although all was over"
        return end

    def _newest(self) -> str:
        """The newest generation, once it is this one."""
        asked = [request["messages"][-1]["content"] for request in self.shared.provider.requests]
        if self.prompt not in asked:
            return ""
        newest: str = self.hub.get("/generations?limit=1").json()["generations"][0]["id"]
        return newest

    def _tab(self) -> EventStream:
        url = f"{self.hub.url}/generations/{self.generation_id}/events"
        return EventStream(url, query={"heartbeat": 1})
