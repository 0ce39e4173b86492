"""What the process tells of itself, by OpenTelemetry: requests, jobs, evaluations, looks of the
watch.

Always on `/metrics`; sent as OTLP too where the standard variables ask for it
(``OTEL_EXPORTER_OTLP_ENDPOINT`` or those of a signal). Names follow the semantic conventions; of a
request only its method, the pattern of its route, its status and its time are told.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, TypeVar

from opentelemetry.sdk.metrics import (
    AlwaysOffExemplarFilter,
    MeterProvider,
    TraceBasedExemplarFilter,
)
from opentelemetry.sdk.metrics.export import (
    Histogram,
    HistogramDataPoint,
    InMemoryMetricReader,
    MetricReader,
    PeriodicExportingMetricReader,
    Sum,
)
from opentelemetry.sdk.metrics.view import ExplicitBucketHistogramAggregation, View
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.trace import NoOpTracer, SpanKind, Status, StatusCode, Tracer
from prometheus_client.core import CounterMetricFamily, HistogramMetricFamily
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from meterstone import __version__

_ENDPOINTS = (
    "OTEL_EXPORTER_OTLP_ENDPOINT",
    "OTEL_EXPORTER_OTLP_METRICS_ENDPOINT",
    "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT",
)
_BOUNDS_S = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 60.0)
_LAST_EXPORT_MS = 2_000
_NO_REPLY = 499

T = TypeVar("T")


class Telemetry:
    """Measures what the process does."""

    def __init__(self, environment: Mapping[str, str] = os.environ) -> None:
        self._local = InMemoryMetricReader()
        readers: list[MetricReader] = [self._local]
        traces = TracerProvider(resource=_RESOURCE)
        self._sends = environment.get("OTEL_SDK_DISABLED", "").lower() != "true" and any(
            environment.get(name) for name in _ENDPOINTS
        )
        if self._sends:
            metric_exporter, span_exporter = _exporters()
            readers.append(PeriodicExportingMetricReader(metric_exporter))
            traces.add_span_processor(BatchSpanProcessor(span_exporter))
        view = View(
            instrument_name="*.duration",
            aggregation=ExplicitBucketHistogramAggregation(_BOUNDS_S),
        )
        filter_ = TraceBasedExemplarFilter() if self._sends else AlwaysOffExemplarFilter()
        self._traces = traces
        self._metrics = MeterProvider(
            readers, resource=_RESOURCE, views=[view], shutdown_on_exit=False,
            exemplar_filter=filter_,
        )  # fmt: skip
        # A span that goes nowhere costs a request a quarter of its time.
        self._tracer: Tracer = (
            traces.get_tracer("meterstone", __version__) if self._sends else NoOpTracer()
        )
        meter = self._metrics.get_meter("meterstone", __version__)
        self._requests = meter.create_histogram(
            "http.server.request.duration", "s", "Time to the end of an answer."
        )
        self._work = meter.create_histogram(
            "meterstone.work.duration", "s", "Time of a job, an evaluation, or a look of the watch."
        )

    @property
    def collector(self) -> Collector:
        """For the registry of ``/metrics``."""
        return _Bridge(self._local)

    def close(self) -> None:
        """Send what is left, for at most two seconds a signal."""
        if self._sends:
            self._traces.force_flush(_LAST_EXPORT_MS)
            self._metrics.force_flush(_LAST_EXPORT_MS)
        self._traces.shutdown()
        self._metrics.shutdown(_LAST_EXPORT_MS)

    @contextmanager
    def work(self, kind: str) -> Iterator[None]:
        """Measure a piece of work, as ``meterstone.work.duration`` and as a span."""
        begun, outcome = time.monotonic(), "failed"
        try:
            with self._tracer.start_as_current_span(
                kind, record_exception=False, set_status_on_exception=True
            ):
                yield
            outcome = "done"
        finally:
            self._work.record(time.monotonic() - begun, {"kind": kind, "outcome": outcome})

    def measured(self, kind: str, does: Callable[..., T]) -> Callable[..., T]:
        """The same function, measured."""

        def measured(*given: Any, **options: Any) -> T:
            with self.work(kind):
                return does(*given, **options)

        return measured

    def requests(self, app: ASGIApp) -> ASGIApp:
        """The same application, with its requests measured."""

        async def measured(scope: Scope, receive: Receive, send: Send) -> None:
            if scope["type"] != "http":
                await app(scope, receive, send)
                return
            begun, status = time.monotonic(), _NO_REPLY

            async def noting(message: Message) -> None:
                nonlocal status
                if message["type"] == "http.response.start":
                    status = message["status"]
                await send(message)

            with self._tracer.start_as_current_span(
                scope["method"], kind=SpanKind.SERVER, record_exception=False
            ) as span:
                try:
                    await app(scope, receive, noting)
                finally:
                    told = {
                        "http.request.method": scope["method"],
                        "http.route": getattr(scope.get("route"), "path", "none"),
                        "http.response.status_code": status,
                    }
                    self._requests.record(time.monotonic() - begun, told)
                    if span.is_recording():
                        span.update_name(f"{told['http.request.method']} {told['http.route']}")
                        span.set_attributes(told)
                        if status >= 500:
                            span.set_status(Status(StatusCode.ERROR))

        return measured


_RESOURCE = Resource.create({"service.name": "meterstone", "service.version": __version__})


def _exporters() -> tuple[Any, Any]:
    """Of metrics and of spans, over HTTP; they read the standard variables themselves. Imported
    where they are asked for: they bring an HTTP client of their own."""
    from opentelemetry.exporter.otlp.proto.http.metric_exporter import (  # noqa: PLC0415
        OTLPMetricExporter,
    )
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import (  # noqa: PLC0415
        OTLPSpanExporter,
    )

    return OTLPMetricExporter(), OTLPSpanExporter()


class _Bridge(Collector):
    """What OpenTelemetry measured, for the registry of ``/metrics``."""

    def __init__(self, reader: InMemoryMetricReader) -> None:
        self._reader = reader

    def describe(self) -> Iterable[Metric]:
        """Nothing beforehand: a family is there once something was measured."""
        return ()

    def collect(self) -> Iterator[Metric]:
        """All families."""
        found = self._reader.get_metrics_data()
        for resource in found.resource_metrics if found else ():
            for scope in resource.scope_metrics:
                for metric in scope.metrics:
                    unit = "seconds" if metric.unit == "s" else ""
                    name = "_".join(filter(None, (metric.name.replace(".", "_"), unit)))
                    data = metric.data
                    if isinstance(data, Histogram):
                        yield _histogram(name, metric.description or "", unit, data.data_points)
                    elif isinstance(data, Sum):
                        yield _counter(name, metric.description or "", data)


def _histogram(
    name: str, says: str, unit: str, points: Iterable[HistogramDataPoint]
) -> HistogramMetricFamily:
    labels = sorted({key for point in points for key in point.attributes or {}})
    family = HistogramMetricFamily(
        name, says, labels=[key.replace(".", "_") for key in labels], unit=unit
    )
    for point in points:
        buckets, total = [], 0
        bounds = [*map(str, point.explicit_bounds), "+Inf"]
        for bound, count in zip(bounds, point.bucket_counts, strict=True):
            total += count
            buckets.append((bound, float(total)))
        family.add_metric(_labelled(labels, point.attributes), buckets, point.sum)
    return family


def _counter(name: str, says: str, data: Sum) -> CounterMetricFamily:
    labels = sorted({key for point in data.data_points for key in point.attributes or {}})
    family = CounterMetricFamily(name, says, labels=[key.replace(".", "_") for key in labels])
    for point in data.data_points:
        family.add_metric(_labelled(labels, point.attributes), point.value)
    return family


def _labelled(labels: Iterable[str], attributes: Mapping[str, Any] | None) -> list[str]:
    return [str((attributes or {}).get(label, "")) for label in labels]
