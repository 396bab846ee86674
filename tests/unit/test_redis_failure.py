"""Which answers of Redis pass, and that none of its innards shows."""

from __future__ import annotations

import pytest
from redis.exceptions import (
    AuthenticationError,
    BusyLoadingError,
    ClusterDownError,
    NoPermissionError,
    OutOfMemoryError,
    ReadOnlyError,
    RedisClusterException,
    ResponseError,
)
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import TimeoutError as RedisTimeoutError
from redis.sentinel import MasterNotFoundError

from hub.errors import RedisRefused, RedisUnavailable
from hub.store.redis_failure import TooFewReplicas, code_of, failure_of

ADDRESS = "Error 111 connecting to 10.1.2.3:6379. Connection refused."
OLD_WRAPPING = "Error running script (call to f_6b1b): @user_script:1: @user_script: 1: "


@pytest.mark.parametrize(
    "error",
    [
        RedisConnectionError(ADDRESS),
        RedisTimeoutError("Timeout reading from 10.1.2.3:6379"),
        BusyLoadingError("Redis is loading the dataset in memory"),
        ReadOnlyError("You can't write against a replica.", status_code="READONLY"),
        ClusterDownError("CLUSTERDOWN The cluster is down"),
        OutOfMemoryError("command not allowed", status_code="OOM"),
        ResponseError("MISCONF Redis is configured to save RDB snapshots, but …"),
        ResponseError("NOREPLICAS Not enough good replicas to write."),
        ResponseError("BUSY Redis is busy running a script."),
        ResponseError(f"{OLD_WRAPPING}-OOM command not allowed when used memory > 'maxmemory'."),
        ResponseError(f"{OLD_WRAPPING}-READONLY You can't write against a read only replica."),
        RedisConnectionError("max number of clients reached"),
        MasterNotFoundError("No master found for 'hub' : Redis<Pool<10.1.2.3>> - TimeoutError()"),
        RedisClusterException("Redis Cluster cannot be connected: 10.1.2.3:7000"),
        ConnectionResetError(104, "Connection reset by peer"),
        TooFewReplicas("0 of 1 replicas have it"),
    ],
    ids=lambda error: str(error)[:40],
)
def test_what_passes_is_unavailable_and_shows_no_address(error: Exception) -> None:
    failure = failure_of(error)

    assert isinstance(failure, RedisUnavailable)
    assert "10.1.2.3" not in failure.detail
    assert "<" not in failure.detail


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (NoPermissionError("no permissions to run 'xadd'", status_code="NOPERM"), "NOPERM"),
        (ResponseError("The user executing the script can't", status_code="ERR"), "NOPERM"),
        (ResponseError("NOPERM No permissions to access a channel"), "NOPERM"),
        (ResponseError("unknown command 'EVALSHA', with args beginning with: …"), "ERR"),
        (ResponseError("Protocol error: invalid bulk length"), "ERR"),
        (ResponseError("string exceeds maximum allowed size (proto-max-bulk-len)"), "ERR"),
        (ResponseError("WRONGTYPE Operation against a key holding the wrong kind"), "WRONGTYPE"),
        (ResponseError(f"{OLD_WRAPPING}Unknown Redis command called from Lua script"), "ERR"),
        (AuthenticationError("WRONGPASS invalid username-password pair"), "WRONGPASS"),
        (AuthenticationError("NOAUTH Authentication required."), "NOAUTH"),
        (MasterNotFoundError("No master … - AuthenticationError('Authentication')"), "NOAUTH"),
    ],
    ids=lambda value: str(value)[:40],
)
def test_what_does_not_pass_is_refused(error: Exception, code: str) -> None:
    assert code_of(error) == code
    assert isinstance(failure_of(error), RedisRefused)


def test_the_log_names_the_command_that_was_refused(caplog: pytest.LogCaptureFixture) -> None:
    failure_of(
        NoPermissionError("this user has no permissions to run the 'xadd' command"), "append"
    )

    assert "append" in caplog.text
    assert "'xadd'" in caplog.text


def test_a_refusal_is_said_once_in_a_while_and_another_at_once(
    caplog: pytest.LogCaptureFixture,
) -> None:
    for _ in range(3):
        failure_of(NoPermissionError("this user may not", status_code="NOPERM"), "renew")
    failure_of(NoPermissionError("this user may not", status_code="NOPERM"), "claim")

    assert [record.getMessage() for record in caplog.records] == [
        "Redis refuses renew: NOPERM this user may not",
        "Redis refuses claim: NOPERM this user may not",
    ]
