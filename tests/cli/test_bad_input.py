"""Data that cannot be used, given to the command: a sentence, exit code 3, and nothing left behind."""

import io
import pickle
import re
import subprocess
import zipfile
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from support.loaded import loaded_eyas


def picture(path: Path, seed: int = 0, size: int = 8) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    pixels = np.random.default_rng(seed).integers(0, 256, (size, size), dtype=np.uint8)
    Image.fromarray(pixels).save(path)
    return path


def folders(root: Path, classes: int = 2, images: int = 12) -> Path:
    for label in range(classes):
        for index in range(images):
            picture(root / f"class{label}" / f"{index:02}.png", seed=100 * label + index)
    return root


def empty(root):
    root.mkdir()
    return root


def one_class(root):
    return folders(root, classes=1)


def a_class_with_one_image(root):
    folders(root)
    picture(root / "rare" / "only.png", seed=999)
    return root


def a_truncated_jpeg(root):
    folders(root)
    buffer = io.BytesIO()
    Image.new("L", (8, 8), 7).save(buffer, "JPEG")
    (root / "class0" / "half.jpg").write_bytes(buffer.getvalue()[: len(buffer.getvalue()) // 2])
    return root


def a_bomb(root):
    folders(root)

    def chunk(kind, content):
        checksum = zlib.crc32(kind + content).to_bytes(4, "big")
        return len(content).to_bytes(4, "big") + kind + content + checksum

    header = (20_000).to_bytes(4, "big") * 2 + bytes([8, 0, 0, 0, 0])
    png = (
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(bytes(1000))) + chunk(b"IEND", b"")
    )
    (root / "class0" / "bomb.png").write_bytes(png)
    return root


def mixed_sizes(root):
    folders(root)
    picture(root / "class0" / "large.png", size=30)
    return root


def wrong_label_counts(root):
    root.mkdir()
    file = root / "data.npz"
    images = np.zeros((20, 8, 8), np.uint8)
    np.savez(file, x_train=images, y_train=np.zeros(19, np.int64), x_test=images, y_test=np.zeros(20, np.int64))
    return file


def a_zip_that_climbs(root):
    root.mkdir()
    file = root / "evil.zip"
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("a/1.png", b"")
        archive.writestr("../../climbed.png", b"")
    return file


class Call:
    def __reduce__(self):
        return (print, ("the pickle has spoken",))


def a_pickle_that_calls(root):
    folder = root / "cifar-10-batches-py"
    folder.mkdir(parents=True)
    (folder / "batches.meta").write_bytes(pickle.dumps({b"label_names": [b"a", b"b"]}))
    for name in (*(f"data_batch_{n}" for n in range(1, 6)), "test_batch"):
        (folder / name).write_bytes(pickle.dumps(Call()))
    return folder


CASES = [
    (empty, "no images|empty|holds no"),
    (one_class, "at least 2|two classes|one class|1 class"),
    (a_class_with_one_image, "rare"),
    (a_truncated_jpeg, r"half\.jpg"),
    (a_bomb, r"bomb\.png.*at most 50,000,000"),
    (mixed_sizes, r"data\.image_size"),
    (wrong_label_counts, "19"),
    (a_zip_that_climbs, r"climbed\.png"),
    (a_pickle_that_calls, "print|builtins"),
]


@pytest.mark.parametrize(("make", "said"), CASES, ids=[make.__name__ for make, _ in CASES])
@pytest.mark.parametrize("verb", [("data", "import"), ("data", "check"), ("train",)], ids=["import", "check", "train"])
def test_bad_data_get_a_sentence_and_leave_nothing(tmp_path, monkeypatch, verb, make, said):
    cache = tmp_path / "cache"
    monkeypatch.setenv("EYAS_CACHE_DIR", str(cache))
    source = make(tmp_path / "source")
    work = tmp_path / "work"
    work.mkdir()
    command = [loaded_eyas(), *verb, str(source)]
    done = subprocess.run(command, cwd=work, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 3, done.stdout + done.stderr
    (line,) = [line for line in done.stderr.splitlines() if line.startswith("error: ")]
    assert re.search(said, done.stderr), line
    assert "Traceback" not in done.stderr
    assert "the pickle has spoken" not in done.stdout
    assert list(work.iterdir()) == []
    assert not (tmp_path / "climbed.png").exists()
    assert [p.name for p in cache.rglob("*partial*")] == []


def test_training_warns_of_what_spoils_nothing(tmp_path, monkeypatch):
    monkeypatch.setenv("EYAS_CACHE_DIR", str(tmp_path / "cache"))
    source = folders(tmp_path / "source", images=30)
    (source / "class0" / "notes.txt").write_text("not an image")
    words = ("train.epochs=1", "train.precision=fp32", f"runs_dir={tmp_path}/runs")
    command = [loaded_eyas(), "train", str(source), *words]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    assert re.search(r"^warning: .* \[ignored-files\]$", done.stderr, re.MULTILINE)
