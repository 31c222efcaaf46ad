"""What the rest of eyas sees of any source: classes and three splits of `uint8` images."""

from __future__ import annotations

import re
from collections.abc import Sequence
from copy import copy
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, Self, TypedDict, Unpack

import numpy as np
from numpy.typing import ArrayLike, NDArray
from PIL import Image

from eyas.core.config import load_values
from eyas.core.errors import ConfigError, DataError, EyasError
from eyas.core.schema import DataConfig, Normalize
from eyas.data.arrays import keep_arrays
from eyas.data.opening import Opened, open_parts
from eyas.data.report import CheckReport, check_dataset
from eyas.data.showing import dataset_html, sheet
from eyas.data.split import Split, SplitName


class DataKeys(TypedDict, total=False):
    """The keys of `data` in the configuration beside `source`, with its rules and defaults."""

    image_size: int | tuple[int, int] | None
    channels: Literal[1, 3] | None
    resize: Literal["stretch", "crop", "pad"]
    normalize: Normalize
    val_fraction: float
    test_fraction: float
    fixes: str | None
    seed: int
    train_fraction: float
    train_fraction_seed: int
    max_pixels: int
    force: bool


@dataclass(frozen=True, init=False, eq=False, repr=False)
class Dataset(Opened):
    """Images of any source in three splits, `train`, `val` and `test`.

    Args:
        source: a folder, an archive, an .npz, a table, `digits`, `cifar100`…: what `data.source` takes.
        keys: other keys of `data`, such as `image_size=32` or `val_fraction=0.2`.

    Raises:
        ConfigError: an unknown key (with the nearest known one), or a value that breaks its rule.
        DataError: images, labels or splits that cannot be used.
    """

    def __init__(self, source: str | Path, **keys: Unpack[DataKeys]) -> None:
        if not isinstance(source, str | Path):
            raise ConfigError(
                f"source must be a folder, a file or a name, got {type(source).__name__}; "
                "Dataset.from_arrays(images, labels) takes arrays"
            )
        try:
            config = load_values({"data": {"source": str(source), **keys}}, (), "Dataset(…)").data
        except ConfigError as error:
            told = re.sub(r"(?<![\w.'])data\.(?=[a-z])", "", str(error))  # keys as they are given here
            raise ConfigError(told) from None
        self._take(open_parts(config))

    @classmethod
    def of(cls, config: DataConfig) -> Self:
        """The images that `config.source` means; see `open_dataset`."""
        made = cls.__new__(cls)
        made._take(open_parts(config))
        return made

    @classmethod
    def from_arrays(
        cls,
        images: ArrayLike,
        labels: ArrayLike,
        *,
        classes: Sequence[str] | None = None,
        val: tuple[ArrayLike, ArrayLike] | None = None,
        test: tuple[ArrayLike, ArrayLike] | None = None,
        name: str = "arrays",
        **keys: Unpack[DataKeys],
    ) -> Self:
        """Images and labels in memory. What is not given as `val` or `test` is carved from them, as from a folder.

        They are kept in the cache, so that a run on them can be looked at again later.

        Args:
            images: (N, H, W) or (N, H, W, 1 or 3), uint8 or floats from 0 to 1.
            labels: (N,) whole numbers, or names.
            classes: the name of label 0, 1, …; the labels themselves where None.
            val: images and labels of the validation split.
            test: of the test split.
            name: what reports and runs call them.
            keys: of `data`, such as `test_fraction=0.2`.

        Raises:
            DataError: another shape, type or range, lengths that differ, or labels that are no class.
        """
        parts = {"train": (images, labels), "val": val, "test": test}
        given = {part: pair for part, pair in parts.items() if pair is not None}
        return cls(keep_arrays(given, classes, name), **keys)

    def with_splits(self, train: Split, val: Split, test: Split) -> Self:
        """The same images under the same name, split otherwise."""
        made = copy(self)
        vars(made).update(train=train, val=val, test=test)
        return made

    @property
    def clean_test(self) -> NDArray[np.int64] | None:
        """Positions in `test` of all but `test_copies`, ascending; None where there are none, or nothing else."""
        kept = np.setdiff1d(np.arange(len(self.test)), self.test_copies)
        return kept if 0 < len(kept) < len(self.test) else None

    def require(
        self, fingerprint: str, owner: Path, error: type[EyasError] = DataError, *, begun: bool = False
    ) -> None:
        """Refuse to be taken for the data that `owner` was trained on, or a study was `begun` on.

        Raises:
            DataError: this dataset's fingerprint is another; or `error`.
        """
        if fingerprint != self.fingerprint:
            was, anew = ("begun", "begin a new study") if begun else ("trained", "train a new run")
            raise error(
                f"{owner} was {was} on other data than {self.name} is now: the fingerprint must be "
                f"{fingerprint[:12]}…, got {self.fingerprint[:12]}…; bring the data back as they were, or {anew}"
            )

    def require_images(self, name: SplitName) -> Split:
        """A split that is not empty.

        Raises:
            DataError: it is.
        """
        if not len(found := self.split(name)):
            carved = "" if name == "train" else f", or train on data that are split with data.{name}_fraction=0.1"
            raise DataError(f"the {name} split of {self.name} is empty; choose another split{carved}")
        return found

    @property
    def splits(self) -> tuple[Split, Split, Split]:
        """train, val, test."""
        return self.train, self.val, self.test

    def split(self, name: SplitName) -> Split:
        """One split by its name."""
        return {"train": self.train, "val": self.val, "test": self.test}[name]

    def check(self) -> CheckReport:
        """Everything that is wrong with the data; see `check_dataset`."""
        return check_dataset(self.config)

    def require_sound(self) -> CheckReport:
        """`check`, and refuse data that would spoil training, unless they were opened with `force`.

        Raises:
            DataError: names every such finding.
        """
        report = self.check()
        report.require_sound(force=self.config.force)
        return report

    def show(self, images: int = 8, split: SplitName = "train") -> Image.Image:
        """A picture with a row for each class, of so many images; of the first 20 classes."""
        return sheet(self.split(split), self.classes, images)

    def __len__(self) -> int:
        """Images of all splits."""
        return sum(map(len, self.splits))

    def __repr__(self) -> str:
        counts = ", ".join(f"{len(split):,} {split.name}" for split in self.splits)
        shape = "×".join(map(str, self.policy.shape))
        return f"Dataset({self.name!r}: {len(self.classes)} classes, {counts}, {shape})"

    def _repr_html_(self) -> str:
        return dataset_html(repr(self), self.splits, self.classes, self.check)

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self).of, (self.config,)  # a pickle says where the images are; it does not hold them

    def _take(self, opened: Opened) -> None:
        vars(self).update(vars(opened))  # frozen: nothing else sets anything


def open_dataset(config: DataConfig) -> Dataset:
    """Open the images that `config.source` means, in three splits.

    The first opening decodes everything into the cache; later ones map it, in well under a second.

    Returns:
        Splits over one read-only memory map, (M, H, W, C) uint8.

    Raises:
        ConfigError: no source.
        DataError: images, labels or splits that cannot be used, or a cache that cannot be written.
        UnsafeDataError: a file that attacks its reader.
        MissingExtraError: the source needs a library that is not installed.
    """
    return Dataset.of(config)
