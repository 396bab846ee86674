"""Which generation answers a conversation just now: a small record for each chat or thread.

A front end names a conversation, never a generation. The record says which generation was asked
last in it, by whom, and is kept as long as that generation's history.

Redis: the string `hub:{generations}:newest:<digest of face, owner and conversation>`.
"""

from __future__ import annotations

import json
from dataclasses import dataclass

from hub.errors import NotFound
from hub.store.keys import digest
from workers.generation import Generation
from workers.store import Generations

_TAG = "generations"


@dataclass(frozen=True, slots=True)
class Newest:
    """`run`: what the client calls this turn, where it has a name for it."""

    generation: Generation
    run: str


class Conversations:
    """Those of one face. Two owners may call theirs the same."""

    def __init__(self, generations: Generations, face: str) -> None:
        self._generations = generations
        self._link = generations.history.link
        self._face = face

    def note(self, conversation: str, generation: Generation, run: str = "") -> None:
        """`generation` answers from now on. Raises `RedisUnavailable`."""
        key = self._key(conversation, generation.owner)
        said = json.dumps([generation.id, run])
        seconds = self._generations.settings.history_seconds
        self._link.call(lambda client: client.set(key, said, ex=seconds))

    def newest(self, conversation: str, owner: str) -> Newest | None:
        """What was asked last, running or not; None where nothing was, or it is gone."""
        key = self._key(conversation, owner)
        found = self._link.call(lambda client: client.get(key))
        if found is None:
            return None
        generation_id, run = json.loads(found)
        try:
            return Newest(self._generations.brief(generation_id), run)
        except NotFound:
            return None

    def _key(self, conversation: str, owner: str) -> str:
        name = digest(f"{self._face}\0{owner}\0{conversation}")
        return self._link.keys.key(_TAG, f"newest:{name}")
