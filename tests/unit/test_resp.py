"""Commands of megabytes on their way to Redis."""

from __future__ import annotations

import hiredis
import pytest

from hub.event import Event
from hub.store import resp
from hub.store.frame import StoredEvent
from hub.store.history import History

COMMAND = ("EVALSHA", "sha", 2, "key", "ß", b"\x00\r\n", "", 1.5, "x" * 3_000_000, b"y" * 300_000)


def test_they_are_the_bytes_that_hiredis_makes_of_them() -> None:
    assert b"".join(resp.packed(COMMAND)) == hiredis.pack_command(COMMAND)
    assert b"".join(resp.pieces([COMMAND, ("PING",)])) == hiredis.pack_command(
        COMMAND
    ) + hiredis.pack_command(("PING",))


@pytest.mark.parametrize("known", [True, False], ids=["script known", "script unknown"])
def test_a_large_append_is_stored_whole_and_lets_others_run(
    real_history: History, known: bool
) -> None:
    if not known:
        real_history.link.client.script_flush()
    steps = 0

    def step() -> None:
        nonlocal steps
        steps += 1

    texts = [f"{n} " + "\n" * 20_000 for n in range(40)]
    stored = real_history.append("news", [Event(text) for text in texts], step=step)
    page = real_history.read("news", "0-0", limit_bytes=1 << 24)
    assert [StoredEvent.of(frame).data for frame in page.frames] == texts
    assert [frame.id for frame in page.frames] == stored.ids
    assert steps > len(texts)
