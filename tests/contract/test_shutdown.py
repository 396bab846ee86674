"""Contract §2, §8: SIGTERM tells every stream `closing`, ends them within the grace, loses
nothing."""

from __future__ import annotations

import json
import signal
import time
from collections.abc import Callable

import pytest

from tests.contract.conftest import OwnHub
from tests.support.deadline import patience
from tests.support.stream import EventStream
from tests.support.valkey import Valkey

pytestmark = pytest.mark.slow

Listen = Callable[..., EventStream]
GRACE_SECONDS = 2
STREAMS = 12


def test_sigterm_tells_each_stream_when_to_come_back_and_ends_them_within_the_grace(
    own_hub: OwnHub, start_valkey: Callable[..., Valkey], channel: str, listen: Listen
) -> None:
    redis = start_valkey()
    hub = own_hub(redis.url, HUB_GRACE_SECONDS=str(GRACE_SECONDS))
    url = f"{hub.url}/channels/{channel}/events"
    streams = [listen(url) for _ in range(STREAMS)]
    quiet = listen(url, query={"quiet": 1})
    for stream in streams:
        stream.next("subscribed")
    last = hub.publish(channel, "the last")
    told = time.monotonic()
    hub.signal(signal.SIGTERM)
    closings, ended = [], []
    for stream in streams:
        stream.to_end(within_seconds=GRACE_SECONDS + 2)
        ended.append(stream.received_at[-1] - told)
        assert stream.clean
        assert [event.id for event in stream.published] == [last]
        assert [event.event for event in stream.events[-1:]] == ["closing"]
        closings.append(stream.events[-1])
    assert max(ended) < GRACE_SECONDS
    assert all(
        json.loads(closing.data) == {"reason": "shutdown", "reconnect": True}
        for closing in closings
    )
    assert len({closing.retry_ms for closing in closings}) > STREAMS / 2
    quiet.to_end()
    assert b"event:" not in quiet.raw
    assert quiet.raw.count(b"retry: ") == 2
    assert hub.wait(GRACE_SECONDS + 3) == 0
    assert time.monotonic() - told < (GRACE_SECONDS + 3) * patience()

    other = own_hub(redis.url)
    missed = other.publish(channel, "while away")
    for stream in streams:
        again = listen(f"{other.url}/channels/{channel}/events", last_event_id=stream.last_id)
        assert again.take(1)[0].id == missed
        again.close()


@pytest.mark.parametrize("way", ["taken over"])
def test_the_ends_are_spread_over_the_grace(
    own_hub: OwnHub, start_valkey: Callable[..., Valkey], channel: str, listen: Listen
) -> None:
    hub = own_hub(start_valkey().url, HUB_GRACE_SECONDS=str(GRACE_SECONDS))
    streams = [listen(f"{hub.url}/channels/{channel}/events") for _ in range(STREAMS)]
    for stream in streams:
        stream.next("subscribed")
    hub.signal(signal.SIGTERM)
    waiting = list(streams)
    ends: list[float] = []
    while waiting:
        for stream in waiting:
            stream.socket.settimeout(0.01)
            try:
                stream.feed_some()
            except TimeoutError:
                pass
        ends += [time.monotonic() for stream in waiting if stream.ended]
        waiting = [stream for stream in waiting if not stream.ended]
    assert ends[-1] - ends[0] > GRACE_SECONDS / 3
