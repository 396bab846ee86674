"""`doctor`: what `hub.client.doctor` finds, as lines or as JSON."""

from __future__ import annotations

from dataclasses import asdict

import click

from hub.client.doctor import examine
from hub.client.finding import Finding
from hub.client.remote import Remote
from hub.event import compact_json
from hub.showing import say
from hubbub.commands.address import to_a_hub

_WORDS = {"ok": "ok", "note": "note", "ill": "ILL"}


@click.command()
@click.argument("address", metavar="[URL]", required=False)
@click.option("--long", is_flag=True, help="Also wait for what cuts silent streams: half a minute.")
@click.option("--json", "as_json", is_flag=True, help="Each finding as a JSON object on a line.")
@to_a_hub
def doctor(remote: Remote, long: bool, as_json: bool) -> int:
    """Find what stops or delays streams.

    Ask from where the clients are, at the address that they use. Each finding says what was seen
    and, where something is wrong, why and what mends it. The status is 1 if anything is ILL.

    \b
    Examples:
      hubbub doctor https://hub.example.org
      hubbub doctor --long
      hubbub doctor --json | jq 'select(.state != "ok")'
    """
    well = True
    for finding in examine(remote, long=long):
        well = well and finding.state != "ill"
        say(compact_json(asdict(finding)) if as_json else _shown(finding))
    return 0 if well else 1


def _shown(finding: Finding) -> str:
    lines = [f"{_WORDS[finding.state]:<5} {finding.check}: {finding.seen}"]
    for head, text in (("why", finding.why), ("mend", finding.mend)):
        if text:
            lines.append(f"      {head}: {text}")
    return "\n".join(lines)
