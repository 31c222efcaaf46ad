"""The courses' studies, as they are written there: a 784-512-10 network, 5 epochs of 128, 90 % to train on.

Sources: "From design to deployment", exercise 1 (the network, Adam, dropout 0.2); "Improving deep networks", exercises
1 to 4.
"""

from __future__ import annotations

import difflib
from typing import Any

from eyas.compare.plan import Arm, Study
from eyas.core.errors import ConfigError

COURSE: dict[str, Any] = {
    "data": {"normalize": "unit", "val_fraction": 0.1},
    "model": {"name": "mlp", "hidden": [512], "activation": "relu", "dropout": 0.2},
    "train": {"epochs": 5, "batch_size": 128, "optimizer": "adam"},
}
# Of every study: a number of epochs that is the same for all arms, one thread a run, one arithmetic.
FIXED: dict[str, Any] = {
    "train.early_stopping": None,
    "train.reduce_on_plateau": None,
    "train.monitor": "val_accuracy",
    "train.threads": 1,
    "train.precision": "fp32",
}

STUDIES = {
    "baseline": Study(
        "baseline",
        (Arm("Linear", {"model.hidden": [], "model.dropout": 0.0}), Arm("Baseline", {})),
        "Baseline_Comparison",
    ),
    "regularization": Study(
        "regularization",
        (
            Arm("No_regularization", {"model.dropout": 0.0}),
            Arm("L2", {"model.dropout": 0.0, "model.l2": 0.001}),
            Arm("Dropout", {"model.input_dropout": 0.2, "model.dropout": 0.2}),
            Arm("L2_and_dropout", {"model.input_dropout": 0.2, "model.dropout": 0.2, "model.l2": 0.001}),
        ),
        "Regularization_Comparison",
    ),
    "optimizers": Study(
        "optimizers",
        (
            Arm(
                "SGD_with_momentum",
                {"train.optimizer": "sgd", "train.learning_rate": 0.01, "train.momentum": 0.9},
            ),
            Arm("RMSprop", {"train.optimizer": "rmsprop"}),
            Arm("Adam", {"train.optimizer": "adam"}),
        ),
        "Optimizer_Comparison",
    ),
    "batchnorm": Study(
        "batchnorm",
        (Arm("Without_batch_norm", {}), Arm("With_batch_norm", {"model.batch_norm": True})),
        "Batch_Norm_Comparison",
    ),
}
ALL = "all"


def course_studies(name: str) -> tuple[Study, ...]:
    """The study of that name, or all of them.

    Raises:
        ConfigError: no such study, with the nearest.
    """
    if name == ALL:
        return tuple(STUDIES.values())
    if name in STUDIES:
        return (STUDIES[name],)
    known = [*STUDIES, ALL]
    near = difflib.get_close_matches(name, known, n=1, cutoff=0.5)
    hint = f": did you mean {near[0]}?" if near else ""
    raise ConfigError(f"unknown study {name}{hint} (known: {', '.join(known)}, or a YAML file of your own)")
