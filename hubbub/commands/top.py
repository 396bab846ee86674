"""`top`: how the hub is, again and again, from `/status/data`."""

from __future__ import annotations

import shutil
import sys
import time
from collections.abc import Iterator, Mapping
from typing import Any

import click

from hub.client.remote import Remote
from hub.event import compact_json
from hub.showing import printable, say
from hubbub.commands.address import to_a_hub

_HOME, _LINE_END, _BELOW = "\x1b[H", "\x1b[K", "\x1b[J"
_OTHER_SCREEN, _BACK = "\x1b[?1049h\x1b[?25l", "\x1b[?25h\x1b[?1049l"


@click.command()
@click.option(
    "--every",
    metavar="SECONDS",
    type=click.FloatRange(min=0.2),
    default=2.0,
    show_default=True,
    help="How often to look.",
)
@click.option("--once", is_flag=True, help="Look once.")
@click.option(
    "--json", "as_json", is_flag=True, help="Look once, and print what was found as JSON."
)
@to_a_hub
def top(remote: Remote, every: float, once: bool, as_json: bool) -> int:
    """Show listeners, events, lag, generations and workers, live.

    Ctrl-C ends it. In a pipe it looks once.

    \b
    Examples:
      hubbub top
      hubbub top --json | jq .figures
    """
    if as_json:
        say(compact_json(_look(remote)))
    elif once or not sys.stdout.isatty():
        say("\n".join(_lines(remote.url, _look(remote))))
    else:
        _watch(remote, every)
    return 0


def _look(remote: Remote) -> dict[str, Any]:
    data: dict[str, Any] = remote.call("GET", "/status/data")
    return data


def _watch(remote: Remote, every: float) -> None:
    """On the terminal's other screen, so that what stood there is there again afterwards."""
    data = _look(remote)  # what is wrong is said before anything is painted
    sys.stdout.write(_OTHER_SCREEN)
    try:
        while True:
            room = shutil.get_terminal_size()
            shown = [printable(line)[: room.columns] for line in _lines(remote.url, data)]
            painted = "\n".join(line + _LINE_END for line in shown[: room.lines - 1])
            sys.stdout.write(f"{_HOME}{painted}\n{_BELOW}")
            sys.stdout.flush()
            time.sleep(every)
            data = _look(remote)
    except KeyboardInterrupt:
        pass
    finally:
        sys.stdout.write(_BACK)
        sys.stdout.flush()


def _lines(url: str, data: Mapping[str, Any]) -> Iterator[str]:
    figures = data["figures"]
    yield f"{url}   {data['time']}"
    yield ""
    yield f"listeners    {figures['listeners']:.0f}, {figures['behind']:.0f} of them behind"
    if data["past"]:
        last = data["past"][-1]
        lag = last["lag_seconds"]
        yield f"events       {last['published_per_second']:g} a second"
        yield f"deliveries   {last['deliveries_per_second']:g} a second"
        yield f"lag          {'-' if lag is None else f'{lag * 1000:g} ms or less for 99 of 100'}"
    yield f"gaps         {figures['gaps']:.0f}, stalled {figures['stalled']:.0f}"
    yield _redis(data["redis"])
    if "jobs" not in data:
        return
    ended = "".join(f", {number:.0f} {status}" for status, number in data["generations"].items())
    jobs = data["jobs"]
    yield f"generations  {jobs['queued']} queued, {jobs['running']} running{ended}"
    yield ""
    yield f"{'WORKER':<40} {'JOBS':>6} {'LEASE':>8}"
    for worker in data["workers"]:
        yield f"{worker['name']:<40} {worker['jobs']:>6} {worker['lease_seconds']:>6} s"
    yield ""
    yield f"{'PROCESS':<12} {'LISTENERS':>10} {'BEHIND':>8} {'MEMORY':>10}"
    for one in data["processes"]:
        memory = f"{one['memory_bytes'] / 2**20:.0f} MiB"
        yield f"{one['pid']:<12} {one['listeners']:>10.0f} {one['behind']:>8.0f} {memory:>10}"


def _redis(redis: Mapping[str, Any]) -> str:
    if "problem" in redis:
        return f"redis        {redis['problem']}"
    memory = f"{redis.get('memory_bytes', 0) / 2**20:.0f} MiB"
    return (
        f"redis        {redis.get('version', '?')}, {memory}, {redis.get('clients', '?')} clients, "
        f"answers in {redis['milliseconds']:g} ms"
    )
