"""The models that are served: made once by eyas, and their `model.onnx` handed to every peer.

resnet20   32 × 32 × 3, 0.27M parameters, 1.1 MB; resnet20-next is another training of it
tiny       the built-in digits, 8 × 8 × 1, an MLP of one hidden layer: what a server costs where the model costs nothing
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from eyas.bundle import Bundle, open_bundle

HERE = Path(__file__).parent
KEPT = Path("build/bench-serve/models")
CLASSES, TRAIN, TEST = 10, 1_000, 200
QUICK = ("train.epochs=1", "train.precision=fp32", "data.force=true")
RESNET20 = (f"model={HERE / 'resnet20.py'}:build", "data.source={images}", "train.batch_size=50")
WORDS = {
    "resnet20": RESNET20,
    "resnet20-next": (*RESNET20, "train.seed=1"),
    "tiny": ("model=mlp", "model.hidden=[64]", "data.source=digits"),
}


@dataclass(frozen=True)
class Served:
    """A model, and the image that every request asks about."""

    name: str
    bundle: Bundle

    @property
    def onnx(self) -> Path:
        """Input `images` (N, H, W, C) uint8; output `probabilities` (N, K) float32."""
        return self.bundle.model.resolve()

    @property
    def image(self) -> np.ndarray:
        """(H, W, C) uint8."""
        return self.bundle.golden().images[0]

    @property
    def probabilities(self) -> np.ndarray:
        """(K,) float32: the right answer for `image`."""
        return self.bundle.golden().probabilities[0]


def served(name: str) -> Served:
    """The model of that name, trained and exported where it is not yet."""
    target = KEPT / name
    if not target.exists():
        _make(name, target)
    return Served(name, open_bundle(target))


def _make(name: str, target: Path) -> None:
    from eyas import export_run, load_config, open_dataset, start_run

    images = KEPT / "images.npz"
    if WORDS[name][: len(RESNET20)] == RESNET20:
        _write_images(images)
    words = [word.format(images=images) for word in WORDS[name]]
    config = load_config(None, [*words, *QUICK, f"name={name}", f"runs_dir={KEPT / 'runs'}"])
    dataset = open_dataset(config.data)
    export_run(start_run(config, dataset).run, dataset, config.export, target)


def _write_images(file: Path) -> None:
    """Ten blurred patterns under noise: enough to be learned, and nothing to download."""
    random = np.random.default_rng(0)
    patterns = np.kron(random.uniform(0, 255, (CLASSES, 8, 8, 3)), np.ones((1, 4, 4, 1)))
    arrays = {}
    for split, count in (("train", TRAIN), ("test", TEST)):
        labels = np.arange(count) % CLASSES
        noisy = patterns[labels] + random.normal(0, 40, (count, 32, 32, 3))
        arrays[f"x_{split}"], arrays[f"y_{split}"] = noisy.clip(0, 255).astype(np.uint8), labels
    file.parent.mkdir(parents=True, exist_ok=True)
    np.savez(file, **arrays)
