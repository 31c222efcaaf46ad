"""The learning rate over a run, as a share of `train.learning_rate`."""

from __future__ import annotations

from math import cos, pi

from eyas.core.schema import Schedule, TrainConfig

# Smith & Topin 2019, as in torch's OneCycleLR: start at 1/25, peak after 30 % of the steps, end at 1/25e4.
ONE_CYCLE_START, ONE_CYCLE_PEAK, ONE_CYCLE_END = 1 / 25, 0.3, 1 / 25e4


def rate_share(config: TrainConfig, progress: float) -> float:
    """The share of the learning rate in force.

    - `constant`: 1.
    - `cosine`: (1 + cos π t) / 2 (Loshchilov & Hutter 2017, eq. 5, one period down to 0).
    - `triangular`: 1 - t.
    - `one_cycle`: cosine from 1/25 up to 1 at 30 %, then down to 4e-6 (Smith & Topin 2019); it warms up by itself.

    Before the first three stands a linear warm-up from 0 over `warmup_epochs`; t then runs from 0 to 1 over the rest.

    Args:
        progress: share of all steps at the middle of this one, in (0, 1).
    """
    warmup = 0.0 if config.schedule == "one_cycle" else config.warmup_epochs / config.epochs
    if progress < warmup:
        return progress / warmup
    return _shape(config.schedule, (progress - warmup) / (1 - warmup) if warmup < 1 else 1.0)


def _shape(schedule: Schedule, t: float) -> float:
    match schedule:
        case "constant":
            return 1.0
        case "cosine":
            return _ease(1.0, 0.0, t)
        case "triangular":
            return 1.0 - t
        case "one_cycle":
            if t < ONE_CYCLE_PEAK:
                return _ease(ONE_CYCLE_START, 1.0, t / ONE_CYCLE_PEAK)
            return _ease(1.0, ONE_CYCLE_END, (t - ONE_CYCLE_PEAK) / (1 - ONE_CYCLE_PEAK))


def _ease(start: float, end: float, t: float) -> float:
    """Half a cosine from `start` to `end`."""
    return end + (start - end) * (1 + cos(pi * t)) / 2
