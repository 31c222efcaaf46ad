"""The models that are watched, trained once into build/bench-monitor, and what they say of images.

fashion           Fashion-MNIST: a small CNN, 5 epochs (1 minute on 2 cores)
fashion-shuffled  the same, taught with labels that mean nothing: a version that must be taken back
cifar100          CIFAR-100 at 32 pixels: the network of the recipe `cifar100-cpu`, 10 epochs (6 minutes)
cifar80           the same on 80 of its classes, drawn at random; the other 20 are near to what it knows, and unknown

Their references are of held-out training images: a tenth of all.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, fields
from functools import cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

import eyas
from eyas.bundle import Bundle
from eyas.data.dataset import Dataset
from eyas.monitor.pixels import all_statistics
from eyas.monitor.reference import build_reference
from eyas.monitor.streaming import Calibration, read_calibration

KEPT = Path("build/bench-monitor")
KNOWN = 80
REAL = ("fashion", "cifar100")
Images = NDArray[np.uint8]
Labels = NDArray[np.int64]


@dataclass(frozen=True)
class Answers:
    """N images and what a model says of them, as its monitor is told."""

    images: Images
    """(N, H, W, C)"""
    labels: Labels
    """(N,) true classes."""
    probabilities: NDArray[np.float32]
    """(N, K)"""
    logits: NDArray[np.float32]
    """(N, K)"""
    features: NDArray[np.float32]
    """(N, D)"""
    pixels: NDArray[np.float32]
    """(N, 2C) of `eyas.monitor.pixels`."""

    def __len__(self) -> int:
        return len(self.labels)

    def __getitem__(self, rows: Labels | slice) -> Answers:
        return Answers(*(getattr(self, field.name)[rows] for field in fields(self)))

    def __add__(self, other: Answers) -> Answers:
        pairs = ((getattr(self, field.name), getattr(other, field.name)) for field in fields(self))
        return Answers(*map(np.concatenate, pairs))


@dataclass(frozen=True)
class Watched:
    """A model with its data."""

    name: str
    bundle: Bundle
    data: Dataset

    def answer(self, images: Images, labels: Labels | None = None) -> Answers:
        """What it says of (N, H, W, C) images; without labels they are all 0."""
        found = _predictor(self.name).run(images)
        truth = np.zeros(len(images), np.int64) if labels is None else labels
        return Answers(images, truth, found.probabilities, found.logits, found.features, all_statistics(images))

    def of(self, split: str) -> Answers:
        """What it says of a split: `val` (the held-out images of its reference) or `test`."""
        chosen = self.data.split(split)
        return self.answer(chosen.take(slice(None)), np.asarray(chosen.labels, np.int64))

    @property
    def calibration(self) -> Calibration:
        """By the bundle's own reference."""
        return read_calibration(self.bundle.reference())


@cache
def watched(name: str) -> Watched:
    """The model of that name, trained and exported where it is not yet."""
    recipe, words, source = MODELS[name]
    words = [f"data.source={source()}", *words, f"name={name}", f"runs_dir={KEPT / 'runs'}", "track=[]"]
    config = eyas.load_config(recipe, words)
    data = eyas.open_dataset(config.data)
    if not (target := KEPT / name).exists():
        print(f"training {name} …", flush=True)
        eyas.export_run(eyas.start_run(config, data).run, data, config.export, target)
    return Watched(name, eyas.open_bundle(target), data)


def calibrate(held_out: Answers) -> Calibration:
    """As if these were the held-out images of the bundle."""
    one = held_out
    return read_calibration(build_reference(one.probabilities, one.logits, one.features, one.labels, one.images))


def unknown_classes() -> Labels:
    """(20,) those of CIFAR-100 that `cifar80` does not know, ascending."""
    return np.sort(np.random.default_rng(0).permutation(100)[KNOWN:])


@cache
def _predictor(name: str) -> eyas.Predictor:
    return eyas.Predictor(watched(name).bundle)


def _known() -> Path:
    """CIFAR-100 without them, as a `.npz`."""
    kept = np.setdiff1d(np.arange(100), unknown_classes())
    renamed = np.full(100, -1)
    renamed[kept] = np.arange(KNOWN)
    return _write("cifar80", "cifar100", lambda labels, split: renamed[labels])


def _shuffled() -> Path:
    random = np.random.default_rng(0)
    return _write(
        "fashion-shuffled",
        "fashion-mnist",
        lambda labels, split: random.permutation(labels) if split == "train" else labels,
    )


def _write(name: str, source: str, relabel: Callable[[Labels, str], Labels]) -> Path:
    """A named set with other labels; images whose label is then -1 are left out."""
    file = KEPT / f"{name}.npz"
    if not file.exists():
        data = eyas.open_dataset(eyas.load_config(None, [f"data.source={source}", "data.val_fraction=0"]).data)
        arrays = {}
        for split in ("train", "test"):
            labels = relabel(np.asarray(data.split(split).labels), split)
            kept = np.flatnonzero(labels >= 0)
            arrays |= {f"x_{split}": data.split(split).take(kept), f"y_{split}": labels[kept]}
        file.parent.mkdir(parents=True, exist_ok=True)
        np.savez(file, **arrays)
    return file


RECIPE = Path(eyas.__file__).parent / "recipes" / "cifar100-cpu.yaml"
CNN = ("model=cnn", "train.epochs=5", "train.early_stopping=null")
QUICK = (
    "data.image_size=32",
    "data.val_fraction=0.1",
    "augment.crop=4",
    "train.image_sizes={0: 20, 0.4: 24, 0.8: 32}",
    "train.epochs=10",
    "train.monitor=val_accuracy",
)
MODELS: dict[str, tuple[Path | None, tuple[str, ...], Callable[[], object]]] = {
    "fashion": (None, CNN, lambda: "fashion-mnist"),
    "fashion-shuffled": (None, ("model=cnn", "train.epochs=1", "data.force=true"), _shuffled),
    "cifar100": (RECIPE, QUICK, lambda: "cifar100"),
    "cifar80": (RECIPE, QUICK, _known),
}
