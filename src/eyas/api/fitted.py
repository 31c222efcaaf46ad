"""A trained network that answers like a bundle, and travels as the small files of its run.

Pickled, it is the bytes of `config.yaml`, `history.csv`, `best.pt` and a network's own file: tensors and plain values,
which are read again by `torch.load(weights_only=True)`. A pickle as a whole may hold anything all the same: load only
your own.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from eyas import attribution
from eyas.attribution import NetworkPredictor
from eyas.attribution.predictor import training_images
from eyas.bundle import Bundle, open_bundle
from eyas.core.errors import ConfigError, DataError
from eyas.core.runs import RunFolder, open_run
from eyas.data import Dataset, Split
from eyas.data.split import SplitName
from eyas.evaluate import evaluate, fit_temperature, softmax
from eyas.explain import Explanation, explain
from eyas.image import ImagePolicy
from eyas.infer import Prediction, Predictor
from eyas.nn import Network, load_network, run_in_parts, run_network
from eyas.nn.weights import KEPT
from eyas.track.afterwards import record_evaluation

THRESHOLD = 0.5
Loaded: TypeAlias = tuple[Network, dict[str, Any], Any]


@dataclass(frozen=True)
class Trained:
    """A run's best network, in PyTorch."""

    path: Path
    """Of the run folder, where it was trained."""
    files: Mapping[str, bytes]
    """What the network is built from."""
    temperature: float = 1.0
    """probabilities = softmax(logits / temperature)."""

    @classmethod
    def of(cls, run: RunFolder) -> Trained:
        """The best network of a run, its probabilities as the network gives them.

        Raises:
            TrainingError: not one epoch is finished.
        """
        names = (run.config_file.name, run.history.name, run.best.name, *KEPT)
        files = {name: (run.path / name).read_bytes() for name in names if (run.path / name).is_file()}
        return cls(run.path.resolve(), files)._with((*load_network(run), run.config().data.resize))

    def at(self, temperature: float) -> Trained:
        """The same with a temperature that is known."""
        return replace(self, temperature=temperature)._with(self._loaded)

    def calibrated(self, dataset: Dataset) -> Trained:
        """The same with the bundle's probabilities: their temperature is fitted on the validation split, as there.

        Raises:
            DataError: the dataset is not the run's.
        """
        dataset.require(self.fingerprint, self.path)
        logits = run_network(self.network, dataset.val).logits
        return self.at(fit_temperature(logits, dataset.val.labels))

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

    def run(self, images: NDArray[np.uint8]) -> Prediction:
        """Answer (N, H, W, C) uint8, at the network's size."""
        split = Split("test", images, np.arange(len(images)), np.zeros(len(images), np.int64))
        parts = [outputs for _, outputs in run_in_parts(self.network, split)]
        if not parts:
            return self.run(np.zeros((1, *self.policy.shape), np.uint8))[:0]
        logits, features = (np.concatenate([getattr(part, name) for part in parts]) for name in ("logits", "features"))
        return Prediction(logits, softmax(logits, self.temperature).astype(np.float32), features, THRESHOLD)

    def explain(self, image: NDArray[np.uint8], method: str, index: int | None, **budget: Any) -> Explanation:
        """Which parts of an image, (H, W, C) uint8 at the network's size, speak for a class.

        Args:
            method: of `eyas.attribution.METHODS`.
            index: of the class; the most probable one where None.
            budget: `seconds` and `seed`.

        Raises:
            ConfigError: no such method, or one that needs the run's training images, and the run is not here.
            InputError: the network has not what the method needs.
            DataError: the training images are not there any more.
        """
        network, about, _ = self._loaded

        def background() -> NDArray[np.uint8]:
            return training_images(self.run_folder, about["fingerprint"])

        predictor = NetworkPredictor(network, self.classes, self.policy, self.temperature, background)
        return attribution.explain(predictor, image, method, index, **budget)

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

    def _with(self, loaded: Loaded) -> Trained:
        vars(self)["_loaded"] = loaded  # what is here already is not built again
        return self

    @cached_property
    def _loaded(self) -> Loaded:
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

    def run(self, images: NDArray[np.uint8]) -> Prediction:
        """Answer (N, H, W, C) uint8, at the graph's size."""
        return self._predictor.run(images)

    def explain(self, image: NDArray[np.uint8], method: str, index: int | None, **budget: Any) -> Explanation:
        """As `Trained.explain`, by what a graph can tell: without gradients.

        Raises:
            ConfigError: no such method, or one that needs gradients.
            InputError: the graph has no `cam`.
        """
        return explain(self._predictor, image, method, index, **budget)

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
