"""What is counted, by one worker and by several, and over a worker's death."""

import os
import signal
from pathlib import Path

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client.parser import text_string_to_metric_families

from eyas.bundle import Bundle
from eyas.serve.metrics import Tables
from eyas.serve.metrics.families import SECONDS
from eyas.serve.metrics.shared import ROWS
from support.asgi import Client
from support.server import Server, running
from support.tracking import wait_until

PIXELS = {"data": [0.5] * 64}
COUNT = "http_server_request_duration_seconds_count"


def samples(text: str) -> dict[tuple[str, ...], float]:
    """(name, label values …) → value."""
    return {
        (one.name, *(value for _, value in sorted(one.labels.items()))): one.value
        for family in text_string_to_metric_families(text)
        for one in family.samples
    }


def test_each_answer_is_counted_by_route_status_and_model(client: Client) -> None:
    before = samples(client.get("/metrics").text)
    assert client.post("/predict", json={"data": [[0.5] * 64] * 3}).status_code == 200
    assert client.post("/predict", json={"data": [7]}).status_code == 422
    assert client.get("/nowhere/at/all").status_code == 404
    after = samples(client.get("/metrics").text)
    risen = {key: value - before.get(key, 0.0) for key, value in after.items() if value != before.get(key, 0.0)}
    assert risen[COUNT, "POST", "200", "/predict"] == 1
    assert risen[COUNT, "POST", "422", "/predict"] == 1
    assert risen[COUNT, "GET", "404", ""] == 1
    assert risen["eyas_model_requests_total", "digits", "ok", "digits-1"] == 1
    assert risen["eyas_model_requests_total", "digits", "client_error", "digits-1"] == 1
    assert risen["eyas_model_batch_images_count", "digits", "digits-1"] == 1
    assert risen["eyas_model_batch_images_sum", "digits", "digits-1"] == 3
    assert risen["http_server_request_duration_seconds_bucket", "POST", "200", "/predict", "+Inf"] == 1
    assert after["http_server_active_requests",] == 1  # that which asks


def test_buckets_are_opentelemetrys_with_two_finer_ones(client: Client) -> None:
    client.get("/livez")
    bounds = {key[-1] for key in samples(client.get("/metrics").text) if key[0].endswith("duration_seconds_bucket")}
    otel = (0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1.0, 2.5, 5.0, 7.5, 10.0)
    assert (0.001, 0.0025, *otel) == SECONDS
    assert bounds == {*map(str, SECONDS), "+Inf"}


def total(server: Server, *key: str) -> float:
    return samples(httpx.get(f"{server.url}/metrics").text).get(key, 0.0)


def pids(server: Server) -> set[int]:
    children = Path(f"/proc/{server.process.pid}/task/{server.process.pid}/children")
    return {int(word) for word in children.read_text().split()}


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="finds the workers in /proc")
def test_all_workers_count_together_and_nothing_is_lost_with_one(grey: Bundle) -> None:
    with running(grey.path, workers=2) as server:
        wait_until(lambda: len(pids(server)) == 2, 30)
        for _ in range(20):  # a connection each, so that both are asked
            assert httpx.post(f"{server.url}/predict", json=PIXELS).status_code == 200
        counted = ("eyas_model_requests_total", "digits", "ok", "digits-1")
        assert total(server, *counted) == 20
        old = pids(server)
        os.kill(min(old), signal.SIGKILL)
        wait_until(lambda: len(pids(server)) == 2 and pids(server) != old, 30)
        wait_until(lambda: _answers(server), 30)
        for _ in range(5):
            assert httpx.post(f"{server.url}/predict", json=PIXELS).status_code == 200
        assert total(server, *counted) == 25
        assert total(server, "eyas_worker_restarts_total") == 1
        assert total(server, "http_server_active_requests") == 1
        both = (total(server, "process_resident_memory_bytes", slot) for slot in "01")
        assert all(10e6 < one < 1e9 for one in both)


def _answers(server: Server) -> bool:
    try:
        return httpx.get(f"{server.url}/readyz").status_code == 200
    except httpx.TransportError:
        return False


NAMES = st.text(max_size=12)


@given(st.lists(st.tuples(st.integers(0, 2), st.tuples(NAMES, NAMES), st.integers(1, 9)), max_size=60))
def test_a_total_is_the_sum_over_tables(steps: list[tuple[int, tuple[str, str], int]]) -> None:
    tables = Tables(3)
    counts = [tables.counts(slot) for slot in range(3)]
    expected: dict[tuple[str, ...], float] = {}
    for slot, series, more in steps:
        counts[slot].row(series)[0] += more
        expected[series] = expected.get(series, 0.0) + more
        if more == 9:
            counts[slot] = tables.counts(slot)  # another process goes on with the table
    assert {series: numbers[0] for series, numbers in tables.total().items()} == expected


def test_what_has_no_room_is_not_counted_and_does_no_harm() -> None:
    tables = Tables(1)
    counts = tables.counts(0)
    for number in range(ROWS + 5):
        counts.row(("family", str(number)))[0] += 1
    counts.row(("family", "x" * 300))[0] += 1
    assert len(tables.total()) == ROWS
    tables.forget(0, "family")
    assert {numbers[0] for numbers in tables.total().values()} == {0.0}
