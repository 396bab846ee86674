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
import math
import os
import re
import time

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
_UNAUTHENTICATED = "Protocol error: unauthenticated"
"""Redis bears no long command of a connection that has shown no password."""
_ASKED_SENTINEL = re.compile(r"<redis\.client\.Redis\(.*?host=([^,]*),port=(\d+).*?\)>\)>\)>")
_ERROR_NUMBER = re.compile(r"\bError (-?\d+) ")
_WANTS_PASSWORD = re.compile(r"AuthenticationError|NoPermissionError|NOAUTH|WRONGPASS|NOPERM")


def failure_of(error: Exception, doing: str = "") -> RedisFailure:
    """The failure to raise in place of `error`, an exception of the client or of the socket.
    `doing` names the command for the log, where it is known and the refusal is logged here."""
    if isinstance(error, RedisFailure):
        return error
    code = code_of(error)
    if code and code not in _PASSING:
        _tell(f"Redis refuses {doing or 'a command'}: {code} {_one_line(error)}")
        return RedisRefused(_refusal(code, str(_reply_behind(error))))
    return RedisUnavailable(_PASSING.get(code) or _lost_in_words(error))


_TOLD_SECONDS = 10.0
_MOST_TOLD = 64
_told: dict[str, float] = {}


def _tell(line: str) -> None:
    """Log it, unless it was said a moment ago: every loop of a process asks again and again."""
    now = time.monotonic()
    if now < _told.get(line, -math.inf) + _TOLD_SECONDS:
        return
    if len(_told) >= _MOST_TOLD:
        _told.clear()
    _told[line] = now
    log.error(line)


def _refusal(code: str, words: str) -> str:
    command = _NOT_PERMITTED.search(words) if code == "NOPERM" else None
    if command:
        return f"Redis does not permit {command[1]}, which the hub needs (NOPERM)"
    if "cluster support disabled" in words:
        return "Redis is no Cluster: REDIS_URL must not begin with redis+cluster://"
    return _REFUSED.get(code, f"Redis refuses what the hub asks of it ({code})")


_NOT_PERMITTED = re.compile(r"permissions to run the '([a-z|]+)' command")
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
    reply = _reply_behind(error)
    if reply is not None:
        return _code_of_reply(reply)
    # BusyLoadingError is a ConnectionError of redis-py's; so is "max number of clients reached".
    known = str(getattr(error, "status_code", "") or "")
    return known if known in _PASSING else ""


def _reply_behind(error: Exception) -> Exception | None:
    """The error reply that an error stands for. redis-py's Cluster says why it found no node only
    in what it was caused by."""
    found: BaseException | None = error
    while found is not None:
        if isinstance(found, ResponseError | AuthenticationError):
            return found
        found = found.__cause__ or found.__context__
    return None


def _code_of_reply(error: Exception) -> str:
    known = str(getattr(error, "status_code", "") or "")
    words = str(error)
    if known and known != "ERR":
        return known
    if _UNAUTHENTICATED in words:
        return "NOAUTH"
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
    """Of a Sentinel, where redis-py shows its client with all its innards, the address."""
    return _ASKED_SENTINEL.sub(r"\1:\2", str(error).partition("\n")[0])
