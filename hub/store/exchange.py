"""Commands on a connection of redis-py's pool, past its own sending."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

from redis.exceptions import ResponseError

from hub.json_text import go_on
from hub.store import resp

Step = Callable[[], None]
"""What is called between the steps of what is large: it may let others run."""


def exchange(pool: Any, commands: Sequence[tuple[object, ...]], step: Step = go_on) -> list[Any]:
    """Send commands together on one connection; their replies, errors among them. With a `step`
    they leave in pieces, between which it is called."""
    connection = pool.get_connection()
    replies: list[Any] = []
    try:
        packed: Iterable[bytes]
        if step is go_on:
            packed = [b"".join(connection.pack_commands(commands))]  # in one write
        else:
            packed = _stepping(resp.pieces(commands), step)
        connection.send_packed_command(packed)
        while len(replies) < len(commands):
            try:
                replies.append(connection.read_response())
            except ResponseError as error:
                replies.append(error)
        return replies
    finally:
        if len(replies) < len(commands):  # nobody may read what is left on it
            connection.disconnect()
        pool.release(connection)


def _stepping(pieces: Iterable[bytes], step: Step) -> Iterator[bytes]:
    for piece in pieces:
        yield piece
        step()
