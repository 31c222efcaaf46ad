"""One small labelled set, and ways to write it."""

from __future__ import annotations

import gzip
import io
import pickle
import struct
import tarfile
import zipfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

CLASSES = ("0", "1", "2")


@dataclass(frozen=True)
class Part:
    images: NDArray[np.uint8]
    labels: NDArray[np.int64]


def pattern(count: int, height: int = 32, width: int = 32, channels: int = 3, start: int = 0) -> NDArray[np.uint8]:
    """Images that all differ, from arithmetic alone."""
    size = height * width * channels
    values = (np.arange(size)[None] * 7 + (np.arange(start, start + count)[:, None] + 1) * 31) ** 2 % 251
    numbers = np.arange(start, start + count)
    values[:, 0], values[:, 1] = numbers % 256, numbers // 256
    return values.astype(np.uint8).reshape(count, height, width, channels)


def part(per_class: int, start: int, **shape: int) -> Part:
    labels = np.repeat(np.arange(len(CLASSES)), per_class)
    return Part(pattern(len(labels), start=start, **shape), labels)


TRAIN, TEST = part(10, 0), part(4, 100)
PARTS = {"train": TRAIN, "test": TEST}


def png(pixels: NDArray[np.uint8]) -> bytes:
    stream = io.BytesIO()
    Image.fromarray(pixels[..., 0] if pixels.shape[-1] == 1 else pixels).save(stream, "PNG")
    return stream.getvalue()


def class_files(parts: Mapping[str, Part] = PARTS) -> dict[str, bytes]:
    """`<part>/<class>/<row>.png` → content; the part `all` gives no folder."""
    return {
        f"{'' if name == 'all' else name + '/'}{CLASSES[label]}/{row:03}.png": png(pixels)
        for name, members in parts.items()
        for row, (pixels, label) in enumerate(zip(members.images, members.labels, strict=True))
    }


def write_files(root: Path, files: Mapping[str, bytes]) -> Path:
    for name, content in files.items():
        target = root / name
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(content)
    return root


def write_tar(path: Path, files: Mapping[str, bytes], mode: str = "w:gz", form: int = tarfile.PAX_FORMAT) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    with tarfile.open(path, mode, format=form) as archive:  # type: ignore[call-overload]
        for name, content in reversed(files.items()):  # archives hold files in any order
            member = tarfile.TarInfo(name)
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    return path


def write_zip(path: Path, files: Mapping[str, bytes]) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in reversed(files.items()):
            archive.writestr(name, content)
    return path


def idx(array: NDArray[np.uint8]) -> bytes:
    return struct.pack(f">BBBB{array.ndim}I", 0, 0, 8, array.ndim, *array.shape) + array.tobytes()


def idx_files(packed: bool, parts: Mapping[str, Part] = PARTS) -> dict[str, bytes]:
    files = {}
    for name, members in parts.items():
        opening = {"train": "train", "test": "t10k"}[name]
        images = members.images[..., 0] if members.images.shape[-1] == 1 else members.images
        files[f"{opening}-images-idx{images.ndim}-ubyte"] = idx(images)
        files[f"{opening}-labels-idx1-ubyte"] = idx(members.labels.astype(np.uint8))
    return {f"{name}.gz": gzip.compress(content) for name, content in files.items()} if packed else files


def npz(**arrays: NDArray[np.generic]) -> bytes:
    stream = io.BytesIO()
    np.savez(stream, **arrays)
    return stream.getvalue()


def keras_npz(parts: Mapping[str, Part] = PARTS, dtype: type = np.uint8) -> bytes:
    arrays: dict[str, NDArray[np.generic]] = {}
    for name, members in parts.items():
        scaled = members.images if dtype is np.uint8 else (members.images / 255).astype(dtype)
        arrays |= {f"x_{name}": scaled, f"y_{name}": members.labels[:, None]}
    return npz(**arrays)


def cifar_batch(members: Part, key: str) -> bytes:
    data = members.images.transpose(0, 3, 1, 2).reshape(len(members.images), -1)
    content = {b"data": data, key.encode(): members.labels.tolist(), b"filenames": [b"x.png"] * len(data)}
    return pickle.dumps(content, protocol=2)


def cifar10_files() -> dict[str, bytes]:
    first, second = slice(0, 13), slice(13, None)
    return {
        "cifar-10-batches-py/data_batch_1": cifar_batch(Part(TRAIN.images[first], TRAIN.labels[first]), "labels"),
        "cifar-10-batches-py/data_batch_2": cifar_batch(Part(TRAIN.images[second], TRAIN.labels[second]), "labels"),
        "cifar-10-batches-py/test_batch": cifar_batch(TEST, "labels"),
        "cifar-10-batches-py/batches.meta": pickle.dumps({b"label_names": [b"0", b"1", b"2"]}, protocol=2),
        "cifar-10-batches-py/readme.html": b"<html>",
    }


def cifar100_files() -> dict[str, bytes]:
    return {
        "cifar-100-python/train": cifar_batch(TRAIN, "fine_labels"),
        "cifar-100-python/test": cifar_batch(TEST, "fine_labels"),
        "cifar-100-python/meta": pickle.dumps({"fine_label_names": list(CLASSES)}, protocol=4),
    }


def table_rows() -> list[tuple[str, str, str]]:
    return [(name, name.split("/")[1], name.split("/")[0]) for name in class_files()]


def csv_text(rows: list[tuple[str, ...]], header: str = "path,label,split") -> bytes:
    return "\n".join([header, *(",".join(row) for row in rows)]).encode()


def fail_with(error: BaseException) -> Callable[..., None]:
    """A function that raises, whatever it is given."""

    def fail(*_: object, **__: object) -> None:
        raise error

    return fail
