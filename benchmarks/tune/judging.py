"""Who is better: medians and means of regret with bootstrap intervals, and Friedman's ranks with Nemenyi's distance.

Sources: Friedman 1937; Nemenyi 1963; Demšar 2006, *Statistical comparisons of classifiers over multiple data sets*.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import sqrt

import numpy as np
from numpy.typing import NDArray
from scipy.stats import friedmanchisquare, rankdata, studentized_range

RESAMPLES = 2_000
Curves = Mapping[str, NDArray[np.float64]]
"""Problem: (S, T) regret of the best loss so far, by seed and trial."""


def interval(curves: Curves, at: int, statistic: str) -> tuple[float, float, float]:
    """A statistic over all seeds and problems after `at` trials, and its 95 % interval over new seeds.

    Args:
        statistic: `mean` or `median`, over problems and seeds together.
    """
    found = np.stack([values[:, at - 1] for values in curves.values()])
    compute = np.mean if statistic == "mean" else np.median
    rng = np.random.default_rng(0)
    seeds = rng.integers(found.shape[1], size=(RESAMPLES, *found.shape))
    drawn = np.take_along_axis(found[None], seeds, axis=2)
    low, high = np.quantile(compute(drawn, axis=(1, 2)), [0.025, 0.975])
    return float(compute(found)), float(low), float(high)


def mean_ranks(methods: Sequence[Curves], at: int) -> tuple[NDArray[np.float64], float, float]:
    """Each method's mean rank over (problem, seed), the critical distance, and Friedman's p.

    Two methods differ at the level 5 % where their mean ranks lie further apart than

        q √(k (k + 1) / (6 N)),   N = problems

    with the ranks of each problem averaged over its seeds first, for seeds on one problem are no independent problems.
    """
    problems = list(methods[0])
    ranks = np.stack(
        [
            rankdata(np.stack([np.round(curves[name][:, at - 1], 10) for curves in methods]), axis=0).mean(1)
            for name in problems
        ]
    )
    k, n = len(methods), len(problems)
    distance = studentized_range.ppf(0.95, k, np.inf) / sqrt(2) * sqrt(k * (k + 1) / (6 * n))
    p = float(friedmanchisquare(*ranks.T).pvalue) if k > 2 else float("nan")
    return ranks.mean(0), float(distance), p


def wins(one: Curves, other: Curves, at: int) -> float:
    """How often a seed of `one` is better than a seed of `other` on the same problem, ties counted half."""
    shares = []
    for name, values in one.items():
        a, b = np.round(values[:, None, at - 1], 10), np.round(other[name][None, :, at - 1], 10)
        shares.append((a < b).mean() + 0.5 * (a == b).mean())
    return float(np.mean(shares))
