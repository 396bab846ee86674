"""What takes longer through the four proxies of docs/proxies.md (`make test-fronts`): 75 seconds of
silence, and ten tabs under a prefix. The rest is in `test_proxies.py`."""

from __future__ import annotations

import select
import time
from collections.abc import Callable, Iterator
from itertools import product

import pytest

from tests.browser.fronts import KINDS, PREFIXES, Front
from tests.browser.test_proxies import context, hear_over_http_2, shared
from tests.support.shared import Shared
from tests.support.stream import EventStream

__all__ = ["context", "shared"]

pytestmark = pytest.mark.filterwarnings("ignore:Unverified HTTPS request")

SILENCE_SECONDS = 75


@pytest.fixture(scope="module")
def fronts(shared: Shared, tmp_path_factory: pytest.TempPathFactory) -> Iterator[list[Front]]:
    """All four at both places, with the very lines of the page."""
    made = [
        Front(kind, shared.hub, prefix, tmp_path_factory.mktemp(kind.program))
        for kind, prefix in product(KINDS, PREFIXES)
    ]
    try:
        for front in made:
            front.start()
        yield made
    finally:
        for front in made:
            front.end()


def test_a_stream_on_which_nothing_comes_for_75_seconds_hears_the_next_event_at_once(
    fronts: list[Front], shared: Shared, listen: Callable[..., EventStream]
) -> None:
    """Not even a heartbeat: nginx, Apache and HAProxy would cut it after 60 s or less by
    themselves. And one with the heartbeats that there are unless a client asks for others."""
    silent = [
        listen(f"{front.url}/channels/silent/events", query={"heartbeat": 300}) for front in fronts
    ]
    beating = [
        listen(f"{front.url}/channels/silent/events", query={"heartbeat": 15}) for front in fronts
    ]
    for stream in (*silent, *beating):
        stream.next("subscribed")
    # The first beat of a listener comes anywhere within its 300 s, so within one silence or the
    # other each stream has none.
    beats = []
    for _ in range(2):
        time.sleep(SILENCE_SECONDS)  # it is what is tested
        beats.append([_beat_came(stream) for stream in silent])
    assert not any(map(all, zip(*beats, strict=True)))
    shared.hub.publish("silent", "at last")
    for stream in (*silent, *beating):
        assert stream.next("message", within_seconds=3).data == "at last"
    for stream in beating:
        assert sum(event.event == "heartbeat" for event in stream.events) >= 8


def _beat_came(stream: EventStream) -> bool:
    readable = bool(select.select([stream.socket], [], [], 0)[0])
    if readable:
        stream.next("heartbeat")
    return readable


@pytest.mark.browser
@pytest.mark.parametrize("number", range(len(KINDS) * len(PREFIXES)))
def test_ten_tabs_with_a_stream_each_hear_over_one_http_2_connection(
    number: int, fronts: list[Front], shared: Shared, context: object
) -> None:
    hear_over_http_2(fronts[number], shared, context, f"tabs-{number}")  # type: ignore[arg-type]
