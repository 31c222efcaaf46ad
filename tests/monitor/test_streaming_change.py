from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from eyas.monitor.streaming.betting import CELLS, betting_table, cell_of, cells_of, start_share
from eyas.monitor.streaming.change import CHANGE, EVER, ChangeTests, ClassTests, change_bar, ever_bar, mean_weights

TABLE = betting_table()
BETS = TABLE.shape[1]


def levels(p: np.ndarray, bars: tuple[float, float] = (1.0, 1.0)) -> np.ndarray:
    """(T, 2, S) levels of (T, S) p-values."""
    tests = ChangeTests([mean_weights(BETS)] * p.shape[1], bars)
    cells = np.minimum((p * CELLS).astype(int), CELLS - 1)
    return np.array([tests.update(TABLE[row].ravel(), t, start_share(t)) for t, row in enumerate(cells, start=1)])


def test_every_bet_is_fair_and_none_is_infinite() -> None:
    np.testing.assert_allclose(TABLE.mean(axis=0), 1, rtol=1e-12)
    assert (TABLE > 0).all()
    assert TABLE.max() < 300


def test_a_bet_pays_its_density() -> None:
    p = (np.arange(CELLS) + 0.5) / CELLS
    densities = [power * p ** (power - 1) for power in (0.2, 0.5)]
    densities += [power * (1 - p) ** (power - 1) for power in (0.2, 0.5)]
    densities += [1 + slope * (1 - 2 * p) for slope in (-0.9, -0.3, 0.3, 0.9)]
    densities += [(p**-0.5 + (1 - p) ** -0.5) / 4, (1 + 6 * p * (1 - p)) / 2]
    inner = slice(20, -20)  # towards the ends densities change within a cell
    np.testing.assert_allclose(betting_table()[inner], np.stack(densities, axis=1)[inner], rtol=1e-3)
    np.testing.assert_allclose(betting_table().mean(axis=0), 1, rtol=1e-12)


