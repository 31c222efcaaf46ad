"""The limit on how often one caller may ask: exact, one over all processes, and never in a probe's way."""

import multiprocessing
import os
import signal
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from eyas.bundle import Bundle
from eyas.core.schema import RateConfig, ServeConfig
from eyas.serve.app import create_app
from eyas.serve.trust import rate as module
from eyas.serve.trust.rate import BUCKETS, WAYS, Rate
from support.asgi import Client, asgi_client
from support.server import running
from support.tokens import SECRET, bearing, token

BODY = {"data": [0.5] * 64}
FORK = multiprocessing.get_context("fork")


class Clock:
    """Stands still."""

    now = 1000.0

    def __call__(self) -> float:
        return self.now


def limit(per_second: float, burst: int) -> tuple[Rate, Clock]:
    clock = Clock()
    return Rate(RateConfig(per_second=per_second, burst=burst), clock), clock


def test_a_burst_at_once_then_one_by_one() -> None:
    rate, clock = limit(per_second=4, burst=3)
    assert [rate.wait("ann") for _ in range(5)] == [0, 0, 0, 0.25, 0.25]  # who waits is not counted
    clock.now += 0.25
    assert [rate.wait("ann") for _ in range(2)] == [0, 0.25]
    clock.now += 0.5
    assert [rate.wait("ann") for _ in range(3)] == [0, 0, 0.25]
    clock.now += 1000
    assert [rate.wait("ann") for _ in range(4)] == [0, 0, 0, 0.25]  # quiet time is not saved up beyond a burst


def test_callers_have_limits_of_their_own() -> None:
    rate, _ = limit(per_second=1, burst=2)
    for caller in ("ann", "bob", "subject", "ann ", "ä" * 1000):
        assert [rate.wait(caller) for _ in range(3)] == [0, 0, 1]


def test_the_wait_that_is_told_is_enough_and_no_less() -> None:
    rate, clock = limit(per_second=0.1, burst=1)
    assert rate.wait("ann") == 0
    clock.now += 3
    wait = rate.wait("ann")
    assert wait == 7
    clock.now += wait - 0.001
    assert rate.wait("ann") > 0
    clock.now += 0.001
    assert rate.wait("ann") == 0


@given(
    gaps=st.lists(st.integers(0, 40), min_size=1, max_size=60),
    per_second=st.sampled_from([1, 2, 4, 8]),
    burst=st.integers(1, 5),
)
def test_as_many_are_let_in_as_a_bucket_of_tokens_holds(gaps: list[int], per_second: int, burst: int) -> None:
    """Against the other form of the same limit, in exact arithmetic: a bucket that fills by so many a second."""
    rate, clock = limit(per_second, burst)
    held = Fraction(burst)
    for gap in gaps:  # sixteenths of a second
        clock.now += gap / 16
        held = min(Fraction(burst), held + Fraction(gap, 16) * per_second)
        allowed = held >= 1
        held -= allowed
        assert (rate.wait("ann") == 0) == allowed


def test_one_that_asked_long_ago_makes_room_and_nobody_else(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "BUCKETS", 1)
    rate, clock = limit(per_second=1, burst=1)
    for name in range(WAYS):
        assert rate.wait(str(name)) == 0
        clock.now += 0.01
    assert rate.wait("new") == 0  # in the place of "0"
    assert all(rate.wait(str(name)) > 0 for name in range(1, WAYS))


def _ask(rate: Rate, times: int, results: Any, start: Any) -> None:
    start.wait(20)
    results.put(sum(rate.wait("ann") == 0 for _ in range(times)))


def test_one_limit_over_processes_that_ask_at_once() -> None:
    rate, _ = limit(per_second=1, burst=1000)
    results, start = FORK.Queue(), FORK.Barrier(2)
    workers = [FORK.Process(target=_ask, args=(rate, 2000, results, start)) for _ in range(2)]
    for worker in workers:
        worker.start()
    counts = [results.get(timeout=60) for _ in workers]
    for worker in workers:
        worker.join(20)
    assert sum(counts) == 1000
    assert rate.wait("ann") == 1


def _die_inside(rate: Rate, inside: Any) -> None:
    def hold() -> float:
        inside.set()
        signal.pause()
        return 0.0

    rate._clock = hold
    rate.wait("ann")


def test_a_worker_that_is_killed_while_it_counts_holds_up_nobody() -> None:
    rate, _ = limit(per_second=1, burst=1)
    inside = FORK.Event()
    worker = FORK.Process(target=_die_inside, args=(rate, inside))
    worker.start()
    assert inside.wait(20)
    os.kill(worker.pid, signal.SIGKILL)
    worker.join(20)
    assert rate.wait("ann") == 0


def test_names_cannot_be_chosen_to_fall_in_with_anothers() -> None:
    """Another start has another secret, and another place for each name."""
    places = []
    for _ in range(2):
        rate, _ = limit(per_second=1, burst=1)
        rate.wait("ann")
        places.append(bytes(rate._memory))
        assert len(places[-1]) == BUCKETS * module.BUCKET.size
    assert places[0] != places[1]


@pytest.fixture
def slow(grey: Bundle) -> Iterator[Client]:
    config = ServeConfig(rate=RateConfig(per_second=0.01, burst=2))
    with asgi_client(create_app(grey, config)) as client:
        yield client


def test_who_asks_too_often_is_told_when_to_come_back(slow: Client) -> None:
    assert [slow.post("/predict", json=BODY).status_code for _ in range(3)] == [200, 200, 429]
    answer = slow.post("/predict", json=BODY)
    assert 90 <= int(answer.headers["Retry-After"]) <= 100
    assert answer.json()["detail"] == (
        f"one caller's requests must come slower (serve.rate); try again in {answer.headers['Retry-After']} s"
    )
    assert {slow.get(path).status_code for path in ("/livez", "/readyz", "/health", "/docs")} == {200}
    assert "429" in slow.get("/openapi.json").json()["paths"]["/predict"]["post"]["responses"]


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("192.0.2.1", "192.0.2.2", False),
        ("2001:db8::1", "2001:db8::ffff:1", True),
        ("2001:db8::1", "2001:db8:0:1::1", False),
        ("nonsense", "192.0.2.1", False),
    ],
)
def test_what_counts_as_one_address(one: str, other: str, same: bool) -> None:
    assert (module._home(one) == module._home(other)) == same


def test_a_real_server_has_one_limit_for_its_workers_and_one_for_each_subject(grey: Bundle, tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text(SECRET)
    limits = {"auth": {"secret_file": str(secret)}, "rate": {"per_second": 0.001, "burst": 5}}
    with running(grey.path, host="0.0.0.0", workers=2, **limits) as server:
        for subject in ("ann", "bob"):
            head = bearing(token(sub=subject))
            codes = [httpx.post(f"{server.url}/predict", json=BODY, headers=head).status_code for _ in range(12)]
            assert codes == [200] * 5 + [429] * 7
        again = bearing(token(sub="ann", jti="another"))
        assert httpx.post(f"{server.url}/predict", json=BODY, headers=again).status_code == 429
