"""Do streams come through? Asked from where the clients are, through whatever stands in between.

Each check gives a finding: what was seen and, where that is not as it should be, what usually
causes it and the line that mends it. A *note* is worth knowing and breaks nothing. A few events are
published to a channel of the doctor's own.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterator

from hub.client import stream_checks, way_checks
from hub.client.finding import Finding, Ill, Patient
from hub.client.remote import Remote, RemoteError, what_to_do


def examine(remote: Remote, *, long: bool = False) -> Iterator[Finding]:
    """One finding for each check, and one for each thing that the hub says of itself; `long` adds
    those that wait. Where no hub answers, nothing else is asked."""
    patient = Patient(remote, f"doctor-{secrets.token_hex(6)}")
    for name, check in [*_CHECKS, *(_LONG_CHECKS if long else ())]:
        try:
            yield Finding(name, "ok", check(patient))
            if check is way_checks.ready:
                for note in way_checks.told(patient):
                    yield Finding(_TOLD, note.state, str(note), note.why, note.mend)
        except Ill as error:
            yield Finding(name, error.state, str(error), error.why, error.mend)
            if check is way_checks.answers and error.state == "ill":
                return
        except RemoteError as error:
            yield Finding(name, "ill", str(error), mend=what_to_do(error))
            if check is way_checks.answers:
                return


_TOLD = "what the hub reports"
_CHECKS: list[tuple[str, Callable[[Patient], str]]] = [
    ("the hub answers", way_checks.answers),
    ("it is ready for work", way_checks.ready),
    ("one version answers", way_checks.one_version),
    ("it knows its own path", way_checks.knows_its_prefix),
    ("the clocks agree", way_checks.clocks),
    ("who may use it", way_checks.who_may),
    ("the connection is private", way_checks.secret),
    ("no proxy of the environment is in between", way_checks.direct),
    ("many streams from one browser", way_checks.six_connections),
    ("streams pass unchanged", stream_checks.untouched),
    ("a stream begins at once", stream_checks.begins),
    ("events come through one by one", stream_checks.comes_through),
    ("heartbeats come in time", stream_checks.beats),
    ("a listener that returns misses nothing", stream_checks.resumes),
]

_LONG_CHECKS: list[tuple[str, Callable[[Patient], str]]] = [
    ("a silent stream stays open", stream_checks.stays_open),
]
