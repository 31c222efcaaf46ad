"""A run's best network measured on one split, in PyTorch and float32."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from eyas.core.runs import RunFolder
from eyas.data import Dataset, Split
from eyas.data.split import SplitName
from eyas.diagnose import Answers
from eyas.evaluate import Evaluation, evaluate, softmax
from eyas.nn import Network, load_network, run_network

CLEAN = "test_clean"
"""What `metrics.json` calls the test split without images that training (nearly) knows."""
Name = TypeVar("Name", bound=str)


def evaluate_run(
    run: RunFolder, dataset: Dataset, split: SplitName, *, flip: bool = False, record: bool = True
) -> Evaluation:
    """Measure `best.pt` and record the result in the run's `metrics.json`, under the split's name.

    Probabilities are the network's own; the bundle's are calibrated besides.

    Args:
        flip: average the logits of each image and its mirror image, and record that apart, as `<split>_flip`.
        record: False leaves the run folder as it is.

    Raises:
        DataError: the split is empty, or the dataset is not the run's.
    """
    name = f"{split}_flip" if flip else split
    answers = _answers_by_name(run, dataset, split, flip=flip)
    return measure(run, dataset, {name: answers[name]}, record=record)[name]


def evaluate_fully(
    run: RunFolder, dataset: Dataset, split: SplitName, *, flip: bool = False, record: bool = True
) -> dict[str, Evaluation]:
    """All that `evaluate_run` measures of a split, of one look at it, by the names in `metrics.json`.

    Returns:
        `<split>`; `<split>_flip` where `flip`; of the test split `test_clean`, where `data.fixes` tells it apart.

    Raises:
        DataError: as `evaluate_run`.
    """
    return measure(run, dataset, _answers_by_name(run, dataset, split, flip=flip), record=record)


def measure(
    run: RunFolder, dataset: Dataset, answers: Mapping[Name, Answers], *, record: bool
) -> dict[Name, Evaluation]:
    """Each of the answers measured, and recorded in the run's `metrics.json` where `record`."""
    found = {name: evaluate(given.probabilities, given.labels, dataset.classes) for name, given in answers.items()}
    for name, evaluation in found.items() if record else ():
        run.add_metrics(name, evaluation.summary())
    return found


def open_network(run: RunFolder, dataset: Dataset) -> tuple[Network, dict[str, Any]]:
    """`load_network` for the data that the run was trained on.

    Raises:
        DataError: the dataset is not the run's.
    """
    network, about = load_network(run)
    dataset.require(about["fingerprint"], run.path)
    return network, about


def answer(network: Network, split: Split) -> Answers:
    """What the network says of the split's images."""
    return _answers(run_network(network, split).logits, split.labels)


def _answers_by_name(run: RunFolder, dataset: Dataset, split: SplitName, *, flip: bool) -> dict[str, Answers]:
    chosen = dataset.require_images(split)
    network, _ = open_network(run, dataset)
    logits = run_network(network, chosen).logits
    found: dict[str, Answers] = {split: _answers(logits, chosen.labels)}
    if flip:
        mirrored = run_network(network, chosen, mirrored=True).logits
        found[f"{split}_flip"] = _answers(np.mean([logits, mirrored], axis=0, dtype=np.float32), chosen.labels)
    if split == "test" and (clean := dataset.clean_test) is not None:
        found[CLEAN] = _answers(logits[clean], chosen.labels[clean])
    return found


def _answers(logits: NDArray[np.float32], labels: NDArray[np.int64]) -> Answers:
    return Answers(softmax(logits).astype(np.float32), labels)
