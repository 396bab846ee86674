"""More than one Valkey: a replica with Sentinels, and a Cluster. All from the one binary."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any

import redis
from redis.crc import key_slot

from tests.support.deadline import answers, eventually
from tests.support.process import Process, ReservedPort
from tests.support.real import missing
from tests.support.valkey import Valkey

_FAST_REPLICATION = (
    *("--repl-diskless-sync", "yes"),
    *("--repl-diskless-sync-delay", "0"),
    *("--repl-ping-replica-period", "1"),
)
NAME = "hub"
SLOTS = 16384


_CHANGED_PLACES = ("PRIMARY MODE enabled", "Failover election won", "Before turning into a replica")


def changes_of_place(nodes: Iterable[Process]) -> list[str]:
    """The lines of their logs in which one became the primary, or a primary that lived was made a
    replica: at each, what had been announced and not replicated is lost. Sentinel and a Cluster do
    it also unasked, where a node was too busy to answer in time."""
    return [
        f"{node.name}: {line}"
        for node in nodes
        for line in node.log().splitlines()
        if any(words in line for words in _CHANGED_PLACES)
    ]


class _Sentinel(Valkey):
    def __init__(self, directory: Path, primary: Valkey, down_after_ms: int) -> None:
        super().__init__(directory, tcp=True, name=directory.name)
        conf = directory / "sentinel.conf"
        conf.write_text(
            f"port {self.port}\nbind 127.0.0.1\ndir {directory}\n"
            f"sentinel monitor {NAME} 127.0.0.1 {primary.port} 2\n"
            f"sentinel down-after-milliseconds {NAME} {down_after_ms}\n"
            f"sentinel failover-timeout {NAME} 4000\n"
        )
        self.command = [self.command[0], str(conf), "--sentinel"]


class Sentinels:
    """A primary, a replica, three Sentinels that fail over after half a second."""

    def __init__(self, directory: Path, down_after_ms: int = 500) -> None:
        self.nodes = [
            Valkey(directory / f"node{number}", tcp=True, options=_FAST_REPLICATION)
            for number in range(2)
        ]
        for node in self.nodes:
            node.name = node.directory.name
        first, second = self.nodes
        self._primary_commands = {node: list(node.command) for node in self.nodes}
        self._follow(second, first)
        self.sentinels = [
            _Sentinel(directory / f"sentinel{number}", first, down_after_ms) for number in range(3)
        ]
        self.processes: list[Process] = [*self.nodes, *self.sentinels]
        hosts = ",".join(f"127.0.0.1:{sentinel.port}" for sentinel in self.sentinels)
        self.url = f"redis+sentinel://{hosts}/{NAME}/0"

    def start(self) -> Sentinels:
        for process in self.processes:
            process.start()
        self.wait_until_current()
        return self

    def wait_until_current(self, within_seconds: float = 15.0) -> None:
        """Wait until the replica follows and every Sentinel knows all others."""
        eventually(self._replica_follows, within_seconds)
        for sentinel in self.sentinels:
            eventually(partial(self._knows_all, sentinel), within_seconds)

    def rejoin(self, old: Valkey, primary: Valkey) -> None:
        """Start a primary that was killed again, as the replica of its successor. (Sentinel would
        make it that, too, but first gives it ten seconds.)"""
        self._follow(old, primary)
        old.start()

    def _follow(self, node: Valkey, primary: Valkey) -> None:
        replica_of = ["--replicaof", "127.0.0.1", str(primary.port)]
        node.command = [*self._primary_commands[node], *replica_of]

    @property
    def primary(self) -> Valkey:
        """As the Sentinels have it: the first of them that answers."""
        return answers(self._named_primary)

    @property
    def replica(self) -> Valkey:
        return next(node for node in self.nodes if node is not self.primary)

    def other_than(self, old: Valkey, within_seconds: float = 15.0) -> Valkey:
        """Wait until another node is the primary, and says so itself."""

        def changed() -> Valkey | None:
            primary = self.primary
            return (
                primary if primary is not old and _info(primary).get("role") == "master" else None
            )

        found = eventually(changed, within_seconds)
        assert found is not None
        return found

    def _named_primary(self) -> Valkey:
        for sentinel in self.sentinels:
            with sentinel.client() as client, suppress(redis.ConnectionError):
                _, port = client.execute_command("SENTINEL", "GET-MASTER-ADDR-BY-NAME", NAME)
                return next(node for node in self.nodes if node.port == int(port))
        raise AssertionError("no Sentinel answers")

    def _replica_follows(self) -> bool:
        return _info(self.replica).get("master_link_status") == "up"

    def _knows_all(self, sentinel: Valkey) -> bool:
        with sentinel.client() as client:
            fields = client.execute_command("SENTINEL", "MASTER", NAME)
        pairs = (
            fields
            if isinstance(fields, dict)
            else dict(zip(fields[::2], fields[1::2], strict=True))
        )
        named = {_text(name): _text(value) for name, value in pairs.items()}
        return (named["num-other-sentinels"], named["num-slaves"]) == ("2", "1")


class Cluster:
    """Three primaries, then their replicas in the same order."""

    def __init__(self, directory: Path, node_timeout_ms: int = 1000) -> None:
        self.nodes: list[Valkey] = []
        self.buses: list[ReservedPort] = []
        for number in range(6):
            bus = ReservedPort()
            options = (
                *("--cluster-enabled", "yes"),
                *("--cluster-port", str(bus.number)),
                *("--cluster-node-timeout", str(node_timeout_ms)),
                *("--cluster-allow-replica-migration", "no"),
                *_FAST_REPLICATION,
            )
            node = _Node(directory / f"node{number}", bus, options)
            self.buses.append(bus)
            self.nodes.append(node)
        self.processes: list[Process] = [*self.nodes]
        hosts = ",".join(f"127.0.0.1:{node.port}" for node in self.nodes)
        self.url = f"redis+cluster://{hosts}"

    def start(self) -> Cluster:
        for number, node in enumerate(self.nodes):
            node.start()
            with node.client() as client:
                client.execute_command("CLUSTER", "SET-CONFIG-EPOCH", number + 1)
                if number < 3:
                    first, last = number * SLOTS // 3, (number + 1) * SLOTS // 3 - 1
                    client.execute_command("CLUSTER", "ADDSLOTSRANGE", first, last)
        with self.nodes[0].client() as client:
            for node, bus in zip(self.nodes[1:], self.buses[1:], strict=True):
                client.execute_command("CLUSTER", "MEET", "127.0.0.1", node.port, bus.number)
        for node in self.nodes:
            eventually(partial(_knows_six, node), 15)
        for number, node in enumerate(self.nodes[3:]):
            follow = self.id_of(self.nodes[number])
            with node.client() as client:
                answers(partial(client.execute_command, "CLUSTER", "REPLICATE", follow), 15)
        self.wait_until_current()
        return self

    def wait_until_current(self, within_seconds: float = 20.0) -> None:
        """Wait until every node that runs says that all is well, and replicas follow."""
        for node in self.nodes:
            if node.running:
                eventually(partial(_is_well, node), within_seconds)

    def id_of(self, node: Valkey) -> str:
        with node.client() as client:
            return _text(client.execute_command("CLUSTER", "MYID"))

    def owner(self, slot: int) -> Valkey:
        """The primary that holds `slot`, as the nodes that run have it now."""
        for node in self.nodes:
            if not node.running:
                continue
            with node.client() as client:
                ranges: Any = client.execute_command("CLUSTER", "SLOTS")
            for first, last, primary, *_ in ranges:
                if int(first) <= slot <= int(last) and self._at(int(primary[1])).running:
                    return self._at(int(primary[1]))
        raise AssertionError(f"nobody holds slot {slot}")

    def primaries(self) -> list[Valkey]:
        return [node for node in self.nodes if node.running and _info(node).get("role") == "master"]

    def replica_of(self, primary: Valkey) -> Valkey:
        return next(
            node
            for node in self.nodes
            if node.running and str(_info(node).get("master_port")) == str(primary.port)
        )

    def owner_other_than(self, old: Valkey, slot: int, within_seconds: float = 20.0) -> Valkey:
        def changed() -> Valkey | None:
            try:
                found = self.owner(slot)
            except (AssertionError, redis.RedisError):
                return None
            return found if found is not old and _info(found).get("role") == "master" else None

        found = eventually(changed, within_seconds)
        assert found is not None
        return found

    def move_slot(self, slot: int, target: Valkey) -> None:
        """Move a slot and its keys, as `redis-cli --cluster reshard` does."""
        self.begin_to_move(slot, target)
        self.finish_moving(slot, target)

    def move_slot_at_once(self, slot: int, target: Valkey) -> None:
        self.move_slots_at_once(slot, slot, target)

    def move_slots_at_once(self, first: int, last: int, target: Valkey) -> None:
        """Move slots of one primary as Valkey 9 does by itself."""
        try:
            where = ("SLOTSRANGE", first, last, "NODE", self.id_of(target))
            _ask(self.owner(first), "CLUSTER", "MIGRATESLOTS", *where)
        except redis.ResponseError as error:
            missing(f"a server that moves slots by itself ({error})")
        eventually(lambda: self.owner(first) is target and self.owner(last) is target, 15)

    def begin_to_move(self, slot: int, target: Valkey) -> None:
        source = self.owner(slot)
        _ask(target, "CLUSTER", "SETSLOT", slot, "IMPORTING", self.id_of(source))
        _ask(source, "CLUSTER", "SETSLOT", slot, "MIGRATING", self.id_of(target))

    def finish_moving(self, slot: int, target: Valkey) -> None:
        source = self.owner(slot)
        while keys := _ask(source, "CLUSTER", "GETKEYSINSLOT", slot, 100):
            where = ("127.0.0.1", target.port, "", 0, 5000)
            _ask(source, "MIGRATE", *where, "REPLACE", "KEYS", *keys)
        for node in (target, source, *self.primaries()):
            _ask(node, "CLUSTER", "SETSLOT", slot, "NODE", self.id_of(target))

    def _at(self, port: int) -> Valkey:
        return next(node for node in self.nodes if node.port == port)


class _Node(Valkey):
    """A Cluster's node, with the port of its bus, which ends with it."""

    def __init__(self, directory: Path, bus: ReservedPort, options: tuple[str, ...]) -> None:
        super().__init__(directory, tcp=True, options=options, name=directory.name)
        self._bus = bus

    def end(self) -> None:
        super().end()
        self._bus.close()


def _knows_six(node: Valkey) -> bool:
    return _cluster_info(node).get("cluster_known_nodes") == "6"


def _is_well(node: Valkey) -> bool:
    linked: object = _info(node).get("master_link_status", "up")
    return _cluster_info(node).get("cluster_state") == "ok" and linked == "up"


def _ask(node: Valkey, *command: Any) -> Any:
    with node.client() as client:
        return client.execute_command(*command)


def slot_of(channel: str) -> int:
    return int(key_slot(channel.encode()))


def _info(node: Valkey) -> dict[str, Any]:
    """What it says of its role; nothing where it does not answer just now."""
    try:
        with node.client() as client:
            found: dict[str, Any] = client.info("replication")
    except redis.RedisError:
        return {}
    return found


def _cluster_info(node: Valkey) -> dict[str, str]:
    try:
        with node.client() as client:
            reply: Any = client.execute_command("CLUSTER", "INFO")
    except redis.RedisError:
        return {}
    if isinstance(reply, dict):
        return {_text(name): _text(value) for name, value in reply.items()}
    return dict(line.split(":", 1) for line in _text(reply).split("\r\n") if ":" in line)


def _text(value: Any) -> str:
    return value.decode() if isinstance(value, bytes) else str(value)
