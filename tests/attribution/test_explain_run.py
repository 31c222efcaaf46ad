"""`eyas explain` of a run, with and without a bundle; several images; all methods."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from click.testing import Result
from PIL import Image
from typer.testing import CliRunner

from eyas.cli import app
from eyas.core.errors import BundleError, InputError
from eyas.core.schema import CNNConfig, Config, DataConfig, TrainConfig
from eyas.data import Dataset
from eyas.explain.explaining import GRADIENTS, METHODS
from eyas.train import start_run
from support.bundles import make_bundle


@pytest.fixture(scope="module")
def run(digits: Dataset, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run that was trained on the digits and says so."""
    config = Config(
        data=DataConfig(source="digits"),
        model=CNNConfig(filters=(8, 16), dense=()),
        train=TrainConfig(epochs=3, batch_size=32),
        runs_dir=str(tmp_path_factory.mktemp("runs")),
    )
    return start_run(config, digits).run.path


@pytest.fixture
def image(digits: Dataset, tmp_path: Path) -> Path:
    """A digit of the test split."""
    return saved(digits, 0, tmp_path / "a.png")


def saved(digits: Dataset, row: int, file: Path) -> Path:
    file.parent.mkdir(exist_ok=True)
    Image.fromarray(digits.test.take(slice(row, row + 1))[0, ..., 0]).save(file)
    return file


def explained(*words: object) -> Result:
    return CliRunner().invoke(app, ["explain", *map(str, words)])


def test_every_method_and_a_sheet(run: Path, image: Path, tmp_path: Path) -> None:
    result = explained(run, image, "--method", "all", "--seconds", 1, "--out", tmp_path / "out", "--json")
    assert result.exit_code == 0, result.output
    assert "without cam: the network gives no class activation maps" in result.stderr
    rows = json.loads(result.stdout)
    assert [row["method"] for row in rows] == [*(name for name in METHODS if name != "cam"), *GRADIENTS]
    assert len({(row["class"], round(row["probability"], 6)) for row in rows}) == 1
    for row in rows:
        assert row["image"] == str(image)
        assert np.load(row["array"]).shape == (8, 8)
        assert row["verdict"] in ("reliable", "no better than chance", "no time to tell")
    sums = {row["method"]: row["sums"] for row in rows if "sums" in row}
    assert sums.keys() == {"integrated-gradients", "gradient-shap"}
    integrated = sums["integrated-gradients"]
    assert integrated["baseline"] == "the image's mean colour"
    assert integrated["delta"] == pytest.approx(integrated["total"] - integrated["expected"])
    assert abs(integrated["delta"]) <= 0.01 * max(1, abs(integrated["expected"]))
    assert sums["gradient-shap"]["baseline"] == "100 training images"
    with Image.open(tmp_path / "out" / "a-methods.png") as sheet:
        assert sheet.width == 3 * 256 + 2 * 8  # eight tiles, the image first


def test_several_images_and_one_that_cannot_be_read(run: Path, digits: Dataset, image: Path, tmp_path: Path) -> None:
    saved(digits, 1, tmp_path / "more" / "a.png")
    (tmp_path / "more" / "b.png").write_text("no image")
    result = explained(run, image, tmp_path / "more", "--method", "integrated-gradients", "--out", tmp_path / "out")
    assert isinstance(result.exception, InputError)
    assert "b.png: not an image" in str(result.exception)
    assert sorted(file.name for file in (tmp_path / "out").glob("*.png")) == [
        "a-2-integrated-gradients.png",
        "a-integrated-gradients.png",
    ]
    assert str(image) in result.stdout


def test_gradients_need_the_run(image: Path, tmp_path: Path) -> None:
    bundle = make_bundle(tmp_path / "bundle").path
    result = explained(bundle, image, "--method", "grad-cam", "--method", "shap")
    assert isinstance(result.exception, BundleError)
    assert str(result.exception).startswith("grad-cam: gradients are needed, and the graph in")
    assert "give the run folder" in str(result.exception)
    everything = explained(bundle, image, "--method", "all", "--out", tmp_path / "out", "--seconds", 1, "--json")
    assert [row["method"] for row in json.loads(everything.stdout)] == ["occlusion", "rise", "lime", "shap"]
