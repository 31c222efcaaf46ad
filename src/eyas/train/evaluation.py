"""A run's best network measured on one split, in PyTorch and float32."""

from __future__ import annotations

import numpy as np

from eyas.core.runs import RunFolder
from eyas.data import Dataset, Split
from eyas.data.split import SplitName
from eyas.diagnose import Answers
from eyas.evaluate import Evaluation, evaluate, softmax
from eyas.nn import load_network, run_network

CLEAN = "test_clean"
"""What `metrics.json` calls the test split without images that training (nearly) knows."""


def evaluate_clean(run: RunFolder, dataset: Dataset, *, record: bool = True) -> Evaluation | None:
    """Measure `best.pt` on the clean test of `data.fixes` and record it beside the others; None where there is none.

    Raises:
        DataError: the dataset is not the run's.
    """
    if (chosen := dataset.clean_test) is None:
        return None
    answers = _answers(run, dataset, chosen)
    evaluation = evaluate(answers.probabilities, answers.labels, dataset.classes)
    if record:
        run.add_metrics(CLEAN, evaluation.summary())
    return evaluation


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
    answers = answers_of(run, dataset, split, flip=flip)
    evaluation = evaluate(answers.probabilities, answers.labels, dataset.classes)
    if record:
        run.add_metrics(f"{split}_flip" if flip else split, evaluation.summary())
    return evaluation


def answers_of(run: RunFolder, dataset: Dataset, split: SplitName, *, flip: bool = False) -> Answers:
    """What `best.pt` says of a split's images; nothing is recorded.

    Raises:
        DataError: as `evaluate_run`.
    """
    return _answers(run, dataset, dataset.require_images(split), flip=flip)


def _answers(run: RunFolder, dataset: Dataset, chosen: Split, *, flip: bool = False) -> Answers:
    network, about = load_network(run)
    dataset.require(about["fingerprint"], run.path)
    logits = run_network(network, chosen).logits
    if flip:
        logits = np.mean([logits, run_network(network, chosen, mirrored=True).logits], axis=0, dtype=np.float32)
    return Answers(softmax(logits).astype(np.float32), chosen.labels)
