"""Traces and metrics in OpenTelemetry's own collector (`make test-collector` builds it from its Go
modules)."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.conftest import StartStack
from tests.support.deadline import eventually
from tests.support.process import Process, ReservedPort
from tests.support.real import ROOT, missing

BINARY = ROOT / ".venv" / "collector"

CONFIGURATION = """
receivers: {{otlp: {{protocols: {{http: {{endpoint: "127.0.0.1:{port}"}}}}}}}}
exporters: {{debug: {{verbosity: detailed, sampling_initial: 100000}}}}
service:
  telemetry: {{metrics: {{level: none}}}}
  pipelines:
    traces: {{receivers: [otlp], exporters: [debug]}}
    metrics: {{receivers: [otlp], exporters: [debug]}}
"""


@pytest.fixture
def collector(tmp_path: Path, processes: list[Process]) -> tuple[Process, str]:
    if not BINARY.exists():
        missing("the collector (make test-collector)")
    port = ReservedPort()
    file = tmp_path / "collector.yml"
    file.write_text(CONFIGURATION.format(port=port.number))
    port.close()  # it does not share a port
    process = Process("collector", [str(BINARY), "--config", f"file:{file}"], tmp_path / "log")
    processes.append(process)
    process.start()
    eventually(lambda: "Everything is ready" in process.log(), 30)
    return process, f"http://127.0.0.1:{port.number}"


def test_the_collector_takes_spans_and_metrics_as_they_are_sent(
    stack: StartStack, collector: tuple[Process, str]
) -> None:
    process, url = collector
    fast = {"OTEL_METRIC_EXPORT_INTERVAL": "500", "OTEL_BSP_SCHEDULE_DELAY": "200"}
    hub = stack({"OTEL_EXPORTER_OTLP_ENDPOINT": url, **fast})
    with hub.events("news") as stream:
        stream.next("subscribed")
        hub.publish("news", "x")
        stream.take(1)
    generation_id = hub.generate("a question")
    hub.finished(generation_id)

    for said in (
        "service.name: Str(hubbub-web)",
        "service.name: Str(hubbub-worker)",
        "Name           : POST /generations",
        "Name           : provider",
        "-> Name: first delta",
        f"hubbub.generation.id: Str({generation_id})",
        "-> Name: hubbub_deliveries\n",
        "-> Name: hubbub_delivery_lag_seconds\n",
        "-> DataType: Histogram",
        "-> status: Str(completed)",
    ):
        eventually(lambda said=said: said in process.log(), 30)  # type: ignore[misc]
    assert "rror" not in process.log().replace("errors", "")
