"""Do streams come through? Asked from where the clients are, through whatever stands in between.

Each check says what it saw; one that fails says what usually causes it. It publishes a few events
to a channel of its own.
"""

from __future__ import annotations

import argparse
import json
import secrets
import time
from collections.abc import Callable, Generator
from contextlib import closing

from hub.client.remote import Remote, RemoteError
from hub.showing import say, without_passwords
from hub.sse import Parsed

SLOW_SECONDS = 2.0


_Stream = Generator[Parsed, None, None]


class Ill(Exception):
    """What is wrong, and what usually causes it."""


def run(remote: Remote, args: argparse.Namespace) -> int:
    """Print one line for each check; 0 when all is well."""
    channel = f"doctor-{secrets.token_hex(6)}"
    checks: list[tuple[str, Callable[[Remote, str], str]]] = [
        ("the hub answers", _answers),
        ("it is ready for work", _ready),
        ("a stream begins at once", _begins),
        ("events come through one by one", _comes_through),
        ("heartbeats come in time", _beats),
        ("whoever returns misses nothing", _resumes),
    ]
    well = True
    for name, check in checks:
        try:
            say(f"ok    {name}: {check(remote, channel)}")
        except (Ill, RemoteError) as error:
            say(f"ILL   {name}: {error}")
            well = False
            if check is _answers:
                break
    return 0 if well else 1


def _answers(remote: Remote, channel: str) -> str:
    remote.call("GET", "/healthz")
    return without_passwords(remote.url)


def _ready(remote: Remote, channel: str) -> str:
    """What the hub's processes have asked their Redis at the start is asked again for this."""
    found = remote.call("GET", "/readyz")
    warnings = found.get("warnings", [])
    return "; but of its Redis: ".join(["Redis and a worker are there", *warnings])


def _begins(remote: Remote, channel: str) -> str:
    began = time.monotonic()
    with closing(_stream(remote, channel)) as events:
        first = next(events)
    took = time.monotonic() - began
    if first.event != "subscribed":
        raise Ill(f"the first event is {first.event!r} and not the hub's: is this a hub?")
    if took > SLOW_SECONDS:
        raise Ill(f"after {took:.1f} s. {_BUFFERED}")
    return f"{took * 1000:.0f} ms"


def _comes_through(remote: Remote, channel: str) -> str:
    slowest = 0.0
    with closing(_stream(remote, channel)) as events:
        next(events)
        for number in range(5):
            sent = time.monotonic()
            remote.publish(channel, str(number))
            event = _next_published(events)
            slowest = max(slowest, time.monotonic() - sent)
            if event.data != str(number):
                raise Ill(f"{event.data!r} arrived in place of {number}")
    if slowest > SLOW_SECONDS:
        raise Ill(f"the slowest took {slowest:.1f} s. {_BUFFERED}")
    return f"the slowest took {slowest * 1000:.0f} ms from publishing to receiving"


def _beats(remote: Remote, channel: str) -> str:
    began = time.monotonic()
    with closing(_stream(remote, channel)) as events:
        for event in events:
            if event.event == "heartbeat":
                break
    took = time.monotonic() - began
    if took > 1 + SLOW_SECONDS:
        raise Ill(f"the first of one each second came after {took:.1f} s. {_BUFFERED}")
    return f"{took:.1f} s, where one each second was asked for"


def _resumes(remote: Remote, channel: str) -> str:
    first = remote.publish(channel, "before")
    remote.publish(channel, "while away")
    with closing(_stream(remote, channel, after=first)) as events:
        verdict = json.loads(next(events).data)["channels"][channel]
        event = _next_published(events)
    if not verdict["recovered"] or event.data != "while away":
        raise Ill("an event was lost. Does something take Last-Event-ID out of the requests?")
    return "the event was replayed"


def _stream(remote: Remote, channel: str, after: str | None = None) -> _Stream:
    return remote.events(f"/channels/{channel}/events", {"heartbeat": "1"}, after)


def _next_published(events: _Stream) -> Parsed:
    give_up = time.monotonic() + 15
    for event in events:
        if event.event == "message":
            return event
        if time.monotonic() > give_up:
            break
    raise Ill(f"an event that was published did not arrive. {_BUFFERED}")


_BUFFERED = (
    "Something in between holds the stream back: in nginx set proxy_buffering off and gzip off for "
    "it, elsewhere look for buffering, compression or a virus scanner"
)
