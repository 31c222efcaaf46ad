"""The training curve by step, thinned."""

from __future__ import annotations

POINTS = 2000
"""About so many over the whole run, and never more than one every `EVERY` steps."""
EVERY = 10


class StepCurve:
    """From means over the epoch so far to means over the steps since the last point.

    Args:
        images: of the training split.
        batch_size: images a step.
        steps: an epoch.
        epochs: of the whole run.
    """

    def __init__(self, *, images: int, batch_size: int, steps: int, epochs: int) -> None:
        self._images, self._batch, self._steps = images, batch_size, steps
        self._stride = max(EVERY, steps * epochs // POINTS)
        self._seen, self._sums = 0, (0.0, 0.0)

    def point(self, epoch: int, step: int, loss: float, accuracy: float) -> tuple[int, float, float] | None:
        """The step of the whole run, from 1, with loss and accuracy since the last point; None between points.

        Args:
            epoch: epochs finished before this one.
            step: of this epoch, from 1.
            loss, accuracy: means over the epoch so far.
        """
        overall = epoch * self._steps + step
        if overall % self._stride and step < self._steps:
            return None
        seen = self._images if step == self._steps else step * self._batch
        sums = (loss * seen, accuracy * seen)
        new = seen - self._seen
        means = [(now - before) / new for now, before in zip(sums, self._sums, strict=True)]
        self._seen, self._sums = (0, (0.0, 0.0)) if step == self._steps else (seen, sums)
        return (overall, means[0], means[1]) if overall % self._stride == 0 else None
