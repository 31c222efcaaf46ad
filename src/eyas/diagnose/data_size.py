"""How much more data would help: a power law through the errors of trainings on shares of the data.

    error(n) = a + b n^(-c),   a, b ≥ 0,  c in [0.05, 2]

a is what no amount of such data would mend. For a given c the law is linear in a and b: non-negative least squares of
two unknowns, which has a closed form; c is searched on a fine grid.

Sources: Cortes et al. 1993, *Learning curves: asymptotic values and rate of convergence*; Hestness et al. 2017, §2;
Efron & Tibshirani 1993, §6.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.stats import linregress

from eyas.core.errors import DataError

Floats = NDArray[np.float64]
EXPONENTS = np.geomspace(0.05, 2.0, 80)
RESAMPLES = 1000
LEAST_SIZES = 3
FACTORS = (2, 4)
LEVEL = 0.95
TREND = 0.01
"""Chance of taking noise for a falling curve."""


@dataclass(frozen=True)
class PowerLaw:
    """a + b n^(-c)."""

    a: float
    b: float
    c: float

    def __call__(self, n: float | Floats) -> Any:
        """The error at n images."""
        return self.a + self.b * np.power(n, -self.c)


@dataclass(frozen=True)
class Range:
    """A figure and its interval."""

    value: float
    low: float
    high: float

    def to_json(self) -> list[float]:
        """Value, low, high."""
        return [self.value, self.low, self.high]


@dataclass(frozen=True, eq=False)
class DataSize:
    """The law of one error, and what it says of more data."""

    law: PowerLaw
    sizes: Floats
    """(P,) images, ascending."""
    errors: Floats
    """(S, P) of each seed."""
    resampled: tuple[PowerLaw, ...]
    """Laws of the resamples."""
    gains: dict[int, Range]
    """Factor → fall in error with so many times the data, with its interval."""

    @property
    def can_tell(self) -> bool:
        """Whether errors fall with the data, and would with twice as many, beyond noise.

        Several seeds; an interval of that fall above a thousandth of the error; and, as the fit allows no rise and so
        finds a little fall in pure noise too, a falling line through all errors over ln n (one-sided t-test).
        """
        seeds = len(self.errors)
        if seeds < 2 or self.gains[FACTORS[0]].low <= 1e-3 * float(self.errors[:, -1].mean()):
            return False
        line = linregress(np.tile(np.log(self.sizes), seeds), self.errors.ravel(), alternative="less")
        return bool(line.pvalue < TREND)

    def band(self, sizes: Floats) -> tuple[Floats, Floats]:
        """The interval of the law at these sizes: (len(sizes),) each."""
        curves = np.array([law(sizes) for law in self.resampled])
        low, high = np.quantile(curves, [(1 - LEVEL) / 2, (1 + LEVEL) / 2], axis=0)
        return low, high

    def to_json(self) -> dict[str, Any]:
        """All of it as plain values, but the resamples."""
        return {
            "law": {"a": self.law.a, "b": self.law.b, "c": self.law.c},
            "images": self.sizes.tolist(),
            "errors": self.errors.tolist(),
            "gains": {f"{factor}x": gain.to_json() for factor, gain in self.gains.items()},
            "can_tell": self.can_tell,
        }


def fit_power_law(sizes: Floats, errors: Floats) -> PowerLaw:
    """The law with the least squared distance.

    Args:
        sizes: (P,) images, P ≥ 3, all different.
        errors: (P,) in [0, 1].

    Raises:
        DataError: fewer than three sizes, or shapes that differ.
    """
    _check(sizes, errors[None])
    a, b, c = _fit(sizes, errors[None])[0]
    return PowerLaw(float(a), float(b), float(c))


def data_size(
    sizes: Floats, errors: Floats, redrawn: Floats | None = None, *, resamples: int = RESAMPLES, seed: int = 0
) -> DataSize:
    """Fit the law to the mean over seeds, and its interval by drawing seeds with replacement at each size.

    Deviations are widened by √(S / (S - 1)): resamples of S values spread less than new values would. With three seeds
    the interval is still rough, with one there is none (it is the value).

    Args:
        sizes: (P,) images, P ≥ 3, all different.
        errors: (S, P) of each seed, in [0, 1].
        redrawn: (resamples, S, P) the errors on other draws of the images, of `redraw_images`; None: the images are
            taken for all there are.
        resamples: how many.
        seed: of the draws.

    Raises:
        DataError: fewer than three sizes, or shapes that do not fit.
    """
    _check(sizes, errors)
    order = np.argsort(sizes)
    sizes, errors = sizes[order].astype(np.float64), errors[:, order].astype(np.float64)
    seeds, points = errors.shape
    drawn = np.random.default_rng(seed).integers(0, seeds, (resamples, seeds, points))
    found = errors[None] if redrawn is None else redrawn[:, :, order]
    centre = found.mean(1)
    deviations = np.take_along_axis(found, drawn, axis=1).mean(1) - centre
    widened = centre + deviations * (seeds / max(1, seeds - 1)) ** 0.5
    fitted = _fit(sizes, np.concatenate([errors.mean(0)[None], widened]))
    laws = [PowerLaw(*map(float, row)) for row in fitted]
    gains = {factor: _gain(laws, float(sizes[-1]), factor) for factor in FACTORS}
    return DataSize(laws[0], sizes, errors, tuple(laws[1:]), gains)


def redraw_images(wrong: NDArray[np.bool_], *, resamples: int = RESAMPLES, seed: int = 0) -> Floats:
    """The errors on images drawn anew with replacement, the same draw for all seeds and sizes.

    Args:
        wrong: (S, P, N) bool, N ≥ 1.
        resamples: how many draws.
        seed: of them.

    Returns:
        (resamples, S, P) in [0, 1].
    """
    seeds, points, images = wrong.shape
    rng, answers = np.random.default_rng(seed), wrong.reshape(-1, images).T.astype(np.float32)
    rows = [
        np.bincount(rng.integers(0, images, images), minlength=images).astype(np.float32) @ answers
        for _ in range(resamples)
    ]
    redrawn: Floats = np.array(rows, np.float64).reshape(resamples, seeds, points) / images
    return redrawn


def conclude(overall: DataSize, by_class: dict[str, DataSize]) -> str:
    """What twice and four times the data would give, and to which classes most; or that the data cannot tell."""
    now = float(overall.law(overall.sizes[-1]))
    if not overall.can_tell:
        few = len(overall.errors) < 2
        why = "one seed shows no spread" if few else "the curve is flat, or its spread too wide"
        low, high = overall.gains[2].low, overall.gains[2].high
        span = "" if few else f": twice the data would lower the error by {100 * low:.2f} to {100 * high:.2f} points"
        return f"These trainings cannot tell whether more data would help ({why}{span})."
    parts = [
        f"{100 * g.value:.2f} points ({100 * g.low:.2f} to {100 * g.high:.2f}) with {_times(f)}"
        for f, g in overall.gains.items()
    ]
    told = sorted(
        (name for name, found in by_class.items() if found.can_tell), key=lambda n: -by_class[n].gains[2].value
    )
    most = ", ".join(f"{name} ({100 * by_class[name].gains[2].value:.2f})" for name in told[:3])
    classes = (
        f" Twice the data would help most: {most}."
        if most
        else " By class the spread is too wide to say which gain most."
    )
    falls = " and by ".join(parts)
    return f"More data would help: the fitted error, now {100 * now:.2f} %, would fall by {falls}.{classes}"


def _times(factor: int) -> str:
    return "twice the data" if factor == 2 else f"{factor} times"


def _gain(laws: Sequence[PowerLaw], largest: float, factor: int) -> Range:
    falls = np.array([law(largest) - law(factor * largest) for law in laws])
    low, high = np.quantile(falls[1:], [(1 - LEVEL) / 2, (1 + LEVEL) / 2]) if len(falls) > 1 else (falls[0], falls[0])
    return Range(float(falls[0]), float(low), float(high))


def _fit(sizes: Floats, errors: Floats) -> Floats:
    """(R, P) errors → (R, 3) a, b, c: for each exponent the best a, b ≥ 0, then the best exponent."""
    x = np.power(sizes[None] / sizes.min(), -EXPONENTS[:, None])  # (C, P), 1 at the smallest: well conditioned
    mean_x, mean_y = x.mean(1), errors.mean(1)
    centred = x - mean_x[:, None]
    b = np.maximum(0.0, (errors - mean_y[:, None]) @ centred.T / (centred**2).sum(1))  # (R, C)
    a = mean_y[:, None] - b * mean_x
    through_zero = errors @ x.T / (x**2).sum(1)
    b, a = np.where(a < 0, through_zero, b), np.maximum(a, 0.0)
    distance = ((errors[:, None] - a[..., None] - b[..., None] * x) ** 2).sum(-1)
    best = distance.argmin(1)
    rows = np.arange(len(errors))
    c = EXPONENTS[best]
    return np.stack([a[rows, best], b[rows, best] * sizes.min() ** c, c], axis=1)


def _check(sizes: Floats, errors: Floats) -> None:
    if sizes.ndim != 1 or errors.ndim != 2 or errors.shape[1] != len(sizes) or not len(errors):
        raise DataError(f"errors must be (seeds, sizes), got {errors.shape} for {sizes.shape} sizes")
    if len(np.unique(sizes)) < LEAST_SIZES or len(np.unique(sizes)) < len(sizes) or sizes.min() <= 0:
        raise DataError(f"a power law needs at least {LEAST_SIZES} different sizes above 0, got {sizes.tolist()}")
