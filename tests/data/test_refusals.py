"""Bad input: each has an error that says what, the rule, and what it got; and nothing stays behind."""

from __future__ import annotations

import io
import os
import pickle
import struct
import subprocess
import sys
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from data_samples import (
    TEST,
    TRAIN,
    Part,
    cifar100_files,
    class_files,
    csv_text,
    idx_files,
    keras_npz,
    pattern,
    png,
    write_files,
    write_tar,
    write_zip,
)
from PIL import Image

from eyas.core.errors import ConfigError, DataError, UnsafeDataError
from eyas.core.schema import DataConfig
from eyas.data import check_dataset, open_dataset

GOOD = class_files({"all": TRAIN})


def refuse(spec: Path | str | None, message: str, kind: type[Exception] = DataError, **options: object) -> None:
    with pytest.raises(kind, match=message):
        open_dataset(DataConfig.model_validate({"source": None if spec is None else str(spec), **options}))


@pytest.fixture(autouse=True)
def nothing_half_written(own_cache: Path) -> Iterator[None]:
    yield
    assert not list(own_cache.rglob("*.npy"))
    assert not list(own_cache.rglob("*partial*"))


def test_no_source() -> None:
    refuse(None, "data.source must say which images to use: a folder, .*digits, mnist", ConfigError)


@pytest.mark.parametrize(
    ("spec", "message"),
    [("nowhere/at/all", "does not exist; data.source is a folder"), ("fashon-mnist", "did you mean fashion-mnist?")],
)
def test_nothing_there(spec: str, message: str) -> None:
    refuse(spec, message)


def test_empty_folder(tmp_path: Path) -> None:
    refuse(tmp_path, "is empty; eyas reads class folders")


def test_file_of_an_unknown_kind(tmp_path: Path) -> None:
    refuse(write_files(tmp_path, {"a.txt": b""}) / "a.txt", "a file of an unknown kind")


def test_folder_of_unknown_files(tmp_path: Path) -> None:
    refuse(write_files(tmp_path, {"a.txt": b"", "b.doc": b""}), r"holds 2 files in no known layout \(a.txt, b.doc\)")


@pytest.mark.parametrize(
    ("files", "message"),
    [
        ({"1.png": b"", "2.png": b""}, "holds 2 images but no class folders"),
        ({"cat/1.png": GOOD["0/000.png"], "cat/2.png": GOOD["0/001.png"]}, "at least 2 classes, got 1: cat"),
        ({**GOOD, "dog/1.png": png(pattern(1)[0])}, "at least 3 training images .*; dog has 1"),
        ({**GOOD, "dog/deep/1.png": b""}, "an image must lie at <class>/<image>.* got dog/deep/1.png"),
        (
            {**GOOD, "dog/1.heic": b""},
            r"the class folder dog has files but no image in a known format, such as dog/1.h",
        ),
        ({**class_files({"train": TRAIN, "test": TEST}), "test/dog/1.svg": b""}, "the class folder test/dog has files"),
        ({**class_files({"val": TEST}), **class_files({"dev": TEST}), "train/0/a.png": b""}, "2 folders for val"),
    ],
)
def test_folders(tmp_path: Path, files: dict[str, bytes], message: str) -> None:
    source = write_files(tmp_path / "images", files)
    with pytest.raises(DataError, match=message):
        open_dataset(DataConfig(source=str(source)))
    for entry in (tmp_path / "cache").rglob("*.npy"):  # whole, and used again once the splits can be made
        entry.unlink()


def test_empty_class_folder(tmp_path: Path) -> None:
    (write_files(tmp_path / "images", GOOD) / "dog").mkdir()
    refuse(tmp_path / "images", "the class folder dog is empty")


def truncated_jpeg() -> bytes:
    stream = io.BytesIO()
    Image.fromarray(pattern(1, 64, 64)[0]).save(stream, "JPEG")
    return stream.getvalue()[:-200]


