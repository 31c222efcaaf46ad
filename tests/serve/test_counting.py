"""What is counted, by one worker and by several, and over a worker's death."""

import multiprocessing
import os
import signal
import socket
from pathlib import Path
from typing import Any

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client.parser import text_string_to_metric_families

from eyas.bundle import Bundle
from eyas.core.schema import ServeConfig
from eyas.serve.app import build_app
from eyas.serve.metrics import Meter, Tables, render
from eyas.serve.metrics.families import BATCH, PREDICT, REQUESTS, SECONDS
from eyas.serve.metrics.shared import ROWS, _key, _rows
from eyas.serve.model import Model
from eyas.serve.models import Models
from eyas.serve.service import Service
from eyas.serve.trust import open_gate
from support.asgi import Client, asgi_client
from support.server import Server, running
from support.waiting import wait_until

FORK = multiprocessing.get_context("fork")
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
    assert risen[COUNT, "POST", "200", "/predict", "http"] == 1
    assert risen[COUNT, "POST", "422", "/predict", "http"] == 1
    assert risen[COUNT, "GET", "404", "", "http"] == 1
    assert risen["eyas_model_requests_total", "digits", "ok", "digits-1"] == 1
    assert risen["eyas_model_requests_total", "digits", "client_error", "digits-1"] == 1
    assert risen["eyas_model_batch_images_count", "digits", "digits-1"] == 1
    assert risen["eyas_model_batch_images_sum", "digits", "digits-1"] == 3
    assert risen["http_server_request_duration_seconds_bucket", "POST", "200", "/predict", "+Inf", "http"] == 1
    assert after["http_server_active_requests", "GET", "http"] == 1  # that which asks


def test_buckets_are_opentelemetrys_with_two_finer_ones(client: Client) -> None:
    client.get("/livez")
    told = samples(client.get("/metrics").text)
    bounds = {key[-2] for key in told if key[0] == "http_server_request_duration_seconds_bucket"}
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
        assert total(server, "http_server_active_requests", "GET", "http") == 1
        each = (total(server, "process_resident_memory_bytes", name) for name in ("worker-0", "worker-1", "supervisor"))
        assert all(10e6 < one < 1e9 for one in each)


def _answers(server: Server) -> bool:
    try:
        return httpx.get(f"{server.url}/readyz").status_code == 200
    except httpx.TransportError:
        return False


def test_connections_that_bring_no_request_are_counted_by_the_reason(server: Server) -> None:
    before = total(server, "eyas_refused_connections_total", "malformed")
    with socket.create_connection(("127.0.0.1", server.port), timeout=20) as raw:
        raw.sendall(b"GET\r\n\r\n")
        assert raw.recv(65536).startswith(b"HTTP/1.1 400")
    assert total(server, "eyas_refused_connections_total", "malformed") == before + 1


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


def test_what_had_no_room_has_some_once_another_version_is_gone() -> None:
    tables = Tables(1, linger=0)
    counts = tables.counts(0)
    for number in range(ROWS):
        counts.row(("family", str(number)))
    counts.row(("late",))[0] += 1
    assert ("late",) not in tables.total()
    counts.keep(lambda series: series != ("family", "7"))
    counts.row(("late",))[0] += 1
    assert tables.total()[("late",)][0] == 1
    assert ("family", "7") not in tables.total()
    assert len(tables.total()) == ROWS


STEADY = ("steady",)
OUTCOMES = [str(number) for number in range(20)]
VERSIONS = 4 * ROWS // len(OUTCOMES)


def serve_versions(tables: Tables, slot: int, start: Any) -> None:
    """One version after another; what is counted of a version is its own number."""
    counts = tables.counts(slot)
    start.wait(20)
    for version in range(1, VERSIONS + 1):
        counts.keep(lambda series, name=str(version): series == STEADY or series[1] == name)  # type: ignore[misc]
        for outcome in OUTCOMES:
            counts.row(("requests", str(version), outcome))[3] += version
        counts.row(STEADY)[0] += 1


def test_versions_come_and_go_in_two_processes_while_a_third_reads() -> None:
    tables, start = Tables(2, linger=0), FORK.Barrier(3)
    workers = [FORK.Process(target=serve_versions, args=(tables, slot, start)) for slot in range(2)]
    for worker in workers:
        worker.start()
    start.wait(20)
    steady = 0.0
    while any(worker.is_alive() for worker in workers):
        total = tables.total()
        now = total.pop(STEADY, [0.0])[0]
        assert now >= steady
        steady = now
        for (_, version, _), numbers in total.items():  # of one process or of both, never of another version
            assert numbers[3] in (0, int(version), 2 * int(version))
            assert sum(numbers) == numbers[3]
    assert [worker.exitcode for worker in workers] == [0, 0]
    total = tables.total()
    assert total.pop(STEADY)[0] == 2 * VERSIONS
    last = {series: numbers[3] for series, numbers in total.items()}
    assert last == {("requests", str(VERSIONS), outcome): 2 * VERSIONS for outcome in OUTCOMES}


