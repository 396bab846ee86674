"""The figures of `/metrics` as OpenTelemetry's collectors get them."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from typing import Any

import pytest
from opentelemetry.sdk.metrics.export import Histogram
from prometheus_client.parser import text_string_to_metric_families

from hub.metrics import Counters, families
from tests.conftest import StartStack
from tests.operations.otlp import Collector
from tests.support.deadline import eventually
from workers.telemetry import figure_sender_of
from workers.telemetry.otlp_metrics import OtlpFigures, converted


@pytest.fixture
def collector() -> Iterator[Collector]:
    server = Collector()
    yield server
    server.close()


def value(collector: Collector, name: str, **labels: str) -> float | None:
    """The newest that was told of it."""
    metric: Any = collector.metrics.get(name)
    if metric is None:
        return None
    for point in getattr(metric, metric.WhichOneof("data")).data_points:
        if {each.key: each.value.string_value for each in point.attributes} == labels:
            return float(point.as_double)
    return None


@pytest.mark.slow
@pytest.mark.sets_keys
def test_all_that_metrics_tells_goes_to_the_collector(
    stack: StartStack, collector: Collector
) -> None:
    hub = stack(
        {"OTEL_EXPORTER_OTLP_ENDPOINT": collector.url, "OTEL_METRIC_EXPORT_INTERVAL": "200"}
    )
    with hub.events("news") as stream:
        stream.next("subscribed")
        for number in range(3):
            hub.publish("news", number)
        stream.take(3)
        hub.finished(hub.generate("a question"))

        eventually(lambda: value(collector, "hubbub_deliveries") == 3)
        eventually(lambda: value(collector, "hubbub_generations", status="completed") == 1)
    assert value(collector, "hubbub_listeners") == 1
    assert value(collector, "hubbub_replays", verdict="recovered") == 1
    published = collector.metrics["hubbub_events_published"].sum
    assert published.is_monotonic and published.data_points[0].start_time_unix_nano
    [lag] = collector.metrics["hubbub_delivery_lag_seconds"].histogram.data_points
    assert lag.count == sum(lag.bucket_counts) == 3
    assert len(lag.bucket_counts) == len(lag.explicit_bounds) + 1
    told = text_string_to_metric_families(hub.get("/metrics").text)
    shown = {one.name for one in told if one.samples}
    eventually(lambda: set(collector.metrics) == shown)
    assert "hubbub-web" in collector.services


@pytest.mark.slow
def test_what_was_counted_last_is_sent_at_the_end(stack: StartStack, collector: Collector) -> None:
    settings = {"OTEL_EXPORTER_OTLP_METRICS_ENDPOINT": f"{collector.url}/v1/metrics"}
    hub = stack(settings, workers=0)
    hub.publish("news", "the last")
    assert not collector.metrics
    hub.web.terminate()
    eventually(lambda: value(collector, "hubbub_events_published") == 1)


@pytest.mark.slow
def test_a_collector_that_is_away_is_said_once_and_hurts_nobody(stack: StartStack) -> None:
    away = {
        "OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:9",
        "OTEL_METRIC_EXPORT_INTERVAL": "100",
    }
    hub = stack(
        {**away, "OTEL_EXPORTER_OTLP_TIMEOUT": "1", "OTEL_TRACES_EXPORTER": "none"}, workers=0
    )
    eventually(lambda: "metrics do not reach" in hub.web.log())
    with hub.events("news") as stream:
        hub.publish("news", "all the same")
        assert stream.next("message").data == "all the same"
    assert hub.web.log().count("metrics do not reach") == 1


def test_a_histogram_keeps_its_buckets_each_for_itself() -> None:
    counters = Counters()
    counters.lag_buckets[0], counters.lag_buckets[3], counters.lag_buckets[-1] = 2, 1, 4
    [lag] = [each for each in families(counters.figures()) if each.type == "histogram"]

    data = converted(lag, 1, 2).data

    assert isinstance(data, Histogram)
    [point] = data.data_points
    assert list(point.bucket_counts) == counters.lag_buckets and point.count == 7


@pytest.mark.parametrize(
    "environ",
    [
        {},
        {"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": "http://127.0.0.1:1"},
        {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:1", "OTEL_METRICS_EXPORTER": "none"},
    ],
)
def test_where_nobody_asks_for_metrics_there_are_none(environ: dict[str, str]) -> None:
    assert figure_sender_of(environ, "hub") is None


def test_an_interval_that_is_no_number_is_named_and_the_usual_one_taken(
    caplog: pytest.LogCaptureFixture,
) -> None:
    logger = logging.getLogger("hub.telemetry")
    logger.addHandler(caplog.handler)
    try:
        sender = OtlpFigures({"OTEL_METRIC_EXPORT_INTERVAL": "soon"}, "hub")
    finally:
        logger.removeHandler(caplog.handler)
    assert sender.interval_seconds == 60
    assert "OTEL_METRIC_EXPORT_INTERVAL" in caplog.text
