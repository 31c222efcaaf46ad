"""The benchmark against real servers: figures that make sense, both kinds of bodies, and every error counted."""

import json
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import httpx
import numpy as np
import pytest

from eyas.bench import Target, measure, parse_url
from eyas.bench.load import Load, drive
from eyas.bench.requests import make_requests
from eyas.core.errors import ConfigError, ServingError
from support.bundles import make_bundle
from support.server import free_port, running

GREY = np.arange(64, dtype=np.uint8).reshape(1, 8, 8, 1)


@pytest.fixture(scope="module")
def bundle(tmp_path_factory):
    return make_bundle(tmp_path_factory.mktemp("bench") / "bundle")


@pytest.fixture(scope="module")
def server(bundle):
    with running(bundle.path, workers=1) as made:
        yield made


@contextmanager
def answering(status: int, *, length: bool = True, keep: bool = True) -> Iterator[Target]:
    """A real HTTP server that answers everything so."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self):
            self.rfile.read(int(self.headers["Content-Length"]))
            self.send_response(status)
            if length:
                self.send_header("content-Length", "2")
            if not keep:
                self.send_header("Connection", "close")
            self.end_headers()
            self.wfile.write(b"{}")

        def log_message(self, *_):
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as served:
        served.daemon_threads = True
        threading.Thread(target=served.serve_forever, args=(0.02,), daemon=True).start()
        yield Target("127.0.0.1", served.server_port)
        served.shutdown()


def eyas(*arguments, cwd, code=0):
    command = [sys.executable, "-m", "eyas", *map(str, arguments)]
    process = subprocess.run(command, cwd=cwd, capture_output=True, text=True, timeout=120, check=False)
    assert process.returncode == code, process.stdout + process.stderr
    return process


@pytest.mark.parametrize("body", ["json", "file"])
def test_a_row_for_each_number_of_connections(bundle, server, body):
    settings = {"body": body, "concurrencies": (1, 3), "seconds": 0.4, "workers": 1, "threads": 1}
    rows = list(measure(bundle, parse_url(server.url), **settings))
    assert [row.concurrency for row in rows] == [1, 3]
    for row in rows:
        assert row.errors == {}
        assert row.requests_per_second > 0
        assert 0 < row.p50_ms <= row.p95_ms <= row.p99_ms
        assert row.raw_per_second > 0
        assert row.raw_p50_ms > 0
        assert row.share == pytest.approx(row.requests_per_second / row.raw_per_second)


@pytest.mark.parametrize("body", ["json", "file"])
@pytest.mark.parametrize("channels", [1, 3])
def test_the_requests_hold_the_very_images(tmp_path, body, channels):
    """Sent as they are, they give the golden answers."""
    made = make_bundle(tmp_path / "bundle", channels=channels)
    golden = made.golden()
    with running(made.path, workers=1) as server:
        for request, expected in zip(
            make_requests(parse_url(server.url), golden.images[:3], body), golden.probabilities, strict=False
        ):
            head, _, content = request.partition(b"\r\n\r\n")
            lines = dict(line.split(": ") for line in head.decode().split("\r\n")[1:])
            assert int(lines["Content-Length"]) == len(content)
            answer = httpx.post(f"{server.url}/predict", content=content, headers=lines).json()
            np.testing.assert_allclose(answer["probabilities"], [expected], atol=1e-6)


@pytest.mark.parametrize("status", [422, 503])
@pytest.mark.parametrize("keep", [True, False])
def test_every_other_answer_is_counted_by_its_status(status, keep):
    with answering(status, keep=keep) as target:
        outcome = drive(Load(target, (b"POST / HTTP/1.1\r\nContent-Length: 0\r\n\r\n",), 2, 0.3))
    assert outcome.latencies == []
    assert outcome.errors.keys() == {str(status)}
    assert outcome.errors[str(status)] > 2  # and so the connections went on


def test_a_real_server_that_refuses_is_counted(bundle, server):
    requests = make_requests(parse_url(server.url), bundle.golden().images[:1], "json")
    refused = requests[0].replace(b'"range":255', b'"range":254')
    outcome = drive(Load(parse_url(server.url), (*requests, refused), 2, 0.4))
    assert outcome.errors.keys() == {"422"}
    assert outcome.latencies
    assert abs(outcome.errors["422"] - len(outcome.latencies)) <= 4  # every second one


def test_an_answer_without_a_length_is_no_answer():
    with answering(200, length=False, keep=False) as target:
        outcome = drive(Load(target, (b"POST / HTTP/1.1\r\nContent-Length: 0\r\n\r\n",), 1, 0.3))
    assert (outcome.latencies, outcome.errors.keys()) == ([], {"no length"})


def test_a_server_that_is_gone_is_counted_and_not_measured(bundle):
    target = Target("127.0.0.1", free_port())
    outcome = drive(Load(target, (b"x",), 2, 0.3))
    assert (outcome.latencies, outcome.errors.keys()) == ([], {"no connection"})
    settings = {"body": "json", "concurrencies": (1,), "seconds": 0.2, "workers": 1, "threads": 1}
    with pytest.raises(ServingError, match=f"nothing answers at 127.0.0.1:{target.port}"):
        next(measure(bundle, target, **settings))


def test_a_token_goes_with_every_request():
    (request,) = make_requests(Target("::1", 80, "/models"), GREY, "json", "a.b.c")
    lines = request.split(b"\r\n")
    assert lines[0] == b"POST /models/predict HTTP/1.1"
    assert b"Host: [::1]:80" in lines
    assert b"Authorization: Bearer a.b.c" in lines
    with pytest.raises(ConfigError, match="the token must be printable ASCII"):
        make_requests(Target("::1", 80), GREY, "json", "a\r\nb")


@pytest.mark.parametrize(
    ("url", "target"),
    [
        ("http://localhost:5000", Target("localhost", 5000)),
        ("https://example.org/eyas/", Target("example.org", 443, "/eyas", secure=True)),
    ],
)
def test_addresses(url, target):
    assert parse_url(url) == target


@pytest.mark.parametrize("url", ["localhost:5000", "ftp://localhost", "http://", "http://a:b", "http://a/?b"])
def test_what_is_no_address_is_refused(url):
    with pytest.raises(ConfigError, match="--url must be an address such as"):
        parse_url(url)


def test_the_command_starts_a_server_and_prints_a_table(bundle, tmp_path):
    answer = eyas(
        "benchmark", bundle.path, "-n", 1, "-n", 2, "--seconds", 0.3, "serve.workers=1", "serve.threads=1", cwd=tmp_path
    )
    assert "digits-1 (fp32), json bodies; 1 workers of 1 thread(s)" in " ".join(answer.stdout.split())
    assert "of raw" in answer.stdout
    assert "%" in answer.stdout


def test_the_command_measures_a_server_that_runs(bundle, server, tmp_path):
    words = ("--url", server.url, "--body", "file", "-n", 2, "--seconds", 0.3, "--json", "serve.workers=1")
    found = json.loads(eyas("benchmark", bundle.path, *words, cwd=tmp_path).stdout)
    assert (found["version"], found["body"], found["workers"]) == ("digits-1", "file", 1)
    (row,) = found["rows"]
    assert row["requests_per_second"] > 0
    assert row["errors"] == {}


def test_the_command_fails_where_nothing_was_answered(bundle, tmp_path):
    with answering(503) as target:
        words = ("--url", f"http://127.0.0.1:{target.port}", "-n", 1, "--seconds", 0.2, "serve.workers=1")
        answer = eyas("benchmark", bundle.path, *words, cwd=tmp_path, code=7)
    assert "× 503" in answer.stdout
    assert "no request was answered with status 200" in answer.stderr


def test_it_needs_the_serving_half_alone():
    program = "import sys, eyas.bench; sys.exit(bool({'torch', 'onnx', 'scipy', 'sklearn'} & set(sys.modules)))"
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0
