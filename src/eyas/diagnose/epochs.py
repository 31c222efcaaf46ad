"""Learning curves read as a person reads them: what each epoch was good for, and what the learning rate did."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from eyas.diagnose.findings import Finding, Phases, Severity
from eyas.diagnose.history import History

Floats = NDArray[np.float64]

# Of the whole fall of the validation loss: an epoch further above the best than this has yet to learn.
UNDERFIT_SHARE = 0.1
# A validation loss that ends this much above its best is past noise for any split large enough to be used.
OVERFIT_RISE = 0.05
# A step up of the training loss larger than this is no noise of dropout or augmentation.
JUMP = 0.1
# Times ln K, the loss of knowing nothing: no epoch's mean is so large but by steps that are far too long.
EXPLOSION = 10
# Over the last third of the epochs, relatively.
PLATEAU_FALL, STILL_FALL = 0.01, 0.03
FLAT_EPOCHS, FLAT_FALL = 3, 0.01


def find_phases(history: History) -> Phases:
    """Under-fitting epochs, the best one, over-fitting epochs, by the validation loss."""
    losses = history["val_loss"]
    best = int(np.nanargmin(losses))
    above = losses - losses[best] > UNDERFIT_SHARE * max(losses[0] - losses[best], 0.0)
    early = np.flatnonzero(~above)
    later = losses[best + 1 :]
    overfit = len(later) > 0 and _tail(losses) > (1 + OVERFIT_RISE) * losses[best]
    return Phases(
        underfit_until=int(early[0]) if len(early) else len(losses),
        best=best + 1,
        overfit_from=best + 2 if overfit and history["loss"][-1] < history["loss"][best] else None,
    )


def of_curves(history: History, phases: Phases, train_error: float, tolerance: float) -> Iterator[Finding]:
    """Findings that the curves alone give.

    Args:
        train_error: of the best network in evaluation mode.
        tolerance: the share from which it is called high.
    """
    losses, val_losses = history["loss"], history["val_loss"]
    if phases.overfit_from is not None:
        yield Finding(
            "overfitting-epochs",
            "note",
            {
                "best": phases.best,
                "epochs": len(losses),
                "rise": _tail(val_losses) / val_losses[phases.best - 1] - 1,
                "train_fall": 1 - losses[-1] / losses[phases.best - 1],
            },
        )
    if _decaying(history):
        return
    third = max(2, len(losses) // 3)
    if len(losses) >= 2 * third:
        fall, val_fall = _fall(losses, third), _fall(val_losses, third)
        if val_fall > STILL_FALL and phases.best >= len(losses) - 1:
            severity: Severity = "warning" if train_error > tolerance else "note"
            yield Finding("still-improving", severity, {"fall": val_fall, "last": third, "epochs": len(losses)})
        elif abs(fall) < PLATEAU_FALL and train_error > tolerance:
            yield Finding(
                "plateau", "warning", {"fall": fall, "last": third, "loss": losses[-1], "rate": _rate(history)}
            )


def of_learning_rate(history: History, class_counts: NDArray[np.int64]) -> Iterator[Finding]:
    """A loss that explodes, jumps, or does not get below -Σ π_k ln π_k, that of answering the classes' shares π.

    Args:
        class_counts: (K,) training images of each class.
    """
    losses, rate = history["loss"], _rate(history)
    shares = class_counts[class_counts > 0] / class_counts.sum()
    entropy = float(-(shares * np.log(shares)).sum())
    exploded, lowest = losses.max() > EXPLOSION * np.log(len(class_counts)), losses.min()
    if exploded or losses[-1] > max(2 * lowest, entropy):
        worst = int(np.argmax(losses)) if exploded else len(losses) - 1
        values = {"loss": losses[worst], "epoch": worst + 1, "lowest": lowest, "rate": rate}
        yield Finding("diverged", "problem", values)
        return
    last = slice(-FLAT_EPOCHS, None)
    if losses[last].min() > 0.98 * entropy and history["accuracy"][last].max() < 1.2 * shares.max():
        yield Finding("no-learning", "problem", {"loss": losses[-1], "chance": float(shares.max()), "rate": rate})
        return
    jumps = int((losses[1:] > (1 + JUMP) * losses[:-1]).sum())
    if jumps >= max(2, len(losses) // 5):
        yield Finding("unstable", "warning", {"jumps": jumps, "epochs": len(losses), "rate": rate})


def is_flat(losses: Floats, accuracies: Floats, chance: float) -> bool:
    """Whether the last three epochs' training losses are within 1 % of one another, at no more than chance accuracy.

    Args:
        losses: (epochs,).
        accuracies: (epochs,) training accuracy.
        chance: accuracy of always naming the commonest class.
    """
    last = losses[-FLAT_EPOCHS:]
    if len(last) < FLAT_EPOCHS:
        return False
    steady = last.max() - last.min() <= FLAT_FALL * last.max()
    return bool(steady and accuracies[-FLAT_EPOCHS:].max() <= 1.05 * chance)


def _tail(losses: Floats) -> float:
    """Mean over the last tenth of the epochs: one epoch's noise decides nothing."""
    return float(np.nanmean(losses[-max(1, len(losses) // 10) :]))


def _fall(losses: Floats, last: int) -> float:
    """How much of the loss went over the last epochs: 1 - mean of their second half / mean of their first."""
    window = losses[-last:]
    half = max(1, last // 2)
    return float(1 - window[-half:].mean() / window[:half].mean())


def _decaying(history: History) -> bool:
    """Whether a schedule has brought the rate down at the end: the curves are then flat by design."""
    rates = history["learning_rate"]
    return bool(rates[-1] < 0.3 * rates.max())


def _rate(history: History) -> float:
    return float(history["learning_rate"].max())
