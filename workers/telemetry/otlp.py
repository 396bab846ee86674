"""Spans by OpenTelemetry's SDK, sent as OTLP over HTTP.

The SDK sends from a thread of its own, which a fork does not copy: gunicorn forks, so each process
makes its own at its first span (`PerProcess`), long after it was forked.
"""

from __future__ import annotations

from collections.abc import Mapping

from opentelemetry import trace as otel
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from hub.process import PerProcess
from hub.spans import Attributes, Kind
from hub.trace import Trace

_KINDS = {
    "server": otel.SpanKind.SERVER,
    "consumer": otel.SpanKind.CONSUMER,
    "client": otel.SpanKind.CLIENT,
    "internal": otel.SpanKind.INTERNAL,
}
_CONTEXT = TraceContextTextMapPropagator()


class OtlpSpan:
    def __init__(self, span: otel.Span, request_id: str) -> None:
        self._span = span
        carrier: dict[str, str] = {}
        _CONTEXT.inject(carrier, otel.set_span_in_context(span))
        self.trace = Trace(
            request_id, carrier.get("traceparent", ""), carrier.get("tracestate", "")
        )

    def event(self, name: str, at: float) -> None:
        self._span.add_event(name, timestamp=_nanoseconds(at))

    def end(self, attributes: Attributes, error: str = "") -> None:
        self._span.set_attributes(attributes)
        if error:
            self._span.set_status(otel.StatusCode.ERROR, error)
        self._span.end()


class OtlpSpans:
    def __init__(self, environ: Mapping[str, str], service: str) -> None:
        self._service = environ.get("OTEL_SERVICE_NAME") or service
        self._provider = PerProcess(self._make)

    def begin(
        self, name: str, parent: Trace, kind: Kind, attributes: Attributes, at: float | None = None
    ) -> OtlpSpan:
        context = _CONTEXT.extract(parent.headers())
        span = (
            self._provider.get()
            .get_tracer("hubbub")
            .start_span(
                name,
                context,
                _KINDS[kind],
                {"hubbub.request.id": parent.request_id, **attributes},
                start_time=None if at is None else _nanoseconds(at),
            )
        )
        return OtlpSpan(span, parent.request_id)

    def close(self) -> None:
        if (provider := self._provider.forget()) is not None:
            provider.shutdown()

    def _make(self) -> TracerProvider:
        # What is still to be sent when the process ends is sent then (`shutdown_on_exit`).
        provider = TracerProvider(resource=Resource.create({"service.name": self._service}))
        provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
        return provider


def _nanoseconds(seconds: float) -> int:
    return int(seconds * 1e9)
