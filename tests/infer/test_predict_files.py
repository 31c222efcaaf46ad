"""Image files to rows, failures among them."""

import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from eyas.bundle import Bundle
from eyas.infer import Predictor, predict_files
from eyas.infer.session import CHUNK
from eyas.monitor.streaming import open_scoring
from support.bundles import CLASSES, TEST, digits


@pytest.fixture
def folder(tmp_path: Path, bundle: Bundle) -> Path:
    images, _ = digits(bundle.policy, TEST)
    (tmp_path / "deep").mkdir()
    for n in range(CHUNK + 6):
        place = tmp_path / "deep" if n % 2 else tmp_path
        Image.fromarray(images[n, ..., 0]).save(place / f"{n:03}.png")
    (tmp_path / "notes.txt").write_text("no image")
    return tmp_path


def test_a_folder_is_searched_through_in_order(predictor: Predictor, folder: Path, bundle: Bundle) -> None:
    rows = list(predict_files(predictor, [folder]))
    assert [row.file for row in rows] == sorted(str(p) for p in folder.rglob("*.png"))
    images, _ = digits(bundle.policy, TEST)
    numbers = [int(Path(row.file).stem) for row in rows]
    expected = predictor.run(images[numbers])
    assert [row.index for row in rows] == expected.classes.tolist()
    assert [row.label for row in rows] == [CLASSES[k] for k in expected.classes]
    assert [row.needs_review for row in rows] == expected.needs_review.tolist()
    assert [row.confidence for row in rows] == pytest.approx(expected.confidence.tolist(), abs=1e-6)
    assert all(row.error is None for row in rows)


def test_junk_in_a_folder_is_passed_over(predictor: Predictor, folder: Path) -> None:
    whole = len(list(predict_files(predictor, [folder])))
    for name in ("._000.png", "__MACOSX/000.png", ".trash/000.png"):
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_bytes(b"junk")
    assert [row.error for row in predict_files(predictor, [folder])] == [None] * whole
    (row,) = predict_files(predictor, [folder / "._000.png"])  # but not where it is asked for by name
    assert row.error
    hidden = folder.rename(folder.with_name(".hidden"))
    assert len(list(predict_files(predictor, [hidden]))) == whole


def test_the_top_classes_fall(predictor: Predictor, folder: Path) -> None:
    for row in predict_files(predictor, [folder / "000.png"], top=3):
        assert len(row.top) == 3
        assert row.top[0] == (row.label, row.confidence)
        assert [p for _, p in row.top] == sorted((p for _, p in row.top), reverse=True)
    (row,) = predict_files(predictor, [folder / "000.png"], top=99)
    assert {label for label, _ in row.top} == set(CLASSES)


def test_a_file_that_fails_is_a_row_and_the_rest_goes_on(predictor: Predictor, folder: Path) -> None:
    whole = (folder / "000.png").read_bytes()
    (folder / "torn.png").write_bytes(whole[: len(whole) // 2])
    (folder / "empty").mkdir()
    names = ["torn.png", "000.png", "notes.txt", "absent.png", "empty", "002.png"]
    rows = list(predict_files(predictor, [folder / name for name in names]))
    assert [row.file for row in rows] == [str(folder / name) for name in names]
    assert [row.error is None for row in rows] == [False, True, False, False, False, True]
    for name, row in zip(names, rows, strict=True):
        assert row.error is None or row.error.startswith(str(folder / name))
        assert (row.index is None) == (row.label is None) == (row.error is not None)
    assert "cannot be read: No such file" in str(rows[3].error)
    assert "no image in this folder" in str(rows[4].error)


def test_standard_input(predictor: Predictor, folder: Path) -> None:
    (row,) = predict_files(predictor, ["-"], stdin=io.BytesIO((folder / "000.png").read_bytes()))
    (same,) = predict_files(predictor, [str(folder / "000.png")])
    assert row.file == "-"
    assert row.top == same.top
    (bad,) = predict_files(predictor, ["-"], stdin=io.BytesIO(b"x"))
    assert str(bad.error).startswith("standard input: not an image")


def test_too_many_pixels_are_an_error_of_that_file(predictor: Predictor, tmp_path: Path) -> None:
    Image.fromarray(np.zeros((20, 20), np.uint8)).save(tmp_path / "a.png")
    (row,) = predict_files(predictor, [tmp_path / "a.png"], max_pixels=100)
    assert "20×20 pixels" in str(row.error)


def test_nothing_gives_nothing(predictor: Predictor) -> None:
    assert list(predict_files(predictor, [])) == []


def test_a_row_says_whether_the_image_is_unknown(bundle: Bundle, tmp_path: Path) -> None:
    strange = np.random.default_rng(0).integers(0, 256, (8, 8), dtype=np.uint8)
    usual = bundle.golden().images[0, ..., 0]
    for name, image in (("strange", strange), ("usual", usual)):
        Image.fromarray(image).save(tmp_path / f"{name}.png")
    scoring = open_scoring(bundle.reference(), 0.01)
    assert scoring is not None
    (first, second) = predict_files(Predictor(bundle, scorer=scoring.attempt), [tmp_path])
    assert (first.unknown, second.unknown) == (True, False)
    assert [row.unknown for row in predict_files(Predictor(bundle), [tmp_path])] == [None, None]
