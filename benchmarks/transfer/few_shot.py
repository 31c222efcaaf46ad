"""Few images a class: a dense layer on a frozen backbone against the recipe's network from scratch.

    make bench-transfer                                   5, 20 and 100 images a class of CIFAR-100
    make bench-transfer BENCH="--counts 5 --scratch-seeds 0"     a part of it
    make bench-transfer BENCH="--counts 5 20 --seeds 0"          another part

Each measurement is kept in build/few_shot.json when it is done, and a later call measures what is not there: it can be
stopped and called again, or run in parts. Remove the file to measure anew.

Both see the same training images (`data.train_fraction`, drawn by the seed) and are measured after their last epoch on
the 5,000 images held out of the training split; nothing is chosen by them, and the test split is not touched. The
backbone is that of `cifar100-transfer`, with settings fixed beforehand (AdamW at 0.001, decay 3, batches of 64, 40
epochs); the network from scratch is that of `cifar100-cpu`, at 32 pixels, with the epochs of SCRATCH_EPOCHS.
Features are kept between runs: only the first pays for them.

On 2 cores of an AMD EPYC that other work shared, features kept already. Of the frozen backbone n = 3 seeds of images
and order. From scratch n = 1, seed 0, one thread on the same cores, which other work kept busy: its seconds say little.

    images a class   frozen backbone   seconds   from scratch   seconds
                 5   46.2 % ± 0.4           12         18.5 %       919 *
                20   59.5 % ± 0.3           16         33.5 %       317
               100   68.4 % ± 0.1           37         58.0 %       468

* with a look at the held-out images after every epoch, which took most of it and is no longer done.

From 5 and 20 images a class, the networks from scratch answer 99 to 100 % of their training images rightly at the end;
60 and 15 epochs are the same 240 steps, 20 epochs of 100 a class are 400. The recipe's widths were 64, 224 and
416 then. That is no search for the best recipe for few images.
"""

from __future__ import annotations

import argparse
import copy
import statistics
import tempfile
import time
from pathlib import Path

import numpy as np

from eyas.core import io
from eyas.core.config import load_config
from eyas.core.console import out, table
from eyas.core.runs import RunFolder
from eyas.core.schema import Config
from eyas.data import Dataset, Split, open_dataset
from eyas.nn import load_network, load_weights, run_network
from eyas.nn.weights import take_weights
from eyas.train import start_run

TRANSFER = (
    "train.batch_size=64",
    "train.epochs=40",
    "train.learning_rate=0.001",
    "train.weight_decay=3",
)
SCRATCH = (
    "data.val_fraction=0.1",
    "data.image_size=null",
    "train.image_sizes=null",
    "augment.crop=4",
    "train.batch_size=128",
)
SCRATCH_EPOCHS = {5: 60, 20: 15, 100: 20}
KEPT = Path("build/few_shot.json")

Measured = tuple[float, float]
"""Accuracy on the held-out images after the last epoch, and the seconds of training."""


def main() -> None:
    options = _options()
    rows = []
    with tempfile.TemporaryDirectory() as runs:
        for count in options.counts:
            transfer = [kept("cifar100-transfer", TRANSFER, count, seed, runs) for seed in range(options.seeds)]
            words = (*SCRATCH, f"train.epochs={SCRATCH_EPOCHS.get(count, 20)}")
            scratch = [kept("cifar100-cpu", words, count, seed, runs) for seed in range(options.scratch_seeds)]
            rows.append((str(count), *told(transfer), *told(scratch)))
            out.print(rows[-1])
    columns = ("images a class", "frozen backbone", "seconds", "from scratch", "seconds")
    out.print(table("accuracy on 5,000 held-out images", columns, rows))


def kept(recipe: str, words: tuple[str, ...], count: int, seed: int, runs: str) -> Measured:
    """What an earlier call measured under the same settings, or else `measure`."""
    name = " ".join((recipe, *words, f"count={count}", f"seed={seed}"))
    known = io.read_json(KEPT) if KEPT.exists() else {}
    if name not in known:
        known[name] = measure(recipe, words, count, seed, runs)
        KEPT.parent.mkdir(exist_ok=True)
        io.write_json(KEPT, known)
    accuracy, seconds = known[name]
    return accuracy, seconds


def measure(recipe: str, words: tuple[str, ...], count: int, seed: int, runs: str) -> Measured:
    """One run in a folder of `runs`."""
    config = load_config(Path(recipe), [*words, f"train.seed={seed}", f"runs_dir={runs}", "train.monitor=loss"])
    config = share(config, count, seed)
    dataset = open_dataset(config.data)
    counts = np.bincount(dataset.train.labels)
    assert counts.min() == counts.max() == count, f"{counts.min()} to {counts.max()} images a class"
    started = time.perf_counter()
    result = start_run(config, dataset if recipe == "cifar100-transfer" else without_val(dataset))
    seconds = time.perf_counter() - started
    accuracy = result.history[-1].val_accuracy
    return val_accuracy(result.run, dataset) if accuracy is None else accuracy, seconds


def without_val(dataset: Dataset) -> Dataset:
    """The same training images; from scratch, 5,000 held-out ones after every epoch would be most of the work."""
    made, val = copy.copy(dataset), dataset.val
    vars(made)["val"] = Split("val", val.images, val.rows[:0], val.labels[:0])
    return made


def val_accuracy(run: RunFolder, dataset: Dataset) -> float:
    """Of the weights after the last epoch."""
    network = load_network(run)[0]
    take_weights(network, load_weights(run.last)["weights"], run.last)
    logits = run_network(network, dataset.val).logits
    return float((logits.argmax(1) == dataset.val.labels).mean())


def share(config: Config, count: int, seed: int) -> Config:
    """The configuration with `count` training images of each class."""
    whole = np.bincount(open_dataset(config.data).train.labels).min()
    data = config.data.model_copy(update={"train_fraction": count / int(whole), "train_fraction_seed": seed})
    return config.model_copy(update={"data": data})


def told(found: list[Measured]) -> tuple[str, str]:
    """Mean accuracy with its spread, and the median seconds."""
    if not found:
        return "-", "-"
    shares = [100 * accuracy for accuracy, _ in found]
    spread = f" ± {statistics.stdev(shares):.1f}" if len(shares) > 1 else ""
    seconds = statistics.median(seconds for _, seconds in found)
    return f"{statistics.mean(shares):.1f} %{spread} (n = {len(shares)})", f"{seconds:.0f}"


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--counts", type=int, nargs="+", default=[5, 20, 100], help="images a class")
    parser.add_argument("--seeds", type=int, default=3, help="of the frozen backbone")
    parser.add_argument("--scratch-seeds", type=int, default=1, help="of the network from scratch")
    return parser.parse_args()


if __name__ == "__main__":
    main()
