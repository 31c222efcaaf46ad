"""`eyas explain` of a run, with and without a bundle; several images; all methods."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from click.testing import Result
from PIL import Image
from typer.testing import CliRunner

from eyas.cli import app
from eyas.core.errors import BundleError, ConfigError, InputError
from eyas.core.schema import CNNConfig, Config, CustomConfig, DataConfig, TrainConfig
from eyas.data import Dataset
from eyas.explain.explaining import GRADIENTS, METHODS
from eyas.train import start_run
from support.bundles import make_bundle
from support.runs import make_run

SLOW = """
from time import sleep
from torch import nn

class Slow(nn.Flatten):
    def forward(self, x):
        sleep(0.013 * len(x))
        return super().forward(x)

def build(input_shape, classes):
    return nn.Sequential(Slow(), nn.Linear(64, classes))
"""


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


def test_what_was_found_before_an_error_is_kept(run: Path, image: Path, tmp_path: Path) -> None:
    result = explained(run, image, "--method", "grad-cam", "--method", "cam", "--out", tmp_path / "out", "--json")
    assert isinstance(result.exception, InputError)
    assert "the network gives no class activation maps" in str(result.exception)
    assert [row["method"] for row in json.loads(result.stdout)] == ["grad-cam"]
    assert (tmp_path / "out" / "a-grad-cam.png").is_file()


def test_what_is_wrong_with_the_model_is_said_once_and_an_image_without_a_map_is_an_error(
    digits: Dataset, image: Path, tmp_path: Path
) -> None:
    (tmp_path / "slow.py").write_text(SLOW)
    slow = make_run(tmp_path, digits, CustomConfig(name=f"{tmp_path / 'slow.py'}:build"), epochs=0).path
    other = saved(digits, 1, tmp_path / "[a].png")
    result = explained(slow, image, other, "--method", "all", "--seconds", 0.1, "--out", tmp_path / "out", "--json")
    assert isinstance(result.exception, InputError)
    assert str(result.exception) == f"{image}: no method gave a map; {other}: no method gave a map"
    assert json.loads(result.stdout) == []
    assert result.stderr.count("without grad-cam: grad-cam needs maps of convolutions") == 1
    assert [f"{file}: without rise:" in result.stderr for file in (image, other)] == [True, True]


def test_all_of_a_run_without_captum_is_all_of_its_bundle(image: Path, tmp_path: Path) -> None:
    make_bundle(tmp_path / "run" / "bundle", cam=True)
    (tmp_path / "run" / "config.yaml").write_text("")
    code = "import sys; sys.modules['captum'] = None; from eyas.cli import main; main()"
    words = ("explain", tmp_path / "run", image, "--method", "all", "--seconds", "1", "--json")
    done = subprocess.run(
        [sys.executable, "-c", code, *map(str, words)], cwd=tmp_path, capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 0, done.stderr
    assert [row["method"] for row in json.loads(done.stdout)] == list(METHODS)
    assert "without integrated-gradients, grad-cam, gradient-shap: captum" in done.stderr
    assert 'pip install "eyas[train]"' in done.stderr


def test_a_mistyped_run_is_answered_by_those_nearby(run: Path, image: Path) -> None:
    for method in ("grad-cam", "occlusion", "all"):
        result = explained(run.with_name("typo"), image, "--method", method)
        assert isinstance(result.exception, ConfigError)
        assert f"typo is not a run folder (no config.yaml in it); runs in {run.parent}: {run.name}" in str(
            result.exception
        )


def test_gradients_need_the_run(image: Path, tmp_path: Path) -> None:
    bundle = make_bundle(tmp_path / "bundle").path
    result = explained(bundle, image, "--method", "grad-cam", "--method", "shap")
    assert isinstance(result.exception, BundleError)
    assert str(result.exception).startswith("grad-cam: gradients are needed, and the graph in")
    assert "give the run folder" in str(result.exception)
    everything = explained(bundle, image, "--method", "all", "--out", tmp_path / "out", "--seconds", 1, "--json")
    assert [row["method"] for row in json.loads(everything.stdout)] == ["occlusion", "rise", "lime", "shap"]
