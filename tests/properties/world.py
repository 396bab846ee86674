"""Two web processes' delivery in one process, on one real Redis, and everything that may happen to
it: joins, publishes, deletions, broken connections, slow listeners, all at once.

Everything that waits gives way to the others at moments that the seed chooses, so that the steps
interleave in many ways, and in nearly the same ones each time.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import replace
from random import Random
from typing import Any, TypeVar
from unittest.mock import patch

import gevent
from gevent.lock import RLock

from hub import sse
from hub.errors import Refused
from hub.event import Event
from hub.fanout.channel_kind import Snapshot, View
from hub.fanout.delivery import Delivery
from hub.fanout.subscribe import SubscribeOptions, prepare
from hub.settings import Settings
from hub.store.frame import Frame, Page
from hub.store.history import History, RecordWrite
from hub.store.redis_link import RedisLink
from tests.properties.connection import Connection, FickleTransport
from tests.properties.judge import Broken, judge, judge_to_the_end
from tests.properties.log import ChannelLog, Deletion, Published
from tests.properties.plan import CHANNELS, CLIENTS, PROCESSES, Plan, Step

T = TypeVar("T")
CATCH_UP_SECONDS = 40.0
LAST = "the last word"


class JitteryLink(RedisLink):
    """Gives way to others before and after each call."""

    jitter: Callable[[], None] = staticmethod(lambda: None)

    def call(self, command: Callable[[Any], T], **options: Any) -> T:
        self.jitter()
        try:
            return super().call(command, **options)
        finally:
            self.jitter()


class ShortPages(History):
    page_events = 1000

    def read(self, channel: str, position: str, **options: Any) -> Page:
        return super().read(channel, position, **{"limit": self.page_events, **options})


class Counting:
    """A kind whose snapshot says how many events there have been; it is kept beside them."""

    prefix = "c0-ending"

    def __init__(self, history: History) -> None:
        self._history = history

    def snapshot(self, channel: str) -> Snapshot | None:
        record = self._history.record(channel)
        state, count = record.state, record.log_bytes
        position = state.before_end if state.end else state.head
        terminal = frame = None
        if state.end:
            body = sse.encode(Event(f"{channel}|{LAST}|"), state.end)
            terminal = Frame(state.end, position, state.n, body)
        if count:
            data = json.dumps({"channel": channel, "count": count})
            body = sse.encode(Event(data, "snapshot"), position)
            frame = Frame(position, position, count, body)
        return Snapshot(frame, position, terminal)

    def edition(self, channel: str) -> str:
        return ""

    def view(self, channel: str, dialect: str, position: str | None) -> View:
        raise NotImplementedError


class Client:
    """One listener over all its connections. What happens to it happens one after the other."""

    def __init__(self, appetite: str, random: Random) -> None:
        self.appetite = appetite
        self.random = random
        self.turn = RLock()
        self.connections: list[Connection] = []

    @property
    def connection(self) -> Connection | None:
        return self.connections[-1] if self.connections else None


class World:
    def __init__(self, plan: Plan, url: str) -> None:
        self.plan = plan
        self._random = Random(plan.seed)
        self._links: list[JitteryLink] = []
        self.deliveries = [self._delivery(url) for _ in range(PROCESSES)]
        self._control = self._link(url)
        for delivery in self.deliveries:
            delivery._kinds = (Counting(delivery.history),)
        self._publishers = History(self._link(url), self._settings())
        unique = f"{plan.profile}-{plan.seed}-{time.monotonic_ns()}"
        names = [f"c{i}-{unique}" for i in range(CHANNELS)]
        self.logs = {name: ChannelLog(name, plan.history_events) for name in names}
        if plan.profile == "ending":
            self.logs[names[0]].has_snapshots = True
        self._names = names
        self._numbers = 0
        self._emptying = RLock()
        self.clients = [
            Client(plan.appetites[i], Random(f"{plan.seed} {i}")) for i in range(CLIENTS)
        ]

    # ── running ──────────────────────────────────────────────────────────────────────────────

    def run(self) -> None:
        """Carry the plan out and judge what was heard. Raises `Broken`."""
        short = self.plan
        with (
            patch("hub.fanout.room.Room.after.__defaults__", (short.turn_bytes,)),
            patch("hub.fanout.listener._FIRST_BYTES", short.turn_bytes),
            patch("hub.fanout.group.TURN_BYTES", short.turn_bytes),
            patch("hub.fanout.group._SLICE", short.slice_listeners),
            patch("hub.fanout.pace.STEP_SECONDS", 0),
        ):
            try:
                steps = []
                for step in short.steps:
                    steps.append(gevent.spawn(getattr(self, f"_{step.word}"), step))
                    self._give_way()
                gevent.joinall(steps, timeout=CATCH_UP_SECONDS * 2, raise_error=True)
                self._end()
            finally:
                self.close()

    def close(self) -> None:
        for delivery in self.deliveries:
            delivery.stop()
        for link in self._links:
            link.close()

    def _end(self) -> None:
        for client in self.clients:
            if client.connection is not None and client.connection.transport is not None:
                client.connection.transport.wake()
        for i in range(CHANNELS):
            self._publish(Step("publish", (i,), count=1))
        for log in self.logs.values():
            log.deleted_id = self._publishers.state(log.name).deleted or "0-0"
            log.settle()
        give_up = time.monotonic() + CATCH_UP_SECONDS
        while True:
            try:
                self._judge()
                return
            except Broken:
                if time.monotonic() > give_up:
                    raise
            gevent.sleep(0.01)

    def _judge(self) -> None:
        for number, client in enumerate(self.clients):
            for connection in client.connections:
                try:
                    if connection is client.connection and not connection.cut:
                        judge_to_the_end(connection, self.logs)
                    else:
                        judge(connection, self.logs)
                except Broken as broken:
                    raise Broken(f"client {number} ({client.appetite}): {broken}") from None
        self._judge_counts()
        subscriptions = self._control.call(lambda client: client.client_list("pubsub"))
        if len(subscriptions) > PROCESSES:
            raise Broken(f"{PROCESSES} processes have {len(subscriptions)} subscriptions")

    def _judge_counts(self) -> None:
        last = [client.connection for client in self.clients if client.connection]
        open_now = [c for c in last if not (c.cut or c.ended or c.nothing_left)]
        for name in self._names:
            wanted = sum(name in connection.channels for connection in open_now)
            counts = [delivery.count(name) for delivery in self.deliveries]
            if counts != [wanted] * PROCESSES:
                raise Broken(f"{name} has {wanted} listeners, but the processes say {counts}")

    # ── steps ────────────────────────────────────────────────────────────────────────────────

    def _publish(self, step: Step) -> None:
        log = self.logs[self._names[step.channels[0]]]
        random = Random(step.roll)
        texts = []
        for _ in range(step.count):
            self._numbers += 1
            filler = "\n".join(
                "x" * random.choice((0, 3, 200)) for _ in range(random.randint(1, 4))
            )
            texts.append(f"{log.name}|{self._numbers}|{filler}")
        with self._emptying if self.plan.profile == "emptied" else nullcontext():
            began = time.monotonic()
            counted = RecordWrite(log="x" * len(texts)) if log.has_snapshots else None
            try:
                events = [Event(text) for text in texts]
                ids = self._publishers.append(log.name, events, record=counted).ids
            except Refused:
                assert log.has_snapshots, "refused, and nobody can have ended it"
                return
            acked = time.monotonic()
        log.events += [Published(i, t, began, acked) for i, t in zip(ids, texts, strict=True)]

    def _finish(self, step: Step) -> None:
        """The channel with snapshots ends."""
        log = self.logs[self._names[0]]
        text = f"{log.name}|{LAST}|"
        began = time.monotonic()
        try:
            [end] = self._publishers.append(log.name, [Event(text)], ends=True).ids
        except Refused:
            return  # it has ended before
        log.events.append(Published(end, text, began, time.monotonic()))
        log.finished = True

    def _join(self, step: Step) -> None:
        client = self.clients[step.client]
        with client.turn:
            last = client.connection
            if last is None or last.cut or last.ended or last.nothing_left:
                channels = tuple(sorted(self._names[i] for i in step.channels))
                self._open(client, step, channels, "")

    def _return(self, step: Step) -> None:
        client = self.clients[step.client]
        with client.turn:
            last = client.connection
            if last is not None:
                self._cut(client, step)
                self._open(client, step, last.channels, last.last_id)

    def _leave(self, step: Step) -> None:
        client = self.clients[step.client]
        with client.turn:
            if client.connection is not None:
                self._cut(client, step)

    def _delete(self, step: Step) -> None:
        log = self.logs[self._names[step.channels[0]]]
        deletion = Deletion(time.monotonic())
        log.deletions.append(deletion)
        self._publishers.delete(log.name)
        deletion.ended = time.monotonic()

    def _empty(self, step: Step) -> None:
        """As if Redis had lost its data, and come back in a later millisecond: ids are times."""
        log = self.logs[self._names[step.channels[0]]]
        log.emptied = True
        keys = (f"hub:{{{log.name}}}:events", f"hub:{{{log.name}}}:state")
        with self._emptying:
            self._control.call(lambda client: client.delete(*keys))
            gevent.sleep(0.002)

    def _kill(self, step: Step) -> None:
        kind = "pubsub" if step.roll % 3 else "normal"
        self._control.call(
            lambda client: client.execute_command("CLIENT", "KILL", "TYPE", kind, "SKIPME", "yes")
        )

    def _scripts(self, step: Step) -> None:
        self._control.call(lambda client: client.script_flush())

    def _mute(self, step: Step) -> None:
        """One process does not hear the next few announcements of a channel."""
        name = self._names[step.channels[0]]
        self.logs[name].muted = True
        room = self.deliveries[step.process]._rooms.get(name)
        if room is not None:
            left = [step.count]
            hear = type(room).announced

            def announced(payload: bytes) -> None:
                if left[0] > 0:
                    left[0] -= 1
                else:
                    hear(room, payload)

            room.announced = announced  # type: ignore[method-assign]

    # ── inside ───────────────────────────────────────────────────────────────────────────────

    def _open(self, client: Client, step: Step, channels: tuple[str, ...], last_id: str) -> None:
        delivery = self.deliveries[step.process]
        connection = Connection(channels, last_id, step.mode, time.monotonic())
        begin = {"from": step.mode} if step.mode else {}
        prepared = prepare(delivery, channels, SubscribeOptions.of(begin, last_id, 300), "-")
        if prepared is None:
            connection.nothing_left = True
            client.connections.append(connection)
            return
        transport = FickleTransport(client.random, client.appetite, connection.receive)
        connection.transport = transport
        connection.opened = time.monotonic()
        client.connections.append(connection)
        delivery.opened(prepared.listener)
        prepared.listener.start(transport, prepared.head)

    def _cut(self, client: Client, step: Step) -> None:
        connection = client.connection
        if connection is not None and not connection.cut and connection.transport is not None:
            if connection.ended:
                return
            connection.transport.vanish()
            connection.lose_the_tail(Random(step.roll).choice((0, 0, 1, 70, 900)))

    def _give_way(self) -> None:
        gevent.sleep(self._random.choice((0, 0, 0, 0.0005, 0.001, 0.004)))

    def _link(self, url: str) -> JitteryLink:
        link = JitteryLink(RedisLink.from_url(url).client)
        random = Random(f"{self.plan.seed} link {len(self._links)}")
        pauses = (None, None, 0, 0, 0.0005, 0.002)

        def jitter() -> None:
            pause = random.choice(pauses)
            if pause is not None:
                gevent.sleep(pause)

        link.jitter = jitter
        self._links.append(link)
        return link

    def _settings(self) -> Settings:
        return replace(
            Settings(),
            history_events=self.plan.history_events,
            recent_bytes=self.plan.recent_bytes,
            heartbeat_seconds=1,
        )

    def _delivery(self, url: str) -> Delivery:
        settings = self._settings()
        history = ShortPages(self._link(url), settings)
        history.page_events = self.plan.page_events
        return Delivery(history, settings, random=Random(self.plan.seed))
