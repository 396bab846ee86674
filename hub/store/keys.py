"""Every name that Hubbub gives to something in Redis. Nothing else makes one.

Several hubs may share a Redis, told apart by `HUB_KEY_PREFIX` or by the number of the database. A
key carries the prefix. A pub/sub channel carries the number, too, where it is not 0: pub/sub knows
no databases, and what one hub announced in database 1 would be heard in database 2.

What is in braces is the hash tag, which puts keys that a script touches together on one node of a
Cluster. With the prefix `hub`, in database 0:

    hub:{CHANNEL}:events        stream     the channel's history
    hub:{CHANNEL}:state         hash       outlives it: last id, counters, what was lost
    hub:{CHANNEL}:producers:T   hash       the newest batch of each producer, T two minutes apart
    hub:{CHANNEL}:answered:K    string     an Idempotency-Key and what it was answered
    hub:{CHANNEL}:wire:I        string     an event id of a publisher's own
    hub:{CHANNEL}:presence      hash       how many listeners each process has
    hub:{CHANNEL}:record        hash       what the channel is about, for its writer
    hub:{CHANNEL}:log           string     what grows with the record
    hub:{generations}:…                    indexes of generations (`workers.indexes`)
    hub:{jobs}:…                           jobs and leases (`workers.queue`)
    hub:{tokens}:revoked        zset       tokens that count no more (`access.revocations`)
    hub:{tokens}:share-key      string     what share links are signed with (`access.shares`)
    hub:{data}:version          string     the format of all this (`store.data_version`)
    hub:{data}:stopping         hash       web processes that tell their listeners (`store.stops`)
    hub:{limit:…}:window        list       when somebody did what is limited (`access.limits`)

    hub:{CHANNEL}               pub/sub    the channel's announcements
    hub:{tokens}                pub/sub    tokens that were revoked
    hub:{jobs}:control          pub/sub    generations that were ended elsewhere
    hub@3:{CHANNEL}             pub/sub    the same in database 3

A prefix has neither braces nor `@` (`hub.settings`), so two hubs never make the same name.
docs/redis.md has the table for operators.
"""

from __future__ import annotations

from dataclasses import dataclass
from hashlib import sha256


@dataclass(frozen=True, slots=True)
class Keys:
    """The names of one hub: `prefix` is `HUB_KEY_PREFIX`, `database` the one of its `REDIS_URL`."""

    prefix: str = "hub"
    database: int = 0

    def key(self, tag: str, part: str) -> str:
        """The key `part` among those that a Cluster keeps together under `tag`."""
        return f"{self.prefix}:{{{tag}}}:{part}"

    def pubsub(self, tag: str, part: str = "") -> str:
        """A pub/sub channel on the node that has the keys of `tag`."""
        database = f"@{self.database}" if self.database else ""
        name = f"{self.prefix}{database}:{{{tag}}}"
        return f"{name}:{part}" if part else name


def digest(name: str) -> str:
    """What stands in a key for a name that may be long, or have any characters."""
    return sha256(name.encode()).hexdigest()[:40]
