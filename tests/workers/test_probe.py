"""A container's health check tells a process that lives from one that hangs or is gone."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from functools import partial
from pathlib import Path

import gevent
import pytest

from hub.fanout.loops import Loops
from hub.settings import Settings
from hubbub import probe
from tests.support.deadline import patience
from tests.support.process import ReservedPort
from tests.support.real import ROOT
from tests.support.stack import Web, clean_environ
from tests.support.valkey import Valkey
from workers.pulse import beat_for_ever


def test_a_worker_whose_loop_turns_is_alive_and_one_that_is_silent_is_not(tmp_path: Path) -> None:
    file = tmp_path / "pulse"
    settings = Settings(pulse_file=str(file))
    assert "No such file" in probe.of_worker(settings)
    beating = Loops().start("pulse", partial(beat_for_ever, str(file)))
    gevent.sleep(0)
    assert probe.of_worker(settings) == ""
    beating.stop()
    long_ago = time.monotonic() - 60
    os.utime(file, (long_ago, long_ago))
    assert "no sign of life for 60 s" in probe.of_worker(settings)


def run(*words: str, **env: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "hubbub.probe", *words],
        cwd=ROOT,
        env={**clean_environ(), **env},
        capture_output=True,
        text=True,
        timeout=30 * patience(),
    )


@pytest.mark.slow
def test_a_web_process_is_asked_at_its_own_address_past_any_proxy(
    valkey: Valkey, tmp_path: Path
) -> None:
    closed = ReservedPort()
    proxy = {"HTTP_PROXY": f"http://127.0.0.1:{closed.number}"}
    web = Web(tmp_path / "web.log", {**clean_environ(), "REDIS_URL": valkey.url})
    try:
        web.start()
        alive = run("web", PORT=str(web.reserved.number), **proxy)
        assert (alive.returncode, alive.stderr) == (0, "")
    finally:
        web.end()
    gone = run("web", PORT=str(closed.number))
    assert gone.returncode == 1 and "does not answer" in gone.stderr
    closed.close()
