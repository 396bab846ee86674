"""The generations as those who ask may see and change them: what every face works with.

It has the verbs of `Generations` and asks, before each, whether the caller of the current request
may do this, and whose the generation is (`access.gate`). What one may not see is not there. A
generation belongs to the subject that asked for it; so does its Idempotency-Key.

Here, and only here, generations are made for clients: the limits of a subject or an address count
whichever face they come by.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from hub.access.limits import Limits
from hub.errors import TooMany
from hub.identity import Action
from hub.store.history import IdempotencyKey
from hub.web.caller import Caller
from workers.answers import Answer
from workers.generation import Generation, channel_of, check_id
from workers.indexes import Running
from workers.request import Request
from workers.store import Created, Generations

ANONYMOUS = "anonymous"


class GuardedGenerations:
    """`all` are the generations without a guard, for what goes on when a request is over.
    `caller()` makes the current request."""

    def __init__(
        self, generations: Generations, limits: Limits, caller: Callable[[], Caller]
    ) -> None:
        self.all = generations
        self._limits = limits
        self._caller = caller
        self._most_running = generations.settings.running_generations

    @property
    def by(self) -> str:
        """The name of the caller as others may read it."""
        return self._caller().subject or ANONYMOUS

    def owner(self) -> str:
        """Whose the caller's conversations are; '' where nobody has to say. Raises
        `Unauthorized`."""
        caller = self._caller()
        caller.require_known()
        return caller.subject

    def require_create(self) -> None:
        """To be called before the body is read. Raises `Unauthorized`, `Forbidden`."""
        self._caller().require(Action.GENERATE)

    def key(self, name: str | None, body: bytes) -> IdempotencyKey | None:
        """The caller's own Idempotency-Key of this name: another subject's is another key."""
        return None if name is None else IdempotencyKey.of(self._caller().subject, name, body)

    def create(self, request: Request, *, key: IdempotencyKey | None = None) -> Created:
        """Make a generation of the caller's. Raises `Forbidden`, `TooMany`, `KeyReused`,
        `RedisUnavailable`."""
        self.require_create()
        caller = self._caller()
        try:
            self._limits.generation(caller.counted_as)
        except TooMany:
            # One who sends again what was accepted before asks for nothing new.
            earlier = self.all.earlier(key) if key else None
            if earlier is None:
                raise
            return Created(earlier, first=False)
        running = Running(caller.counted_as, self._most_running)
        return self.all.create(request, owner=caller.subject, key=key, running=running)

    def require(self, generation_id: str, action: Action) -> str:
        """Return the id if the caller may do this to this generation. Raises `Unauthorized`,
        `Forbidden`, `NotFound`."""
        self._caller().require(action, channel_of(self.check_id(generation_id)))
        return generation_id

    def get(self, generation_id: str, action: Action = Action.INFORM) -> Generation:
        return self.all.get(self.require(generation_id, action))

    def brief(self, generation_id: str, action: Action = Action.INFORM) -> Generation:
        return self.all.brief(self.require(generation_id, action))

    def read(self, generation_id: str, action: Action = Action.INFORM) -> Answer:
        return self.all.read(self.require(generation_id, action))

    def check_id(self, generation_id: str) -> str:
        """For one who goes on to subscribe, which is asked for there."""
        self._caller().require_known()
        return check_id(generation_id)

    def newest(self, limit: int) -> Sequence[Generation]:
        """The caller's own, the newest first; to one who may operate the hub, everybody's."""
        caller = self._caller()
        caller.require_known()
        if caller.may(Action.OPERATE):
            return self.all.newest(limit)
        return self.all.newest(limit, caller.subject) if caller.subject else []

    def cancel(self, generation_id: str) -> Generation:
        return self.all.cancel(self.require(generation_id, Action.CANCEL), self.by)

    def delete(self, generation_id: str) -> None:
        self.all.delete(self.require(generation_id, Action.DELETE), self.by)
