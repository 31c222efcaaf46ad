"""`eyas models` as a person uses it: publish, look, roll forward and back, remove."""

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest

from support import defects
from support.bundles import make_bundle
from support.loaded import loaded_eyas


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """Bundles 1 and 2, one inside a run folder, and one whose golden answers are wrong."""
    make_bundle(tmp_path / "one", version="1")
    make_bundle(tmp_path / "run" / "bundle", version="2")
    defects.wrong_golden(make_bundle(tmp_path / "wrong", version="wrong").path)
    return tmp_path


def models(home: Path, *words: str, code: int = 0) -> str:
    process = subprocess.run([loaded_eyas(), "models", *words], cwd=home, capture_output=True, text=True, timeout=120)
    assert process.returncode == code, process.stdout + process.stderr
    assert "Traceback" not in process.stderr
    return process.stderr if code else process.stdout


def listed(home: Path) -> Any:
    rows = json.loads(models(home, "list", "repo", "--json"))
    return [(row["model"], row["version"], row["live"]) for row in rows]


def test_forward_and_back(home: Path) -> None:
    assert models(home, "publish", "one", "repo", "--as", "shop", "--live") == "published shop 1 and made it live\n"
    said = models(home, "publish", "run", "repo", "--as", "shop")
    assert said == "published shop 2\nnext: eyas models live repo shop 2\n"
    assert listed(home) == [("shop", "1", True), ("shop", "2", False)]
    assert models(home, "live", "repo", "shop", "2") == "shop 2 is live\n"
    assert models(home, "rollback", "repo", "shop") == "shop 1 is live\n"
    assert models(home, "remove", "repo", "shop", "2") == "removed shop 2\n"
    assert listed(home) == [("shop", "1", True)]
    table = models(home, "list", "repo")
    assert "shop" in table
    assert "live" in table


def test_a_damaged_version_does_not_hide_the_others(home: Path) -> None:
    models(home, "publish", "one", "repo", "--live")
    models(home, "publish", "wrong", "repo")
    (home / "repo" / "digits" / "1" / "model.onnx").write_bytes(b"damaged")
    assert listed(home) == [("digits", "1", True), ("digits", "wrong", False)]  # it does not look at the files
    assert "model.onnx has changed since it was written" in models(home, "list", "repo", "--verify", code=5)
    manifest = home / "repo" / "digits" / "1" / "manifest.json"
    manifest.write_text(manifest.read_text()[:-9])
    process = subprocess.run(
        [loaded_eyas(), "models", "list", "repo", "--json"], cwd=home, capture_output=True, text=True, timeout=120
    )
    assert process.returncode == 5
    assert [(row["version"], bool(row["damaged"])) for row in json.loads(process.stdout)] == [
        ("1", True),
        ("wrong", False),
    ]


def test_what_cannot_be_is_said(home: Path) -> None:
    assert "repo is not a repository; `eyas models publish BUNDLE repo` makes one" in models(
        home, "list", "repo", code=5
    )
    models(home, "publish", "one", "repo", "--live")
    assert "digits 1 is live and cannot be removed" in models(home, "remove", "repo", "digits", "1", code=5)
    assert "was live before" in models(home, "rollback", "repo", "digits", code=5)
    assert "digits has no version 7" in models(home, "live", "repo", "digits", "7", code=5)
    assert "is not a bundle" in models(home, "publish", "nothing", "repo", code=5)


def test_only_what_gives_its_golden_answers_goes_live(home: Path) -> None:
    models(home, "publish", "one", "repo", "--live")
    assert "golden answers" in models(home, "publish", "wrong", "repo", "--live", code=5)
    models(home, "publish", "wrong", "repo")
    assert "golden answers" in models(home, "live", "repo", "digits", "wrong", code=5)
    assert listed(home) == [("digits", "1", True), ("digits", "wrong", False)]
