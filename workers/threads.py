"""Threads: generations that belong to one conversation.

A generation whose metadata names a `thread` is added to it as a turn, under the `parent` (another
turn's id, or none) that its metadata names. So a conversation is a tree: asking again makes another
child of the same parent. What the turns say is in the generations alone; a thread is the list of
their ids, a title and its owner.

Each change is also published on the channel `thread:<id>` (`turn`, `renamed`, `deleted`), so that
every page that shows the thread follows it. The events are hints: the thread itself is the truth,
and a listener that doubts reads it. Refused: the channel's history *as* the list, which would be
trimmed, and would let every publisher of it write into a user's conversation.

An id is its owner's own: another subject who calls a thread the same has another thread, so a
probe with an id tells nothing. Among all threads one is known by its `key`, its owner's mark in
front of its id; the threads of an open hub have no owner, and there the key is the id.

Redis: the hash `thread:<key>` under `{generations}`, an index of all threads and of each owner's.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from hub.errors import FieldError, NotFound
from hub.event import Event, compact_json
from hub.store.history import History
from hub.store.keys import digest
from hub.store.script import Script
from workers.generation import Generation, when

PREFIX = "thread:"
MAX_TURNS = 1_000
MAX_NAME = 200

THREAD_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._~:@-]{0,99}")
_MARK_LENGTH = 16
THREAD_KEY = re.compile(rf"(?:[0-9a-f]{{{_MARK_LENGTH}}}~)?{THREAD_ID.pattern}")
_TITLE = 120
_TURN = "turn:"
_TAG = "generations"
_ADD = Script.load("workers", "thread")


@dataclass(frozen=True, slots=True)
class Turn:
    """One generation's place in a thread. `parent` '' begins the conversation."""

    generation_id: str
    parent: str
    created_ms: int

    def to_json(self) -> dict[str, Any]:
        return {
            "id": self.generation_id,
            "parent": self.parent or None,
            "created": when(self.created_ms),
        }


@dataclass(frozen=True, slots=True)
class Thread:
    """A conversation. `turns` are in the order in which they were asked."""

    key: str
    owner: str
    name: str
    created_ms: int
    updated_ms: int
    turns: tuple[Turn, ...]

    @property
    def channel(self) -> str:
        return PREFIX + self.key

    @classmethod
    def from_fields(cls, key: str, fields: Mapping[str, str]) -> Thread:
        turns = []
        for name, value in fields.items():
            if name.startswith(_TURN):
                created, _, parent = value.partition(" ")
                turns.append(Turn(name.removeprefix(_TURN), parent, int(created)))
        return cls(
            key=key,
            owner=fields.get("owner", ""),
            name=fields.get("name") or fields.get("title", ""),
            created_ms=int(fields["created"]),
            updated_ms=int(fields["updated"]),
            turns=tuple(sorted(turns, key=lambda turn: (turn.created_ms, turn.generation_id))),
        )

    def id_for(self, subject: str) -> str:
        """By which `subject` finds it: its owner by the id, others by the key."""
        return self.key.removeprefix(_mark(subject))

    def summary_json(self, subject: str) -> dict[str, Any]:
        return {
            "id": self.id_for(subject),
            "name": self.name,
            "created": when(self.created_ms),
            "updated": when(self.updated_ms),
            "turns": len(self.turns),
        }

    def to_json(self, subject: str) -> dict[str, Any]:
        generations = [turn.to_json() for turn in self.turns]
        return {**self.summary_json(subject), "channel": self.channel, "generations": generations}


