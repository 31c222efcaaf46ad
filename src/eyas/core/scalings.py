"""The usual ways in which pixels become the numbers that a network is taught with."""

from __future__ import annotations

from eyas.core.errors import ConfigError

BYTE = 1 / 255
# By name: mean and standard deviation on [0, 1], one for all channels or one each of R, G, B.
SCALINGS: dict[str, tuple[tuple[float, ...], tuple[float, ...]]] = {
    "bytes": ((0.0,), (BYTE,)),  # 0 to 255, as they are
    "unit": ((0.0,), (1.0,)),  # 0 to 1
    "symmetric": ((0.5,), (0.5,)),  # -1 to 1
    "imagenet": ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225)),
    "caffe": ((123.68 * BYTE, 116.779 * BYTE, 103.939 * BYTE), (BYTE,)),  # bytes less their mean
    "clip": ((0.48145466, 0.4578275, 0.40821073), (0.26862954, 0.26130258, 0.27577711)),
    "cifar10": ((0.4914, 0.4822, 0.4465), (0.2470, 0.2435, 0.2616)),
    "mnist": ((0.1307,), (0.3081,)),
}
# What a model is tried with beside what is stated. Left out is what hardly differs from one of these.
TRIED = {1: ("bytes", "unit", "symmetric", "mnist"), 3: ("bytes", "unit", "symmetric", "imagenet", "caffe")}


def scaling_of(name: str, channels: int) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Mean and deviation of each channel.

    Args:
        name: of `SCALINGS`.

    Raises:
        ConfigError: it is for another number of channels.
    """
    mean, std = SCALINGS[name]
    if len(mean) not in (1, channels):
        raise ConfigError(f"the scaling {name} is for {len(mean)} channels, and the model takes {channels}")
    return by_channel(mean, channels), by_channel(std, channels)


def by_channel(values: tuple[float, ...], channels: int) -> tuple[float, ...]:
    """One value for each channel."""
    return values * channels if len(values) == 1 else values
