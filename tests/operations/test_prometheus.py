"""`deploy/prometheus/` and `deploy/grafana/` under a real Prometheus that reads a hub at work."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import requests

from tests.support import keys
from tests.support.deadline import answers, eventually, patience
from tests.support.process import Process, ReservedPort
from tests.support.real import ROOT, missing
from tests.support.stack import Stack
from tests.support.stream import EventStream

pytestmark = pytest.mark.slow

DEPLOY = ROOT / "deploy"
ALERTS = (DEPLOY / "prometheus" / "alerts.yml").read_text()
BOARD = json.loads((DEPLOY / "grafana" / "hubbub.json").read_text())


class Prometheus:
    """It reads `hub` each second, and judges the alerts without their `for`."""

    def __init__(self, folder: Path, hub: str) -> None:
        binary = shutil.which("prometheus") or missing("prometheus (.ci/prometheus)")
        page = (DEPLOY / "prometheus" / "prometheus.yml").read_text()
        page = page.replace("127.0.0.1:8000", hub).replace("15s", "1s")
        if keys.ON:  # by the line that the file has for it
            (folder / "admin-token").write_text(keys.TOKEN)
            page = page.replace("# authorization:", "authorization:")
            page = page.replace("/etc/hubbub", str(folder))
        (folder / "prometheus.yml").write_text(page)
        (folder / "alerts.yml").write_text(re.sub(r"\n +for: .*", "", ALERTS))
        port = ReservedPort()
        self.url = f"http://127.0.0.1:{port.number}"
        command = [
            binary,
            f"--config.file={folder / 'prometheus.yml'}",
            f"--storage.tsdb.path={folder / 'data'}",
            f"--web.listen-address=127.0.0.1:{port.number}",
        ]
        port.close()  # it does not share a port
        self.process = Process("prometheus", command, folder / "prometheus.log").start()
        answers(lambda: requests.get(f"{self.url}/-/ready", timeout=2).raise_for_status(), 30)

    def ask(self, expression: str) -> list[Any]:
        answer = requests.get(f"{self.url}/api/v1/query", {"query": expression}, timeout=10).json()
        assert answer["status"] == "success", f"{expression}: {answer}"
        found: list[Any] = answer["data"]["result"]
        return found

    def firing(self) -> set[str]:
        return {one["metric"]["alertname"] for one in self.ask('ALERTS{alertstate="firing"}')}


@pytest.fixture
def prometheus(tmp_path: Path, processes: list[Process]) -> Iterator[Callable[[Stack], Prometheus]]:
    def start(hub: Stack) -> Prometheus:
        one = Prometheus(tmp_path, hub.web.url.removeprefix("http://"))
        processes.append(one.process)
        return one

    yield start


def expressions() -> list[str]:
    """All that the alerts and the dashboard ask for."""
    rules = re.findall(r"\n +expr: (?:\|\n)?((?:.+\n)(?: {12,}.+\n)*)", ALERTS)
    return rules + [target["expr"] for panel in BOARD["panels"] for target in panel["targets"]]


def test_promtool_finds_nothing_wrong() -> None:
    promtool = shutil.which("promtool") or missing("promtool (.ci/prometheus)")
    command = [promtool, "check", "rules", str(DEPLOY / "prometheus" / "alerts.yml")]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60 * patience())
    assert done.returncode == 0 and f"{ALERTS.count('- alert:')} rules found" in done.stdout, done


def test_every_figure_that_is_asked_for_is_told_under_load_and_no_alert_fires(
    stack: Callable[..., Stack],
    prometheus: Callable[[Stack], Prometheus],
    listen: Callable[..., EventStream],
) -> None:
    hub = stack()
    server = prometheus(hub)
    stream = listen(f"{hub.url}/channels/news/events")
    stream.next("subscribed")
    hub.finished(hub.generate("hello"))
    for number in range(50):
        hub.publish("news", str(number))
    stream.take(50)
    asked = {name for each in expressions() for name in re.findall(r"\bhubbub_\w+", each)}
    assert len(asked) > 15
    for name in sorted(asked):
        eventually(lambda name=name: server.ask(f"count({name})"), 20)  # type: ignore[misc]
    for expression in expressions():
        server.ask(expression)
    assert server.firing() == set()


def test_an_alert_fires_for_what_is_broken(
    stack: Callable[..., Stack], prometheus: Callable[[Stack], Prometheus]
) -> None:
    hub = stack({"HUB_LEASE_SECONDS": "1", "HUB_HISTORY_EVENTS": "5"})
    server = prometheus(hub)
    eventually(lambda: server.ask("hubbub_workers == 1"), 20)
    hub.worker.kill()
    eventually(lambda: server.firing() == {"HubbubNoWorker"}, 30)
    for number in range(21):
        hub.generate(f"question {number}")
    eventually(lambda: server.firing() == {"HubbubNoWorker", "HubbubQueueGrows"}, 30)
    hub.web.kill()
    eventually(lambda: server.firing() == {"HubbubDown"}, 30)
