"""What MLflow and Weights & Biases get: each event of a run written down, and a sender for each that carries it."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack

import numpy as np
from numpy.typing import NDArray

from eyas.core.schema import Tracker
from eyas.nn.weights import KEPT
from eyas.track.curve import curve_of
from eyas.track.delivery.process import Delivery, finish, warn
from eyas.track.delivery.spool import Record, Spool
from eyas.track.describe import Family, describe_run, params, scalars
from eyas.track.pictures import draw_predictions
from eyas.train.callbacks import Callback, EpochEnd, RunEnd, RunStart
from eyas.train.progress.history import EpochRow

FILES = ("config.yaml", "history.csv", "curves.png", "metrics.json", "best.pt", *KEPT)
CONFUSION = "track/confusion.png"
BEST = ("epoch", "loss", "accuracy", "val_loss", "val_accuracy")


class Journal(Callback):
    """Writes into the run's spool, and keeps one sender a tracker running beside the training.

    A run that goes on writes only what the spool lacks: training is deterministic, so points that it has are the same.
    """

    def __init__(self, trackers: Sequence[Tracker], family: Family | None = None, *, senders: bool = True) -> None:
        self._trackers, self._family, self._sent_by = trackers, family, trackers if senders else ()
        self._deliveries: list[Delivery] = []
        self._best: NDArray[np.int64] | None = None

    def on_start(self, start: RunStart) -> None:
        """Open the spool and start the senders."""
        self._start, self._spool = start, Spool(start.run.path)
        self._epochs = len(start.history)
        written = [record for _, record in self._spool.records()]
        if written:
            self._spool.append(self._resumption(written))
        else:
            self._spool.append({**describe_run(start, self._family), "trackers": list(self._trackers)})
        self._last = {
            axis: max((r["step"] for r in written if r.get("axis") == axis), default=0) for axis in ("epoch", "step")
        }
        for row in start.history:
            self._write_row(row)
        self._curve = curve_of(start)
        self._deliveries = [Delivery(self._spool, tracker) for tracker in self._sent_by]

    def on_step(self, step: int, loss: float, accuracy: float) -> None:
        """A point of the training curve now and then."""
        if point := self._curve.point(self._epochs, step, loss, accuracy):
            overall, mean_loss, mean_accuracy = point
            self._write("step", overall, {"step_loss": mean_loss, "step_accuracy": mean_accuracy})

    def on_epoch(self, end: EpochEnd) -> None:
        """The epoch's row."""
        self._epochs = end.row.epoch
        self._write_row(end.row)
        if end.best:
            self._best = end.predictions

    def on_pause(self, end: RunEnd) -> None:
        """The best so far, and the senders' last round for now. To a tracker a run that may never go on is finished."""
        self._write_best(end)
        self._spool.append({"kind": "end", "status": "FINISHED"})
        self._finish()

    def on_end(self, end: RunEnd) -> None:
        """The best epoch, pictures, files, and the senders' last round."""
        with ExitStack() as whatever_fails:  # the last first
            whatever_fails.callback(self._finish)
            whatever_fails.callback(
                self._spool.append, {"kind": "end", "status": "FINISHED" if end.finished else "KILLED"}
            )
            self._write_best(end)
            files = [name for name in FILES if (self._spool.run / name).exists()]
            self._spool.append(*({"kind": "file", "path": name} for name in files))
            if self._best is not None:
                draw_predictions(self._start.dataset, self._best, self._start.run.path / CONFUSION)
                self._spool.append({"kind": "picture", "key": "confusion", "path": CONFUSION})

    def _write_best(self, end: RunEnd) -> None:
        if end.best:
            best = {f"best_{name}": value for name, value in scalars(end.best.as_dict()).items() if name in BEST}
            self._spool.append({"kind": "evaluation", "split": "best", "step": end.best.epoch, "values": best})

    def _finish(self) -> None:
        for outcome in finish(self._deliveries):
            warn(outcome, self._start.run.path)

    def _write_row(self, row: EpochRow) -> None:
        values = scalars(row.as_dict())
        self._write("epoch", int(values.pop("epoch")), values)

    def _write(self, axis: str, step: int, values: dict[str, float]) -> None:
        if step > self._last[axis]:
            self._spool.append({"kind": "metrics", "axis": axis, "step": step, "values": values})
            self._last[axis] = step

    def _resumption(self, written: list[Record]) -> Record:
        """A tracker's params never change: those that the continuation changed become tags."""
        before: dict[str, str] = next((record["params"] for record in written if record["kind"] == "start"), {})
        changed = {f"resumed.{k}": v for k, v in params(self._start.config).items() if before.get(k) != v}
        return {"kind": "resume", "tags": changed, "trackers": list(self._trackers)}
