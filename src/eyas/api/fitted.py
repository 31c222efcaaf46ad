"""A trained network that answers like a bundle, and travels as the small files of its run.

Pickled, it is the bytes of `config.yaml`, `best.pt` and their like: tensors and plain values, which are read again by
`torch.load(weights_only=True)`. A pickle as a whole may hold anything all the same: load only your own.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
from numpy.typing import NDArray

from eyas.bundle import Bundle, open_bundle
from eyas.core.errors import ConfigError, DataError, InputError
from eyas.core.runs import RunFolder, open_run
from eyas.data import Dataset, Split
from eyas.data.split import SplitName
from eyas.evaluate import evaluate, fit_temperature, softmax
from eyas.image import ImagePolicy
from eyas.infer import Prediction, Predictor
from eyas.nn import Network, load_network, run_in_parts, run_network
from eyas.track.afterwards import record_evaluation

LEFT_OUT = (".png", ".pdf", ".html")
THRESHOLD = 0.5


@dataclass(frozen=True)
class Trained:
    """A run's best network, in PyTorch."""

    path: Path
    """Of the run folder, where it was trained."""
    files: Mapping[str, bytes]
    """What the network is built from."""
    temperature: float
    """Fitted on the validation split, as an export does: the probabilities are the bundle's."""

    @classmethod
    def of(cls, run: RunFolder, dataset: Dataset | None) -> Trained:
        """The best network of a run.

        Args:
            dataset: the run's; None leaves the probabilities as the network gives them.

        Raises:
            DataError: the dataset is not the run's.
            TrainingError: not one epoch is finished.
        """
        kept = (file for file in run.path.iterdir() if file.is_file() and file != run.last)
        files = {file.name: file.read_bytes() for file in kept if file.suffix not in LEFT_OUT}
        temperature = 1.0
        if dataset is not None:
            network, about = load_network(run)
            dataset.require(about["fingerprint"], run.path)
            temperature = fit_temperature(run_network(network, dataset.val).logits, dataset.val.labels)
        return cls(run.path.resolve(), files, temperature)

    @property
    def run_folder(self) -> RunFolder:
        """The run.

        Raises:
            ConfigError: it is not on this machine.
        """
        return open_run(self.path)

    @property
    def classes(self) -> tuple[str, ...]:
        """K names."""
        return tuple(self._loaded[1]["classes"])

    @property
    def fingerprint(self) -> str:
        """Of the data that it was trained on."""
        return str(self._loaded[1]["fingerprint"])

    @cached_property
    def policy(self) -> ImagePolicy:
        """What every image is brought to."""
        height, width, channels = self._loaded[1]["input_shape"]
        return ImagePolicy(height, width, channels, self._loaded[2])

    def run(self, images: NDArray[np.uint8], *, cam: bool = False) -> Prediction:
        """Answer (N, H, W, C) uint8, at the network's size.

        Raises:
            InputError: `cam`, and the network gives none.
        """
        split = Split("test", images, np.arange(len(images)), np.zeros(len(images), np.int64))
        parts = [outputs for _, outputs in run_in_parts(self.network, split, cam=cam)]
        if not parts:
            blank = self.run(np.zeros((1, *self.policy.shape), np.uint8), cam=cam)
            return blank[:0]
        logits, features = (np.concatenate([getattr(part, name) for part in parts]) for name in ("logits", "features"))
        maps = [part.cam for part in parts if part.cam is not None]
        if cam and not maps:
            raise InputError(f"the network of {self.path} gives no class activation maps")
        probabilities = softmax(logits, self.temperature).astype(np.float32)
        return Prediction(logits, probabilities, features, THRESHOLD, np.concatenate(maps) if maps else None)

    def record(self, split: SplitName, logits: NDArray[np.float32], labels: NDArray[np.int64]) -> None:
        """Tell the run folder and its trackers how a split went, as `eyas evaluate` does: uncalibrated.

        Nothing is done where the folder is gone, or has other weights by now.

        Args:
            split: of the run's data.
            logits: (N, K) of its images.
            labels: (N,) class indices.
        """
        run = RunFolder(self.path)
        if not run.best.is_file() or run.best.read_bytes() != self.files[run.best.name]:
            return
        summary = evaluate(softmax(logits).astype(np.float32), labels, self.classes).summary()
        run.add_metrics(split, summary)
        record_evaluation(run, split, summary)

    @property
    def network(self) -> Network:
        """In evaluation mode."""
        return self._loaded[0]

    @cached_property
    def _loaded(self) -> tuple[Network, dict[str, Any], Any]:
        """The network, what is said of it, and the way of resizing; by the run's own files, wherever we are now."""
        with TemporaryDirectory(prefix="eyas-") as folder:
            for name, content in self.files.items():
                (Path(folder) / name).write_bytes(content)
            run = RunFolder(Path(folder))
            return *load_network(run), run.config().data.resize

    def __getstate__(self) -> dict[str, Any]:
        return {name: getattr(self, name) for name in ("path", "files", "temperature")}


class Exported:
    """A bundle's graph, in ONNX Runtime. Pickled, it is the bundle's path."""

    def __init__(self, path: Path) -> None:
        self.path = path.resolve()
        self._predictor = Predictor(open_bundle(self.path))

    @property
    def bundle(self) -> Bundle:
        """The bundle."""
        return self._predictor.bundle

    @property
    def run_folder(self) -> RunFolder:
        """There is none.

        Raises:
            ConfigError: always.
        """
        raise ConfigError(f"{self.path} is a bundle: its run is not known; load the run folder for that")

    @property
    def classes(self) -> tuple[str, ...]:
        """K names."""
        return self.bundle.classes

    @property
    def policy(self) -> ImagePolicy:
        """What every image is brought to."""
        return self.bundle.policy

    def run(self, images: NDArray[np.uint8], *, cam: bool = False) -> Prediction:
        """Answer (N, H, W, C) uint8, at the graph's size."""
        return self._predictor.run(images, cam=cam)

    def __reduce__(self) -> tuple[type[Exported], tuple[Path]]:
        return Exported, (self.path,)


def require_classes(data: Dataset, classes: tuple[str, ...]) -> None:
    """Refuse data of other classes.

    Raises:
        DataError: names the first of both.
    """
    if data.classes != classes:
        learnt, got = (", ".join(names[:5]) + "…" * (len(names) > 5) for names in (classes, data.classes))
        raise DataError(f"{data.name} must have the classes that were learnt, {learnt}, got {got}")