LENGTHS = range(1, 200)


def give_and_give(tables: Tables, start: Any) -> None:
    """The first row to one series after another, each of another length, which is its number too."""
    counts = tables.counts(0)
    numbers = counts.row(("x",))
    start.wait(20)
    for _ in range(400):
        for length in LENGTHS:
            counts._give(0, _key(("x" * length,)))
            numbers[-1] = length


def test_no_series_is_read_under_the_name_of_another() -> None:
    tables, start = Tables(1), FORK.Barrier(2)
    worker = FORK.Process(target=give_and_give, args=(tables, start))
    worker.start()
    start.wait(20)
    seen = set()
    while worker.is_alive() or not seen:
        for _ in range(200):
            for row in _rows(tables._table(0)):
                name = row.series[0] if row.series else ""
                assert row.numbers[-1] in (0, len(name)) or not name
                seen.add(len(name))
    assert worker.exitcode == 0
    assert len(seen) > 10


def predictions(tables: Tables, version: str) -> float | None:
    return samples(render(tables).decode()).get(("eyas_model_predict_seconds_count", "digits", version))


def test_a_version_that_comes_back_goes_on_soon_after_and_starts_anew_later() -> None:
    tables = Tables(2, linger=60.0)
    soon, other = (Meter(tables.counts(slot)) for slot in range(2))
    for meter in (soon, other):
        meter.keep([("digits", "1")])
        meter.predicted(("digits", "1"), 1, 0.1)
        meter.keep([("digits", "2")])
    assert predictions(tables, "1") == 2  # there is time to read its last numbers
    soon.keep([("digits", "1")])
    soon.predicted(("digits", "1"), 1, 0.1)
    assert predictions(tables, "1") == 3

    tables = Tables(2, linger=0.0)
    first, second = (Meter(tables.counts(slot)) for slot in range(2))
    for meter in (first, second):
        meter.keep([("digits", "1"), ("digits", "2")])
        meter.predicted(("digits", "1"), 1, 0.1)
        meter.predicted(("digits", "2"), 1, 0.1)
    first.keep([("digits", "2")])
    assert predictions(tables, "1") is None  # rather than the half of it
    for meter in (first, second):
        meter.keep([("digits", "2")])
        meter.keep([("digits", "1"), ("digits", "2")])
    assert predictions(tables, "1") == 0
    first.predicted(("digits", "1"), 1, 0.1)
    assert predictions(tables, "1") == 1
    assert predictions(tables, "2") == 2


def test_what_outlives_its_version_leaves_no_debt_to_the_one_that_comes_back() -> None:
    tables, one = Tables(1, linger=0.0), ("digits", "1")
    meter = Meter(tables.counts(0))
    meter.keep([one])
    meter.waiting(1, one, 1)
    meter.keep([("digits", "2")])
    meter.keep([one])
    meter.waiting(0, one, -1)
    assert samples(render(tables).decode())["eyas_model_waiting_requests", "digits", "1"] == 0


def test_a_dead_workers_successor_lets_go_of_what_has_left_meanwhile() -> None:
    tables = Tables(1, linger=0.0)
    dead = Meter(tables.counts(0))
    dead.keep([("digits", "1")])
    dead.predicted(("digits", "1"), 1, 0.1)
    Meter(tables.counts(0)).keep([("digits", "2")])
    assert predictions(tables, "1") is None


def test_what_a_service_lets_go_of_is_told_no_more(grey: Bundle) -> None:
    tables, models, config = Tables(1, linger=0.0), Models(), ServeConfig()
    model = Model(grey, 1, "other")
    models.put("digits", Model(grey, 1))
    models.put("other", model)
    application = build_app(Service(models, config, Meter(tables.counts(0))), tables, open_gate(config))
    with asgi_client(application) as client:
        for name in ("digits", "other"):
            assert client.post(f"/predict?model={name}", json=PIXELS).status_code == 200
        models.replace({"other": {model.version: model}}, {"other": model.version})
        told = samples(client.get("/metrics").text)
    assert told["eyas_model_requests_total", "other", "ok", model.version] == 1
    assert not [key for key in told if key[0].startswith("eyas_model") and "digits" in key]
    assert told[COUNT, "POST", "200", "/predict", "http"] == 2
    assert {series[0] for series in tables.total()} >= {REQUESTS.name, PREDICT.name, BATCH.name}