def bomb_png(side: int = 20_000) -> bytes:
    """A real PNG of side × side white pixels, 1 bit each."""

    def chunk(kind: bytes, content: bytes) -> bytes:
        return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))

    packer = zlib.compressobj(1)
    line = b"\0" + b"\xff" * (side // 8)
    packed = b"".join(packer.compress(line) for _ in range(side)) + packer.flush()
    header = struct.pack(">IIBBBBB", side, side, 1, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", packed) + chunk(b"IEND", b"")


@pytest.mark.parametrize(
    ("content", "message", "kind"),
    [
        (truncated_jpeg(), "1 of 31 images .*: 1/x.jpg: the image is damaged: .*truncated.*data.force", DataError),
        (b"", "1/x.jpg: not an image", DataError),
        (bomb_png(), "1/x.jpg: the image has too many pixels; at most", UnsafeDataError),
    ],
    ids=["truncated", "empty", "bomb"],
)
def test_one_bad_image(tmp_path: Path, content: bytes, message: str, kind: type[Exception]) -> None:
    source = write_files(tmp_path / "images", {**GOOD, "1/x.jpg": content})
    refuse(source, message, kind)
    refuse(write_tar(tmp_path / "images.tar", {**GOOD, "1/x.jpg": content}, "w"), message, kind)


def test_many_bad_images_are_counted(tmp_path: Path) -> None:
    bad = {f"1/bad{number}.png": b"no" for number in range(8)}
    refuse(write_files(tmp_path / "images", {**GOOD, **bad}), r"8 of 38 images .*bad4.*; and 3 more")


def test_only_bad_images(tmp_path: Path) -> None:
    files = {f"{name}/{number}.png": b"no" for name in "ab" for number in range(3)}
    refuse(write_files(tmp_path / "images", files), "6 of 6 images", force=True)


def test_mixed_sizes(tmp_path: Path) -> None:
    files = {**GOOD, "1/wide.png": png(pattern(1, 60, 70)[0])}
    refuse(
        write_files(tmp_path / "images", files),
        r"must have one size, got 2 \(height×width\): 32×32 \(30\), 60×70 \(1\); .*example data.image_size=32",
    )


def wrong_idx(folder: Path) -> Path:
    files = idx_files(packed=False)
    files["train-labels-idx1-ubyte"] = idx_files(packed=False, parts={"train": TEST})["train-labels-idx1-ubyte"]
    return write_files(folder, files)


def cifar_with_a_huge_label(folder: Path) -> Path:
    content = pickle.dumps({b"data": TEST.images.reshape(12, -1), b"labels": [10**30] * 12})
    return write_files(folder, cifar100_files() | {"cifar-100-python/train": content})


def negative_labels(folder: Path) -> Path:
    return write_files(folder, {"a.npz": keras_npz({"train": Part(TRAIN.images, TRAIN.labels - 1)})})


def missing_idx(folder: Path) -> Path:
    files = idx_files(packed=True)
    del files["t10k-labels-idx1-ubyte.gz"]
    return write_files(folder, files)


def wrong_npz(folder: Path) -> Path:
    return write_files(folder, {"a.npz": keras_npz({"train": Part(TRAIN.images, TEST.labels)})}) / "a.npz"


def two_npz(folder: Path) -> Path:
    return write_files(folder, {"a.npz": keras_npz(), "b.npz": keras_npz()})


class Call:
    def __reduce__(self) -> tuple[object, ...]:
        return os.system, ("true",)


def calling_pickle(folder: Path) -> Path:
    return write_files(folder, cifar100_files() | {"cifar-100-python/train": pickle.dumps(Call())})


def cifar_without_labels(folder: Path) -> Path:
    return write_files(folder, cifar100_files() | {"cifar-100-python/train": pickle.dumps({b"data": TEST.images})})


@pytest.mark.parametrize(
    ("write", "message"),
    [
        (wrong_idx, "train-images-idx4-ubyte has 30 images but train-labels-idx1-ubyte has 12 labels"),
        (missing_idx, "no IDX labels for test"),
        (wrong_npz, "x_train has 30 images but y_train has 12 labels"),
        (cifar_with_a_huge_label, "labels .* must be a list of whole numbers from 0"),
        (negative_labels, "labels must be 0 or more, got -1"),
        (two_npz, r"has 2 .npz files \(a.npz, b.npz\); name one"),
        (calling_pickle, "train is a pickle that calls posix.system; refused"),
        (cifar_without_labels, r"data must be \(N, 3072\) uint8, got uint8 \(12, 32, 32, 3\)"),
    ],
)
def test_arrays(tmp_path: Path, write: Callable[[Path], Path], message: str) -> None:
    refuse(write(tmp_path / "images"), message)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (b"", "must have the columns path and label, got none"),
        (b"file,label\na,b", "got file, label; path is missing"),
        (b"path,lable\na,b", "rename lable to label"),
        (b"path,label,spilt\na,b,c", "unknown column spilt; did you mean split?"),
        (b"path,label\n", "has no rows"),
        (b"path,label\n0/000.png,", "label is empty in row 1"),
        (b"path,label\n0/000.png", "row 1 has 1 cells, the header has 2"),
        (b"path,label,split\n0/000.png,a,exam", "split must be train, val or test, got 'exam' in row 1"),
        (b"path,label\nno.png,a\n0/000.png,b", "names 1 files that are not there: no.png"),
        (b"path,label\n\xff\xfe,b", "not a CSV file in UTF-8"),
    ],
)
def test_tables(tmp_path: Path, text: bytes, message: str) -> None:
    refuse(write_files(tmp_path / "images", {**GOOD, "set.csv": text}) / "set.csv", message)


