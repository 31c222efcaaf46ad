"""Bias and variance, with how sure they are."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.stats import beta

from eyas.diagnose.evidence import Answers, SeedAnswers
from eyas.diagnose.findings import Decomposition, Estimate

DRAWS = 10_000

Draws = NDArray[np.float64]


def decompose(seeds: Sequence[SeedAnswers], reference: float | None, tolerance: float) -> Decomposition:
    """Validation error = reference + (training error - reference) + (validation error - training error).

    The two differences are the avoidable bias and the variance. Both errors are uncertain: n answers of which k are
    wrong leave the error distributed as Beta(k + ½, n - k + ½), Jeffreys' posterior, which is not certain of 0 where no
    answer was wrong. S seeds answer about the same images: a draw stands at the same quantile of each posterior. It
    takes S seeds with replacement; their deviation from the mean counts √(S / (S - 1)) times, for that of a sample is
    too small.

    Args:
        seeds: at least one run.
        reference: a person's error or the least possible one; None: unknown, taken as 0.
        tolerance: the share from which bias or variance is called high.

    Source: Ng 2018, *Machine Learning Yearning*, ch. 20-22; Brown, Cai & DasGupta 2001 for the posterior.
    """
    generator = np.random.default_rng(0)
    chosen = generator.integers(0, len(seeds), (DRAWS, len(seeds)))
    train = _errors([seed.train for seed in seeds], chosen, generator)
    val = _errors([seed.val for seed in seeds], chosen, generator)
    at_best = reference or 0.0
    train_error, val_error = (float(np.mean([part.error for part in parts])) for parts in _by_split(seeds))
    return Decomposition(
        reference=at_best,
        reference_known=reference is not None,
        train_error=_estimate(train_error, train),
        val_error=_estimate(val_error, val),
        bias=_estimate(train_error - at_best, train - at_best),
        variance=_estimate(val_error - train_error, val - train),
        high_bias=float((train - at_best > tolerance).mean()),
        high_variance=float((val - train > tolerance).mean()),
        tolerance=tolerance,
        seeds=len(seeds),
        train_images=seeds[0].train.images,
        val_images=seeds[0].val.images,
    )


def _by_split(seeds: Sequence[SeedAnswers]) -> tuple[list[Answers], list[Answers]]:
    return [seed.train for seed in seeds], [seed.val for seed in seeds]


def _errors(answers: Sequence[Answers], chosen: NDArray[np.int64], generator: np.random.Generator) -> Draws:
    """(DRAWS,) the mean error over the chosen seeds."""
    quantiles = generator.random(DRAWS)
    seeds = np.array([beta.ppf(quantiles, part.wrong + 0.5, part.images - part.wrong + 0.5) for part in answers])
    mean = seeds.mean(axis=0)
    drawn = np.take_along_axis(seeds, chosen.T, axis=0).mean(axis=0)
    count = len(answers)
    draws: Draws = mean + (drawn - mean) * (count / max(count - 1, 1)) ** 0.5
    return draws


def _estimate(value: float, draws: Draws) -> Estimate:
    low, high = np.quantile(draws, [0.025, 0.975])
    return Estimate(value, min(value, float(low)), max(value, float(high)))
