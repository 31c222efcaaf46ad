"""CIFAR-10 and CIFAR-100 "python version" pickles, read without running what a pickle may hold.

Layout: `data` (N, 3072) uint8, the red, green and blue planes of 32×32 one after another; `labels` or `fine_labels`.
Source: Krizhevsky, "Learning Multiple Layers of Features from Tiny Images", 2009, and its web page.
"""

from __future__ import annotations

import io
import pickle
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from eyas.core.errors import DataError, UnsafeDataError
from eyas.data.sources.contents import Contents, PartName, from_numbers
from eyas.data.sources.tree import Tree

SIDE = 32
CIFAR10_BATCH = "data_batch_"
CIFAR100 = {"train", "test", "meta"}
# What a damaged pickle makes the unpickler raise.
DAMAGE = (
    pickle.UnpicklingError,
    EOFError,
    ValueError,
    KeyError,
    TypeError,
    AttributeError,
    IndexError,
    MemoryError,
    OverflowError,
)


def matches(names: Sequence[str]) -> bool:
    """Whether the files of one of the two sets lie at the top."""
    return any(name.startswith(CIFAR10_BATCH) and "/" not in name for name in names) or set(names) >= CIFAR100


def read(tree: Tree, class_names: Sequence[str] | None = None) -> Contents:
    """Training and test images with fine labels; class names from the meta file.

    Raises:
        UnsafeDataError: a pickle that names anything but arrays and containers.
        DataError: a damaged file, or one without images or labels.
    """
    batches = sorted(name for name in tree.names if name.startswith(CIFAR10_BATCH) and "/" not in name)
    files: dict[PartName, list[str]] = {"train": batches or ["train"]}
    test = "test_batch" if batches else "test"
    if test in tree.names:
        files["test"] = [test]
    per_part = {part: _part([_batch(tree, name) for name in names]) for part, names in files.items()}
    return from_numbers(per_part, class_names or _class_names(tree))


def unpickle(content: bytes, where: str) -> Any:
    """The value of a pickle of arrays, numbers, bytes and containers; Python 2's strings come as bytes.

    Raises:
        UnsafeDataError: it names anything else, such as a function to call.
        DataError: it is damaged.
    """
    try:
        return _Unpickler(io.BytesIO(content), where).load()
    except DAMAGE as error:
        raise DataError(f"{where} is a damaged pickle: {error}") from error


class _Unpickler(pickle.Unpickler):
    def __init__(self, file: io.BytesIO, where: str) -> None:
        super().__init__(file, encoding="bytes")
        self._where = where

    def find_class(self, module: str, name: str) -> Any:
        """The few callables that a CIFAR file needs."""
        allowed = _allowed().get((module.replace("numpy._core", "numpy.core"), name))
        if allowed is None:
            raise UnsafeDataError(f"{self._where} is a pickle that calls {module}.{name}; refused")
        return allowed

    def persistent_load(self, pid: Any) -> Any:
        """Nothing outside the file."""
        raise UnsafeDataError(f"{self._where} is a pickle that refers to {pid!r} outside itself; refused")


def _allowed() -> dict[tuple[str, str], Callable[..., Any]]:
    return {
        ("numpy.core.multiarray", "_reconstruct"): np._core.multiarray._reconstruct,  # type: ignore[attr-defined]
        ("numpy.core.numeric", "_frombuffer"): np._core.numeric._frombuffer,  # type: ignore[attr-defined]
        ("numpy", "ndarray"): np.ndarray,
        ("numpy", "dtype"): _dtype,
        ("_codecs", "encode"): _encode,
    }


def _dtype(name: Any, *_: Any) -> np.dtype[Any]:
    """NumPy's dtype of plain numbers; one of objects would let an array hold anything."""
    made = np.dtype(name.decode() if isinstance(name, bytes) else name)
    if made.kind not in "biuf":
        raise UnsafeDataError(f"a pickle with an array of {made}; refused")
    return made


def _encode(text: str, encoding: str = "latin1") -> bytes:
    """How Python 3 writes bytes at pickle protocol 2."""
    if encoding != "latin1":
        raise UnsafeDataError(f"a pickle that encodes text as {encoding!r}; refused")
    return text.encode("latin1")


def _batch(tree: Tree, name: str) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    """One file: images (n, 32, 32, 3) uint8 and labels (n,) int64."""
    content = _text_keys(unpickle(tree.read(name), name), name)
    data, labels = content.get("data"), content.get("fine_labels", content.get("labels"))
    if not isinstance(data, np.ndarray) or data.dtype != np.uint8 or data.ndim != 2 or data.shape[1] != 3 * SIDE**2:
        got = f"{data.dtype} {data.shape}" if isinstance(data, np.ndarray) else type(data).__name__
        raise DataError(f"{name}: data must be (N, {3 * SIDE**2}) uint8, got {got}")
    if not isinstance(labels, list) or not all(isinstance(label, int) and 0 <= label < 1 << 63 for label in labels):
        raise DataError(f"{name}: labels (or fine_labels) must be a list of whole numbers from 0, of 63 bits at most")
    if len(labels) != len(data):
        raise DataError(f"{name} has {len(data):,} images but {len(labels):,} labels")
    images = data.reshape(-1, 3, SIDE, SIDE).transpose(0, 2, 3, 1)
    return np.ascontiguousarray(images), np.array(labels, np.int64)


def _part(
    batches: Sequence[tuple[NDArray[np.uint8], NDArray[np.int64]]],
) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    return np.concatenate([images for images, _ in batches]), np.concatenate([labels for _, labels in batches])


def _class_names(tree: Tree) -> tuple[str, ...] | None:
    meta = next((name for name in ("batches.meta", "meta") if name in tree.names), None)
    if meta is None:
        return None
    content = _text_keys(unpickle(tree.read(meta), meta), meta)
    names = content.get("fine_label_names", content.get("label_names"))
    if not isinstance(names, list):
        raise DataError(f"{meta} must hold label_names or fine_label_names")
    return tuple(name.decode(errors="replace") if isinstance(name, bytes) else str(name) for name in names)


def _text_keys(content: Any, where: str) -> dict[str, Any]:
    if not isinstance(content, dict):
        raise DataError(f"{where} must hold a dict, got {type(content).__name__}")
    return {key.decode("latin1") if isinstance(key, bytes) else str(key): value for key, value in content.items()}