class Threads:
    """All threads on one Redis. `keep_seconds`: how long one is kept after its last turn."""

    prefix = PREFIX

    def __init__(
        self, history: History, keep_seconds: int, now: Callable[[], float] = time.time
    ) -> None:
        self._history = history
        self._keys = history.link.keys
        self._index = self._keys.key(_TAG, "threads")
        self._keep_seconds = keep_seconds
        self._now = now

    def key_for(self, subject: str, thread_id: str) -> str:
        """The key of the thread that `subject` calls so, whether there is one or not."""
        own = _mark(subject) + thread_id
        if own != thread_id and self.find(own) is None:
            bare = self.find(thread_id)  # begun before ids were each owner's own
            if bare is not None and bare.owner == subject:
                return thread_id
        return own

    def key_to_read(self, subject: str, thread_id: str) -> str:
        """The key of the thread that `subject` means: their own, or whosever has this key."""
        own = _mark(subject) + thread_id
        return thread_id if own == thread_id or self.find(own) is None else own

    def add(self, key: str, generation: Generation) -> None:
        """Make `generation` a turn; a repetition changes nothing. Raises `FieldError`."""
        parent = generation.request.metadata.get("parent", "")
        args = [
            key,
            generation.owner,
            generation.id,
            parent,
            int(self._now() * 1000),
            generation.request.question.strip()[:_TITLE],
            MAX_TURNS,
            self._keep_seconds,
        ]
        keys = [self._key(key), self._index, self._owners(generation.owner)]
        if self._history.link.run(_ADD, keys, args) == b"full":
            raise _full()
        self._tell(key, "turn", {"id": generation.id, "parent": parent or None})

    def check_room(self, thread: Thread) -> None:
        """A conversation has a limit. Raises `FieldError`."""
        if len(thread.turns) >= MAX_TURNS:
            raise _full()

    def owner(self, channel: str) -> str:
        """Whose the thread is that has this channel (`access.gate`). Raises `NotFound`."""
        key = self._key(channel.removeprefix(PREFIX))
        found = self._history.link.call(lambda client: client.hget(key, "owner"))
        if found is None:
            raise self.unknown(channel)
        owner: str = found.decode()
        return owner

    def unknown(self, channel: str) -> NotFound:
        key = channel.removeprefix(PREFIX)
        return NotFound(f"there is no thread {key[:100]!r}, or not any more")

    def find(self, key: str) -> Thread | None:
        if not THREAD_KEY.fullmatch(key):
            return None
        found = self._history.link.call(lambda client: client.hgetall(self._key(key)))
        fields = {name.decode(): value.decode() for name, value in found.items()}
        return Thread.from_fields(key, fields) if "created" in fields else None

    def get(self, key: str) -> Thread:
        """Raises `NotFound`."""
        found = self.find(key)
        if found is None:
            raise self.unknown(PREFIX + key)
        return found

    def newest(self, limit: int, owner: str | None = None) -> list[Thread]:
        """The one with the latest turn first: everybody's, or one owner's."""
        index = self._index if owner is None else self._owners(owner)
        keys = self._history.link.call(lambda client: client.zrevrange(index, 0, limit - 1))
        found = [self.find(key.decode()) for key in keys]
        return [thread for thread in found if thread is not None]

    def rename(self, thread: Thread, name: str) -> None:
        key = self._key(thread.key)
        self._history.link.call(lambda client: client.hset(key, "name", name))
        self._tell(thread.key, "renamed", {"name": name})

    def delete(self, thread: Thread) -> None:
        """Forget the thread. Its generations are the caller's to delete."""
        self._history.link.call(lambda client: client.delete(self._key(thread.key)))
        for index in {self._index, self._owners(thread.owner)}:
            self._forget(index, thread.key)
        self._tell(thread.key, "deleted", {})

    def _forget(self, index: str, key: str) -> None:
        self._history.link.call(lambda client: client.zrem(index, key))

    def _tell(self, key: str, kind: str, data: Mapping[str, Any]) -> None:
        self._history.append(PREFIX + key, [Event(compact_json(data), kind)])

    def _key(self, key: str) -> str:
        return self._keys.key(_TAG, f"thread:{key}")

    def _owners(self, owner: str) -> str:
        """The index of one owner's threads; the one of all where there is no owner."""
        if not owner:
            return self._index
        return f"{self._index}:of:{digest(owner)}"


def thread_of(generation_metadata: Mapping[str, str]) -> str | None:
    """The thread that a generation's metadata names, if any. Raises `FieldError`."""
    thread_id = generation_metadata.get("thread")
    if thread_id is not None and not THREAD_ID.fullmatch(thread_id):
        raise FieldError(
            "metadata.thread",
            "must be 1 to 100 of A-Z a-z 0-9 . _ ~ : @ -, a letter or digit first",
        )
    return thread_id


def _mark(owner: str) -> str:
    """What stands in front of the ids of an owner's threads. With it and 100 characters of an id,
    `thread:` makes a channel's name."""
    return f"{digest(owner)[:_MARK_LENGTH]}~" if owner else ""


def _full() -> FieldError:
    return FieldError("metadata.thread", f"has {MAX_TURNS} turns, which is the most")
