"""The power law against laws that are known."""

import numpy as np
import pytest

from eyas.core.errors import DataError
from eyas.diagnose.data_size import conclude, data_size, fit_power_law, redraw_images

SIZES = np.array([100.0, 200, 400, 800, 1600])


@pytest.mark.parametrize(("a", "b", "c"), [(0.05, 2.0, 0.5), (0.0, 1.0, 0.3), (0.2, 5.0, 0.9)])
def test_a_law_without_noise_is_found(a, b, c):
    law = fit_power_law(SIZES, a + b * SIZES**-c)
    assert law(SIZES) == pytest.approx(a + b * SIZES**-c, abs=2e-3)
    assert law(6400) == pytest.approx(a + b * 6400**-c, abs=5e-3)


def test_the_least_error_is_never_negative():
    law = fit_power_law(SIZES, np.array([0.5, 0.4, 0.3, 0.2, 0.1]))  # a straight line in log n would go below 0
    assert law.a >= 0
    assert law.b >= 0


def noisy(spread, seeds=3, c=0.5, seed=0):
    rng = np.random.default_rng(seed)
    return 0.05 + 2 * SIZES**-c + rng.normal(0, spread, (seeds, len(SIZES)))


def test_the_gain_lies_in_its_interval():
    found = data_size(SIZES, noisy(0.002))
    truth = 2 * (1600**-0.5 - 3200**-0.5)
    gain = found.gains[2]
    assert found.can_tell
    assert gain.low - 0.003 < truth < gain.high + 0.003
    assert gain.low <= gain.value <= gain.high < found.gains[4].high
    low, high = found.band(SIZES)
    assert (low <= high).all()


def test_what_is_flat_cannot_tell():
    draws = [np.full((3, 5), 0.2) + np.random.default_rng(seed).normal(0, 0.01, (3, 5)) for seed in range(100)]
    told = [data_size(SIZES, errors, resamples=100).can_tell for errors in draws]
    assert sum(told) <= 4
    found = data_size(SIZES, draws[told.index(False)])
    assert conclude(found, {}).startswith("These trainings cannot tell whether more data would help (the curve is flat")


def test_one_seed_cannot_tell():
    found = data_size(SIZES, noisy(0.0, seeds=1))
    assert not found.can_tell
    assert "one seed shows no spread" in conclude(found, {})


def test_the_classes_that_gain_most_come_first():
    by_class = {"steep": data_size(SIZES, 2 * noisy(0.001)), "slow": data_size(SIZES, 0.5 * noisy(0.001))}
    said = conclude(data_size(SIZES, noisy(0.001)), by_class)
    assert said.startswith("More data would help: the fitted error, now 9.9")
    assert said.index("steep (") < said.index("slow (")


def test_the_order_of_sizes_does_not_matter():
    errors = noisy(0.002)
    assert data_size(SIZES[::-1], errors[:, ::-1]).law == data_size(SIZES, errors).law


@pytest.mark.parametrize("sizes", [SIZES[:2], np.array([100.0, 100, 200]), np.array([0.0, 1, 2])])
def test_too_few_sizes_are_refused(sizes):
    with pytest.raises(DataError, match="at least 3 different sizes above 0"):
        fit_power_law(sizes, np.full(len(sizes), 0.1))


def test_few_images_widen_the_interval():
    """Three of 20 images are wrong at first, one at the end: nobody can tell by them; by 20,000 one can."""

    def answers(images):
        shares = np.array([0.3, 0.24, 0.2, 0.17, 0.15])
        ranks = (np.arange(images) + 0.5) / images
        return np.broadcast_to(ranks < shares[:, None], (3, 5, images))

    few, many = (answers(images) for images in (20, 20_000))
    assert redraw_images(few).shape == (1000, 3, 5)
    assert redraw_images(many).mean(0) == pytest.approx(many.mean(2), abs=0.002)
    assert not data_size(SIZES, few.mean(2), redraw_images(few)).can_tell
    assert data_size(SIZES, many.mean(2), redraw_images(many)).can_tell
