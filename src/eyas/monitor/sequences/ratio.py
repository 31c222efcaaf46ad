"""Do the arms get what was planned? A test that may be looked at after every request.

Against the planned shares p stands a Dirichlet mixture around them, the evidence of counts n for it being

    BF = B(kp + n) / (B(kp) Π_j p_j^{n_j}),    B(a) = Π_j Γ(a_j) / Γ(Σ_j a_j)

capital that starts at 1 and, while the shares are as planned, ever reaches 1/α with probability at most α. min 1/BF is
a p-value that may be read at any time. Where the plan changes, what was won is staked again under the new shares.

It asks for draws that are independent: count each key once, at its first request, since an arm that is kept for a user
repeats itself with every request.

Source: Lindon & Malek 2022, *Anytime-valid inference for multinomial count data*, section 3; k as in their `ssrm_test`.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import exp, lgamma, log

from eyas.core.errors import DataError
from eyas.monitor.sequences.nested import check_alpha

CONCENTRATION = 10_000.0


class SampleRatio:
    """Whether the counts of arms fit their planned shares.

    Args:
        shares: of each arm; they sum to 1. An arm of share 0 must get nothing.
        alpha: α in (0, 1).
        concentration: k, how near the alternatives lie to the plan.

    Raises:
        DataError: shares or α out of range.
    """

    def __init__(self, shares: Sequence[float], alpha: float = 0.001, concentration: float = CONCENTRATION) -> None:
        self.alpha, self._k = check_alpha(alpha), concentration
        self.shares = _checked(shares)
        self.counts = [0] * len(self.shares)
        """Of each arm, under the present shares."""
        self._before = 0.0  # ln BF under earlier shares
        self._best = 0.0

    @property
    def p_value(self) -> float:
        """Valid at every look: while the plan holds it is ever at most α with probability at most α."""
        return exp(-self._best)

    @property
    def mismatch(self) -> bool:
        """Whether the plan is refuted at α; once it is, it stays so."""
        return self.p_value <= self.alpha

    def update(self, counts: Sequence[int]) -> None:
        """Add how many went to each arm.

        Raises:
            DataError: another number of arms, or a negative count.
        """
        if len(counts) != len(self.shares) or min(counts) < 0:
            raise DataError(f"counts must be {len(self.shares)} numbers of at least 0, got {list(counts)}")
        self.counts = [old + new for old, new in zip(self.counts, counts, strict=True)]
        self._best = max(self._best, self._before + self._log_factor())

    def plan(self, shares: Sequence[float]) -> None:
        """Go on under other shares.

        Raises:
            DataError: shares that are none, or of another number of arms.
        """
        if len(shares) != len(self.shares):
            raise DataError(f"there must be {len(self.shares)} shares as before, got {len(shares)}")
        checked = _checked(shares)
        self._before += self._log_factor()
        self.shares, self.counts = checked, [0] * len(checked)

    def _log_factor(self) -> float:
        """ln BF; infinite where an arm of share 0 got something, up to what a float holds."""
        if any(count for count, share in zip(self.counts, self.shares, strict=True) if not share):
            return 700.0
        found = lgamma(self._k) - lgamma(self._k + sum(self.counts))
        for count, share in zip(self.counts, self.shares, strict=True):
            if share:
                found += lgamma(self._k * share + count) - lgamma(self._k * share) - count * log(share)
        return found


def _checked(shares: Sequence[float]) -> tuple[float, ...]:
    if len(shares) < 2 or min(shares) < 0 or abs(sum(shares) - 1) > 1e-9:
        raise DataError(f"shares must be two or more numbers of at least 0 that sum to 1, got {list(shares)}")
    return tuple(float(share) for share in shares)
