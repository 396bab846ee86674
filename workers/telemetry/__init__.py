"""Traces and metrics for OpenTelemetry (`pip install hubbub[otel]`), where its own variables ask
for them.

    POST /generations     server     the request, within the trace that it told (`traceparent`)
      generation          consumer   one attempt of a worker
        queued            internal   from the request to the claim
        provider          client     the call and its answer; an event `first delta`

The metrics are those of `/metrics`, from each web process. `OTEL_EXPORTER_OTLP_ENDPOINT` (or
`…_TRACES_ENDPOINT`, `…_METRICS_ENDPOINT`) turns it on, `OTEL_SDK_DISABLED=true` off; the others
mean what OpenTelemetry's documentation says. Without them nothing of it is imported.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from importlib import import_module
from typing import Any, Literal

from hub.spans import Spans
from workers.telemetry.figures import FigureSender

log = logging.getLogger("hub.trace")


def spans_of(environ: Mapping[str, str], service: str) -> Spans | None:
    """What the environment asks for. `service` is the name of this kind of process, unless
    `OTEL_SERVICE_NAME` says another. Where the packages are missing, one line says so."""
    otlp = _module(environ, "traces", "workers.telemetry.otlp")
    if otlp is None:
        return None
    spans: Spans = otlp.OtlpSpans(environ, service)
    return spans


def figure_sender_of(environ: Mapping[str, str], service: str) -> FigureSender | None:
    """The same for metrics."""
    otlp = _module(environ, "metrics", "workers.telemetry.otlp_metrics")
    if otlp is None:
        return None
    sender: FigureSender = otlp.OtlpFigures(environ, service)
    return sender


def _module(
    environ: Mapping[str, str], signal: Literal["traces", "metrics"], name: str
) -> Any | None:
    own = f"OTEL_EXPORTER_OTLP_{signal.upper()}_ENDPOINT"
    asked = environ.get("OTEL_EXPORTER_OTLP_ENDPOINT") or environ.get(own)
    off = environ.get("OTEL_SDK_DISABLED", "").lower() == "true"
    exporter = environ.get(f"OTEL_{signal.upper()}_EXPORTER", "otlp")
    if not asked or off or exporter != "otlp":
        return None
    try:
        return import_module(name)
    except ImportError as error:
        log.warning("no %s: %s; pip install 'hubbub[otel]'", signal, error)
        return None
