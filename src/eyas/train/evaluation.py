"""A run's best network measured on one split, in PyTorch and float32."""

from __future__ import annotations

import numpy as np

from eyas.core.errors import DataError
from eyas.core.runs import RunFolder
from eyas.data import Dataset
from eyas.data.dataset import SplitName
from eyas.evaluate import Evaluation, evaluate, softmax
from eyas.nn import load_network, run_network


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
    network, about = load_network(run)
    dataset.require(about["fingerprint"], run.path)
    chosen = dataset.split(split)
    if not len(chosen):
        raise DataError(f"the {split} split of {dataset.name} is empty")
    logits = run_network(network, chosen).logits
    if flip:
        logits = np.mean([logits, run_network(network, chosen, mirrored=True).logits], axis=0, dtype=np.float32)
    evaluation = evaluate(softmax(logits), chosen.labels, dataset.classes)
    if record:
        run.add_metrics(f"{split}_flip" if flip else split, evaluation.summary())
    return evaluation
