"""A span of OpenTelemetry's for every request, below the caller's own; sent by OTLP where OTEL_* variables say."""

from __future__ import annotations

from time import perf_counter, time_ns

from eyas.core.errors import needs_extra
from eyas.serve.http import Request
from eyas.serve.http.trace import trace_of

with needs_extra("otel"):
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import BatchSpanProcessor
    from opentelemetry.trace import (
        NonRecordingSpan,
        SpanContext,
        SpanKind,
        Status,
        StatusCode,
        TraceFlags,
        set_span_in_context,
    )


class Traces:
    """Makes each span when its request has ended, from the times that are known by then.

    A thread of its own sends them in batches: make one in the process that serves, after it was forked.
    """

    def __init__(self) -> None:
        self._provider = TracerProvider()
        self._provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
        self._tracer = self._provider.get_tracer("eyas.serve")

    def began(self) -> None:
        """Nothing is known yet."""

    def ended(self, request: Request, status: int) -> None:
        """Make the span."""
        end = time_ns()
        begin = end - round((perf_counter() - request.began) * 1e9)
        route = request.endpoint.path if request.endpoint else ""
        attributes: dict[str, str | int] = {
            "http.request.method": request.method,
            "http.route": route,
            "url.path": request.path,
            "http.response.status_code": status,
            "eyas.request_id": request.id,
        }
        if request.model:
            attributes["eyas.model"], attributes["eyas.version"] = request.model
        span = self._tracer.start_span(
            f"{request.method} {route}".strip(),
            context=_above(request),
            kind=SpanKind.SERVER,
            attributes=attributes,
            start_time=begin,
        )
        if status >= 500:
            span.set_status(Status(StatusCode.ERROR))
        span.end(end)

    def close(self) -> None:
        """Send what is left."""
        self._provider.shutdown()


def _above(request: Request):  # type: ignore[no-untyped-def]
    """The caller's span, as a context to make another in; None without one."""
    trace = trace_of(request)
    if trace is None:
        return None
    flags = TraceFlags(TraceFlags.SAMPLED if trace.sampled else TraceFlags.DEFAULT)
    caller = SpanContext(int(trace.trace_id, 16), int(trace.span_id, 16), is_remote=True, trace_flags=flags)
    return set_span_in_context(NonRecordingSpan(caller))
