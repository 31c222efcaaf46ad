"""Who goes on, by numbers alone."""

import pytest

from eyas.tune.rungs import Standing, leader, promotion, rung_epochs, rungs_for


@pytest.mark.parametrize(
    ("epochs", "rungs", "expected"),
    [
        (27, 4, (1, 3, 9, 27)),
        (20, 4, (1, 2, 7, 20)),
        (2, 4, (1, 2)),
        (1, 4, (1,)),
        (9, 1, (9,)),
        (81, 4, (3, 9, 27, 81)),
    ],
)
def test_rungs_are_thirds_of_thirds(epochs, rungs, expected):
    assert rung_epochs(epochs, rungs) == expected


def test_few_trials_have_few_rungs():
    assert [rungs_for(trials) for trials in (None, 1, 2, 3, 8, 9, 26, 27, 1000)] == [4, 1, 1, 2, 2, 3, 3, 4, 4]


def at(rung, *values):
    return [Standing(10 * rung + place, rung, value) for place, value in enumerate(values)]


def test_nobody_goes_on_before_three_have_finished():
    assert promotion(at(0, 0.9, 0.5), (), 3, rising=True) is None
    assert promotion(at(0, 0.5, 0.9, 0.7), (), 3, rising=True) == 1


def test_what_falls_is_better_for_a_loss():
    assert promotion(at(0, 0.5, 0.9, 0.7), (), 3, rising=False) == 0


def test_who_has_gone_on_is_not_taken_again_and_the_next_is_due_with_more_trials():
    assert promotion(at(0, 0.5, 0.9, 0.7), {1}, 3, rising=True) is None
    assert promotion(at(0, 0.5, 0.9, 0.7, 0.1, 0.2, 0.3), {1}, 3, rising=True) == 2


def test_the_highest_rung_is_served_first_and_the_top_has_no_further():
    lower, upper = at(0, *[0.1 * k for k in range(9)]), at(1, 0.5, 0.6, 0.4)
    assert promotion([*lower, *upper], {6, 7, 8}, 3, rising=True) == 11
    assert promotion([*lower, *upper], {6, 7, 11}, 3, rising=True) == 8
    assert promotion(at(1, 0.5, 0.6, 0.4), (), 2, rising=True) is None


def test_another_machine_s_counts_but_is_not_taken():
    own = Standing(0, 0, 0.5)
    others = [Standing(1, 0, 0.9, own=False), Standing(2, 0, 0.4, own=False)]
    assert promotion([own, *others], (), 2, rising=True) is None
    assert promotion([Standing(0, 0, 0.95), *others], (), 2, rising=True) == 0


def test_equal_values_go_by_number():
    assert promotion(at(0, 0.5, 0.5, 0.5), (), 2, rising=True) == 0


def test_the_leader_goes_on_where_nobody_has_reached_the_top():
    assert leader(at(0, 0.5, 0.9), (), 3, rising=True) == 1
    assert leader([*at(0, 0.5, 0.9), *at(1, 0.3)], {1}, 3, rising=True) == 10
    assert leader([*at(0, 0.5), *at(2, 0.3)], (), 3, rising=True) is None
    assert leader([], (), 3, rising=True) is None
