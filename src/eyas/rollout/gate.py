"""Before a rollout: is the challenger good enough on the test set to be let near a request?

Both models answer the same images, so their difference is tested in pairs, exactly. Every check says its figures,
whether it passes or not.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from eyas.core.errors import DataError
from eyas.evaluate import paired_difference, quick_scores
from eyas.evaluate.arrays import Floats, Ints, check_labels, check_probabilities
from eyas.evaluate.mcnemar import non_inferiority, two_sided, worse
from eyas.evaluate.paired import holm
from eyas.rollout.plan import RolloutPlan, percent

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

    @property
    def passed(self) -> bool:
        """None of those that were measured failed."""
        return all(check.passed is not False for check in self.checks)

    def to_json(self) -> dict[str, Any]:
        """A plain dict."""
        return {"passed": self.passed, "checks": [check.to_json() for check in self.checks]}


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
    words = (
        f"accuracy {percent(new.mean())}, the champion's {percent(old.mean())}, on {images} images: {gained} gained, "
        f"{lost} lost, a difference of {100 * gain:+.3g} points (95 % {100 * low:+.3g} to {100 * high:+.3g}); the loss "
        f"{proof} below the margin of {percent(rule.margin)} (p = {p:.2g}, {rule.alpha:g} is the bar); two-sided p = "
        f"{either:.2g}"
    )
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
    for quantile, most in ((95, rule.p95_seconds), (99, rule.p99_seconds)):
        old, new = (float(np.percentile(arm, quantile)) for arm in seconds)
        by_ratio = rule.latency_ratio * old if rule.latency_ratio is not None else np.inf
        allowed = min(by_ratio, np.inf if most is None else most)
        bar = f"at most {1000 * allowed:.4g} ms is allowed" if allowed < np.inf else "anything is allowed"
        words = f"p{quantile} {1000 * new:.4g} ms, the champion's {1000 * old:.4g} ms; {bar}"
        yield Check(f"latency p{quantile}", new <= allowed, words, {"seconds": new, "champion": old})
