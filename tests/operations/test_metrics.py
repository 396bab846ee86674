"""`/metrics` (contract §8)."""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Callable

from prometheus_client.parser import text_string_to_metric_families

from tests.support.deadline import eventually
from tests.support.real import ROOT
from tests.support.stack import Stack, Web
from tests.support.stream import EventStream


def figures(web: Web) -> dict[str, float]:
    text = web.get("/metrics").text
    return {
        sample.name + ("".join(sample.labels.values())): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def figures_of(pid: int) -> list[str]:
    """Where the processes of a gunicorn may write their figures."""
    return [f"/dev/shm/hubbub-{pid}", f"/tmp/hubbub-{pid}"]


def test_metrics_are_summed_over_the_processes_of_one_gunicorn(
    stack: Callable[..., Stack], listen: Callable[..., EventStream]
) -> None:
    hub = stack(env={"WEB_CONCURRENCY": "2"}, workers=0)
    streams = [listen(f"{hub.url}/channels/news/events") for _ in range(20)]
    for stream in streams:
        stream.next("subscribed")
    hub.publish("news", "hello")
    for stream in streams:
        assert stream.take(1)[0].data == "hello"

    def summed() -> bool:
        # Whichever process answers: both know of all.
        found = [figures(hub.web) for _ in range(6)]
        return all(
            one["hubbub_listeners"] == 20
            and one["hubbub_deliveries_total"] == 20
            and one["hubbub_events_published_total"] == 1
            and one["hubbub_replays_totalrecovered"] == 20
            and one["hubbub_delivery_lag_seconds_count"] == 20
            and one["hubbub_listeners_behind"] == 0
            for one in found
        )

    eventually(summed, 10)
    for place in figures_of(hub.web.pid):  # as systemd does when its user logs out
        shutil.rmtree(place, ignore_errors=True)
    assert hub.get("/metrics").status_code == 200
    eventually(summed, 10)


def test_metrics_tell_of_jobs_and_generations(stack: Callable[..., Stack]) -> None:
    hub = stack()
    hub.finished(hub.generate("A question"))
    eventually(lambda: figures(hub.web).get("hubbub_generations_totalcompleted") == 1, 5)
    found = figures(hub.web)
    assert found["hubbub_generation_first_delta_seconds_count"] == 1
    assert found["hubbub_jobs_running"] == found["hubbub_jobs_queued"] == 0


def test_the_page_names_each_metric_and_says_what_it_is(stack: Callable[..., Stack]) -> None:
    text = stack(workers=0).get("/metrics").text
    told = dict(re.findall(r"^# HELP (\S+) (.+)$", text, re.MULTILINE))
    kinds = dict(re.findall(r"^# TYPE (\S+) (\S+)$", text, re.MULTILINE))
    page = (ROOT / "docs" / "metrics.md").read_text()
    rows = re.findall(r"^\| `(\w+)` \| (\w+) \| (.+?)(?: Label `\w+`\.)? \|$", page, re.MULTILINE)
    assert {name: (kind, words) for name, kind, words in rows} == {
        name: (kinds[name], words) for name, words in told.items()
    }


def test_a_gunicorn_leaves_no_figures_behind(stack: Callable[..., Stack]) -> None:
    hub = stack(workers=0)
    places = figures_of(hub.web.pid)
    assert any(os.path.isdir(place) for place in places)
    hub.web.terminate()
    assert not any(os.path.exists(place) for place in places)
