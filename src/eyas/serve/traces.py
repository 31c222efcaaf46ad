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
        TraceState,
        set_span_in_context,
    )

Attributes = dict[str, str | int]


class Traces:
    """Makes each span when its request has ended, from the times that are known by then.

    A thread of its own sends them in batches: make one in the process that serves, after it was forked.
    """

    def __init__(self) -> None:
        self._provider = TracerProvider()
        self._provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
        self._tracer = self._provider.get_tracer("eyas.serve")

    def began(self, request: Request) -> None:
        """Nothing is known yet."""

    def ended(self, request: Request, status: int) -> None:
        """Make the span."""
        route = request.endpoint.path if request.endpoint else ""
        attributes: Attributes = {
            "http.request.method": request.method,
            "http.route": route,
            "url.path": request.path,
            "http.response.status_code": status,
        }
        self.add(request, f"{request.method} {route}".strip(), attributes, failed=status >= 500)

    def refused(self, reason: str, address: str) -> None:
        """There was no request to make one of."""

    def add(self, request: Request, name: str, attributes: Attributes, *, failed: bool) -> None:
        """A span of a request that has just been answered."""
        end = time_ns()
        begin = end - round((perf_counter() - request.began) * 1e9)
        attributes["eyas.request_id"] = request.id
        if request.model:
            attributes["eyas.model"], attributes["eyas.version"] = request.model
        span = self._tracer.start_span(
            name,
            context=_above(request),
            kind=SpanKind.SERVER,
            attributes=attributes,
            start_time=begin,
        )
        if failed:
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
    state = TraceState.from_header([request.header("tracestate")])
    ids = int(trace.trace_id, 16), int(trace.span_id, 16)
    caller = SpanContext(*ids, is_remote=True, trace_flags=flags, trace_state=state)
    return set_span_in_context(NonRecordingSpan(caller))
