"""Traces as OpenTelemetry's collectors get them: OTLP over HTTP, from web and worker."""

from __future__ import annotations

import logging
import sys
from collections.abc import Iterator

import pytest

from tests.conftest import StartStack
from tests.operations.otlp import Collector, attributes
from tests.support.deadline import eventually
from tests.support.provider import Script, ScriptedProvider
from workers.telemetry import spans_of

pytestmark = pytest.mark.slow

PARENT = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
TRACE, CALLER = (bytes.fromhex(part) for part in PARENT.split("-")[1:3])


@pytest.fixture
def collector() -> Iterator[Collector]:
    server = Collector()
    yield server
    server.close()


def test_one_trace_goes_from_the_request_to_the_end_of_the_answer(
    stack: StartStack, provider: ScriptedProvider, collector: Collector
) -> None:
    hub = stack({"OTEL_EXPORTER_OTLP_ENDPOINT": collector.url, "OTEL_BSP_SCHEDULE_DELAY": "100"})
    headers = {"X-Request-ID": "asked-1", "traceparent": PARENT}

    answer = hub.post("/generations", json={"prompt": "traced"}, headers=headers)
    hub.finished(answer.json()["id"])

    names = {"POST /generations", "generation", "queued", "provider"}
    eventually(lambda: collector.spans.keys() >= names)
    request, attempt = collector.spans["POST /generations"], collector.spans["generation"]
    queued, call = collector.spans["queued"], collector.spans["provider"]
    assert {span.trace_id for span in collector.spans.values()} == {TRACE}
    assert request.parent_span_id == CALLER
    assert attempt.parent_span_id == request.span_id
    assert queued.parent_span_id == call.parent_span_id == attempt.span_id
    assert attributes(request)["http.response.status_code"] == 202
    assert attributes(attempt)["hubbub.generation.id"] == answer.json()["id"]
    assert attributes(attempt)["hubbub.outcome"] == "completed"
    assert attributes(attempt)["hubbub.request.id"] == "asked-1"
    [first_delta] = call.events
    assert first_delta.name == "first delta"
    assert call.start_time_unix_nano <= first_delta.time_unix_nano <= call.end_time_unix_nano
    asked = provider.request_headers[-1]
    assert asked["traceparent"].split("-")[1:3] == [TRACE.hex(), call.span_id.hex()]
    assert collector.services == {"hubbub-web", "hubbub-worker"}


def test_a_failure_is_told_and_what_is_left_is_sent_at_the_end(
    stack: StartStack, provider: ScriptedProvider, collector: Collector
) -> None:
    provider.default = Script(status=400, error={"message": "no", "code": "no_such_thing"})
    hub = stack({"OTEL_EXPORTER_OTLP_ENDPOINT": collector.url, "OTEL_BSP_SCHEDULE_DELAY": "60000"})
    found = hub.finished(hub.generate("refused"))
    assert not collector.spans

    hub.worker.terminate()
    hub.web.terminate()

    attempt = eventually(lambda: collector.spans.get("generation"))
    assert attempt is not None
    assert attributes(attempt)["hubbub.outcome"] == "failed"
    assert attempt.status.message == found["error"]["code"]
    assert eventually(lambda: collector.spans.get("POST /generations"))


@pytest.mark.parametrize(
    "environ",
    [
        {},
        {"OTEL_SERVICE_NAME": "hub"},
        {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:1", "OTEL_SDK_DISABLED": "true"},
        {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:1", "OTEL_TRACES_EXPORTER": "none"},
    ],
)
def test_where_nobody_asks_for_traces_there_are_none(environ: dict[str, str]) -> None:
    assert spans_of(environ, "hub") is None


def test_packages_that_are_missing_are_named_and_everything_else_runs(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.delitem(sys.modules, "workers.telemetry.otlp", raising=False)
    monkeypatch.setitem(sys.modules, "opentelemetry", None)
    logger = logging.getLogger("hub.trace")
    logger.addHandler(caplog.handler)
    try:
        assert spans_of({"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:1"}, "hub") is None
    finally:
        logger.removeHandler(caplog.handler)
    assert "pip install 'hubbub[otel]'" in caplog.text
