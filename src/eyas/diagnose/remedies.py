"""The next command for each finding, made from the run's own configuration."""

from __future__ import annotations

import shlex
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from eyas.core.schema import CNNConfig, Config, MLPConfig, PretrainedConfig, ResNetConfig, WideResNetConfig
from eyas.diagnose.evidence import Evidence
from eyas.diagnose.findings import Finding

SHOWN = 3
L2, LABEL_SMOOTHING = 0.001, 0.1
MOST_DROPOUT = 0.5


def remedies(finding: Finding, evidence: Evidence) -> tuple[str, ...]:
    """Up to three commands, the one to try first at the front."""
    return tuple(_commands(finding, evidence))[:SHOWN]


def _commands(finding: Finding, evidence: Evidence) -> Iterator[str]:
    run = shlex.quote(str(evidence.run))
    check = f"eyas data check -c {run}/config.yaml"

    def again(*changes: str) -> str:
        return f"eyas train -c {run}/config.yaml {' '.join(changes)}"

    match finding.code:
        case "high-variance":
            yield from (again(change) for change in _against_variance(evidence.config))
        case "high-bias":
            yield from (again(change) for change in _against_bias(evidence))
        case "still-improving":
            yield again(f"train.epochs={2 * evidence.config.train.epochs}")
        case "unfinished":
            yield f"eyas train --resume {run}"
        case "no-learning":
            yield again(_rate(finding, 0.1))
            yield again(_rate(finding, 10))
        case "diverged" | "unstable":
            yield again(_rate(finding, 0.1))
            yield again("train.clip_norm=1")
        case "plateau":
            yield again("train.schedule=cosine")
            yield again(_rate(finding, 0.3))
        case "overfitting-epochs":
            yield again(f"train.epochs={finding.values['best']}", "train.schedule=cosine")
        case "random-labels" | "noisy-labels":
            yield f"{check} --labels --html {run}/data"
        case "shift":
            yield f"{check} --html {run}/data"
        case "leak-val" | "leak-test":
            yield f"{check}{' data.fixes=null' if evidence.config.data.fixes else ''} --fix fixes.yaml"
            yield again("data.fixes=fixes.yaml")
        case "class-shift":
            yield again("train.class_weight=balanced")
        case "few-validation-images":
            if _carved(evidence):
                yield again(f"data.val_fraction={min(0.4, 2 * evidence.config.data.val_fraction):g}")
            yield again(f"train.seed={evidence.config.train.seed + 1}")
        case "healthy":
            yield f"eyas evaluate {run}"
            yield f"eyas export {run}"


def _rate(finding: Finding, factor: float) -> str:
    return f"train.learning_rate={float(finding.values['rate']) * factor:.3g}"


def _against_variance(config: Config) -> Iterator[str]:
    """Penalties and noise that the run does not use yet, the mildest first."""
    model, augment = config.model, config.augment
    if isinstance(model, MLPConfig | CNNConfig) and model.l2 < L2:
        yield f"model.l2={L2}"
    if isinstance(model, CNNConfig | ResNetConfig | WideResNetConfig) and not augment.crop:
        yield "augment.crop=2"
    if isinstance(model, MLPConfig | CNNConfig | ResNetConfig) and model.dropout < MOST_DROPOUT:
        yield f"model.dropout={min(MOST_DROPOUT, model.dropout + 0.2):g}"
    if not config.train.weight_decay and config.train.optimizer in ("adamw", "sgd"):
        yield "train.weight_decay=0.01"
    if not config.train.label_smoothing:
        yield f"train.label_smoothing={LABEL_SMOOTHING}"
    if not isinstance(model, PretrainedConfig) or not model.frozen:
        yield "augment.mixup=0.2"
    elif model.views == 1:  # a frozen backbone sees no other images than its views
        yield "model.views=4 augment.crop=2"
    else:
        yield f"model.views={2 * model.views}" + ("" if augment.crop else " augment.crop=2")


def _carved(evidence: Evidence) -> bool:
    """Whether eyas made the validation split: it then has the size that `data.splits.carve` gives."""
    train, val = (int(evidence.shares[name].sum()) for name in ("train", "val"))
    return val == max(round(evidence.config.data.val_fraction * (train + val)), len(evidence.class_counts))


def _against_bias(evidence: Evidence) -> Iterator[str]:
    """More time where the last epoch is the best; what holds the network back; a larger one."""
    config, losses = evidence.config, evidence.history["val_loss"]
    model, longer = config.model, f"train.epochs={2 * config.train.epochs}"
    if int(np.nanargmin(losses)) == len(losses) - 1:
        yield longer
    if isinstance(model, MLPConfig | CNNConfig) and model.l2 > L2:
        yield f"model.l2={model.l2 / 10:g}"
    if isinstance(model, MLPConfig | CNNConfig | ResNetConfig) and model.dropout > 0.3:
        yield f"model.dropout={model.dropout / 2:g}"
    match model:
        case MLPConfig():
            yield f"model.hidden={_scaled(model.hidden, 64)}"
            yield "model=cnn"
        case CNNConfig():
            yield f"model.filters={_scaled(model.filters, 16)}"
        case ResNetConfig():
            yield f"model.widths={_scaled(model.widths, 16)}"
        case WideResNetConfig():
            yield f"model.width={2 * model.width}"
        case PretrainedConfig(frozen=True):
            yield _fine_tuned(model, evidence.run)
    if int(np.nanargmin(losses)) != len(losses) - 1:
        yield longer


def _fine_tuned(model: PretrainedConfig, run: Path) -> str:
    """All layers trained, at a rate that forgets little, from the run's own dense layer."""
    views = "model.views=1 " if model.views > 1 else ""
    return f"model.frozen=false {views}train.start_from={shlex.quote(str(run))} train.learning_rate=0.0003"


def _scaled(widths: tuple[int, ...], least: int) -> str:
    """Twice as wide, and never a few units only."""
    return "[" + ",".join(str(max(least, 2 * width)) for width in widths) + "]"
