"""The delivery promise, held against one stream (contract §2).

Per channel a stream must be exactly the published sequence after its position, once, in order;
where it is not, the listener was told, and what is missing was really gone.
"""

from __future__ import annotations

from collections.abc import Mapping

from hub.channel import BEFORE_FIRST
from tests.properties.connection import Connection, Heard
from tests.properties.log import ChannelLog


class Broken(AssertionError):
    """The promise was not kept."""


def judge(connection: Connection, logs: Mapping[str, ChannelLog]) -> None:
    """Raise `Broken` if what was heard so far breaks the promise, whatever comes after it."""
    if connection.nothing_left:
        _check_nothing_left(connection, logs)
    _Reading(connection, logs).read()


def judge_to_the_end(connection: Connection, logs: Mapping[str, ChannelLog]) -> None:
    """The same for a stream that is still open when everything is over."""
    reading = _Reading(connection, logs)
    reading.read()
    if connection.nothing_left:
        _check_nothing_left(connection, logs)
        return
    for channel in connection.channels:
        reading.check_end(channel)
    over = all(logs[channel].finished for channel in connection.channels)
    if over != connection.ended:
        raise Broken("the stream has not ended" if over else "the stream has ended")


def _check_nothing_left(connection: Connection, logs: Mapping[str, ChannelLog]) -> None:
    """204 was answered: to whom has seen the end of each channel, or wanted no past."""
    if not all(logs[channel].finished for channel in connection.channels):
        raise Broken("204, and not all channels have ended")
    if connection.resumed_at:
        positions = connection.positions(connection.resumed_at)
        for channel, position in zip(connection.channels, positions, strict=True):
            if position != logs[channel].events[-1].id:
                raise Broken(f"{channel}: 204 at {position}, which is not the end")
    elif connection.mode != "now":
        raise Broken("204, and nothing was heard yet")


