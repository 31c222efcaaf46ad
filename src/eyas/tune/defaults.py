"""What is searched where nobody says: how the network learns, its widths and its dropout, and how images are varied.

Spans are those that KerasTuner's, Ultralytics' and AutoGluon's defaults have in common. Every dimension also holds the
baseline's own value, so that the search begins with it; only one on a log scale cannot hold a value of 0.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import replace
from typing import Any

from eyas.compare.plan import validated
from eyas.core.errors import ConfigError
from eyas.core.schema import KerasConfig
from eyas.tune.points import effective
from eyas.tune.space import Choice, Dimension, Float, Int, Space

L2 = (0.0, 1e-5, 1e-4, 1e-3)
NETWORKS: dict[str, tuple[Dimension, ...]] = {
    "mlp": (
        Choice("model.hidden", ([128], [256], [512], [1024], [256, 128], [512, 256])),
        Float("model.dropout", 0.0, 0.6),
        Choice("model.l2", L2),
    ),
    "cnn": (
        Choice("model.filters", ([16, 32, 64], [32, 64, 128], [32, 64, 128, 256], [64, 128, 256])),
        Choice("model.dense", ([128], [256], [512], [512, 256])),
        Float("model.dropout", 0.0, 0.5),
        Float("model.dense_dropout", 0.0, 0.7),
        Choice("model.l2", L2),
    ),
    "resnet": (
        Choice("model.widths", ([32, 64, 128], [64, 128, 256], [64, 224, 416])),
        Float("model.dropout", 0.0, 0.5),
    ),
    "wide_resnet": (
        Choice("model.depth", (10, 16)),
        Choice("model.width", (1, 2, 4)),
        Float("model.dropout", 0.0, 0.4),
    ),
}
OWN_NETWORK: tuple[Dimension, ...] = (Choice("model.l2", L2),)


def default_space(
    settings: Mapping[str, Any], shape: tuple[int, int, int], images: int, fixed: Collection[str]
) -> Space:
    """The space for a baseline.

    Args:
        settings: nested, of the baseline.
        shape: of the images, (H, W, C).
        images: in the training split; no batch is larger.
        fixed: dotted keys that keep the baseline's value.

    Raises:
        ConfigError: all of it is fixed.
    """
    config = validated(dict(settings), "the settings")
    network = () if isinstance(config.model, KerasConfig) else NETWORKS.get(config.model.name, OWN_NETWORK)
    wanted = [*_learning(config.train.optimizer, images), *network, *_augmentation(min(shape[:2]))]
    held = [one for one in wanted if not any(f"{one.name}.".startswith(f"{key}.") for key in fixed)]
    names = {one.name for one in held}
    kept = [_unbound(one, names, config.train.optimizer) for one in held]
    found = [_with_own(one, effective(config, one.name), config.train.optimizer) for one in kept if one is not None]
    if not found:
        raise ConfigError(
            "the command line fixes every key of the default space; name what is to be searched with --space"
        )
    return Space(found)


def _learning(optimizer: str, images: int) -> Iterator[Dimension]:
    """Muon has rates of its own, so nothing else stands beside it."""
    if optimizer == "muon":
        yield Float("train.learning_rate", 0.03, 0.5, log=True)
    else:
        yield Choice("train.optimizer", tuple(dict.fromkeys(("adam", "adamw", "sgd", optimizer))))
        yield Float("train.learning_rate", 1e-4, 0.1, log=True)
        yield Float("train.momentum", 0.0, 0.98, when={"train.optimizer": ("sgd",)})
        yield Float("train.weight_decay", 1e-5, 0.1, log=True, when={"train.optimizer": ("adamw",)})
    yield Choice("train.batch_size", tuple(size for size in (32, 64, 128, 256) if size <= max(32, images // 4)))


def _augmentation(side: int) -> Iterator[Dimension]:
    yield Choice("augment.flip", ("none", "random"))
    if side >= 8:
        yield Int("augment.crop", 0, side // 8)
        yield Int("augment.cutout", 0, side // 2)
    yield Choice("augment.mixup", (0.0, 0.2))


def _unbound(one: Dimension, names: Collection[str], optimizer: str) -> Dimension | None:
    """Without a condition on a key that is fixed; None where the fixed value does not meet it."""
    if set(one.when) <= set(names):
        return one
    return replace(one, when={}) if all(optimizer in values for values in one.when.values()) else None


def _with_own(one: Dimension, value: Any, optimizer: str) -> Dimension:
    """Widened to hold the baseline's value, where it matters there."""
    if any(optimizer not in values for values in one.when.values()):
        return one
    if isinstance(one, Choice):
        return one if value in one.choices else replace(one, choices=(*one.choices, value))
    if isinstance(one, Float) and not (one.log and value <= 0):
        return replace(one, low=min(one.low, float(value)), high=max(one.high, float(value)))
    if isinstance(one, Int):
        return replace(one, low=min(one.low, value), high=max(one.high, value))
    return one
