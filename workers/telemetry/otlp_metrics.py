"""Figures as OTLP over HTTP, by OpenTelemetry's exporter.

What is counted has been counted (`hub.metrics`): its SDK's own instruments would count everything a
second time, under a lock. So the families of `/metrics` are put into the data model as they are,
under their names there without `_total`, which a collector that speaks to Prometheus puts back.
"""

from __future__ import annotations

import atexit
import logging
import time
import uuid
from collections import defaultdict
from collections.abc import Iterable, Mapping

from opentelemetry.exporter.otlp.proto.http.metric_exporter import OTLPMetricExporter
from opentelemetry.sdk.metrics import export as otel
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.util.instrumentation import InstrumentationScope
from prometheus_client.core import Metric

from hub.process import PerProcess
from workers.telemetry.figures import Families

log = logging.getLogger("hub.telemetry")

_CUMULATIVE = otel.AggregationTemporality.CUMULATIVE
_INTERVAL = "OTEL_METRIC_EXPORT_INTERVAL"
_INTERVAL_MS = 60_000


class _Process:
    """What one process sends with: to a collector it is an instance of its own."""

    def __init__(self, service: str) -> None:
        self.began = time.time_ns()
        self.exporter = OTLPMetricExporter()
        attributes = {"service.name": service, "service.instance.id": str(uuid.uuid4())}
        self.resource = Resource.create(attributes)


class OtlpFigures:
    def __init__(self, environ: Mapping[str, str], service: str) -> None:
        name = environ.get("OTEL_SERVICE_NAME") or service
        self._process = PerProcess(lambda: _Process(name))
        self.interval_seconds = _milliseconds(environ) / 1000

    def send(self, own: Iterable[Metric], shared: Iterable[Metric]) -> bool:
        process = self._process.get()
        now = time.time_ns()
        # One with labels has no point until the first of them has come.
        metrics = [converted(family, process.began, now) for family in own if family.samples]
        # Counted since Redis was empty, and nobody knows when that was.
        metrics += [converted(family, 0, now) for family in shared if family.samples]
        scope = otel.ScopeMetrics(InstrumentationScope("hubbub"), metrics, "")
        data = otel.MetricsData([otel.ResourceMetrics(process.resource, [scope], "")])
        return process.exporter.export(data) is otel.MetricExportResult.SUCCESS

    def send_at_exit(self, own: Families) -> None:
        self._process.get()  # a process that ends can make nothing more
        atexit.register(lambda: self.send(own(), ()))


def converted(family: Metric, began_ns: int, now_ns: int) -> otel.Metric:
    """A family of `/metrics` in OpenTelemetry's data model."""
    data: otel.DataT
    if family.type == "histogram":
        data = otel.Histogram(_histogram_points(family, began_ns, now_ns), _CUMULATIVE)
    else:
        counts = family.type == "counter"
        points = [
            otel.NumberDataPoint(sample.labels, began_ns, now_ns, float(sample.value))
            for sample in family.samples
            if not sample.name.endswith("_created")
        ]
        data = otel.Sum(points, _CUMULATIVE, True) if counts else otel.Gauge(points)
    return otel.Metric(family.name, family.documentation, "", data)


def _histogram_points(family: Metric, began_ns: int, now_ns: int) -> list[otel.HistogramDataPoint]:
    """Ours have no labels: one point each. Prometheus' buckets hold all below them as well."""
    values: defaultdict[str, float] = defaultdict(float)
    buckets: list[tuple[float, float]] = []
    for sample in family.samples:
        if "le" in sample.labels:
            buckets.append((float(sample.labels["le"]), sample.value))
        else:
            values[sample.name.removeprefix(f"{family.name}_")] = sample.value
    below = [0.0, *(count for _, count in buckets[:-1])]
    counts = [int(count - before) for (_, count), before in zip(buckets, below, strict=True)]
    bounds = [bound for bound, _ in buckets[:-1]]
    point = otel.HistogramDataPoint(
        attributes={},
        start_time_unix_nano=began_ns,
        time_unix_nano=now_ns,
        count=int(buckets[-1][1]),
        sum=values["sum"],
        bucket_counts=counts,
        explicit_bounds=bounds,
        min=float("-inf"),
        max=float("inf"),
    )
    return [point]


def _milliseconds(environ: Mapping[str, str]) -> int:
    said = environ.get(_INTERVAL, "").strip()
    if said and not (said.isdecimal() and int(said) > 0):
        log.warning("%s must be a number of milliseconds; %d is taken", _INTERVAL, _INTERVAL_MS)
        said = ""
    return int(said or _INTERVAL_MS)
