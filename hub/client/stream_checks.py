"""The doctor's checks of streams, through whatever stands in between."""

from __future__ import annotations

import json
import time
from contextlib import closing

from hub.client.finding import Ill, Patient, Stream
from hub.client.remote import RemoteError, channel_path
from hub.sse import CONTENT_TYPE, Parsed

SLOW_SECONDS = 2.0
SILENT_SECONDS = 6.0
"""After which nothing more is awaited of a stream that beats each second."""


def untouched(patient: Patient) -> str:
    """Asked for like a browser, which takes gzip."""
    kinds = {"Accept": CONTENT_TYPE.partition(";")[0], "Accept-Encoding": "gzip, deflate, br"}
    path, beating = f"{channel_path(patient.channel)}/events", {"heartbeat": "1"}
    try:
        answer = patient.remote.answer(
            "GET", path, headers=kinds, params=beating, stream=True, timeout=SILENT_SECONDS
        )
    except RemoteError as error:
        raise _silent(error) from None
    with answer:
        encoding = answer.headers.get("Content-Encoding", "identity")
        kind = answer.headers.get("Content-Type", "")
        caching = answer.headers.get("Cache-Control", "")
    if encoding != "identity":
        raise Ill(
            f"the stream comes as {encoding}",
            "a proxy compresses it, and holds events back until it has a block",
            "nginx: gzip off; Apache: SetEnv no-gzip 1; Caddy: encode only what is not "
            "text/event-stream",
        )
    if not kind.startswith("text/event-stream") or "no-transform" not in caching:
        raise Ill(
            f"its head was changed: Content-Type {kind!r}, Cache-Control {caching!r}",
            "a proxy or a cache writes heads of its own",
            "let Content-Type and Cache-Control pass, and cache nothing below /channels and "
            "/generations",
        )
    return "not compressed, its head as the hub wrote it"


def begins(patient: Patient) -> str:
    began = time.monotonic()
    with closing(_stream(patient)) as events:
        first = _next(events)
    took = time.monotonic() - began
    if first.event != "subscribed":
        raise Ill(
            f"the first event is {first.event!r} and not the hub's",
            "something else than a hub answers, or the hub is full",
        )
    if took > SLOW_SECONDS:
        raise _held_back(f"after {took:.1f} s")
    return f"{took * 1000:.0f} ms"


def comes_through(patient: Patient) -> str:
    slowest = 0.0
    with closing(_stream(patient)) as events:
        _next(events)
        for number in range(5):
            sent = time.monotonic()
            patient.remote.publish(patient.channel, str(number))
            event = _next_published(events)
            slowest = max(slowest, time.monotonic() - sent)
            if event.data != str(number):
                raise Ill(f"{event.data!r} arrived in place of {number}")
    if slowest > SLOW_SECONDS:
        raise _held_back(f"the slowest took {slowest:.1f} s")
    return f"the slowest took {slowest * 1000:.0f} ms from publishing to receiving"


def beats(patient: Patient) -> str:
    began = time.monotonic()
    with closing(_stream(patient)) as events:
        for event in events:
            if event.event == "heartbeat":
                break
    took = time.monotonic() - began
    if took > 1 + SLOW_SECONDS:
        raise _held_back(f"the first of one each second came after {took:.1f} s")
    return f"{took:.1f} s, where one each second was asked for"


def stays_open(patient: Patient) -> str:
    """With the heartbeats of a browser's stream, two of them: half a minute at most."""
    began, beats, times_begun = time.monotonic(), 0, 0
    path = f"{channel_path(patient.channel)}/events"
    with closing(patient.remote.events(path, {"heartbeat": "15"})) as events:
        for event in events:
            times_begun += event.event == "subscribed"
            beats += event.event == "heartbeat"
            if times_begun > 1:
                raise Ill(
                    f"a silent stream was cut; it began again after {_since(began)}",
                    "something in between closes what is silent for less than the 15 s between "
                    "two heartbeats",
                    "nginx: proxy_read_timeout 75s; HAProxy: timeout tunnel 1h; "
                    "others: docs/proxies.md",
                )
            if beats == 2:
                break
    return f"for {_since(began)}, with a heartbeat every 15 s"


def resumes(patient: Patient) -> str:
    first = patient.remote.publish(patient.channel, "before")
    patient.remote.publish(patient.channel, "while away")
    with closing(_stream(patient, after=first)) as events:
        verdict = json.loads(_next(events).data)["channels"][patient.channel]
        # Without the header the hub takes it for a new listener: recovered, and nothing to replay.
        kept = verdict["recovered"] and verdict["replayed"] > 0
        event = _next_published(events) if kept else None
    if event is None or event.data != "while away":
        raise Ill(
            "an event was lost",
            "something takes Last-Event-ID out of the requests, or Redis drops what it keeps",
            "let the header pass; in Redis: maxmemory-policy noeviction",
        )
    return "the event was replayed"


def _stream(patient: Patient, after: str | None = None) -> Stream:
    """It beats each second, and is not asked for again: what is silent is held back."""
    path, beating = f"{channel_path(patient.channel)}/events", {"heartbeat": "1"}
    try:
        yield from patient.remote.events(
            path, beating, after, tries=0, silence_seconds=SILENT_SECONDS
        )
    except RemoteError as error:
        raise _silent(error) from None


def _silent(error: RemoteError) -> Exception:
    """What is said of a stream that cannot be read: a refusal by the hub is that."""
    return error if error.status else _held_back(f"nothing came for {SILENT_SECONDS:.0f} s")


def _next(events: Stream) -> Parsed:
    event = next(events, None)
    if event is None:
        raise Ill("the stream ended before its first event", "the hub is stopping, or is full")
    return event


def _next_published(events: Stream) -> Parsed:
    give_up = time.monotonic() + 15
    for event in events:
        if event.event == "message":
            return event
        if time.monotonic() > give_up:
            break
    raise _held_back("an event that was published did not arrive")


def _held_back(seen: str) -> Ill:
    return Ill(
        seen,
        "something in between gathers the stream before it passes it on: a proxy's buffer, "
        "compression, a virus scanner",
        "nginx: proxy_buffering off; gzip off; others: docs/proxies.md",
    )


def _since(began: float) -> str:
    return f"{time.monotonic() - began:.0f} s"
