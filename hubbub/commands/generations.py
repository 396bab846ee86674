"""`generate`, `tail`, `ls`, `cancel`: to ask, to come back, to look, to stop."""

from __future__ import annotations

import json
import os
import shutil
import sys
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

import click

from hub.client.remote import Remote, RemoteError, generation_path
from hub.event import OWN_TYPES, compact_json
from hub.showing import printable, say
from hubbub.commands import given
from hubbub.commands.address import to_a_hub
from hubbub.commands.answer import Answer, summary
from hubbub.commands.following import Left, follow
from hubbub.commands.screens import MarkdownScreen, PlainScreen

INTERRUPTED = 130


@click.command()
@click.argument("prompt", required=False)
@click.option("--model", help="Which model answers; `GET /v1/models` lists them.")
@click.option("--system", help="Instructions for the model.")
@click.option("--temperature", type=float)
@click.option("--max-tokens", type=int)
@click.option("--reasoning", is_flag=True, help="Show the model's reasoning, on standard error.")
@click.option("--detach", is_flag=True, help="Print the id and leave.")
@click.option("--json", "as_json", is_flag=True, help="Every event as a JSON object on a line.")
@to_a_hub
def generate(
    remote: Remote,
    /,
    prompt: str | None,
    reasoning: bool,
    detach: bool,
    as_json: bool,
    **options: object,
) -> int:
    """Ask the model and print its answer as it is written.

    At a terminal its Markdown is rendered, into a pipe it goes as it comes. PROMPT is read from
    standard input where it is - or missing. Ctrl-C cancels the generation; Ctrl-D leaves it
    running and says how to come back.

    \b
    Examples:
      hubbub generate "Why is the sky blue?"
      hubbub generate --system "Answer in one line." - < question.txt
      hubbub tail $(hubbub generate --detach "A long story")
    """
    asked = {"prompt": given.text(prompt, "PROMPT"), **options}
    body = {name: value for name, value in asked.items() if value is not None}
    generation_id = remote.call("POST", "/generations", body)["id"]
    if detach:
        say(generation_id)
        return 0
    try:
        return _print(remote, generation_id, "start", as_json=as_json, reasoning=reasoning)
    except KeyboardInterrupt:
        return _cancelled(remote, generation_id)


@click.command()
@click.argument("generation_id", metavar="ID", type=given.GENERATION_ID)
@click.option(
    "--from",
    "start",
    type=click.Choice(["start", "now"]),
    default="start",
    help="Begin with the whole answer so far (the default), or with what comes now.",
)
@click.option("--reasoning", is_flag=True, help="Show the model's reasoning, on standard error.")
@click.option("--json", "as_json", is_flag=True, help="Every event as a JSON object on a line.")
@to_a_hub
def tail(remote: Remote, generation_id: str, start: str, reasoning: bool, as_json: bool) -> int:
    """Print a generation's answer, and follow it until it ends.

    Ctrl-C and Ctrl-D stop the watching; the generation goes on.

    \b
    Examples:
      hubbub tail 3f6sJ0aYk1
      hubbub tail 3f6sJ0aYk1 --from now --json | jq .event
    """
    # The whole text in one piece, where each event is not asked for.
    start = "snapshot" if start == "start" and not as_json else start
    return _print(remote, generation_id, start, as_json=as_json, reasoning=reasoning)


@click.command()
@click.option("--limit", type=click.IntRange(1, 100), default=20, show_default=True)
@click.option("--json", "as_json", is_flag=True, help="Each generation as a JSON object on a line.")
@to_a_hub
def ls(remote: Remote, limit: int, as_json: bool) -> int:
    """List the newest generations: id, status, model, age, question.

    In a pipe the columns are separated by tabs.

    \b
    Examples:
      hubbub ls
      hubbub ls --limit 100 --json | jq -r 'select(.status == "failed") | .id'
    """
    found = remote.call("GET", f"/generations?limit={limit}")["generations"]
    if as_json:
        for one in found:
            say(compact_json(one))
        return 0
    now = datetime.now(UTC)
    rows = [
        (
            one["id"],
            one["status"],
            one["model"] or "-",
            age((now - datetime.fromisoformat(one["created"])).total_seconds()),
            " ".join(one["question"].split()),
        )
        for one in found
    ]
    for line in columns(rows) if sys.stdout.isatty() else ["\t".join(row) for row in rows]:
        say(line)
    return 0


@click.command()
@click.argument(
    "generation_ids", metavar="ID...", type=given.GENERATION_ID, nargs=-1, required=True
)
@to_a_hub
def cancel(remote: Remote, generation_ids: tuple[str, ...]) -> int:
    """Stop generations, running or queued. What was written stays.

    \b
    Example:
      hubbub cancel 3f6sJ0aYk1
    """
    for generation_id in generation_ids:
        say(f"{generation_id}\t{_cancel(remote, generation_id)['status']}")
    return 0


