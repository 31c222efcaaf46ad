"""A recipe of eyas, and then the source's own network and settings in Keras+TensorFlow for the same time.

    make bench-recipe                                   cifar100-cpu, about an hour
    make bench-recipe BENCH="--recipe cifar100-cpu-60"
    make bench-recipe BENCH="--keras-minutes 30"        the source's network alone

The recipe is trained as `eyas train -c RECIPE` does it, then measured on the test split, once; Keras then gets as many
minutes as that training took, or as many as are named. Nothing else may run on the machine.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np

from eyas.core.config import load_config
from eyas.core.console import out, table
from eyas.data import open_dataset
from eyas.train import ProgressBar, evaluate_run, start_run

HERE = Path(__file__).parent


def main() -> None:
    options = _options()
    rows, minutes = [], options.keras_minutes
    if minutes is None:
        rows.append(("eyas", *eyas_row(options.recipe, options.seed, options.runs)))
        minutes = float(rows[0][1])
    rows.append(("Keras+TensorFlow", *keras_row(options.keras_python, options.recipe, minutes)))
    columns = ("side", "minutes", "epochs", "parameters", "val accuracy", "test accuracy")
    out.print(table(f"{options.recipe} and the source's network", columns, rows))


def eyas_row(recipe: str, seed: int, runs: str) -> tuple[str, ...]:
    """Train, then touch the test split."""
    config = load_config(Path(recipe), [f"train.seed={seed}", f"runs_dir={runs}"])
    dataset = open_dataset(config.data)
    result = start_run(config, dataset, [ProgressBar()])
    minutes = sum(row.seconds for row in result.history) / 60
    test = evaluate_run(result.run, dataset, "test").accuracy
    val = "-" if result.best is None or result.best.val_accuracy is None else f"{result.best.val_accuracy:.4f}"
    return f"{minutes:.1f}", str(len(result.history)), f"{result.parameters:,}", val, f"{test:.4f}"


def keras_row(python: str, recipe: str, minutes: float) -> tuple[str, ...]:
    """The source's network, on the splits that a user of Keras would make: a tenth for validation."""
    source = load_config(Path(recipe)).data.source
    dataset = open_dataset(load_config(None, [f"data.source={source}"]).data)
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "data.npz"
        arrays = {}
        for split in dataset.splits:
            arrays[f"x_{split.name}"], arrays[f"y_{split.name}"] = split.take(slice(None)), split.labels
        np.savez(file, **arrays)
        env = {**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3", "KERAS_BACKEND": "tensorflow"}
        command = [python, str(HERE / "keras_source.py"), str(file), str(minutes)]
        done = subprocess.run(command, capture_output=True, text=True, check=False, env=env)
    if done.returncode:
        sys.exit(f"{' '.join(command)} failed:\n{done.stderr}")
    found = json.loads(done.stdout.splitlines()[-1])
    return (
        f"{found['minutes']:.1f}",
        str(found["epochs"]),
        f"{found['parameters']:,}",
        f"{found['val_accuracy']:.4f}",
        f"{found['test_accuracy']:.4f}",
    )


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--keras-python", required=True, help="the Python of an environment with Keras and TensorFlow")
    parser.add_argument("--recipe", default="cifar100-cpu")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--runs", default="runs")
    parser.add_argument("--keras-minutes", type=float, help="Keras alone, for so long")
    return parser.parse_args()


if __name__ == "__main__":
    main()
