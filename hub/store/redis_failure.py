"""What an error of Redis or of its client means: will it pass, or is it meant?

    `RedisUnavailable`  passes and is worth repeating: no connection, no answer in time, LOADING,
                        READONLY, a slot on its way, no memory, a disk that cannot be written
    `RedisRefused`      does not pass and is for an operator: NOPERM, WRONGPASS, an unknown
                        command, a value too large, a key of another program

Asked wherever an error of the library is caught (`failure_of`), so that every caller draws the line
at the same place. The words are our own: the library's show addresses, pools and user names, and
what is raised here ends up in answers. Redis' own words go to the log, which nobody else reads.
"""

from __future__ import annotations

import logging
import os
import re

from redis.exceptions import AuthenticationError, RedisError, ResponseError
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import TimeoutError as RedisTimeoutError
from redis.sentinel import MasterNotFoundError

from hub.errors import RedisFailure, RedisRefused, RedisUnavailable

log = logging.getLogger("hub.redis")


class TooFewReplicas(RedisError):
    """It was carried out, but too few replicas have it: a failover could lose it."""


DEMOTED = frozenset({"READONLY", "MASTERDOWN"})
"""A server that says so is the wrong one: its address, or its part, belongs to another by now."""

LASTING = frozenset({"OOM", "MISCONF", "NOREPLICAS"})
"""Passes, but not within the seconds that a call goes on trying."""

_PASSING = {
    "OOM": "Redis has no memory left",
    "MISCONF": "Redis cannot write to its disk",
    "NOREPLICAS": "Redis has too few replicas to accept writes",
    "LOADING": "Redis is loading its data",
    "BUSY": "Redis is busy with a script",
    "READONLY": "the server that answers is a replica",
    "MASTERDOWN": "the server that answers is a replica without its primary",
    "CLUSTERDOWN": "the Cluster does not serve this slot",
    "TRYAGAIN": "the slot is on its way to another node",
    "MOVED": "the slot is on another node",
    "ASK": "the slot is on its way to another node",
    "NOSCRIPT": "the script has to be sent again",
    "UNBLOCKED": "the wait was ended by Redis",
}
_CODE = re.compile(r"[A-Z]{2,}\b")
# Redis 6.2 wraps what a script's command was answered, and has the code in the middle.
_WRAPPED_CODE = re.compile(r"@user_script: ?\d+: -([A-Z]{2,})\b")
_ERROR_NUMBER = re.compile(r"\bError (-?\d+) ")
_WANTS_PASSWORD = re.compile(r"AuthenticationError|NoPermissionError|NOAUTH|WRONGPASS|NOPERM")


def failure_of(error: Exception, doing: str = "") -> RedisFailure:
    """The failure to raise in place of `error`, an exception of the client or of the socket.
    `doing` names the command for the log, where it is known and the refusal is logged here."""
    if isinstance(error, RedisFailure):
        return error
    code = code_of(error)
    if code and code not in _PASSING:
        log.error("Redis refuses %s: %s %s", doing or "a command", code, _one_line(error))
        return RedisRefused(_REFUSED.get(code, f"Redis refuses what the hub asks of it ({code})"))
    return RedisUnavailable(_PASSING.get(code) or _lost_in_words(error))


_REFUSED = {
    "NOAUTH": "Redis wants a password (NOAUTH)",
    "WRONGPASS": "Redis does not accept the name and password (WRONGPASS)",
    "NOPERM": "Redis does not permit a command that the hub needs (NOPERM)",
}


def code_of(error: Exception) -> str:
    """The word in front of an error reply (`ERR` where it has none), '' where none was received."""
    if isinstance(error, MasterNotFoundError):
        # The client gathers what each Sentinel said in one text.
        found = _WANTS_PASSWORD.search(str(error))
        return "" if found is None else "NOPERM" if "PERM" in found[0].upper() else "NOAUTH"
    if isinstance(error, ResponseError | AuthenticationError):
        return _code_of_reply(error)
    # redis-py's Cluster says why it found no node only in what it was caused by.
    cause = error.__cause__ or error.__context__
    if isinstance(cause, ResponseError | AuthenticationError):
        return _code_of_reply(cause)
    # BusyLoadingError is a ConnectionError of redis-py's; so is "max number of clients reached".
    known = str(getattr(error, "status_code", "") or "")
    return known if known in _PASSING else ""


def _code_of_reply(error: Exception) -> str:
    known = str(getattr(error, "status_code", "") or "")
    words = str(error)
    if known and known != "ERR":
        return known
    wrapped = _WRAPPED_CODE.search(words)
    if wrapped:
        return wrapped[1]
    if known:
        # What a script may not do is an ERR of some words in Redis 7.0.
        return "NOPERM" if words.startswith("The user executing the script can't") else known
    found = _CODE.match(words)
    return found[0] if found else "ERR"


def _lost_in_words(error: Exception) -> str:
    if isinstance(error, TooFewReplicas):
        return str(error)
    if isinstance(error, MasterNotFoundError):
        return "no Sentinel names a primary"
    if isinstance(error, RedisTimeoutError | TimeoutError):
        return "Redis does not answer in time"
    number = _ERROR_NUMBER.search(str(error))
    if number and int(number[1]) > 0:
        return f"Redis cannot be reached: {os.strerror(int(number[1]))}"
    if isinstance(error, OSError) and error.errno:
        return f"Redis cannot be reached: {os.strerror(error.errno)}"
    if isinstance(error, RedisConnectionError | OSError):
        return "the connection to Redis was lost"
    return f"Redis cannot be asked ({type(error).__name__})"


def _one_line(error: Exception) -> str:
    return str(error).partition("\n")[0]
