"""What kind of change it is: can other shares of the same classes explain what was seen?

Under label shift the new scores are distributed as the held-out ones, each weighted by the ratio of its class's new
share to the old one. So the new shares are estimated, every new score gets a conformal p-value among weighted ones
(Tibshirani et al. 2019, *Conformal Prediction Under Covariate Shift*, eq. 7) of its predicted class, and the bets of
`eyas.monitor.streaming.betting` are made against those. Capital that grows all the same speaks for more
than label shift.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import log

import numpy as np
from numpy.typing import NDArray

from eyas.monitor.streaming.alarms import Alarm, ClassChange, Kind
from eyas.monitor.streaming.betting import CELLS, betting_table
from eyas.monitor.streaming.calibration import Calibration
from eyas.monitor.streaming.conformal import MIN_CLASS_IMAGES
from eyas.monitor.streaming.labels import likeliest_shares
from eyas.monitor.streaming.recent import Window

EVIDENCE = 1e3
"""Capital from which on label shift alone does not explain the scores, where the predicted classes raised the alarm."""
EVIDENCE_OF_SCORES = 10.0
"""The same where only scores did: then label shift has to explain them well to be believed."""
EXAMPLES = 8
MAX_CLASSES = 10
CLASS_DEVIATIONS = 4.0
"""A class is named when its count or its mean p lies this many standard errors from what was expected."""
MODEL_STREAMS = 3
LOG_TABLE = np.log(betting_table())


def diagnose(
    calibration: Calibration,
    window: Window,
    streams: Sequence[int],
    names: Sequence[str],
    at: int,
    since: int,
    ever: bool,
) -> Alarm:
    """Say what happened in a window that begins with the change.

    Args:
        calibration: what to compare with.
        window: the requests since the change.
        streams: of the scores, those that raised the alarm; empty where only the predicted classes did.
        names: of all that raised it.
        at: the request that raised it.
        since: the request at which it began.
        ever: which test raised it.
    """
    prior = calibration.probabilities.mean(axis=0)
    shares = likeliest_shares(window.probabilities, prior)
    ratios = shares / np.where(calibration.prior > 0, calibration.prior, np.inf)
    weights = ratios[calibration.labels]
    capital = log_capital(calibration, weights, window)
    by_classes = len(names) > len(streams)
    kind = _kind(calibration, weights, window, capital, log(EVIDENCE if by_classes else EVIDENCE_OF_SCORES))
    changed = (
        _changed_shares(calibration, window) if kind is Kind.LABEL else _changed_scores(calibration, window, streams)
    )
    return Alarm(
        kind=kind,
        streams=tuple(names),
        at=at,
        since=since,
        ever=ever,
        classes=changed,
        outlier_share=float(window.unknown.mean()),
        log10_evidence=float(_averaged(capital)) / log(10),
        examples=_examples(window, streams, changed, kind),
        since_id=window.ids[0] if len(window) > at - since else "",
    )


def log_capital(calibration: Calibration, weights: NDArray[np.float64], window: Window) -> NDArray[np.float64]:
    """ln of the capital won on each stream against "as the weighted held-out images of the same predicted class".

    Predicted classes with fewer than `MIN_CLASS_IMAGES` held-out images are compared with all.

    Args:
        calibration: the held-out images.
        weights: (R,) at least 0.
        window: the requests.

    Returns:
        (S,), averaged over bets; 0 for a stream without scores.
    """
    enough = np.bincount(calibration.predicted, minlength=calibration.classes) >= MIN_CLASS_IMAGES
    totals = np.zeros((len(calibration.scores), len(LOG_TABLE[0])))
    for k in np.unique(window.predicted).tolist():
        rows = calibration.predicted == k if enough[k] else slice(None)
        held_out, own = calibration.scores[:, rows], weights[rows]
        for stream, new in enumerate(window.scores[window.predicted == k].T):
            p = weighted_p_values(held_out[stream], own, new[np.isfinite(new)])
            totals[stream] += LOG_TABLE[np.minimum((p * CELLS).astype(np.int64), CELLS - 1)].sum(axis=0)
    return np.array([_averaged(row) for row in totals])


def weighted_p_values(
    held_out: NDArray[np.float32], weights: NDArray[np.float64], scores: NDArray[np.float32]
) -> NDArray[np.float64]:
    """Conformal p-values (n,) of scores (n,) among weighted held-out ones (R,); ties and the score itself count half.

    A new score has the mean weight: its own class is not known.
    """
    known = np.isfinite(held_out) & (weights > 0)
    order = np.argsort(held_out[known])
    ordered = held_out[known][order]
    below = np.concatenate([[0.0], np.cumsum(weights[known][order])])
    own = below[-1] / max(1, len(ordered)) or 1.0
    left, right = np.searchsorted(ordered, scores, "left"), np.searchsorted(ordered, scores, "right")
    p: NDArray[np.float64] = (below[-1] - (below[left] + below[right]) / 2 + own / 2) / (below[-1] + own)
    return p


def _kind(
    calibration: Calibration,
    weights: NDArray[np.float64],
    window: Window,
    capital: NDArray[np.float64],
    bar: float,
) -> Kind:
    if _averaged(capital) < bar:
        return Kind.LABEL
    if window.unknown.any() and not window.unknown.all():
        usual = log_capital(calibration, weights, window.only(~window.unknown))
        if _averaged(usual) < bar and window.unknown.mean() < 0.5:
            return Kind.OUTLIERS
    return Kind.COVARIATE if _averaged(capital[:MODEL_STREAMS]) >= bar else Kind.INPUT


def _averaged(logs: NDArray[np.float64]) -> float:
    """ln of the mean of exp(logs)."""
    peak = float(logs.max())
    return peak + float(np.log(np.exp(logs - peak).mean()))


def _changed_shares(calibration: Calibration, window: Window) -> tuple[ClassChange, ...]:
    """The classes whose number of predictions is not what it was, the clearest first."""
    held_out = np.bincount(calibration.predicted, minlength=calibration.classes) / len(calibration.predicted)
    counts = np.bincount(window.predicted, minlength=calibration.classes)
    expected = held_out * len(window)
    deviations = (counts - expected) / np.sqrt(np.maximum(expected * (1 - held_out), 0.25))
    ordered = np.argsort(-np.abs(deviations), kind="stable")[:MAX_CLASSES].tolist()
    named = [k for k in ordered if abs(deviations[k]) >= CLASS_DEVIATIONS] or ordered[:1]
    return tuple(ClassChange(k, float(held_out[k]), float(counts[k] / len(window))) for k in named)


def _changed_scores(calibration: Calibration, window: Window, streams: Sequence[int]) -> tuple[ClassChange, ...]:
    """The predicted classes whose p-values changed, where that is not most of those seen."""
    held_out = np.bincount(calibration.predicted, minlength=calibration.classes) / len(calibration.predicted)
    seen, counts = np.unique(window.predicted, return_counts=True)
    found = []
    for k, count in zip(seen.tolist(), counts.tolist(), strict=True):
        p = window.p_values[window.predicted == k][:, list(streams)]
        apart = np.abs(np.nanmean(p, axis=0) - 0.5) * np.sqrt(12 * count) if len(streams) else np.zeros(1)
        if apart.max() >= CLASS_DEVIATIONS:
            found.append((float(apart.max()), ClassChange(k, float(held_out[k]), count / len(window))))
    if len(found) > max(1, len(seen) // 2):
        return ()
    return tuple(change for _, change in sorted(found, key=lambda pair: -pair[0])[:MAX_CLASSES])


def _examples(window: Window, streams: Sequence[int], changed: Sequence[ClassChange], kind: Kind) -> tuple[str, ...]:
    """Label shift: predictions of the classes that come more often. Otherwise the least usual scores."""
    if kind is Kind.LABEL or not len(streams):
        more = [change.index for change in changed if change.share_since > change.share_before]
        rows = np.flatnonzero(np.isin(window.predicted, more)) if more else np.arange(len(window))
        return tuple(window.ids[row] for row in rows[::-1][:EXAMPLES])
    p = window.p_values[:, list(streams)]
    rareness = np.nan_to_num(np.minimum(p, 1 - p), nan=1.0).min(axis=1)
    if kind is Kind.OUTLIERS:
        rareness = np.where(window.unknown, rareness, rareness + 1)
    return tuple(window.ids[row] for row in np.argsort(rareness, kind="stable")[:EXAMPLES])
