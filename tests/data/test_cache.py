"""The cache: found by content, safe for several processes, mended where a process was killed."""

from __future__ import annotations

import errno
import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from data_samples import TRAIN, Part, class_files, fail_with, keras_npz, pattern, png, write_files

from eyas.core.errors import DataError, UnsafeDataError
from eyas.core.schema import DataConfig
from eyas.data import cache, decode_one, importer, open_dataset

GOOD = class_files({"all": TRAIN})


@pytest.fixture
def source(tmp_path: Path) -> Path:
    return write_files(tmp_path / "images", GOOD)


def imports(cache: Path) -> list[Path]:
    return sorted(cache.rglob("images.npy"))


def test_a_copy_is_the_same_content(source: Path, own_cache: Path, tmp_path: Path) -> None:
    first = open_dataset(DataConfig(source=str(source)))
    shutil.copytree(source, tmp_path / "copy")
    assert open_dataset(DataConfig(source=str(tmp_path / "copy"))).fingerprint == first.fingerprint
    assert len(imports(own_cache)) == 1


def test_a_changed_image_is_another_content(source: Path) -> None:
    first = open_dataset(DataConfig(source=str(source)))
    (source / "0/000.png").write_bytes(png(pattern(1, start=500)[0]))
    assert open_dataset(DataConfig(source=str(source))).fingerprint != first.fingerprint


def test_a_renamed_class_is_another_content(source: Path) -> None:
    open_dataset(DataConfig(source=str(source)))
    (source / "0").rename(source / "zero")
    assert open_dataset(DataConfig(source=str(source))).classes == ("1", "2", "zero")


@pytest.mark.parametrize("file", ["images.npy", "labels.npy", "digests.npy", "meta.json"])
def test_a_damaged_entry_is_made_again(source: Path, own_cache: Path, file: str) -> None:
    first = open_dataset(DataConfig(source=str(source)))
    [images] = imports(own_cache)
    (images.parent / file).write_bytes(b"\x93NUMPY")
    assert open_dataset(DataConfig(source=str(source))).fingerprint == first.fingerprint


def test_what_a_killed_process_left_is_removed(source: Path, own_cache: Path) -> None:
    left = write_files(own_cache / "datasets" / ".0123-4567.partial-x", {"images.npy": b"half"})
    open_dataset(DataConfig(source=str(source)))
    assert not left.exists()


OPEN = """
import json, sys
from eyas.core.schema import DataConfig
from eyas.data import open_dataset
dataset = open_dataset(DataConfig(source=sys.argv[1]))
print(json.dumps([dataset.fingerprint, int(dataset.train.images.sum())]))
"""


KILLED = """
import signal, sys
from eyas.core.schema import DataConfig
from eyas.data import cache, open_dataset
write = cache.PixelFile.write
def write_and_wait(self, row, pixels):
    write(self, row, pixels)
    print("writing", flush=True)
    signal.pause()
cache.PixelFile.write = write_and_wait
open_dataset(DataConfig(source=sys.argv[1]))
"""


