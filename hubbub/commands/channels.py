"""`publish` and `listen`."""

from __future__ import annotations

import json
import sys
import threading
from collections.abc import Iterator, Sequence
from queue import Empty, Queue

import click

from hub.client.remote import Remote, RemoteError, channel_path
from hub.event import OWN_TYPES, compact_json
from hub.showing import say
from hub.sse import Parsed
from hubbub.commands import given
from hubbub.commands.address import to_a_hub

MOST_LINES = 1000
MOST_BYTES = 8 * 2**20
"""What one request may hold (contract §3)."""
MOST_CHANNELS = 8
"""Of one stream (contract §2)."""


@click.command()
@click.argument("channel", type=given.CHANNEL)
@click.argument("data", required=False)
@click.option("--event", help="The event's type. Default: message.")
@click.option("--json", "as_json", is_flag=True, help="DATA is JSON, and is checked here.")
@click.option(
    "--ndjson",
    is_flag=True,
    help='Standard input holds events, one {"event":…,"data":…} a line, sent as they come.',
)
@click.option("--key", help="An Idempotency-Key: the same command again publishes nothing.")
@to_a_hub
def publish(
    remote: Remote,
    channel: str,
    data: str | None,
    event: str | None,
    as_json: bool,
    ndjson: bool,
    key: str | None,
) -> int:
    """Publish an event and print its id.

    DATA is read from standard input where it is - or missing.

    \b
    Examples:
      hubbub publish news "It works"
      hubbub publish news --event notice --json '{"title": "It works"}'
      make 2>&1 | hubbub publish builds
      jq -c '{data: .}' items.json | hubbub publish items --ndjson
    """
    if ndjson:
        if data is not None or event is not None or as_json:
            raise click.UsageError("--ndjson takes data and types from standard input alone")
        return _publish_lines(remote, channel, key)
    text = given.text(data, "DATA")
    say(remote.publish(channel, _json(text) if as_json else text, event, key=key))
    return 0


@click.command()
@click.argument("channel", type=given.CHANNEL, nargs=-1, required=True)
@click.option("--after", metavar="EVENT-ID", help="Begin after this event.")
@click.option(
    "--from",
    "start",
    type=click.Choice(["now", "start", "snapshot"]),
    help="Where to begin without --after. Default: now.",
)
@click.option("--count", type=click.IntRange(min=1), help="Stop after so many events.")
@click.option("--json", "as_json", is_flag=True, help="Every event as a JSON object on a line.")
@to_a_hub
def listen(
    remote: Remote,
    channel: tuple[str, ...],
    after: str | None,
    start: str | None,
    count: int | None,
    as_json: bool,
) -> int:
    """Print events as they come, also after a break of the connection.

    Up to 8 channels share one connection. Whatever was lost is said on standard error, and with
    --json also as an event `gap`.

    \b
    Examples:
      hubbub listen news
      hubbub listen news sport --from start
      hubbub listen orders --json --count 1 | jq -r .data
    """
    if len(set(channel)) > MOST_CHANNELS:
        raise click.UsageError(f"at most {MOST_CHANNELS} channels share one connection")
    several = len(channel) > 1
    query: dict[str, str | Sequence[str]] = {"heartbeat": "15"}
    if start:
        query["from"] = start
    path = f"{channel_path(channel[0])}/events"
    if several:
        # The envelope names the channel of each event.
        path, query = "/events", {**query, "channel": channel, "envelope": "1"}
    shown = 0
    for event in remote.events(path, query, after, lasting=True):
        if event.event in OWN_TYPES:
            _tell(event, as_json=as_json)
            continue
        where, told = _opened(event) if several else (channel[0], event)
        _show(where, told, as_json=as_json, several=several)
        shown += 1
        if shown == count:
            break
    return 0


def _opened(event: Parsed) -> tuple[str, Parsed]:
    inside = json.loads(event.data)
    return inside["channel"], Parsed(inside["event"], inside["data"], event.id)


def _show(channel: str, event: Parsed, *, as_json: bool, several: bool) -> None:
    if as_json:
        say(
            compact_json(
                {"id": event.id, "channel": channel, "event": event.event, "data": event.data}
            )
        )
        return
    head = f"{channel} | " if several and sys.stdout.isatty() else ""
    kind = "" if event.event == "message" else f"{event.event}: "
    say(f"{head}{kind}{event.data}")


def _tell(event: Parsed, *, as_json: bool) -> None:
    """The hub's own words, as far as they concern a reader."""
    data = json.loads(event.data)
    if event.event == "closing":
        say(f"hubbub: the hub closes the stream: {data['reason']}", to=sys.stderr)
    for channel, reason in _losses(event.event, data):
        say(f"hubbub: events of {channel} were lost: {reason}", to=sys.stderr)
        if as_json:
            lost = compact_json({"channel": channel, "reason": reason})
            say(compact_json({"id": event.id, "channel": channel, "event": "gap", "data": lost}))


def _losses(event: str, data: dict[str, object]) -> Iterator[tuple[str, str]]:
    if event == "gap":
        yield str(data["channel"]), str(data["reason"])
    elif event == "subscribed":
        verdicts = data["channels"]
        assert isinstance(verdicts, dict)
        for channel, verdict in verdicts.items():
            if not verdict["recovered"]:
                yield channel, str(verdict["reason"])


def _json(text: str) -> object:
    try:
        return json.loads(text)
    except ValueError as error:
        raise click.ClickException(f"DATA is not JSON: {error}") from None


def _publish_lines(remote: Remote, channel: str, key: str | None) -> int:
    """While one request is under way the lines behind it gather, and go with the next. With a key
    there is one request: its repetition has to be the same."""
    sent = 0
    for lines in [sys.stdin.buffer.readlines()] if key else _batches():
        try:
            ids = remote.publish_lines(channel, b"".join(lines), key=key)
        except RemoteError as error:
            message = (
                f"lines {sent + 1} to {sent + len(lines)}, none of which is published: {error}"
            )
            raise RemoteError(
                message, status=error.status, code=error.code, retry_after=error.retry_after
            ) from None
        sent += len(lines)
        for event_id in ids:
            say(event_id)
    return 0


def _batches() -> Iterator[list[bytes]]:
    """What has been read so far, as much as one request may hold."""
    read: Queue[bytes | None] = Queue(maxsize=2 * MOST_LINES)
    threading.Thread(target=_read_lines, args=(read,), daemon=True).start()
    next_line = read.get()
    while next_line is not None:
        lines, size = [next_line], len(next_line)
        while True:
            try:
                next_line = read.get_nowait()
            except Empty:
                yield lines
                next_line = read.get()
                break
            if next_line is None or len(lines) == MOST_LINES or size + len(next_line) > MOST_BYTES:
                yield lines
                break
            lines.append(next_line)
            size += len(next_line)


def _read_lines(read: Queue[bytes | None]) -> None:
    for line in sys.stdin.buffer:
        if line.strip():
            read.put(line)
    read.put(None)
