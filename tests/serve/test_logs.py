"""Lines for machines, and spans of OpenTelemetry's, from the real server."""

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer

import httpx
import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import Span, Status

from eyas.bundle import Bundle
from eyas.serve.http import Request
from eyas.serve.http.content import Content
from eyas.serve.http.request import Head, Limits
from eyas.serve.http.trace import Trace, trace_of
from support.server import free_port, running
from support.waiting import wait_until

TRACE, SPAN = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
PARENT = f"00-{TRACE}-{SPAN}-01"


def test_every_answer_is_a_line_of_json(grey: Bundle) -> None:
    with running(grey.path, access_log=True, json_logs=True, workers=1) as server:
        headers = {"X-Request-ID": "id-7", "traceparent": PARENT}
        assert httpx.post(f"{server.url}/predict", json={"data": [0.5] * 64}, headers=headers).status_code == 200
        server.process.terminate()
        _, said = server.process.communicate(timeout=30)
    lines = [json.loads(line) for line in said.splitlines()]
    assert any(line["message"].startswith(f"eyas serves on {server.url}") for line in lines)
    (line,) = [line for line in lines if line.get("request_id") == "id-7"]
    assert line["level"] == "info"
    assert (line["method"], line["path"], line["status"]) == ("POST", "/predict", 200)
    assert (line["model"], line["version"], line["trace_id"]) == ("digits", "digits-1", TRACE)
    assert line["client"] == "127.0.0.1"
    assert 0 < line["seconds"] < 30


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        (PARENT, Trace(TRACE, SPAN, True)),
        (f"00-{TRACE}-{SPAN}-00", Trace(TRACE, SPAN, False)),
        (f"cc-{TRACE}-{SPAN}-01-what-comes-later", Trace(TRACE, SPAN, True)),
        (f"ff-{TRACE}-{SPAN}-01", None),
        (f"00-{'0' * 32}-{SPAN}-01", None),
        (f"00-{TRACE}-{'0' * 16}-01", None),
        (f"00-{TRACE.upper()}-{SPAN}-01", None),
        ("", None),
    ],
)
def test_traceparent(header: str, expected: Trace | None) -> None:
    head = Head("GET", "/", b"", {b"traceparent": header.encode()})
    assert trace_of(Request(head, Content(), Limits(1, 1.0))) == expected


class Collector(HTTPServer):
    """OTLP over HTTP."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Receive)
        self.spans: list[Span] = []


class _Receive(BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        sent = ExportTraceServiceRequest.FromString(self.rfile.read(int(self.headers["Content-Length"])))
        assert isinstance(self.server, Collector)
        self.server.spans += [span for r in sent.resource_spans for s in r.scope_spans for span in s.spans]
        self.send_response(200)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def collector(monkeypatch: pytest.MonkeyPatch) -> Iterator[Collector]:
    made = Collector()
    thread = threading.Thread(target=made.serve_forever, args=(0.02,))
    thread.start()
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", f"http://127.0.0.1:{made.server_port}")
    monkeypatch.setenv("OTEL_BSP_SCHEDULE_DELAY", "100")
    yield made
    made.shutdown()
    thread.join()
    made.server_close()


def test_a_request_is_a_span_below_its_callers(grey: Bundle, collector: Collector) -> None:
    with running(grey.path, traces=True, workers=1) as server:
        headers = [("traceparent", PARENT), ("tracestate", "one=1"), ("tracestate", "two=2,three=3")]
        httpx.post(f"{server.url}/predict", json={"data": [0.5] * 64}, headers=headers)
        httpx.post(f"{server.url}/predict", json={"data": [7]})
        wait_until(lambda: len([one for one in collector.spans if one.name == "POST /predict"]) == 2, 30)
    below, alone = (one for one in collector.spans if one.name == "POST /predict")
    assert (below.trace_id.hex(), below.parent_span_id.hex()) == (TRACE, SPAN)
    assert (below.trace_state, alone.trace_state) == ("one=1,two=2,three=3", "")
    assert not alone.parent_span_id
    assert alone.trace_id.hex() != TRACE
    facts = {one.key: one.value for one in below.attributes}
    assert facts["http.response.status_code"].int_value == 200
    assert facts["http.route"].string_value == "/predict"
    assert facts["eyas.version"].string_value == "digits-1"
    assert 0 < below.end_time_unix_nano - below.start_time_unix_nano < 30e9
    assert below.kind == Span.SPAN_KIND_SERVER
    assert {one.status.code for one in (below, alone)} == {Status.STATUS_CODE_UNSET}


def test_a_call_over_grpc_is_a_span_too(grey: Bundle, collector: Collector) -> None:
    triton = pytest.importorskip("tritonclient.grpc", reason="Triton's client is not installed")
    port = free_port()
    with running(grey.path, traces=True, workers=1, grpc_port=port):
        with triton.InferenceServerClient(f"127.0.0.1:{port}") as client:
            assert client.is_model_ready("digits", headers={"traceparent": PARENT})
        wait_until(lambda: any(one.name.endswith("/ModelReady") for one in collector.spans), 30)
    (span,) = (one for one in collector.spans if one.name.endswith("/ModelReady"))
    facts = {one.key: one.value.string_value for one in span.attributes}
    assert (span.trace_id.hex(), span.parent_span_id.hex()) == (TRACE, SPAN)
    assert facts["rpc.system.name"] == "grpc"
    assert facts["rpc.method"] == span.name == "inference.GRPCInferenceService/ModelReady"
    assert facts["rpc.response.status_code"] == "OK"
    assert facts["eyas.version"] == "digits-1"
