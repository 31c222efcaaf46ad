"""From a closer look at the data, over fixes, to a network and its clean test: the commands as they are typed."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import yaml
from PIL import Image
from typer.testing import CliRunner

from eyas.cli import app
from eyas.core.errors import ConfigError

FAST = ["train.threads=1", "train.precision=fp32", "train.epochs=2", "model.hidden=[32]"]


def images(folder: Path) -> Path:
    """Two classes of smooth noise, one brighter than the other; three test images are training images, moved."""
    rng = np.random.default_rng(0)
    for row in range(90):
        small = rng.integers(0, 160, (12, 12, 3), np.uint8) + np.uint8(80 * (row % 2))
        large = np.asarray(Image.fromarray(small).resize((36, 36), Image.Resampling.BICUBIC))
        part = "train" if row < 60 else "test"
        target = folder / part / f"class{row % 2}"
        target.mkdir(parents=True, exist_ok=True)
        Image.fromarray(large[2:34, 2:34]).save(target / f"{row:02}.png")
        if row < 3:
            leak = folder / "test" / f"class{row % 2}"
            leak.mkdir(parents=True, exist_ok=True)
            Image.fromarray(large[3:35, 1:33]).save(leak / f"leak{row}.png")
    return folder


def run(*arguments: str) -> str:
    result = CliRunner().invoke(app, list(arguments), catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return result.stdout


def test_check_fix_train_evaluate(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    source = str(images(tmp_path / "photos"))
    report = json.loads(
        run(
            "data",
            "check",
            source,
            "--json",
            "--labels",
            "--folds",
            "2",
            "--html",
            "look.html",
            "--fix",
            "f.yaml",
            *FAST,
        )
    )
    near = {one["code"]: one for one in report["findings"]}["near-leaked-test"]
    assert near["count"] == 3
    assert report["labels"]["images"] == 60
    assert (tmp_path / "look.html").exists()
    assert (tmp_path / "look.json").exists()
    fixes = yaml.safe_load((tmp_path / "f.yaml").read_text())
    assert [one["image"] for one in fixes["remove"]] == [f"train/class{n % 2}/0{n}.png" for n in (0, 2, 1)]

    run("train", source, "data.fixes=f.yaml", "name=mended", *FAST)
    table = run("evaluate", "runs/mended-1")
    assert "accuracy on the 30 that" in " ".join(table.split())
    metrics = json.loads((tmp_path / "runs/mended-1/metrics.json").read_text())
    assert (metrics["test"]["images"], metrics["test_clean"]["images"]) == (33, 30)
    assert json.loads(run("evaluate", "runs/mended-1", "--json"))["clean"] == metrics["test_clean"]


def test_a_file_of_fixes_is_never_overwritten(tmp_path: Path) -> None:
    (tmp_path / "f.yaml").write_text("mine")
    with pytest.raises(ConfigError, match="never overwritten"):
        CliRunner().invoke(app, ["data", "check", "digits", "--fix", str(tmp_path / "f.yaml")], catch_exceptions=False)
    assert (tmp_path / "f.yaml").read_text() == "mine"


def test_fixes_are_not_proposed_on_top_of_fixes(tmp_path: Path) -> None:
    arguments = ["data", "check", "digits", "data.fixes=a.yaml", "--fix", str(tmp_path / "f.yaml")]
    with pytest.raises(ConfigError, match=r"leave data\.fixes=a\.yaml out"):
        CliRunner().invoke(app, arguments, catch_exceptions=False)