def columns(rows: Sequence[tuple[str, ...]]) -> list[str]:
    """For a terminal: aligned, and cut where it ends."""
    rows = [tuple(printable(cell) for cell in row) for row in rows]
    widths = [max(len(cell) for cell in column) for column in zip(*rows, strict=True)]
    room = shutil.get_terminal_size().columns
    lines = []
    for row in rows:
        cells = (cell.ljust(width) for cell, width in zip(row, widths, strict=True))
        line = "  ".join(cells).rstrip()
        lines.append(line if len(line) <= room else line[: room - 1] + "…")
    return lines


def age(seconds: float) -> str:
    for unit, size in (("d", 86_400), ("h", 3600), ("min", 60)):
        if seconds >= size:
            return f"{seconds // size:.0f} {unit}"
    return f"{max(0, seconds):.0f} s"


def _print(
    remote: Remote, generation_id: str, start: str, *, as_json: bool, reasoning: bool
) -> int:
    answer = Answer()
    try:
        with _screen(as_json) as screen:
            for event in follow(remote, generation_id, start):
                if event is None:
                    _tell_waiting(remote, generation_id)
                    continue
                if event.event in OWN_TYPES:
                    continue
                text = answer.hear(event)
                if as_json:
                    _print_event(event.id, event.event, json.loads(event.data))
                elif answer.begun_anew:
                    screen.drop()
                    if not _tell_begun_anew(answer.begun_anew, generation_id):
                        return 1
                if reasoning and answer.reasoning:
                    say(answer.reasoning, end="", to=sys.stderr)
                screen.add(text)
                if answer.end:
                    break
    except Left:
        say(f"\nit goes on; to come back: hubbub tail {generation_id}", to=sys.stderr)
        return 0
    if not answer.end and start == "now":
        say(f"it has ended; for all of it: hubbub tail {generation_id}", to=sys.stderr)
        return 0
    said = answer.how_it_ended()
    if said:
        say(f"hubbub: {said}", to=sys.stderr)
    if answer.end and sys.stderr.isatty():
        _tell_summary(remote, generation_id)
    return 1 if said else 0


def _screen(as_json: bool) -> MarkdownScreen | PlainScreen:
    """A person sees Markdown; a program, and a terminal that can move no cursor, the text."""
    if as_json:
        return PlainScreen(silent=True)
    moves = sys.stdout.isatty() and os.environ.get("TERM", "dumb") not in ("dumb", "unknown")
    return MarkdownScreen() if moves else PlainScreen()


def _print_event(event_id: str, event: str, data: Mapping[str, Any]) -> None:
    say(compact_json({"id": event_id, "event": event, "data": data}))


def _tell_begun_anew(reason: str, generation_id: str) -> bool:
    """Whether the printing may go on. A terminal shows where it began again; what went into a pipe
    cannot be taken back."""
    if sys.stdout.isatty():
        say(f"\n[begun anew: {reason}]", to=sys.stderr)
        return True
    say(
        f"hubbub: the answer began anew ({reason}) and what was printed is void; "
        f"for all of it: hubbub tail {generation_id}",
        to=sys.stderr,
    )
    return False


def _tell_waiting(remote: Remote, generation_id: str) -> None:
    if not sys.stderr.isatty():
        return
    try:
        record = remote.call("GET", generation_path(generation_id))
    except RemoteError:
        return  # the stream will say it
    if record["status"] == "queued":
        say(f"[queued, {record['ahead']} before it; Ctrl-D leaves it there]", to=sys.stderr)
    elif record["status"] == "running":
        say("[the model has not begun yet]", to=sys.stderr)


def _tell_summary(remote: Remote, generation_id: str) -> None:
    try:
        say(summary(remote.call("GET", generation_path(generation_id))), to=sys.stderr)
    except RemoteError:
        pass  # the answer is there; how long it took is not worth an error


def _cancel(remote: Remote, generation_id: str) -> dict[str, Any]:
    record: dict[str, Any] = remote.call("POST", f"{generation_path(generation_id)}/cancel")
    return record


def _cancelled(remote: Remote, generation_id: str) -> int:
    try:
        record = _cancel(remote, generation_id)
    except RemoteError as error:
        say(f"\nhubbub: not cancelled: {error}; hubbub cancel {generation_id}", to=sys.stderr)
        return INTERRUPTED
    say(f"\n{summary(record) if sys.stderr.isatty() else record['status']}", to=sys.stderr)
    return INTERRUPTED
