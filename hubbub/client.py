"""The commands that talk to a running hub (contract §9).

    publish CHANNEL DATA     store and announce an event, print its id
    listen CHANNEL …         print events as they come, over every break of the connection
    generate PROMPT          ask the model and print its answer as it is written
    token …                  mint a token (`hubbub.token`)
    doctor [URL]             find out whether streams come through, and what stands in their way

`HUB_URL` says which hub, `HUB_TOKEN` who asks. DATA and PROMPT may be `-`: standard input. The
status is 0 when it went well, 1 when it did not, 2 for a command that makes no sense.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Sequence

from hub.client import doctor
from hub.client.remote import Remote, RemoteError
from hub.event import OWN_TYPES, compact_json
from hub.settings import SettingError, Settings
from hub.showing import say
from hub.sse import Parsed


def publish(remote: Remote, args: argparse.Namespace) -> int:
    data = _text(args.data)
    print(remote.publish(args.channel, json.loads(data) if args.json else data, args.event))
    return 0


def listen(remote: Remote, args: argparse.Namespace) -> int:
    query: dict[str, str | Sequence[str]] = {"channel": args.channel, "heartbeat": "15"}
    if args.start:
        query["from"] = args.start
    path = "/events"
    if len(args.channel) == 1:
        path = f"/channels/{query.pop('channel')[0]}/events"
    shown = 0
    for event in remote.events(path, query, args.after):
        if event.event in OWN_TYPES:
            _tell(event)
            continue
        _show(event, as_json=args.json)
        shown += 1
        if shown == args.count:
            break
    return 0


def generate(remote: Remote, args: argparse.Namespace) -> int:
    asked = {"prompt": _text(args.prompt), "model": args.model, "system": args.system}
    made = remote.call("POST", "/generations", {k: v for k, v in asked.items() if v is not None})
    try:
        return _follow(remote, made["events"])
    except KeyboardInterrupt:
        remote.call("POST", f"/generations/{made['id']}/cancel")
        say("\ncancelled", to=sys.stderr)
        return 130


def _follow(remote: Remote, path: str) -> int:
    written = ""
    for event in remote.events(path, {"from": "start"}):
        data = json.loads(event.data)
        if event.event == "delta" and data["index"] == 0:
            written += _write(data.get("content", ""))
        elif event.event == "snapshot":
            content = next((c["content"] for c in data["choices"] if c["index"] == 0), "")
            written += _write(content.removeprefix(written))
        elif event.event == "restarted":
            written = ""
            say(f"\n[begun anew: {data['reason']}]", to=sys.stderr)
        elif event.event == "completed":
            say("")
            return 0
        elif event.event in ("failed", "cancelled"):
            said = data.get("message") or f"cancelled by {data.get('by')}"
            say(f"\n{event.event}: {said}", to=sys.stderr)
            return 1
    say("\nthe generation is gone", to=sys.stderr)
    return 1


def _write(text: str) -> str:
    say(text, end="")
    return text


def _show(event: Parsed, *, as_json: bool) -> None:
    if as_json:
        say(compact_json({"id": event.id, "event": event.event, "data": event.data}))
    elif event.event == "message":
        say(event.data)
    else:
        say(f"{event.event}: {event.data}")


def _tell(event: Parsed) -> None:
    """The hub's own words, as far as they concern whoever reads along."""
    lost = event.event == "gap"
    if event.event == "subscribed":
        verdicts = json.loads(event.data)["channels"].values()
        lost = not all(verdict["recovered"] for verdict in verdicts)
    if lost or event.event == "closing":
        say(f"{event.event}: {event.data}", to=sys.stderr)


def _text(given: str) -> str:
    return sys.stdin.read() if given == "-" else given


def _parser(settings: Settings) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="hubbub", description="Run a Hubbub, and talk to one.")
    parser.add_argument("--url", default=settings.url, help="the hub (default: HUB_URL)")
    commands = parser.add_subparsers(dest="command", required=True)

    # Listed for --help; hubbub.command takes these words before they come here.
    commands.add_parser("run", help="run everything on this machine")
    commands.add_parser("web", help="run a web process: gunicorn, which takes its own options")
    commands.add_parser("worker", help="run a worker")
    commands.add_parser("token", help="mint a token with the hub's secret")

    command = commands.add_parser("publish", help="publish an event")
    command.add_argument("channel")
    command.add_argument("data", help="the data; - reads it from standard input")
    command.add_argument("--event", help="the event's type (default: message)")
    command.add_argument("--json", action="store_true", help="DATA is JSON and must be valid")
    command.set_defaults(run=publish)

    command = commands.add_parser("listen", help="print events as they come")
    command.add_argument("channel", nargs="+")
    command.add_argument("--after", help="begin after this event id")
    command.add_argument("--from", dest="start", choices=("now", "start", "snapshot"))
    command.add_argument("--count", type=int, help="stop after so many events")
    command.add_argument("--json", action="store_true", help="one JSON object a line")
    command.set_defaults(run=listen)

    command = commands.add_parser("generate", help="ask the model")
    command.add_argument("prompt", help="the question; - reads it from standard input")
    command.add_argument("--model")
    command.add_argument("--system", help="instructions for the model")
    command.set_defaults(run=generate)

    command = commands.add_parser("doctor", help="find what stands in the way of streams")
    command.add_argument("address", nargs="?", help="the hub as its clients reach it")
    command.set_defaults(run=doctor.run)
    return parser


def main(arguments: Sequence[str]) -> int:
    try:
        settings = Settings.from_environ(os.environ)
    except SettingError as error:
        say(f"hubbub: {error}", to=sys.stderr)
        return 2
    args = _parser(settings).parse_args(arguments)
    try:
        url = getattr(args, "address", None) or args.url
        with Remote(url, os.environ.get("HUB_TOKEN", "").strip()) as remote:
            status: int = args.run(remote, args)
            return status
    except RemoteError as error:
        say(f"hubbub: {error}", to=sys.stderr)
    except json.JSONDecodeError as error:
        say(f"hubbub: DATA is not JSON: {error}", to=sys.stderr)
        return 2
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:
        # Whoever read has had enough. Nothing may be flushed into the pipe at the end, either.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return 1
