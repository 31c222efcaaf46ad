"""Which configurations one program can train."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from eyas.core.schema import Config, TrainConfig
from eyas.train.assembly import device_kind
from eyas.train.workers import in_group

MAY_DIFFER = frozenset(
    (
        "name",
        "model.dropout",
        "model.dense_dropout",
        "model.input_dropout",
        "model.l2",
        "train.learning_rate",
        "train.momentum",
        "train.weight_decay",
        "train.label_smoothing",
        "train.seed",
    )
)
NETWORKS = ("mlp", "cnn")


def can_train_together(configs: Sequence[Config]) -> str | None:
    """None where these models can be trained as one program, else the reason why not.

    They may differ by `MAY_DIFFER` alone; a key that they all share must be one that the program knows.
    """
    if not configs:
        return "there is no configuration"
    first = configs[0]
    if first.model.name not in NETWORKS:
        return f"model.name must be {' or '.join(NETWORKS)}, got {first.model.name}"
    return next((reason for config in configs[1:] if (reason := _difference(first, config))), None) or _unknown(first)


def _difference(first: Config, other: Config) -> str | None:
    one, two = dict(_leaves(first.model_dump())), dict(_leaves(other.model_dump()))
    for key in dict.fromkeys([*one, *two]):
        if one.get(key) != two.get(key) and key not in MAY_DIFFER:
            return f"{key} must be the same in all, got {one.get(key)!r} and {two.get(key)!r}"
    return None


def _leaves(value: Any, key: str = "") -> Iterator[tuple[str, Any]]:
    if isinstance(value, dict) and value:
        for name, part in value.items():
            yield from _leaves(part, f"{key}.{name}" if key else str(name))
    else:
        yield key, value


def _unknown(config: Config) -> str | None:
    """The first thing about all of them that only a program of its own can do."""
    train, plain = config.train, TrainConfig()
    for key in ("ema", "sam", "teacher", "image_sizes", "accumulate", "workers", "compile"):
        got, rule = getattr(train, key), getattr(plain, key)
        if got != rule:
            return f"train.{key} must be {'unset' if rule is None else str(rule).lower()}, got {got!r}"
    if train.optimizer == "muon":
        return "train.optimizer must be adam, adamw, sgd or rmsprop, got muon"
    if device_kind(train) != "cpu":
        return f"train.device must be cpu, got {train.device}, which is a GPU here"
    if in_group():
        return "this process must be alone, and a launcher has started it as one of several"
    return None