def test_parquet_that_is_none(tmp_path: Path) -> None:
    refuse(write_files(tmp_path, {"set.parquet": b"PAR1"}) / "set.parquet", "is not a Parquet file")


def test_table_in_an_archive_may_not_leave_it(tmp_path: Path) -> None:
    rows = csv_text([("../outside.png", "a"), ("0/000.png", "b")], "path,label")
    refuse(write_zip(tmp_path / "a.zip", {**GOOD, "set.csv": rows}), "not there: ../outside.png")


FILL_DISK = """
import resource, signal, sys
from eyas.core.schema import DataConfig
from eyas.core.errors import DataError
from eyas.data import open_dataset
resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, 20_000))
try:
    open_dataset(DataConfig(source=sys.argv[1]))
except DataError as error:
    print(error)
"""


def test_full_disk_by_a_limit_on_files(tmp_path: Path) -> None:
    source = write_files(tmp_path / "images", GOOD)
    command = [sys.executable, "-c", FILL_DISK, str(source)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.stdout.startswith("disk full while caching"), done.stderr


@pytest.fixture
def tiny_disk(tmp_path: Path) -> Iterator[Path]:
    folder = tmp_path / "tiny"
    folder.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", folder], capture_output=True)
    if mounted.returncode:
        pytest.skip("cannot mount a small file system here")
    yield folder
    subprocess.run(["umount", folder], check=True)


def test_full_disk_for_real(tmp_path: Path, tiny_disk: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EYAS_CACHE_DIR", str(tiny_disk))
    source = write_files(tmp_path / "images", GOOD)
    refuse(source, r"disk full while caching .*: needs 0.1 MB, has 0.\d MB")
    assert not list(tiny_disk.rglob("*.npy"))


def test_cache_that_cannot_be_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").write_bytes(b"")
    monkeypatch.setenv("EYAS_CACHE_DIR", str(tmp_path / "file"))
    refuse(write_files(tmp_path / "images", GOOD), "cannot write the cache .*EYAS_CACHE_DIR names another place")


def test_check_goes_on(tmp_path: Path) -> None:
    files = {**GOOD, "1/bad.png": b"no", "1/wide.png": png(pattern(1, 60, 70)[0]), "lonely/1.png": GOOD["0/000.png"]}
    report = check_dataset(DataConfig(source=str(write_files(tmp_path / "images", files))))
    assert {finding.code for finding in report.errors} >= {"corrupt-files", "mixed-sizes", "no-splits"}
    assert np.sum([row[-1] for row in report.count_rows()]) == 32