class _Reading:
    def __init__(self, connection: Connection, logs: Mapping[str, ChannelLog]) -> None:
        self._connection = connection
        self._logs = logs
        self._next: dict[str, int] = {}
        self._told: dict[str, str] = {}
        self._awaited: set[str] = set()
        self._gaps: list[tuple[str, str]] = []

    def read(self) -> None:
        for i, heard in enumerate(self._connection.heard):
            if i == 0:
                self._subscribed(heard)
            elif heard.event == "snapshot":
                self._snapshot(heard)
            elif heard.event == "gap":
                self._gap(heard)
            elif heard.event != "heartbeat":
                self._published(heard)

    def check_end(self, channel: str) -> None:
        log = self._logs[channel]
        if not self._connection.heard:
            raise Broken("nothing was heard, not even `subscribed`")
        for number in range(self._next[channel], len(log)):
            if not self._told.get(channel) or log.up_to(log.deleted_id) <= number:
                raise Broken(f"{channel}: {log.events[number]} was never heard")
        opened = self._connection.opened
        due = any(opened < deletion.began for deletion in log.deletions)
        if due and not log.emptied and (channel, "deleted") not in self._gaps:
            raise Broken(f"{channel}: nobody said that it was deleted")

    def _subscribed(self, heard: Heard) -> None:
        connection = self._connection
        if heard.event != "subscribed":
            raise Broken(f"the first event is {heard}")
        verdicts = heard.json()["channels"]
        if tuple(verdicts) != connection.channels:
            raise Broken(f"the verdict is about {tuple(verdicts)}")
        for channel, position in zip(
            connection.channels, connection.positions(heard.id), strict=True
        ):
            self._begin(channel, position, verdicts[channel], heard)
        moved = self._awaited or any(self._logs[channel].emptied for channel in connection.channels)
        moved = moved or "" in connection.positions(connection.resumed_at)  # it had not begun yet
        if connection.resumed_at and heard.id != connection.resumed_at and not moved:
            raise Broken(f"resumed at {connection.resumed_at}, but `subscribed` says {heard.id}")

    def _begin(self, channel: str, position: str, verdict: dict[str, object], heard: Heard) -> None:
        connection, log = self._connection, self._logs[channel]
        if not position or (log.has_snapshots and not verdict["recovered"]):
            self._awaited.add(channel)
        first = self._next[channel] = log.up_to(position)
        newest = log.up_to(str(verdict["last_event_id"] or BEFORE_FIRST))
        sure = not log.emptied and not log.muted
        if sure and newest < log.acked_by(connection.began):
            raise Broken(f"{channel}: more had been published than {verdict}")
        if newest > log.begun_by(heard.at) and sure:
            raise Broken(f"{channel}: {verdict} is ahead of what was published")
        if log.emptied and position == BEFORE_FIRST:
            # An emptied Redis has forgotten that there was anything before its first event.
            self._told[channel] = "emptied"
            return
        if not position:
            return
        if not connection.resumed_at:
            if not verdict["recovered"] or verdict["reason"]:
                raise Broken(f"{channel}: a listener without a position is told {verdict}")
            at_the_head = connection.mode == "now" or not (connection.mode or log.has_snapshots)
            if at_the_head and sure and first < log.acked_by(connection.began):
                raise Broken(f"{channel}: `now` is {first}, {log.acked_by(connection.began)} were")
            if connection.mode == "start":
                self._told[channel] = "start"
        elif verdict["recovered"]:
            if verdict["reason"]:
                raise Broken(f"{channel}: {verdict}")
            if sure and len(connection.channels) == 1 and verdict["replayed"] != newest - first:
                raise Broken(f"{channel}: {verdict}, but {newest - first} are to be replayed")
        else:
            self._told[channel] = str(verdict["reason"])
            if not log.emptied and verdict["reason"] not in ("trimmed", "deleted"):
                raise Broken(f"{channel}: {verdict}")

    def _snapshot(self, heard: Heard) -> None:
        said = heard.json()
        channel, count = said["channel"], said["count"]
        log, expected = self._logs[channel], self._next[channel]
        place = self._connection.positions(heard.id)[self._connection.channels.index(channel)]
        if log.up_to(place) != count or (log.finished and count == len(log)):
            raise Broken(f"{channel}: a snapshot of {count} events carries {place}")
        if count < expected:
            raise Broken(f"{channel}: a snapshot of {count} events after {expected} were heard")
        if channel not in self._awaited and expected >= log.gone_by(heard.at):
            raise Broken(f"{channel}: a snapshot, and nothing was lost after {expected}")
        self._awaited.discard(channel)
        self._told.pop(channel, None)
        self._next[channel] = count

    def _gap(self, heard: Heard) -> None:
        said = heard.json()
        channel, reason = said["channel"], said["reason"]
        log = self._logs[channel]
        self._gaps.append((channel, reason))
        self._told[channel] = reason
        if reason == "deleted":
            if not any(deletion.began < heard.at for deletion in log.deletions):
                raise Broken(f"{channel}: told of a deletion that never was")
        elif not log.emptied and (reason != "trimmed" or not log.gone_by(heard.at)):
            raise Broken(f"{channel}: {said}")

    def _published(self, heard: Heard) -> None:
        channel = heard.data.partition("|")[0]
        if channel not in self._next:
            raise Broken(f"not asked for: {heard}")
        log, expected = self._logs[channel], self._next[channel]
        if channel in self._awaited:
            raise Broken(f"{channel}: {heard} before the snapshot")
        number = log.number.get(heard.data)
        if number is None:
            raise Broken(f"{channel}: never published: {heard}")
        place = self._connection.positions(heard.id)[self._connection.channels.index(channel)]
        if place != log.events[number].id:
            raise Broken(f"{channel}: {heard} carries {place}, but it is {log.events[number].id}")
        told = self._told.pop(channel, "")
        if number < expected:
            raise Broken(f"{channel}: {number} again or out of order, {expected} was next")
        if number > expected:
            if log.has_snapshots:
                raise Broken(f"{channel}: {expected} to {number - 1} missing without a snapshot")
            if not told:
                raise Broken(f"{channel}: {expected} to {number - 1} are missing, nobody said so")
            if number > log.gone_by(heard.at):
                raise Broken(f"{channel}: {expected} to {number - 1} were not gone ({told})")
        elif told not in ("", "start", "deleted") and not log.emptied:
            raise Broken(f"{channel}: told of a loss ({told}) and lost nothing before {number}")
        self._next[channel] = number + 1