def test_a_killed_import_is_made_again(source: Path, own_cache: Path) -> None:
    with subprocess.Popen([sys.executable, "-c", KILLED, str(source)], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "writing\n"
        assert list(own_cache.rglob("*partial*"))
        process.kill()
    dataset = open_dataset(DataConfig(source=str(source)))
    np.testing.assert_array_equal(dataset.train.images, TRAIN.images)
    assert not list(own_cache.rglob("*partial*"))


def test_two_processes_at_once(source: Path, own_cache: Path) -> None:
    running = [
        subprocess.Popen([sys.executable, "-c", OPEN, str(source)], stdout=subprocess.PIPE, text=True) for _ in range(3)
    ]
    answers = [json.loads(process.communicate()[0]) for process in running]
    dataset = open_dataset(DataConfig(source=str(source)))
    assert answers == [[dataset.fingerprint, int(TRAIN.images.sum())]] * 3
    assert len(imports(own_cache)) == 1
    assert not list(own_cache.rglob("*partial*"))


def test_force_leaves_bad_images_out(source: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (source / "1/bad.png").write_bytes(b"no")
    for _ in range(2):
        dataset = open_dataset(DataConfig(source=str(source), force=True))
        assert sum(map(len, dataset.splits)) == 30
        assert "warning: 1 of 31 images" in capsys.readouterr().err
    rows = np.sort(np.concatenate([split.rows for split in dataset.splits]))
    np.testing.assert_array_equal(dataset.train.images[rows], TRAIN.images)
    with pytest.raises(DataError, match=r"1 of 31 images of images cannot be read: 1/bad.png: not an image"):
        open_dataset(DataConfig(source=str(source)))


def test_max_pixels_holds_for_cached_images(source: Path) -> None:
    open_dataset(DataConfig(source=str(source)))
    with pytest.raises(UnsafeDataError, match=r"an image of 1,024 pixels; data.max_pixels is 1,000"):
        open_dataset(DataConfig(source=str(source), max_pixels=1000))


def test_what_a_lower_limit_left_out_comes_back(source: Path) -> None:
    (source / "1/large.png").write_bytes(png(pattern(1, 64, 64, start=600)[0]))
    low = DataConfig(source=str(source), force=True, max_pixels=2000, image_size=32)
    assert sum(map(len, open_dataset(low).splits)) == 30
    assert sum(map(len, open_dataset(DataConfig(source=str(source), image_size=32)).splits)) == 31


def test_what_memory_left_out_comes_back(source: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real, calls = decode_one.open_image, iter([None, MemoryError()])

    def short_once(content: bytes, *, max_pixels: int) -> object:
        if error := next(calls, None):
            raise error
        return real(content, max_pixels=max_pixels)

    monkeypatch.setattr(decode_one, "open_image", short_once)
    forced = DataConfig(source=str(source), force=True)
    assert sum(map(len, open_dataset(forced).splits)) == 29
    assert sum(map(len, open_dataset(forced).splits)) == 30


def test_a_file_that_changes_while_it_is_read(source: Path, own_cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real = importer.decode_into

    def change_first(*arguments: Any) -> object:
        (source / "0/000.png").write_bytes(png(pattern(1, start=700)[0]))
        return real(*arguments)

    monkeypatch.setattr(importer, "decode_into", change_first)
    with pytest.raises(DataError, match="images changed while it was read"):
        open_dataset(DataConfig(source=str(source)))
    assert not imports(own_cache)
    assert not list(own_cache.rglob("*partial*"))


def test_a_class_folder_emptied_or_added_later_is_noticed(source: Path) -> None:
    open_dataset(DataConfig(source=str(source)))
    (source / "dog").mkdir()
    with pytest.raises(DataError, match="the class folder dog is empty"):
        open_dataset(DataConfig(source=str(source)))


def test_what_cannot_be_read_is_not_blamed_on_the_cache(source: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importer, "decode_into", fail_with(OSError(5, "the source's own trouble")))
    with pytest.raises(OSError, match="the source's own trouble"):
        open_dataset(DataConfig(source=str(source)))


@pytest.mark.parametrize(("number", "message"), [(errno.ENOSPC, "disk full"), (errno.EIO, "cannot write the cache")])
def test_a_failed_write_says_why(source: Path, monkeypatch: pytest.MonkeyPatch, number: int, message: str) -> None:
    monkeypatch.setattr(cache.os, "pwrite", fail_with(OSError(number, "why")))
    with pytest.raises(DataError, match=message):
        open_dataset(DataConfig(source=str(source)))


def test_every_file_is_on_the_disk_before_the_entry_stands(source: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    synced: list[str] = []
    monkeypatch.setattr(
        cache.os, "fsync", lambda number: synced.append(Path(f"/proc/self/fd/{number}").readlink().name)
    )
    open_dataset(DataConfig(source=str(source)))
    assert {"images.npy", "labels.npy", "digests.npy"} <= set(synced)


def test_one_coloured_image_among_grey(tmp_path: Path) -> None:
    grey = Part(TRAIN.images[..., :1], TRAIN.labels)
    source = write_files(tmp_path / "images", class_files({"all": grey}))
    assert open_dataset(DataConfig(source=str(source))).policy.channels == 1
    (source / "2/colour.png").write_bytes(png(TRAIN.images[0]))
    dataset = open_dataset(DataConfig(source=str(source)))
    assert dataset.policy.channels == 3
    np.testing.assert_array_equal(dataset.train.images[:30], np.repeat(grey.images, 3, axis=-1))
    np.testing.assert_array_equal(dataset.train.images[30], TRAIN.images[0])


def test_grey_arrays(tmp_path: Path) -> None:
    grey = Part(TRAIN.images[..., 0], TRAIN.labels)
    (tmp_path / "a.npz").write_bytes(keras_npz({"train": grey}))
    dataset = open_dataset(DataConfig(source=str(tmp_path / "a.npz")))
    assert dataset.policy.shape == (32, 32, 1)
    np.testing.assert_array_equal(dataset.train.images[..., 0], grey.images)


def test_digits() -> None:
    dataset = open_dataset(DataConfig(source="digits"))
    assert dataset.policy.shape == (8, 8, 1)
    assert dataset.classes == tuple("0123456789")
    assert [len(split) for split in dataset.splits] == [1455, 162, 180]
    assert dataset.train.images.max() == 255
