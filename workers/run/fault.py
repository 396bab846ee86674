"""What a generation is told when the attempt at it breaks, whatever broke.

A fault that would come again with the next attempt ends the generation at this one, in words and
with a code: three paid answers and `worker-lost` would say less. The traceback is in the log.

| what broke | code |
| --- | --- |
| Redis refuses the append for good | `redis-refused` |
| a piece of the answer is no JSON, or larger than an event may be | `provider-malformed` |
| anything else | `internal` |
"""

from __future__ import annotations

import logging

from hub.errors import RedisRefused, TooLarge
from workers.generation import Terminal
from workers.provider import failure

log = logging.getLogger("workers.run")

INTERNAL = "internal"


def terminal_for(error: Exception, generation_id: str) -> Terminal:
    """The end of the generation that `error` broke; the error goes into the log."""
    if isinstance(error, RedisRefused):
        log.error("generation is refused id=%s: %s", generation_id, error.detail)
        return Terminal.failed(error.code, error.detail, retryable=False)
    log.error("generation breaks id=%s", generation_id, exc_info=error)
    if isinstance(error, TooLarge):
        return Terminal.failed(
            failure.MALFORMED,
            f"a piece of the answer is larger than an event may be ({error.detail})",
            retryable=False,
        )
    if isinstance(error, ValueError | TypeError | RecursionError):  # UnicodeError is a ValueError
        return Terminal.failed(
            failure.MALFORMED, "a piece of the answer cannot be written as JSON", retryable=False
        )
    return Terminal.failed(INTERNAL, "something went wrong here", retryable=True)
