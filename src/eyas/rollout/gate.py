"""Before a rollout: is the challenger good enough on the test set to be let near a request?

Both models answer the same images, so their difference is tested in pairs, exactly. Every check says its figures,
whether it passes or not. Accuracy has to be shown; latency shuts the gate where it is shown to be too high, for the
last hundredth of a few answers is much by chance.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from math import ceil, inf, sqrt
from statistics import NormalDist
from typing import Any

import numpy as np
from numpy.typing import NDArray

from eyas.core.errors import DataError, RolloutError
from eyas.evaluate import paired_difference, quick_scores
from eyas.evaluate.arrays import Floats, Ints, check_labels, check_probabilities
from eyas.evaluate.bootstrap import Interval
from eyas.evaluate.mcnemar import non_inferiority, two_sided, worse
from eyas.evaluate.paired import holm
from eyas.rollout.plan import RolloutPlan, percent

LEVEL = 0.95
"""Of the intervals of quantiles."""
NAMED = 5
"""Classes that a check names, at most."""


@dataclass(frozen=True)
class GateRule:
    """What must hold."""

    margin: float = 0.01
    """Loss of accuracy that is put up with."""
    alpha: float = 0.05
    """Level of the test on accuracy, and of all those on classes together."""
    latency_ratio: float | None = 1.5
    """The challenger's p95 and p99 may be so many times the champion's. None: anything."""
    p95_seconds: float | None = None
    """Of the challenger. None: anything."""
    p99_seconds: float | None = None
    """Of the challenger. None: anything."""
    calibration_rise: float = 0.02
    """The challenger's expected calibration error may be so much above the champion's."""

    @classmethod
    def of(cls, plan: RolloutPlan) -> GateRule:
        """What a plan asks for."""
        return cls(plan.margin, plan.alpha, plan.latency_ratio, plan.p95_seconds, plan.p99_seconds)


@dataclass(frozen=True)
class Check:
    """One of them."""

    name: str
    passed: bool | None
    """None where it was not measured."""
    words: str
    """What was found, and the bar."""
    figures: dict[str, float]

    def to_json(self) -> dict[str, Any]:
        """A plain dict."""
        return {"name": self.name, "passed": self.passed, "words": self.words, "figures": self.figures}


@dataclass(frozen=True)
class GateReport:
    """All of them."""

    checks: tuple[Check, ...]
    notes: tuple[str, ...] = ()
    """Which images were answered, and what else is to be known of them."""

    @property
    def failed(self) -> tuple[Check, ...]:
        """Those that do not hold."""
        return tuple(check for check in self.checks if check.passed is False)

    @property
    def passed(self) -> bool:
        """None of those that were measured failed."""
        return not self.failed

    def require_passed(self, challenger: str) -> None:
        """Refuse a challenger that does not pass.

        Raises:
            RolloutError: it names the checks that failed.
        """
        if not self.passed:
            said = "; ".join(f"{check.name}: {check.words}" for check in self.failed)
            raise RolloutError(f"the gate does not let {challenger} through: {said}")

    def to_json(self) -> dict[str, Any]:
        """A plain dict."""
        checks = [check.to_json() for check in self.checks]
        return {"passed": self.passed, "checks": checks, "notes": list(self.notes)}


def judge(
    labels: Ints,
    champion: Floats,
    challenger: Floats,
    rule: GateRule | None = None,
    *,
    seconds: tuple[Floats, Floats] | None = None,
    classes: Sequence[str] | None = None,
) -> GateReport:
    """Hold the challenger against the champion.

    Args:
        labels: (N,) class indices in [0, K), N ≥ 1.
        champion: (N, K) probabilities, rows sum to 1.
        challenger: (N, K), of the same images in the same order.
        rule: what must hold.
        seconds: latencies of the champion (R,) and the challenger (S,); None where they were not measured.
        classes: K names, for the words.

    Raises:
        DataError: shapes that do not fit, no images, rows that are no distributions, latencies that are none.
    """
    rule = rule or GateRule()
    _check_inputs(labels, champion, challenger, classes)
    right = champion.argmax(axis=1) == labels, challenger.argmax(axis=1) == labels
    names = tuple(classes) if classes else tuple(map(str, range(champion.shape[1])))
    return GateReport(
        (
            _accuracy(*right, rule),
            _per_class(labels, *right, names, rule.alpha),
            _calibration(labels, champion, challenger, rule.calibration_rise),
            *_latencies(seconds, rule),
        )
    )


def _check_inputs(labels: Ints, champion: Floats, challenger: Floats, classes: Sequence[str] | None) -> None:
    check_probabilities(champion)
    check_probabilities(challenger)
    check_labels(labels, *champion.shape)
    if champion.shape != challenger.shape:
        raise DataError(f"both models must answer alike, got {champion.shape} and {challenger.shape}")
    if not len(labels):
        raise DataError("a gate needs at least 1 image, got 0")
    if classes is not None and len(classes) != champion.shape[1]:
        raise DataError(f"classes must be {champion.shape[1]} names, got {len(classes)}")


def _accuracy(old: NDArray[np.bool_], new: NDArray[np.bool_], rule: GateRule) -> Check:
    lost, gained, images = int((old & ~new).sum()), int((new & ~old).sum()), len(old)
    p, either = non_inferiority(lost, gained, images, rule.margin), two_sided(lost, gained)
    gain, (low, high) = paired_difference(new, old)
    passed = p <= rule.alpha
    proof = "is" if passed else "is not shown to be"
    few = rule.margin > 0 and non_inferiority(0, 0, images, rule.margin) > rule.alpha
    words = (
        f"accuracy {percent(new.mean())}, the champion's {percent(old.mean())}, on {images} images: {gained} gained, "
        f"{lost} lost, a difference of {100 * gain:+.3g} points (95 % {100 * low:+.3g} to {100 * high:+.3g}); the loss "
        f"{proof} below the margin of {percent(rule.margin)} (p = {p:.2g}, {rule.alpha:g} is the bar); two-sided p = "
        f"{either:.2g}"
    )
    words += "; so few images cannot show so small a loss, even where none is lost" if few and not passed else ""
    figures = {"gain": gain, "low": low, "high": high, "lost": lost, "gained": gained, "p": p, "p_two_sided": either}
    return Check("accuracy", passed, words, figures)


def _per_class(
    labels: Ints, old: NDArray[np.bool_], new: NDArray[np.bool_], names: tuple[str, ...], alpha: float
) -> Check:
    """No class is worse at α, all of them together (Holm)."""
    lost = np.bincount(labels, weights=old & ~new, minlength=len(names)).astype(int).tolist()
    gained = np.bincount(labels, weights=new & ~old, minlength=len(names)).astype(int).tolist()
    there = np.unique(labels).tolist()
    corrected = dict(zip(there, holm([worse(lost[k], gained[k]) for k in there]), strict=True))
    bad = sorted((k for k in there if corrected[k] <= alpha), key=corrected.__getitem__)
    least = min(there, key=corrected.__getitem__)
    shown = [f"{names[k]} ({gained[k]} gained, {lost[k]} lost, p = {corrected[k]:.2g})" for k in bad[:NAMED] or [least]]
    more = f" and {len(bad) - NAMED} more" if len(bad) > NAMED else ""
    found = f"worse: {', '.join(shown)}{more}" if bad else f"none is worse, the nearest to it is {shown[0]}"
    words = f"{len(there)} classes: {found}; p by Holm, {alpha:g} is the bar"
    return Check("classes", not bad, words, {"worse": len(bad), "p": corrected[least]})


def _calibration(labels: Ints, champion: Floats, challenger: Floats, rise: float) -> Check:
    old, new = quick_scores(champion, labels).ece, quick_scores(challenger, labels).ece
    words = f"expected calibration error {new:.4f}, the champion's {old:.4f}; at most {rise:g} above it is allowed"
    return Check("calibration", new <= old + rise, words, {"ece": new, "champion": old})


def _latencies(seconds: tuple[Floats, Floats] | None, rule: GateRule) -> Iterator[Check]:
    if seconds is None:
        yield Check("latency", None, "latency was not measured", {})
        return
    for name, arm in zip(("champion", "challenger"), seconds, strict=True):
        if arm.ndim != 1 or not len(arm) or not np.isfinite(arm).all() or arm.min() < 0:
            raise DataError(f"the {name}'s latencies must be (R,) seconds of at least 0, R ≥ 1, got {arm!r:.80}")
    for quantile, most in ((0.95, rule.p95_seconds), (0.99, rule.p99_seconds)):
        name = f"p{100 * quantile:.0f}"
        old, new = (float(np.quantile(arm, quantile)) for arm in seconds)
        around_old, around_new = (_around(arm, quantile) for arm in seconds)
        by_ratio = inf if rule.latency_ratio is None else rule.latency_ratio * around_old.high
        allowed = min(by_ratio, inf if most is None else most)
        bar = f"its lower end may be {_ms(allowed)}" if allowed < inf else "anything is allowed"
        words = f"{name} {_ms(new)} ({_ends(around_new)}), the champion's {_ms(old)} ({_ends(around_old)}); {bar}"
        figures = {"seconds": new, "low": around_new.low, "champion": old, "champion_high": around_old.high}
        yield Check(f"latency {name}", around_new.low <= allowed, words, figures)


def _around(seconds: Floats, quantile: float) -> Interval:
    """A quantile's interval without a distribution: two of the sorted times, nq ± z √(nq (1 - q)) from the first.

    Source: Conover 1999, *Practical Nonparametric Statistics*, section 3.2.
    """
    n = len(seconds)
    half = NormalDist().inv_cdf((1 + LEVEL) / 2) * sqrt(n * quantile * (1 - quantile))
    low, high = max(0, ceil(n * quantile - half) - 1), min(n - 1, ceil(n * quantile + half) - 1)
    ordered = np.sort(seconds)
    return Interval(float(ordered[low]), float(ordered[high]))


def _ms(seconds: float) -> str:
    return f"{1000 * seconds:.4g} ms"


def _ends(interval: Interval) -> str:
    return f"95 % {1000 * interval.low:.4g} to {1000 * interval.high:.4g}"
