"""A web process dies or is asked to end: its listeners return to another one and miss nothing."""

from __future__ import annotations

import json
import os
import signal
import time
from contextlib import ExitStack
from functools import partial

from tests.conftest import StartStack
from tests.faults.conftest import MakeAudience, StartPublisher
from tests.support.deadline import eventually, patience
from tests.support.stack import Web, descendants

GRACE_SECONDS = 4


def serving(web: Web) -> list[int]:
    """The ids of gunicorn's worker processes."""
    return [pid for pid, line in descendants(web.pid).items() if "gunicorn" in line]


def gone(web: Web, pid: int) -> bool:
    return pid not in serving(web)


def test_a_killed_web_process_costs_its_listeners_a_reconnect_and_no_event(
    stack: StartStack, audience: MakeAudience, publish: StartPublisher
) -> None:
    hub = stack(env={"WEB_CONCURRENCY": "2"}, workers=0)
    eventually(lambda: len(serving(hub.web)) == 2)
    listeners = audience([hub.url], "news", count=16)
    publisher = publish([hub.url], "news").reached(30)
    for _ in range(2):
        victim = serving(hub.web)[0]
        os.kill(victim, signal.SIGKILL)
        eventually(partial(gone, hub.web, victim))
        publisher.further(30)
    listeners.has_all(publisher.finish())
    returned = [listener for listener in listeners.listeners if listener.streams > 1]
    assert returned, "nobody was connected to the process that died"


def test_a_whole_web_server_that_is_killed_and_started_again_costs_no_event(
    stack: StartStack, audience: MakeAudience, publish: StartPublisher
) -> None:
    hub = stack(webs=2, workers=0)
    stays, dies = hub.webs
    listeners = audience([dies.url], "news")
    publisher = publish([stays.url], "news").reached(30)
    dies.kill()
    publisher.further(100)
    dies.start()
    listeners.has_all(publisher.finish())
    assert all(listener.streams == 2 for listener in listeners.listeners)


def test_sigterm_tells_every_stream_and_spreads_their_ends_and_returns_over_the_grace(
    stack: StartStack, audience: MakeAudience, publish: StartPublisher
) -> None:
    hub = stack(env={"HUB_GRACE_SECONDS": str(GRACE_SECONDS)}, webs=2, workers=0)
    ending, staying = hub.webs
    # They begin at the one that ends, and return to the other.
    for _ in range(24):
        listeners = audience([ending.url, staying.url], "news", count=1)
    publisher = publish([staying.url], "news").reached(30)
    began = time.monotonic()
    assert ending.terminate(within_seconds=GRACE_SECONDS + 2) == 0
    seconds = time.monotonic() - began
    publisher.further(30)
    listeners.has_all(publisher.finish())
    told = [retry for listener in listeners.listeners for retry in listener.retries_ms]
    assert [dict(each.closings) for each in listeners.listeners] == [{"shutdown": 1}] * 24
    assert len(set(told)) > 18, f"they would come back together: {sorted(told)}"
    assert GRACE_SECONDS / 2 < seconds < GRACE_SECONDS + 2


def test_sigterm_under_load_answers_what_was_accepted_and_acknowledges_nothing_false(
    stack: StartStack, audience: MakeAudience, publish: StartPublisher
) -> None:
    hub = stack(env={"WEB_CONCURRENCY": "2", "HUB_GRACE_SECONDS": "1"}, webs=2, workers=0)
    urls = [web.url for web in hub.webs]
    listeners = audience(urls, "news", count=12)
    publishers = publish(urls, "news", batch=3, pause_seconds=0).reached(30)
    for web in hub.webs:
        web.terminate()
        web.start()
        publishers.further(30)
    listeners.has_all(publishers.finish())


def test_a_web_process_that_stood_still_catches_up_without_a_gap(
    stack: StartStack, audience: MakeAudience, publish: StartPublisher
) -> None:
    hub = stack(webs=2, workers=0)
    still, going = hub.webs
    listeners = audience([still.url], "news", count=6, silence_seconds=20)
    publisher = publish([going.url], "news", batch=20, pause_seconds=0).reached(20)
    still.pause()
    publisher.further(2000)
    still.resume()
    listeners.has_all(publisher.finish())
    assert all(listener.streams == 1 for listener in listeners.listeners)


def test_the_listeners_of_a_killed_process_are_gone_from_the_count_within_a_heartbeat_period(
    stack: StartStack,
) -> None:
    period_seconds = 3
    hub = stack(env={"HUB_HEARTBEAT_SECONDS": str(period_seconds)}, webs=2, workers=0)
    stays, dies = hub.webs
    with ExitStack() as streams:
        watching = streams.enter_context(stays.events("news", query={"heartbeat": 1}))
        for _ in range(5):
            streams.enter_context(dies.events("news")).next("subscribed")

        def told() -> int:
            found: int = json.loads(watching.next("heartbeat").data)["listeners"]["news"]
            return found

        eventually(lambda: told() == 6)
        dies.kill()
        died = time.monotonic()
        eventually(lambda: told() == 1)
        # The beat that says so may itself be a second away.
        assert time.monotonic() - died < (period_seconds + 1.5) * patience()
