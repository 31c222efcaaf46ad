"""How bytes become the numbers that a model was taught with, as its maker states it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from eyas.core.errors import ConfigError
from eyas.core.scalings import SCALINGS, TRIED, by_channel, scaling_of

Layout = Literal["nchw", "nhwc"]
LAYOUTS: tuple[Layout, ...] = ("nchw", "nhwc")
LEAST_SHARE = 0.25


@dataclass(frozen=True)
class Reading:
    """(x / 255 - mean) / std by channel, then the channels in their order."""

    mean: tuple[float, ...]
    """C values on [0, 1], of R, G, B or grey, whatever the order is."""
    std: tuple[float, ...]
    """C values on [0, 1], greater than 0."""
    bgr: bool = False
    """Whether the model takes blue first."""
    scaling: str | None = None
    """Its name in `SCALINGS`, where it has one."""

    @property
    def scale(self) -> NDArray[np.float32]:
        """(C,) float32: what bytes are multiplied by."""
        return (1 / (255 * np.array(self.std, np.float64))).astype(np.float32)

    @property
    def shift(self) -> NDArray[np.float32]:
        """(C,) float32: what is subtracted then."""
        return (np.array(self.mean, np.float64) / np.array(self.std, np.float64)).astype(np.float32)

    @property
    def options(self) -> str:
        """As it is stated on the command line."""
        numbers = f"--mean {_listed(self.mean)} --std {_listed(self.std)}"
        said = f"--scaling {self.scaling}" if self.scaling else numbers
        return said if len(self.mean) == 1 else f"{said} --order {'bgr' if self.bgr else 'rgb'}"

    def apply(self, images: NDArray[np.uint8]) -> NDArray[np.float32]:
        """(N, H, W, C) uint8 → (N, H, W, C) float32."""
        pixels: NDArray[np.float32] = images.astype(np.float32) * self.scale - self.shift
        return pixels[..., ::-1] if self.bgr else pixels


@dataclass(frozen=True)
class Stated:
    """What is said of a model that its file does not say, or says wrongly; None where it is to be found."""

    scaling: str | None = None
    """A name of `SCALINGS`; else `mean` and `std`."""
    mean: tuple[float, ...] | None = None
    std: tuple[float, ...] | None = None
    bgr: bool = False
    layout: Layout | None = None
    size: tuple[int, int] | None = None
    """Height, width."""
    channels: Literal[1, 3] | None = None
    crop_share: float = 1.0
    """Of each side of the resized image, how much of its centre the model sees; in [0.25, 1]."""
    classes: tuple[str, ...] | None = None
    """In the order of the model's outputs; the dataset's by default."""
    output: str | None = None
    """Which of several outputs has the classes."""
    name: str | None = None
    """Of the model; the file's by default."""

    def __post_init__(self) -> None:
        if self.scaling and (self.mean or self.std):
            raise ConfigError("--scaling says mean and deviation already; leave --mean and --std out")
        if self.scaling and self.scaling not in SCALINGS:
            raise ConfigError(f"--scaling must be one of {', '.join(SCALINGS)}, got {self.scaling}")
        if (self.mean is None) != (self.std is None):
            raise ConfigError("--mean and --std are given together")
        if not LEAST_SHARE <= self.crop_share <= 1:
            raise ConfigError(f"--crop-share must be at least {LEAST_SHARE} and at most 1, got {self.crop_share:g}")

    def reading(self, channels: int) -> Reading | None:
        """The reading of so many channels; None where no scaling is stated.

        Raises:
            ConfigError: means or deviations of another number of channels, or out of range.
        """
        if self.scaling:
            return named_reading(self.scaling, channels, bgr=self.bgr)
        if self.mean is None or self.std is None:
            return None
        for option, values in (("--mean", self.mean), ("--std", self.std)):
            if len(values) not in (1, channels):
                raise ConfigError(f"{option} must have 1 or {channels} values, as the model takes, got {len(values)}")
            if not all(0 <= value <= 1 for value in values) or (option == "--std" and not all(values)):
                raise ConfigError(
                    f"{option} must be of pixels on 0 to 1{', above 0' if option == '--std' else ''}, got "
                    f"{_listed(values)}; divide what is meant for bytes by 255"
                )
        return Reading(by_channel(self.mean, channels), by_channel(self.std, channels), self.bgr and channels == 3)


def named_reading(scaling: str, channels: int, *, bgr: bool = False) -> Reading:
    """One of `SCALINGS` for so many channels.

    Raises:
        ConfigError: it is for another number of channels.
    """
    mean, std = scaling_of(scaling, channels)
    return Reading(mean, std, bgr and channels == 3, scaling)


def other_readings(stated: Reading | None, channels: int) -> list[Reading]:
    """The usual readings that are not the stated one, and that one with its channels turned round."""
    orders = (False, True) if channels == 3 else (False,)
    usual = [named_reading(name, channels, bgr=bgr) for name in TRIED[channels] for bgr in orders]
    if stated is None:
        return usual
    if channels == 3:
        usual.append(replace(stated, bgr=not stated.bgr))
    numbers = {(one.mean, one.std, one.bgr): one for one in usual}
    numbers.pop((stated.mean, stated.std, stated.bgr), None)
    return list(numbers.values())


def _listed(values: tuple[float, ...]) -> str:
    return ",".join(f"{value:.4g}" for value in values)
