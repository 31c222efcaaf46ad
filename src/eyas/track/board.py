"""TensorBoard's event files, under `RUN/tensorboard`."""

from __future__ import annotations

import copy
import json
import warnings
from collections.abc import Sequence
from contextlib import redirect_stdout
from io import StringIO
from time import monotonic
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image

# torch's writer and not tensorboard's bare EventFileWriter: it makes graphs of networks, scaled images and hparams,
# and `eyas.train`, which this room stands on, has loaded torch already.
from torch.utils.tensorboard import SummaryWriter
from torch.utils.tensorboard.summary import hparams

from eyas.core import io
from eyas.core.runs import RunFolder
from eyas.track.curve import curve_of
from eyas.track.describe import BOARD_FOLDER, params, scalars
from eyas.track.pictures import Pace, draw_predictions, image_grid
from eyas.train.callbacks import Callback, EpochEnd, RunEnd, RunStart
from eyas.train.progress.history import EpochRow

CONFUSION = "confusion.png"
JUDGED = ("val_accuracy", "val_loss", "accuracy", "loss")


class TensorBoard(Callback):
    """Writes scalars by epoch and by step, images, the graph, the configuration, and confusion matrices.

    A run that goes on writes on in a new file. `purge_step` makes TensorBoard forget points of steps that are now
    trained again: a kill may have come between them and the checkpoint.
    """

    def __init__(self) -> None:
        self._writer: SummaryWriter | None = None
        self._pace = Pace()
        self._best: tuple[int, NDArray[np.int64]] | None = None

    def on_start(self, start: RunStart) -> None:
        """For a new run, what is known beforehand; a run that goes on is opened at its first step."""
        self._start, self._epochs = start, len(start.history)
        self._folder = start.run.path / BOARD_FOLDER
        self._curve = curve_of(start)
        self._state = self._folder / "epochs.json"
        self._written = io.read_json(self._state) if self._state.exists() else 0
        if not self._state.exists():
            self._describe(self._open(None))

    def on_step(self, step: int, loss: float, accuracy: float) -> None:
        """A point of the training curve now and then."""
        writer = self._writer or self._open(self._epochs * self._start.steps + step)
        if point := self._curve.point(self._epochs, step, loss, accuracy):
            writer.add_scalar("step_loss", point[1], point[0])
            writer.add_scalar("step_accuracy", point[2], point[0])

    def on_epoch(self, end: EpochEnd) -> None:
        """The epoch's row, and a confusion matrix where the last is long ago."""
        self._epochs = end.row.epoch
        writer = self._writer or self._open(None)
        self._write_row(writer, end.row)
        if end.predictions is not None:
            if end.best:
                self._best = (end.row.epoch, end.predictions)
            if self._pace.due():
                self._draw(writer, end.row.epoch, end.predictions)
        writer.flush()

    def on_pause(self, end: RunEnd) -> None:
        """Close the file; the continuation writes on in another."""
        if self._writer:
            self._writer.close()

    def on_end(self, end: RunEnd) -> None:
        """The best epoch's confusion matrix and figures."""
        writer = self._writer or self._open(None)
        if self._best:
            self._draw(writer, *self._best)
        _, _, session_end = self._hparams()
        writer._get_file_writer().add_summary(session_end)
        writer.close()

    def _open(self, purge_step: int | None) -> SummaryWriter:
        self._writer = writer = SummaryWriter(str(self._folder), purge_step=purge_step)
        for row in self._start.history:
            self._write_row(writer, row)
        return writer

    def _write_row(self, writer: SummaryWriter, row: EpochRow) -> None:
        if row.epoch <= self._written:
            return
        for name, value in scalars(row.as_dict()).items():
            if name != "epoch":
                writer.add_scalar(name, value, row.epoch)
        writer.flush()
        self._written = row.epoch
        io.write_json(self._state, row.epoch)

    def _describe(self, writer: SummaryWriter) -> None:
        start = self._start
        writer.add_text("config", "\n".join(f"    {line}" for line in start.run.config_file.read_text().splitlines()))
        writer.add_image("training images", image_grid(start.dataset.train), dataformats="HWC")
        for summary in self._hparams()[:2]:
            writer._get_file_writer().add_summary(summary)
        self._write_graph(writer)
        writer.flush()
        io.write_json(self._state, self._written)

    def _hparams(self) -> Sequence[Any]:
        """The summaries that open and close a row of the HParams page; its metrics are the scalars of these names."""
        found: Sequence[Any] = hparams(typed(params(self._start.config)), dict.fromkeys(JUDGED, 0.0))
        return found

    def _write_graph(self, writer: SummaryWriter) -> None:
        """Of a copy on the CPU: tracing touches nothing of the training. Not every own network can be traced."""
        network = copy.deepcopy(self._start.network).cpu().eval()
        example = torch.zeros(1, *self._start.dataset.policy.shape, dtype=torch.uint8)
        with warnings.catch_warnings(), redirect_stdout(StringIO()), torch.random.fork_rng():
            warnings.simplefilter("ignore")  # the tracer's own deprecation, and its remarks on shapes
            try:
                writer.add_graph(network, example)
            except Exception as error:  # noqa: BLE001 - torch's tracer raises anything; the rest goes on without it
                writer.add_text("graph", f"The network could not be drawn: {error}")

    def _draw(self, writer: SummaryWriter, epoch: int, predictions: NDArray[np.int64]) -> None:
        started, png = monotonic(), self._folder / CONFUSION
        draw_predictions(self._start.dataset, predictions, png)
        with Image.open(png) as picture:
            writer.add_image("confusion", np.asarray(picture.convert("RGB")), epoch, dataformats="HWC")
        self._pace.drew(started)


def typed(texts: dict[str, str]) -> dict[str, float | bool | str]:
    """Numbers and truths as themselves, so that TensorBoard can order and scale them."""
    found: dict[str, float | bool | str] = {}
    for name, text in texts.items():
        try:
            value = json.loads(text)
        except ValueError:
            value = text
        found[name] = value if isinstance(value, int | float) else text
    return found


def add_evaluation(run: RunFolder, values: dict[str, Any]) -> None:
    """A split's measures into a run that TensorBoard follows."""
    with SummaryWriter(str(run.path / BOARD_FOLDER)) as writer:
        for name, value in values.items():
            writer.add_scalar(name, value, 0)
