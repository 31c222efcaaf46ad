"""Rules that join several keys, or a key and the data: what the schema alone cannot see."""

from __future__ import annotations

import torch
from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm

from eyas.core.errors import ConfigError
from eyas.core.schema import AugmentConfig, Config, PretrainedConfig, TrainConfig
from eyas.data import Dataset
from eyas.nn import Network
from eyas.train.augment import check_augment


def check_config(config: Config, dataset: Dataset) -> None:
    """Everything that can be known before a network is built.

    Raises:
        ConfigError: names the key, the rule and what it got.
    """
    train = config.train
    check_augment(config.augment, dataset.policy.shape)
    _check_optimizer(train)
    _check_company(config)
    if isinstance(config.model, PretrainedConfig):
        _check_pretrained(config, config.model)
    if train.monitor.startswith("val") and not len(dataset.val):
        known = train.monitor in ("val_loss", "val_accuracy")
        other = train.monitor.removeprefix("val_") if known else "loss"
        raise ConfigError(
            f"train.monitor={train.monitor} needs a validation split, got none; set data.val_fraction=0.1 or "
            f"train.monitor={other}"
        )
    if train.device == "cuda" and not torch.cuda.is_available():
        got = "no GPU that it can use" if torch.version.cuda else f"torch {torch.__version__}, which has no CUDA"
        raise ConfigError(f"train.device=cuda needs a CUDA GPU and a CUDA build of torch, got {got}; use auto or cpu")
    if train.warmup_epochs and (train.schedule == "one_cycle" or train.warmup_epochs >= train.epochs):
        raise ConfigError(
            f"train.warmup_epochs must be below train.epochs={train.epochs}, and 0 with one_cycle, which warms up by "
            f"itself; got {train.warmup_epochs:g} with {train.schedule}"
        )
    if isinstance(train.class_weight, dict) and (unknown := train.class_weight.keys() - set(dataset.classes)):
        raise ConfigError(
            f"train.class_weight names no class of {dataset.name}: {', '.join(sorted(unknown))}; it has "
            f"{', '.join(dataset.classes[:20])}"
        )


def check_network(config: Config, network: Network, workers: int) -> None:
    """What the built network decides.

    Args:
        workers: processes that share each batch.

    Raises:
        ConfigError: names the key, the rule and what it got.
    """
    train = config.train
    normed = any(isinstance(layer, _BatchNorm) for layer in network.modules())
    part = train.batch_size // (train.accumulate * workers)
    if normed and part < 2:
        shared = "" if part == train.batch_size else f" in each of {train.accumulate} parts and {workers} workers"
        raise ConfigError(f"train.batch_size must be at least 2{shared} for a network with batch norm, got {part}")
    if train.optimizer == "muon" and not any(isinstance(layer, nn.Conv2d) for layer in network.modules()):
        raise ConfigError("train.optimizer=muon needs a network with convolutions, got one without; adam does for any")
    if train.image_sizes and not network.any_size:
        raise ConfigError(
            f"train.image_sizes needs a network that takes images of any size (resnet, wide_resnet), "
            f"got {config.model.name}, which is built for one"
        )
    if train.image_sizes and not _takes(network, side := min(train.image_sizes.values())):
        raise ConfigError(f"train.image_sizes must be sides that the network can take, got {side}")


@torch.no_grad()
def _takes(network: Network, side: int) -> bool:
    """Whether the network gives logits for square images of this side."""
    training = network.training
    try:
        network.eval()(torch.zeros(1, side, side, network.normalise.scale.shape[1], dtype=torch.uint8))
    except Exception:  # noqa: BLE001  (whatever a network raises: a window is larger than what is left of the image)
        return False
    finally:
        network.train(training)
    return True


def _check_optimizer(train: TrainConfig) -> None:
    if train.nesterov and not (train.optimizer == "sgd" and train.momentum > 0):
        raise ConfigError("train.nesterov needs train.optimizer=sgd and train.momentum above 0")
    if train.momentum and train.optimizer not in ("sgd", "rmsprop"):
        own = "; its own is train.muon.momentum" if train.optimizer == "muon" else ""
        raise ConfigError(
            f"train.momentum is for sgd and rmsprop; {train.optimizer} would ignore {train.momentum:g}{own}"
        )


def _check_company(config: Config) -> None:
    """Sections that say how, without the key that says what."""
    train, augment, default = config.train, config.augment, Config()
    strength = (augment.policy_ops, augment.policy_magnitude)
    for idle, section, needed in (
        (train.distillation != default.train.distillation and not train.teacher, "train.distillation", "train.teacher"),
        (train.muon != default.train.muon and train.optimizer != "muon", "train.muon", "train.optimizer=muon"),
        (train.launcher == "ray" and train.workers == 1, "train.launcher=ray", "train.workers of 2 or more"),
        (
            strength != (default.augment.policy_ops, default.augment.policy_magnitude)
            and augment.policy != "randaugment",
            "augment.policy_ops and augment.policy_magnitude",
            "augment.policy=randaugment",
        ),
        (
            augment.strong_until < 1
            and augment == augment.mild.model_copy(update={"strong_until": augment.strong_until}),
            "augment.strong_until",
            "augment.policy, color_jitter, cutout, mixup or cutmix",
        ),
    ):
        if idle:
            raise ConfigError(f"{section} would do nothing without {needed}")


def _check_pretrained(config: Config, model: PretrainedConfig) -> None:
    """What a backbone rules out; a frozen one sees every image before training begins, and never again."""
    train, augment = config.train, config.augment
    varied = augment != AugmentConfig()
    for wrong, rule in (
        (train.optimizer == "muon", "train.optimizer=muon would undo what the backbone has learnt; take adamw or sgd"),
        (config.data.normalize != "standard", "data.normalize would do nothing: a backbone has its own scaling"),
        (not model.frozen and model.views > 1, "model.views would do nothing with model.frozen=false"),
        (model.frozen and varied and model.views == 1, "augment would do nothing with model.views=1; take 2 or more"),
        (model.frozen and not varied and model.views > 1, "model.views would do nothing without augment"),
        (
            model.frozen and model.views > 2 and augment == AugmentConfig(flip=augment.flip),
            f"model.views={model.views} would repeat views: with augment.flip alone there are 2",
        ),
        (
            model.frozen and (augment.mixup or augment.cutmix),
            "augment.mixup and augment.cutmix need model.frozen=false",
        ),
        (model.frozen and augment.strong_until < 1, "augment.strong_until needs model.frozen=false"),
        (model.frozen and train.teacher, "train.teacher needs model.frozen=false"),
        (model.frozen and train.start_from, "train.start_from would change the backbone; it needs model.frozen=false"),
    ):
        if wrong:
            raise ConfigError(rule)
