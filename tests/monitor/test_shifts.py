"""Changes made on purpose: what each does to an image, and what it leaves."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from eyas.core.errors import ConfigError
from eyas.monitor.shifts import SHIFTS, shifted

SHAPES = st.tuples(st.integers(4, 20), st.integers(4, 20), st.sampled_from([1, 3]))


def image(shape: tuple[int, int, int], seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, shape).astype(np.uint8)


@given(st.sampled_from(sorted(SHIFTS)), SHAPES, st.floats(0, 1))
def test_every_shift_gives_an_image_of_the_same_size(name: str, shape: tuple[int, int, int], part: float) -> None:
    shift = SHIFTS[name]
    amount = shift.least + part * (shift.most - shift.least)
    before = image(shape)
    kept = before.copy()
    after = shifted(before, name, amount, np.random.default_rng(1))
    assert (after.shape, after.dtype) == (shape, np.uint8)
    assert (before == kept).all()


@pytest.mark.parametrize(
    ("name", "amount"),
    [("noise", 0), ("blur", 0), ("rotate", 0), ("translate", 0), ("darken", 0), ("contrast", 1)],
)
def test_none_of_it_changes_nothing(name: str, amount: float) -> None:
    before = image((9, 11, 3))
    assert (shifted(before, name, amount, np.random.default_rng(0)) == before).all()


def test_what_each_does() -> None:
    rng = np.random.default_rng(0)
    grey = np.full((40, 40, 1), 100, np.uint8)
    assert shifted(grey, "darken", 0.25, rng).tolist() == np.full((40, 40, 1), 75).tolist()
    assert 28 < shifted(grey, "noise", 30, rng).astype(float).std() < 32
    moved = shifted(grey, "translate", 0.25, rng)
    assert (moved[10:, 10:] == 100).all()
    assert moved.sum() == 100 * 30 * 30
    assert (shifted(moved, "translate", -0.25, rng)[:30, :30] == 100).all()
    assert (shifted(grey, "occlude", 0.5, rng) == 0).sum() == 400
    half = np.repeat([0, 200], 20).astype(np.uint8)[None, :, None].repeat(40, axis=0)
    assert sorted({*shifted(half, "contrast", 0.5, rng).ravel().tolist()}) == [50, 150]
    assert (shifted(half, "rotate", 180, rng)[:, :19] == 200).all()
    assert 90 < shifted(half, "blur", 3, rng)[20, 20, 0] < 120


def test_an_amount_or_name_out_of_range_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"darken .* must lie in \[0, 1\], got 2"):
        shifted(image((4, 4, 1)), "darken", 2, np.random.default_rng(0))
    with pytest.raises(ConfigError, match="must be one of noise, blur"):
        shifted(image((4, 4, 1)), "melt", None, np.random.default_rng(0))
