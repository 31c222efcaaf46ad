"""How batching is decided: by timings that are made up, and by those of a real graph."""

from collections.abc import Callable, Iterable
from itertools import chain, cycle, repeat

import pytest
from hypothesis import given
from hypothesis import strategies as st

from eyas.bundle import Bundle
from eyas.serve.model import Model
from eyas.serve.probe import LEAST_GAIN, LEAST_ROUNDS, SECONDS, gains, probe

SIZE = 8


def told(seconds: Iterable[float], log: list[float]) -> Callable[[], float]:
    """A clock that tells these seconds in turn, and writes down what it has told."""
    turns = iter(seconds)

    def run() -> float:
        log.append(next(turns))
        return log[-1]

    return run


def probed(one: Iterable[float], many: Iterable[float]) -> tuple[float, float, int, float]:
    """Least seconds alone and together, the rounds that it took, and the seconds of all its runs."""
    singles: list[float] = []
    batches: list[float] = []
    alone, together = probe(told(one, singles), told(many, batches), SIZE)
    assert len(singles) == 2 * len(batches)
    return alone, together, len(batches), sum(singles) + sum(batches)


@pytest.mark.parametrize(
    ("alone", "together", "worth"),
    [
        (1e-3, 0.5e-3, True),
        (1e-3, 0.79e-3, True),
        (1e-3, 0.81e-3, False),  # less than a fifth
        (1e-3, 1.2e-3, False),
        (0.2e-3, 0.11e-3, False),  # half, and still less than a batch costs
    ],
)
def test_a_gain_must_be_a_fifth_and_more_than_a_batch_costs(alone: float, together: float, worth: bool) -> None:
    assert gains(*probed(repeat(alone), repeat(SIZE * together))[:2]) == worth


@pytest.mark.parametrize("slow", [1.3, 2.0, 10.0])
def test_a_machine_that_is_busy_at_first_does_not_make_batches_look_good(slow: float) -> None:
    """As it was: all single images came first, met what else ran, and looked slower than in a batch."""
    busy = chain(repeat(slow * 1e-3, 2 * LEAST_ROUNDS), repeat(1e-3))
    assert not gains(*probed(busy, repeat(SIZE * 0.95e-3))[:2])


@given(st.lists(st.floats(1, 20), min_size=20, max_size=60), st.lists(st.floats(1, 20), max_size=30), st.integers(0, 2))
def test_one_quiet_round_is_enough(singles: list[float], batches: list[float], place: int) -> None:
    """Whatever noise there is else: a graph that gains nothing is seen to, for a quiet batch has quiet neighbours."""
    quiet = 2 * place
    one = (1e-3 * noise for noise in chain(singles[:quiet], [1.0], cycle(singles)))
    many = (SIZE * 0.95e-3 * noise for noise in chain(batches, repeat(1.0)))
    assert not gains(*probed(one, many)[:2])


@pytest.mark.parametrize("alone", [20e-6, 99e-6, 150e-6, 1e-3, 5e-3, 40e-3])
def test_rounds_are_bounded_by_time(alone: float) -> None:
    *_, rounds, spent = probed(repeat(alone), repeat(SIZE * alone))
    a_round = (2 + SIZE) * alone
    assert rounds >= LEAST_ROUNDS
    assert spent < max((LEAST_ROUNDS + 1e-9) * a_round, SECONDS + a_round)
    assert rounds == LEAST_ROUNDS or alone > LEAST_GAIN


def test_a_tiny_graph_costs_the_start_nothing(grey: Bundle) -> None:
    model = Model(grey, 1)
    assert (model.batch, model.seconds < LEAST_GAIN) == (1, True)
