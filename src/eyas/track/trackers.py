"""Trackers from their names, none of which can end a training."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from importlib.util import find_spec
from pathlib import Path

from eyas.core import console
from eyas.core.errors import require_library
from eyas.core.runs import RunFolder
from eyas.core.schema import Tracker
from eyas.report import draw_curves
from eyas.track.delivery.process import wanted
from eyas.track.delivery.spool import Spool
from eyas.track.delivery.to_mlflow import MlflowSink
from eyas.track.delivery.to_wandb import is_offline
from eyas.track.describe import Family
from eyas.track.journal import Journal
from eyas.train.callbacks import Callback, EpochEnd, RunEnd, RunStart


def make_trackers(names: Sequence[Tracker], family: Family | None = None, *, senders: bool = True) -> list[Callback]:
    """The callbacks that track a run, for `config.track`.

    Args:
        names: which trackers.
        family: where the run stands among others that it is trained with.
        senders: whether the spool is sent from here; else somebody sends it from where the run is kept.

    Raises:
        MissingExtraError: a tracker's library is not installed.
    """
    for name in names:
        if senders or name == "tensorboard":
            require_library(name)
    chosen = wanted(dict.fromkeys(names))
    made: list[Callback] = []
    if "tensorboard" in chosen:
        from eyas.track.board import TensorBoard  # loads tensorboard, which is optional

        made.append(Guarded("tensorboard", TensorBoard()))
    if carried := [name for name in chosen if name != "tensorboard"]:
        made.append(Guarded(" and ".join(carried), Journal(carried, family, senders=senders)))
    return made


class Guarded(Callback):
    """A tracker whose failure is said once and ends the tracker, not the training."""

    def __init__(self, name: str, tracker: Callback) -> None:
        self._name = name
        self._tracker: Callback | None = tracker

    def on_start(self, start: RunStart) -> None:
        """Pass it on."""
        self._pass(lambda tracker: tracker.on_start(start))

    def on_step(self, step: int, loss: float, accuracy: float) -> None:
        """Pass it on."""
        self._pass(lambda tracker: tracker.on_step(step, loss, accuracy))

    def on_epoch(self, end: EpochEnd) -> None:
        """Pass it on."""
        self._pass(lambda tracker: tracker.on_epoch(end))

    def on_pause(self, end: RunEnd) -> None:
        """Pass it on."""
        self._pass(lambda tracker: tracker.on_pause(end))

    def on_end(self, end: RunEnd) -> None:
        """Pass it on."""
        self._pass(lambda tracker: tracker.on_end(end))

    def _pass(self, call: Callable[[Callback], None]) -> None:
        if self._tracker is None:
            return
        try:
            call(self._tracker)
        except Exception as error:  # noqa: BLE001 - a full disk, a library's fault: hours of training go on
            self._tracker = None
            reason = str(error) or type(error).__name__
            console.warn(f"tracking with {self._name} stopped: {reason}; the training goes on")


class Curves(Callback):
    """Draws `RUN/curves.png` when training is over, before the trackers send it."""

    def on_start(self, start: RunStart) -> None:
        """Note the run."""
        self._run, self._monitor = start.run, start.config.train.monitor

    def on_end(self, end: RunEnd) -> None:
        """Draw, where there is an epoch."""
        if end.best:
            try:
                draw_curves(self._run.history, self._run.path / "curves.png", monitor=self._monitor)
            except Exception as error:  # noqa: BLE001 - the training is done, and what follows must hear of its end
                console.warn(f"{self._run.path}/curves.png is not drawn: {error}")


def where_to_look(names: Sequence[Tracker], run: RunFolder) -> list[str]:
    """A line for each tracker: the command or address that shows the run."""
    lines = []
    for name in wanted(names):
        match name:
            case "tensorboard":
                lines.append(f"tensorboard --logdir {run.path.parent}")
            case "mlflow":
                lines.append(_mlflow_place(MlflowSink.store(Spool(run.path))))
            case "wandb" if is_offline():
                lines.append(f"wandb sync {run.path}/wandb/offline-run-*")
            case "wandb":
                lines.append(os.environ.get("WANDB_BASE_URL", "https://wandb.ai"))
    return lines


def _mlflow_place(uri: str) -> str:
    if not uri.startswith("sqlite:///"):
        return uri
    database = Path(uri.removeprefix("sqlite:///"))
    shown = database.name if database.parent == Path.cwd() else f"/{str(database).lstrip('/')}"
    missing = "" if _has_mlflow_pages() else "   (its pages are in the whole package: pip install mlflow)"
    return f"mlflow ui --backend-store-uri sqlite:///{shown}{missing}"


def _has_mlflow_pages() -> bool:
    """mlflow-skinny, which the extra installs, has all but the browser's part."""
    spec = find_spec("mlflow")
    places = spec.submodule_search_locations if spec else None
    return any((Path(place) / "server" / "js" / "build").is_dir() for place in places or ())
