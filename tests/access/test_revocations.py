"""The set of revoked tokens in a process, on a real Valkey."""

from __future__ import annotations

import gevent
import pytest
from gevent.event import Event

from hub.access.revocations import Revocations
from hub.fanout.endings import Endings
from hub.fanout.feed import Feed
from hub.fanout.loops import Loops
from hub.fanout.turns import Turns
from hub.store.redis_link import RedisLink


@pytest.mark.parametrize("reading", [False, True], ids=["while it waits", "while it reads"])
def test_where_their_loop_is_killed_what_was_missed_is_read_all_the_same(
    real_link: RedisLink, monkeypatch: pytest.MonkeyPatch, reading: bool
) -> None:
    loops, gate = Loops(), Event()
    here = Revocations(real_link, Feed(real_link, Turns(), loops), Endings(), loops)
    assert not here.is_revoked("t1")
    [loop] = [loop for loop in loops.loops() if loop.name == "revocations"]
    gevent.sleep(0)
    Revocations(real_link, Feed(real_link, Turns(), Loops()), Endings(), Loops()).revoke("t1", None)
    if reading:
        load = here._load
        monkeypatch.setattr(here, "_load", lambda: (gate.wait(), load()))
        here.confirmed()
        gevent.sleep(0)
    loop.greenlet.kill()
    gate.set()
    if not reading:
        here.confirmed()
    give_up = gevent.Timeout.start_new(5)
    while not here.is_revoked("t1"):
        gevent.sleep(0.01)
    give_up.cancel()
    assert loops.restarts["revocations"] == 1
    loops.stop()


def test_a_token_that_is_over_may_be_revoked_and_nothing_of_it_is_kept(
    real_link: RedisLink,
) -> None:
    loops = Loops()
    here = Revocations(real_link, Feed(real_link, Turns(), loops), Endings(), loops)
    here.revoke("over", 2735.0)
    here.revoke("later", None)
    key = real_link.keys.key("tokens", "revoked")
    assert real_link.call(lambda client: client.zrange(key, 0, -1)) == [b"later"]
    loops.stop()
