from __future__ import annotations

import io
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from eyas.core.errors import DataError
from eyas.diagnose.history import COLUMNS, best_epoch, read_history
from eyas.evaluate import Evaluation, evaluate, softmax
from eyas.report import draw_confusion, draw_curves, draw_per_class, draw_reliability
from eyas.report.canvas import short


def draw_its_confusion(evaluation: Evaluation, png: Path) -> None:
    draw_confusion(evaluation.classes, evaluation.confusion, png)


DRAW = (draw_its_confusion, draw_reliability, draw_per_class)


def measured(k: int, n: int, names: list[str] | None = None, labels: np.ndarray | None = None) -> Evaluation:
    rng = np.random.default_rng(1)
    truth = rng.integers(0, k, n) if labels is None else labels
    logits = rng.normal(size=(n, k))
    logits[np.arange(n), truth] += 3
    return evaluate(softmax(logits), truth, names or [f"class {i}" for i in range(k)], resamples=20)


def write_history(file: Path, rows: list[str]) -> Path:
    file.write_text("\n".join([",".join(COLUMNS), *rows, ""]))
    return file


def opened(png: Path) -> Image.Image:
    image = Image.open(io.BytesIO(png.read_bytes()))
    image.load()
    assert image.format == "PNG"
    return image


@pytest.mark.parametrize("draw", DRAW)
@pytest.mark.parametrize(("k", "n"), [(2, 30), (10, 300), (130, 500)])
def test_every_number_of_classes_is_drawn(draw: Callable[..., None], k: int, n: int, tmp_path: Path) -> None:
    png = tmp_path / "deep" / "picture.png"
    draw(measured(k, n), png)
    image = opened(png)
    assert min(image.size) > 200
    assert len(image.getcolors(1 << 24) or []) > 20
    assert [p.name for p in png.parent.iterdir()] == ["picture.png"]


@pytest.mark.parametrize("draw", DRAW)
def test_odd_class_names_absent_classes_and_one_image(draw: Callable[..., None], tmp_path: Path) -> None:
    names = ["$x^2", "猫", "a_very_long_name_that_goes_on_and_on_for_ever", "ok"]
    draw(measured(4, 1, names, np.array([2])), tmp_path / "picture.png")
    assert opened(tmp_path / "picture.png").width > 200


def test_a_long_name_is_cut_in_the_middle() -> None:
    assert short("aquarium_fish") == "aquarium_fish"
    assert short("a rather long class name 17") == "a rather …s name 17"
    assert short("5$") == r"5\$"


@pytest.mark.parametrize("epochs", [1, 40])
@pytest.mark.parametrize("validated", [True, False])
def test_curves_with_and_without_validation(epochs: int, validated: bool, tmp_path: Path) -> None:
    rows = [f"{e},{1 / e},{1 - 1 / e},{'0.5,0.5' if validated else ','},0.001,2.5" for e in range(1, epochs + 1)]
    draw_curves(write_history(tmp_path / "history.csv", rows), tmp_path / "curves.png")
    assert opened(tmp_path / "curves.png").width > 1000


def test_the_best_epoch_is_by_what_is_monitored(tmp_path: Path) -> None:
    rows = ["1,0.9,0.1,0.7,0.5,0.1,1", "2,0.5,0.6,0.4,0.6,0.1,1", "3,0.1,0.9,0.4,0.9,0.1,1"]
    history = read_history(write_history(tmp_path / "history.csv", rows))
    assert best_epoch(history, "val_loss") == (1, "val_loss")  # the first of equals
    assert best_epoch(history, "val_accuracy") == (2, "val_accuracy")
    empty = read_history(write_history(tmp_path / "history.csv", ["1,0.9,0.1,,,0.1,1", "2,0.5,0.6,,,0.1,1"]))
    assert best_epoch(empty, "val_loss") == (1, "loss")
    assert best_epoch(empty, "val_accuracy") == (1, "accuracy")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, "cannot read .*history.csv: No such file"),
        (",".join(COLUMNS), "must hold at least 1 epoch, got 0"),
        ("epoch,loss\n1,2", "lacks accuracy, val_loss"),
        (",".join(COLUMNS) + "\n1,high,0,,,0.1,1", "loss must be a number, got 'high' in epoch 1"),
    ],
)
def test_a_history_that_cannot_be_drawn_is_refused(content: str | None, message: str, tmp_path: Path) -> None:
    file = tmp_path / "history.csv"
    if content is not None:
        file.write_text(content)
    with pytest.raises(DataError, match=message):
        draw_curves(file, tmp_path / "curves.png")
    assert not (tmp_path / "curves.png").exists()


def test_pyplot_is_never_loaded() -> None:
    program = "import sys, eyas.report; sys.exit('matplotlib.pyplot' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0
