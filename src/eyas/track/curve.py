"""The training curve by step, thinned."""

from __future__ import annotations

from eyas.train.callbacks import RunStart

POINTS = 2000
"""About so many over the whole run, and never more than one every `EVERY` steps."""
EVERY = 10


class StepCurve:
    """From means over the epoch so far to means over the steps since the last point or the epoch's start.

    Args:
        images: of the training split.
        batch_size: images a step.
        steps: an epoch.
        epochs: of the whole run.
        resumed: the first means that it is told may hold steps from before this process. They give no point.
    """

    def __init__(self, *, images: int, batch_size: int, steps: int, epochs: int, resumed: bool = False) -> None:
        self._images, self._batch, self._steps = images, batch_size, steps
        self._stride = max(EVERY, steps * epochs // POINTS)
        self._reached: int | None = None
        self._resumed = resumed
        self._seen, self._sums = 0, (0.0, 0.0)

    def point(self, epoch: int, step: int, loss: float, accuracy: float) -> tuple[int, float, float] | None:
        """The step of the whole run, from 1, with loss and accuracy since the last point; None between points.

        On a GPU it is told of every fiftieth step: the first at or behind a multiple of the stride gives the point.

        Args:
            epoch: epochs finished before this one.
            step: of this epoch, from 1.
            loss, accuracy: means over the epoch so far.
        """
        overall, ends = epoch * self._steps + step, step == self._steps
        if self._reached is None:
            self._reached = epoch * self._steps // self._stride
        holds_others, self._resumed = self._resumed and step > 1, False
        due = overall // self._stride > self._reached
        if not (due or ends or holds_others):
            return None
        seen = self._images if ends else step * self._batch
        sums = (loss * seen, accuracy * seen)
        means = [(now - before) / (seen - self._seen) for now, before in zip(sums, self._sums, strict=True)]
        self._reached = overall // self._stride
        self._seen, self._sums = (0, (0.0, 0.0)) if ends else (seen, sums)
        return (overall, means[0], means[1]) if due and not holds_others else None


def curve_of(start: RunStart) -> StepCurve:
    """The curve of a run that begins or goes on."""
    return StepCurve(
        images=len(start.dataset.train),
        batch_size=start.config.train.batch_size,
        steps=start.steps,
        epochs=start.config.train.epochs,
        resumed=start.run.last.exists(),
    )
