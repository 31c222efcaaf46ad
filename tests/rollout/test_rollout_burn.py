"""Burn rates, against the same sums over a list of all requests."""

from __future__ import annotations

import json
from math import floor

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from eyas.core.errors import ConfigError, DataError
from eyas.rollout.burn import BurnMeter
from eyas.rollout.plan import BurnWindow

HOUR = BurnWindow(long_seconds=3600, short_seconds=300, factor=14.4)
QUICK = BurnWindow(long_seconds=60, short_seconds=10, factor=5)


def test_the_workbooks_example() -> None:
    """Of a budget of 0.1 %, an error rate of 1.44 % for an hour spends 2 % of 30 days': it pages; 1.3 % does not."""
    for failures, tripped in ((15, True), (13, False)):
        meter = BurnMeter(0.001, [HOUR])
        for minute in range(60):
            meter.add(60.0 * minute, 1000, failures)
        (burn,) = meter.burns(60.0 * 59)
        assert burn.long_rate == burn.short_rate == pytest.approx(failures)
        assert burn.tripped is tripped


def test_what_is_over_trips_nothing() -> None:
    """The short window clears soon after the errors end, though the long one is above its factor for long."""
    meter = BurnMeter(0.001, [HOUR])
    for minute in range(10):
        meter.add(60.0 * minute, 1000, 200)
    assert meter.tripped(600)
    for minute in range(10, 16):
        meter.add(60.0 * minute, 1000, 0)
    (burn,) = meter.burns(60.0 * 16)
    assert burn.long_rate > 14.4 > burn.short_rate
    assert not burn.tripped


def test_one_failure_in_two_requests_trips_only_who_means_it() -> None:
    for least, tripped in ((5, False), (1, True)):
        meter = BurnMeter(0.01, [QUICK], least)
        meter.add(0, 2, 1)
        (burn,) = meter.burns(0)
        assert (burn.failures, burn.requests, burn.tripped) == (1, 2, tripped)


def test_a_generous_budget_trips_where_everything_fails() -> None:
    meter = BurnMeter(0.5, [HOUR])
    meter.add(0, 100, 99)
    assert not meter.tripped(0)
    meter = BurnMeter(0.5, [HOUR])
    meter.add(0, 100, 100)
    assert meter.tripped(0)


EVENTS = st.lists(st.tuples(st.floats(0, 30), st.integers(0, 9), st.integers(0, 9)), min_size=1, max_size=40)


@given(events=EVENTS, start=st.sampled_from([0.0, 1.7e9]))
@settings(deadline=None)
def test_sums_are_those_over_all_requests(events: list[tuple[float, int, int]], start: float) -> None:
    meter, seen, now = BurnMeter(0.1, [QUICK], 1), [], start
    for wait, good, bad in events:
        now += wait
        meter.add(now, good + bad, bad)
        seen.append((floor(now), good + bad, bad))  # buckets are 1 s wide
        (burn,) = meter.burns(now)
        for seconds, rate in ((60, burn.long_rate), (10, burn.short_rate)):
            inside = [(n, b) for at, n, b in seen if at > floor(now) - seconds]
            requests, failures = (sum(column) for column in zip(*inside, strict=True))
            assert rate == pytest.approx(failures / requests / 0.1 if requests else 0)


@given(events=EVENTS)
@settings(deadline=None)
def test_a_kept_state_goes_on(events: list[tuple[float, int, int]]) -> None:
    straight, kept, now = BurnMeter(0.1, [QUICK]), BurnMeter(0.1, [QUICK]), 100.0
    for wait, good, bad in events:
        now += wait
        other = BurnMeter(0.1, [QUICK])
        other.restore(json.loads(json.dumps(kept.state())))
        kept = other
        for meter in (straight, kept):
            meter.add(now, good + bad, bad)
    assert kept.burns(now) == straight.burns(now)


def test_late_news_count_where_they_belong() -> None:
    meter = BurnMeter(0.1, [QUICK], 1)
    meter.add(100, 10, 0)
    meter.add(80, 10, 10)
    meter.add(20, 1000, 1000)  # older than the ring
    (burn,) = meter.burns(100)
    assert (burn.failures, burn.requests) == (10, 20)
    assert burn.short_rate == 0


def test_what_cannot_be_is_refused() -> None:
    with pytest.raises(DataError, match=r"failures must lie in \[0, 1\], the requests, got 2"):
        BurnMeter(0.1, [QUICK]).add(0, 1, 2)
    with pytest.raises(ConfigError, match="a budget must be greater than 0"):
        BurnMeter(0, [QUICK])
    with pytest.raises(ConfigError, match="at least one pair of windows"):
        BurnMeter(0.1, [])
    with pytest.raises(ConfigError, match="windows must keep the longest below 10,000 times the shortest"):
        BurnMeter(0.1, [BurnWindow(long_seconds=1e6, short_seconds=1, factor=1)])
    with pytest.raises(DataError, match="the state must have buckets of 1 s, 61 of them"):
        BurnMeter(0.1, [QUICK]).restore(BurnMeter(0.1, [HOUR]).state())
