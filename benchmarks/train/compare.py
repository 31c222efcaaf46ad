"""Train the same networks in Keras+TensorFlow and in eyas, in turn, and print the ratios.

    make bench-train                                     both networks, 5 rounds
    python benchmarks/train/compare.py --rounds 3 --networks mlp

mlp: the course's 784-512-10 on Fashion-MNIST, 54,000 images, batch 128, 5 epochs.
cnn: the source's 4 blocks and dense 512, 256 on CIFAR-100 at 32×32, 45,000 images, batch 128, 3 epochs.

Each side is a process of its own and reads the same .npz; the clock starts when the data are in memory and the network
is built, and stops after the last epoch's validation. Needs the datasets that `eyas data import` finds. About 20
minutes on 2 cores.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np

from eyas.core.console import out, table
from eyas.core.schema import DataConfig
from eyas.data import open_dataset

HERE = Path(__file__).parent
CASES = {"mlp": ("fashion-mnist", 5), "cnn": ("cifar100", 3)}
BATCH = 128
FIGURES = {
    "images/s": "images_per_second",
    "whole fit (s)": "fit_seconds",
    "peak memory (MB)": "peak_mb",
    "val accuracy": "val_accuracy",
}


def main() -> None:
    options = _options()
    for network in options.networks:
        source, epochs = CASES[network]
        with tempfile.TemporaryDirectory() as folder:
            data = write_arrays(source, Path(folder) / "data.npz")
            rounds = {"keras": [], "eyas": []}
            for seed in range(options.rounds):
                for side, python in (("keras", options.keras_python), ("eyas", sys.executable)):
                    rounds[side].append(measure(python, side, data, network, epochs, seed, Path(folder)))
        report(network, source, epochs, rounds)


def write_arrays(source: str, file: Path) -> Path:
    """Training and validation split as both sides read them."""
    dataset = open_dataset(DataConfig(source=source))
    arrays = {}
    for split in (dataset.train, dataset.val):
        arrays[f"x_{split.name}"], arrays[f"y_{split.name}"] = split.take(slice(None)), split.labels
    np.savez(file, **arrays)
    return file


def measure(python: str, side: str, data: Path, network: str, epochs: int, seed: int, work: Path) -> dict[str, float]:
    """One fit in a process of its own: its last line of output is JSON."""
    command = [python, str(HERE / f"{side}_fit.py"), str(data), network, str(epochs), str(BATCH), str(seed)]
    env = {**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3", "KERAS_BACKEND": "tensorflow"}
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=work, env=env)
    if done.returncode:
        sys.exit(f"{' '.join(command)} failed:\n{done.stderr}")
    found: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    print(f"{network} round {seed + 1} {side}: {json.dumps(found)}", file=sys.stderr)
    return found


def report(network: str, source: str, epochs: int, rounds: dict[str, list[dict[str, float]]]) -> None:
    """Median of each side with its range, the median of the ratios round by round, and the difference in accuracy."""
    rows = []
    for title, key in FIGURES.items():
        keras, eyas = ([found[key] for found in rounds[side]] for side in ("keras", "eyas"))
        ratio = statistics.median(b / a for a, b in zip(keras, eyas, strict=True))
        rows.append((title, _spread(keras), _spread(eyas), f"{ratio:.2f}"))
    differences = [
        eyas["val_accuracy"] - keras["val_accuracy"]
        for keras, eyas in zip(rounds["keras"], rounds["eyas"], strict=True)
    ]
    count = len(differences)
    title = f"{network} on {source}: {epochs} epochs, batch {BATCH}, {count} rounds, median (min to max)"
    out.print(table(title, ("figure", "Keras+TensorFlow", "eyas", "eyas / Keras"), rows))
    if count > 1:
        error = statistics.stdev(differences) / count**0.5
        out.print(f"val accuracy, eyas - Keras: {statistics.mean(differences):+.4f} ± {error:.4f} (standard error)")


def _spread(values: list[float]) -> str:
    digits = 3 if max(values) < 10 else 0
    return f"{statistics.median(values):.{digits}f} ({min(values):.{digits}f} to {max(values):.{digits}f})"


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--keras-python", required=True, help="the Python of an environment with Keras and TensorFlow")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--networks", nargs="+", choices=CASES, default=list(CASES))
    return parser.parse_args()


if __name__ == "__main__":
    main()
