"""The gate on this machine: two versions answer the same test images, and take turns at the clock."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import replace

import numpy as np

from eyas.api.bundle_data import SplitAnswers, answer_split, data_of, is_own
from eyas.bundle import Bundle
from eyas.core.errors import ConfigError, DataError, UnsafeDataError
from eyas.core.schema import DataConfig
from eyas.infer import Predictor
from eyas.rollout import GateReport, GateRule, judge, time_pairs

Arm = tuple[Bundle, SplitAnswers]
TIMED_IMAGES = 256
"""That are answered in turn, again and again."""


def judge_versions(champion: Bundle, challenger: Bundle, rule: GateRule, data: str | None) -> GateReport:
    """Hold the challenger against the champion.

    Args:
        champion, challenger: of the same classes.
        rule: what must hold.
        data: what `data.source` takes; None: the challenger's own data, split as at its training.

    Raises:
        DataError: there are no such data, they have other classes or no test images, or are not what they were.
    """
    config = _config(challenger, data)
    try:
        new = answer_split(challenger, config, "test")
    except UnsafeDataError:
        raise
    except (ConfigError, DataError) as error:
        raise DataError(f"the gate has no test images: {error}; --data DATA names them") from error
    old = answer_split(champion, config, "test", as_trained=False)
    if not np.array_equal(old.split.labels, new.split.labels):
        raise DataError(f"both versions must answer the same images of {new.dataset.name}; ask again later")
    images = min(TIMED_IMAGES, len(new.split))
    seconds = time_pairs(_asking(champion, old), _asking(challenger, new), images)
    labels, names = new.split.labels, new.dataset.classes
    report = judge(labels, old.probabilities, new.probabilities, rule, seconds=seconds, classes=names)
    return replace(report, notes=tuple(_notes((champion, old), (challenger, new), len(seconds[0]))))


def _config(challenger: Bundle, data: str | None) -> DataConfig:
    config = data_of(challenger, [] if data is None else [f"data.source={json.dumps(data)}"])
    return config if is_own(challenger, config) else config.model_copy(update={"fixes": None})


def _asking(bundle: Bundle, answered: SplitAnswers) -> Callable[[int], object]:
    """Asks for one image. With one thread: threads that wait for one another blur the difference of two graphs."""
    predictor, images = Predictor(bundle, threads=1), answered.split.take(slice(0, TIMED_IMAGES))
    return lambda row: predictor.run(images[row : row + 1])


def _notes(champion: Arm, challenger: Arm, pairs: int) -> Iterator[str]:
    dataset, split = challenger[1].dataset, challenger[1].split
    yield f"both answered the {len(split)} test images of {dataset.name}, and {pairs} single images in turn"
    for name, (bundle, found) in (("champion", champion), ("challenger", challenger)):
        if bundle.manifest.dataset.fingerprint != found.dataset.fingerprint:
            yield f"the {name} {bundle.manifest.version} was trained on other data, and may or may not have seen these"