def test_every_p_has_a_cell() -> None:
    cells = {0.0: 0, 0.99 / CELLS: 0, 1 / CELLS: 1, 0.5: CELLS // 2, 1 - 1e-9: CELLS - 1, 1.0: CELLS - 1}
    assert [cell_of(p) for p in cells] == list(cells.values())
    assert cells_of(np.array([*cells, np.nan])).tolist() == [*cells.values(), 0]


def test_bets_win_where_they_should() -> None:
    rng = np.random.default_rng(0)
    shifts: dict[str, Callable[[int], np.ndarray]] = {
        "small": lambda n: rng.beta(0.3, 1, n),
        "large": lambda n: rng.beta(1, 0.3, n),
        "wide": lambda n: rng.beta(0.5, 0.5, n),
        "narrow": lambda n: rng.beta(3, 3, n),
        "slightly small": lambda n: rng.beta(1, 1.25, n),
    }
    for name, draw in shifts.items():
        growth = np.log(TABLE[[cell_of(p) for p in draw(4000)]]).mean(axis=0)
        assert growth.max() > 0.01, name


def test_stakes_for_all_times_are_at_most_one() -> None:
    assert sum(start_share(t) for t in range(1, 200_001)) + 0.47 / np.log(200_001) <= 1
    assert start_share(1) > 0.4


def test_levels_are_those_of_every_start_summed() -> None:
    p = np.random.default_rng(1).random((40, 2))
    found = levels(p)
    paid = TABLE[(p * CELLS).astype(int)]  # (T, S, E)
    for t in (1, 7, 40):
        runs = np.array([paid[start:t].prod(axis=0) for start in range(t)])
        stakes = np.array([start_share(start + 1) for start in range(t)])
        np.testing.assert_allclose(found[t - 1, CHANGE], runs.sum(axis=0).mean(axis=1), rtol=1e-9)
        np.testing.assert_allclose(
            found[t - 1, EVER], (stakes[:, None, None] * runs).sum(axis=0).mean(axis=1), rtol=1e-9
        )


def test_the_time_of_a_change_is_the_best_start() -> None:
    rng = np.random.default_rng(2)
    p = np.concatenate([rng.random(80), rng.beta(0.3, 1, 40)])[:, None]
    paid = TABLE[(p[:, 0] * CELLS).astype(int)]
    tests = ChangeTests([mean_weights(BETS)], (1.0, 1.0))
    for t in range(1, 121):
        level = tests.update(paid[t - 1], t, start_share(t))
        if level[CHANGE, 0] > 1e5:
            break
    runs = np.array([[paid[start:t, e].prod() for start in range(t)] for e in range(BETS)])
    best = int(runs.sum(axis=1).argmax())
    assert tests.since(0) == int(runs[best].argmax()) + 1
    assert abs(tests.since(0) - 81) <= 10


def wrongly(which: int, bars: tuple[float, float], length: int, runs: int) -> float:
    """Share of streams without a change that reach the bar."""
    rng = np.random.default_rng(3)
    reached = [(levels(rng.random((length, 25)), bars)[:, which] >= 1).any(axis=0).mean() for _ in range(runs // 25)]
    return float(np.mean(reached))


def test_ever_is_wrongly_reached_no_more_often_than_ville_allows() -> None:
    runs, rate = 500, 0.1
    wrong = wrongly(EVER, (ever_bar(rate, 1), 1e9), 500, runs)
    assert wrong <= rate + 3 * (rate * (1 - rate) / runs) ** 0.5
    assert wrong > 0.002  # a bound that nothing comes near would find nothing either


def test_a_change_is_wrongly_found_no_more_often_than_its_horizon_allows() -> None:
    runs, rate, horizon = 500, 0.2, 500
    wrong = wrongly(CHANGE, (1e9, change_bar(rate, 1, horizon)), horizon, runs)
    assert wrong <= rate + 3 * (rate * (1 - rate) / runs) ** 0.5
    assert wrong > 0.01


def test_shiryaev_roberts_grows_by_one_a_request_on_average() -> None:
    lines = slice(4, 8)  # the bets whose payments are small enough for a mean over some runs
    tests = [ChangeTests([mean_weights(4)], (1.0, 1.0)) for _ in range(2000)]
    rng = np.random.default_rng(5)
    for t in range(1, 21):
        last = [test.update(TABLE[cell_of(rng.random()), lines], t, 0.0)[CHANGE, 0] for test in tests]
    assert np.mean(last) == pytest.approx(20, abs=4 * np.std(last) / 2000**0.5)


def test_bars_are_split_over_streams_and_rise_with_the_horizon() -> None:
    assert ever_bar(0.01, 4) == 400
    assert change_bar(0.01, 4, 10_000) == 4e6


def test_a_stream_that_begins_anew_finds_the_next_change_and_its_time() -> None:
    rng = np.random.default_rng(6)
    tests = ChangeTests([mean_weights(BETS)], (1e9, 1e5))
    found = []
    for t in range(1, 2001):
        drifted = 200 < t <= 240 or t > 1200
        p = rng.beta(0.2, 1) if drifted else rng.random()
        if tests.update(TABLE[cell_of(p)], t, start_share(t))[CHANGE, 0] >= 1:
            found.append((t, tests.since(0)))
            tests.restart(0)
    assert abs(found[0][1] - 201) < 10
    first_again = next(pair for pair in found if pair[0] > 240)
    assert 1200 < first_again[0] < 1260
    assert abs(first_again[1] - 1201) < 10


def test_a_bet_that_wins_from_the_first_request_on_is_found_since_then() -> None:
    """And no other stream or class is touched where one begins anew."""
    many, single = ChangeTests([mean_weights(2)] * 2, (1.0, 1.0)), ClassTests(2, 2, 1.0)
    for request in (1, 2, 3):
        many.update(np.array([2.0, 0.5, 2.0, 0.5]), request, 0.1)
        for k in (0, 1):
            single.update(k, np.array([2.0, 0.5]), request)
    assert many.state()["cusum"].tolist() == [8, 0.5, 8, 0.5]  # max(C, 1) g
    assert single.state()["cusum"].tolist() == [[8, 0.5]] * 2
    assert [many.since(0), many.since(1), single.since(0), single.since(1)] == [1] * 4
    many.restart(0)
    single.restart(0)
    many.update(np.array([2.0, 0.5, 2.0, 0.5]), 4, 0.1)
    single.update(0, np.array([2.0, 0.5]), 4)
    assert many.state()["cusum"].tolist() == [2, 0.5, 16, 0.5]
    assert [many.since(0), many.since(1), single.since(0), single.since(1)] == [4, 1, 4, 1]


def test_since_when_is_said_by_the_bet_that_weighs_most() -> None:
    tests = ChangeTests([np.array([0.2, 0.8])], (1.0, 1.0))
    tests.update(np.array([0.5, 1.5]), 1, 0.1)
    tests.update(np.array([3.0, 1.5]), 2, 0.1)  # R: 4.5 since 2, 3.75 since 1
    assert tests.since(0) == 1


def test_a_kept_state_goes_on_the_same() -> None:
    payments = TABLE[np.random.default_rng(5).integers(0, CELLS, 30)]
    one, other = (ChangeTests([mean_weights(BETS)], (10.0, 20.0)) for _ in range(2))
    for request, paid in enumerate(payments[:20], start=1):
        one.update(paid, request, start_share(request))
    other.restore({name: np.array(value) for name, value in one.state().items()})
    assert one.state().keys() == {"capital", "cusum", "start"}
    steps = other.ahead(payments[20:], [start_share(request) for request in range(21, 31)])
    expected = [one.update(paid, request, start_share(request)) for request, paid in enumerate(payments[20:], start=21)]
    assert steps.levels.shape == (10, 2, 1)
    np.testing.assert_allclose(steps.levels, expected)
    other.keep(steps, 10, 21)
    assert other.since(0) == one.since(0)


def test_classes_are_tested_apart_and_as_one_stream_would_be() -> None:
    rng = np.random.default_rng(7)
    classes, alone = ClassTests(3, BETS, 10.0), ChangeTests([mean_weights(BETS)], (1.0, 10.0))
    for t in range(1, 200):
        k = int(rng.integers(3))
        p = rng.beta(0.3, 1) if k == 1 and t > 100 else rng.random()
        level = classes.update(k, TABLE[cell_of(p)], t)
        if k == 1:
            assert level == pytest.approx(alone.update(TABLE[cell_of(p)], t, 0.0)[CHANGE, 0])
            assert classes.since(1) == alone.since(0)
    assert level > 0
    classes.restart(1)
    assert classes.update(1, np.ones(BETS), 200) == pytest.approx(0.1)


def test_capital_stays_finite_under_an_endless_drift() -> None:
    found = levels(np.full((3000, 1), 1e-6))
    assert np.isfinite(found).all()
    assert found[-1].min() > 1e3
