"""What a watched service leaves in its folder: written beside the answers, read when it is looked back on.

FOLDER/status.json                  what GET /monitor said last
FOLDER/predictions.db               the prediction store, unless another place is named
FOLDER/MODEL/VERSION/about.json     what the version's predictions are compared with
FOLDER/MODEL/VERSION/alarms.jsonl   one line each
FOLDER/MODEL/VERSION/state.npz      of the tests
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
from pydantic import BaseModel, ConfigDict, ValidationError

from eyas.arrays import load_arrays
from eyas.bundle import Manifest
from eyas.core import io
from eyas.core.errors import DataError
from eyas.core.marks import PREDICTIONS, STATUS
from eyas.monitor.accuracy import HeldOutAccuracy, held_out_accuracy
from eyas.monitor.streaming import Calibration, MonitorConfig

ABOUT, ALARMS, STATE = "about.json", "alarms.jsonl", "state.npz"
LEVELS = np.linspace(0, 1, 101)
"""Of the quantiles of the held-out scores."""


class _Kept(BaseModel):
    """A file may hold more than is read here: a newer eyas wrote it."""

    model_config = ConfigDict(frozen=True, extra="ignore")


class HeldOut(_Kept):
    """What the model said of the held-out images."""

    images: int
    shares: tuple[float, ...]
    """(K,) of the predicted classes."""
    scores: dict[str, tuple[float, ...]]
    """Quantiles at `LEVELS` of confidence, energy and distance; one that no image has is not there."""


class About(_Kept):
    """What does not change while a version is served."""

    classes: tuple[str, ...]
    """K names."""
    tested: HeldOutAccuracy | None = None
    """None where it was not measured on test images, or an older eyas wrote the file."""
    held_out: HeldOut | None
    """None where the bundle has none, and nothing is tested."""
    false_alarms: float
    horizon: int


class ClassShares(_Kept):
    """A class whose predictions changed."""

    label: str
    before: float | None
    since: float


class KeptAlarm(_Kept):
    """A line of `alarms.jsonl`; see `eyas.monitor.streaming.Alarm`."""

    model: str
    version: str
    kind: str
    raised: datetime
    """UTC."""
    streams: tuple[str, ...]
    at: int
    since: int
    ever: bool
    classes: tuple[ClassShares, ...]
    outlier_share: float
    log10_evidence: float
    examples: tuple[str, ...]
    since_id: str = ""


@dataclass(frozen=True)
class SavedState:
    """How the drift tests of a version stood when they were last saved."""

    watched: int
    """Predictions."""
    failures: int
    """Predictions that could not be compared."""
    changing: bool
    """A change that was told of went on."""
    saved: float
    """Unix seconds."""


@dataclass(frozen=True)
class KeptVersion:
    """All that the folder has of a version."""

    model: str
    version: str
    about: About | None
    """None where an older eyas wrote the folder."""
    state: SavedState | None
    """None where it was not saved yet, or nothing is tested."""
    alarms: tuple[KeptAlarm, ...]
    """The oldest first."""

    @property
    def changing(self) -> bool:
        """Whether a change goes on: by the saved state, or by an alarm that came after it."""
        if self.alarms and (self.state is None or self.alarms[-1].raised.timestamp() > self.state.saved):
            return True
        return self.state is not None and self.state.changing


def describe_version(manifest: Manifest, calibration: Calibration | None, config: MonitorConfig) -> About:
    """What `about.json` says.

    Args:
        manifest: of its bundle.
        calibration: None where nothing is compared.
        config: of the tests.
    """
    return About(
        classes=manifest.classes,
        tested=held_out_accuracy(manifest),
        held_out=_held_out(calibration) if calibration else None,
        false_alarms=config.false_alarms,
        horizon=config.horizon,
    )


def _held_out(calibration: Calibration) -> HeldOut:
    counts = np.bincount(calibration.predicted, minlength=calibration.classes)
    scores = {}
    for name, values in zip(calibration.streams[:3], calibration.scores[:3], strict=True):
        known = values[np.isfinite(values)].astype(np.float64)
        if len(known):
            quantiles = np.quantile(1 - known if name == "confidence" else known, LEVELS)
            scores[name] = tuple(quantiles.tolist())
    total = len(calibration.predicted)
    return HeldOut(images=total, shares=tuple((counts / total).tolist()), scores=scores)


def is_monitor_folder(folder: Path) -> bool:
    """Whether a service has left anything there."""
    return any((folder / name).is_file() for name in (PREDICTIONS, STATUS)) or bool(_places(folder))


def read_versions(folder: Path) -> tuple[KeptVersion, ...]:
    """What the folder has of each version, by model and version.

    Raises:
        DataError: a file that is damaged.
    """
    return tuple(
        KeptVersion(
            place.parent.name,
            place.name,
            _read_about(place / ABOUT) if (place / ABOUT).is_file() else None,
            _read_state(place / STATE) if (place / STATE).is_file() else None,
            tuple(_read_alarms(place / ALARMS)) if (place / ALARMS).is_file() else (),
        )
        for place in _places(folder)
    )


def read_status(folder: Path) -> dict[str, Any]:
    """What `GET /monitor` said last; empty where an older eyas wrote the folder.

    Raises:
        DataError: it is damaged.
    """
    file = folder / STATUS
    try:
        found: dict[str, Any] = io.read_json(file) if file.is_file() else {}
    except ValueError as error:
        raise DataError(f"{file} must be JSON, got {error}") from error
    return found


def _places(folder: Path) -> list[Path]:
    return sorted({file.parent for name in (ABOUT, ALARMS, STATE) for file in folder.glob(f"*/*/{name}")})


def _read_about(file: Path) -> About:
    try:
        return About.model_validate_json(file.read_bytes())
    except ValidationError as error:
        raise DataError(f"{file} is damaged: {error.errors()[0]['msg']}") from error


def _read_state(file: Path) -> SavedState:
    try:
        arrays = load_arrays(file)
        watched, failures = arrays["requests"].tolist()
        return SavedState(watched, failures, bool(len(arrays["changed"])), file.stat().st_mtime)
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise DataError(f"{file} is damaged: {error}") from error


def _read_alarms(file: Path) -> Iterator[KeptAlarm]:
    for line in file.read_bytes().splitlines():
        try:
            yield KeptAlarm.model_validate_json(line)
        except ValidationError:  # the process was killed while it wrote
            continue
