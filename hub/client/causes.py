"""Of what a hub says of itself (`/readyz`): why it is so, and the line that mends it."""

from __future__ import annotations

VERSIONS = (
    "a deploy is under way, or stopped half-way; versions of one data format may run side by side",
    "deploy the same version everywhere: docs/reliability.md, versions side by side",
)

_CAUSES: list[tuple[str, tuple[str, str]]] = [
    (
        "maxmemory-policy",
        (
            "Redis takes keys away where its memory is full, histories and records among them",
            "redis-cli CONFIG SET maxmemory-policy noeviction",
        ),
    ),
    (
        "kept on disk",
        (
            "Redis was started without a dump and without an append-only file",
            "redis-cli CONFIG SET appendonly yes",
        ),
    ),
    (
        "client-output-buffer-limit",
        (
            "Redis drops a subscriber for which so much waits; its listeners must catch up",
            'redis-cli CONFIG SET client-output-buffer-limit "pubsub 33554432 8388608 60"',
        ),
    ),
    (
        "may not run",
        (
            "the ACL of the user in REDIS_URL, or rename-command in redis.conf",
            "ACL SETUSER hubbub on >… ~hub:* &hub* +@all -@dangerous +info",
        ),
    ),
    (
        "its version is",
        ("streams and scripts that the hub needs came later", "Redis 6.2, 7.0 for a Cluster"),
    ),
    (
        "its data has format",
        (
            "processes of another version of the hub have written there",
            "end the other version's processes, or HUB_KEY_PREFIX=another",
        ),
    ),
    (
        "may open",
        (
            "the hard limit of open files, which only root may go beyond",
            "ulimit -Hn 65536; systemd: LimitNOFILE=65536; compose: ulimits: {nofile: 65536}",
        ),
    ),
    (
        "half patched",
        (
            "gunicorn's configuration file, --preload or sitecustomize imported it",
            "import it in the application; take it out of gunicorn.conf.py",
        ),
    ),
    (
        "all listeners come back in one instant",
        ("goodbyes are spread over the grace", "HUB_GRACE_SECONDS=8"),
    ),
    (
        "was killed before",
        (
            "whoever stops it waits for less than HUB_GRACE_SECONDS",
            "compose: stop_grace_period; systemd: TimeoutStopSec; Kubernetes: "
            "terminationGracePeriodSeconds; longer than HUB_GRACE_SECONDS",
        ),
    ),
    ("workers have", VERSIONS),
]


def cause(seen: str) -> tuple[str, str] | None:
    """Why, and what mends it; None where it is not known."""
    return next((found for words, found in _CAUSES if words in seen), None)
