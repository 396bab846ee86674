"""Traces for OpenTelemetry (`pip install hubbub[otel]`), where its own variables ask for them.

    POST /generations     server     the request, within the trace that it told (`traceparent`)
      generation          consumer   one attempt of a worker
        queued            internal   from the request to the claim
        provider          client     the call and its answer; an event `first delta`

`OTEL_EXPORTER_OTLP_ENDPOINT` (or `…_TRACES_ENDPOINT`) turns it on, `OTEL_SDK_DISABLED=true` off;
the others mean what OpenTelemetry's documentation says. Without them nothing of it is imported.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from importlib import import_module

from hub.spans import Spans

log = logging.getLogger("hub.trace")

_ENDPOINTS = ("OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT")


def spans_of(environ: Mapping[str, str], service: str) -> Spans | None:
    """What the environment asks for. `service` is the name of this kind of process, unless
    `OTEL_SERVICE_NAME` says another. Where the packages are missing, one line says so."""
    asked = any(environ.get(name) for name in _ENDPOINTS)
    off = environ.get("OTEL_SDK_DISABLED", "").lower() == "true"
    if not asked or off or environ.get("OTEL_TRACES_EXPORTER", "otlp") != "otlp":
        return None
    try:
        otlp = import_module("workers.telemetry.otlp")
    except ImportError as error:
        log.warning("no traces: %s; pip install 'hubbub[otel]'", error)
        return None
    spans: Spans = otlp.OtlpSpans(environ, service)
    return spans
