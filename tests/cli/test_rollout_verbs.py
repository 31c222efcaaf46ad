"""`eyas rollout` as a person uses it: the gate first, then a start, and what the history says of both."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from eyas.bundle import Repository
from support.bundles import make_bundle, make_folder
from support.loaded import loaded_eyas

ENOUGH = ("--set", "margin=0.05")  # 180 test images cannot show less
BARE = """
import sys
from importlib.abc import MetaPathFinder

class Without(MetaPathFinder):
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in ("sklearn", "torch", "pyarrow", "scipy"):
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)

sys.meta_path.insert(0, Without())
from eyas.cli import main
main()
"""


@pytest.fixture(scope="module")
def bundles(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """1 and 2 name the same classes; `bad` names the least likely ones."""
    folder = tmp_path_factory.mktemp("bundles")
    for version, sharpness in (("1", 1.0), ("2", 1.1), ("bad", -1.0)):
        make_bundle(folder / version, version=version, sharpness=sharpness, data="digits")
    return folder


@pytest.fixture
def home(tmp_path: Path, bundles: Path) -> Path:
    made = Repository(tmp_path / "models")
    for version in ("1", "2", "bad"):
        made.publish(bundles / version, live=version == "1")
    return tmp_path


def rollout(home: Path, *words: str, code: int = 0) -> str:
    process = subprocess.run([loaded_eyas(), "rollout", *words], cwd=home, capture_output=True, text=True, timeout=120)
    assert process.returncode == code, process.stdout + process.stderr
    assert "Traceback" not in process.stderr
    return process.stderr if code > 1 else process.stdout


def history(home: Path) -> Any:
    return json.loads(rollout(home, "status", "models", "digits", "--json"))


def test_the_gate_tells_good_from_bad(home: Path) -> None:
    said = rollout(home, "check", "models", "digits", "2", *ENOUGH).splitlines()
    assert [line.split(":")[0] for line in said[:5]] == [
        "passed  accuracy",
        "passed  classes",
        "passed  calibration",
        "passed  latency p95",
        "passed  latency p99",
    ]
    assert said[5].startswith("both answered the 180 test images of digits, and 2000 single images in turn")
    assert said[6:] == ["2 passes"]
    found = json.loads(rollout(home, "check", "models", "digits", "bad", *ENOUGH, "--json", code=1))
    assert found["passed"] is False
    failed = {one["name"] for one in found["checks"] if one["passed"] is False}
    assert {"accuracy", "classes"} <= failed
    assert "so few images cannot show so small a loss" in rollout(home, "check", "models", "digits", "2", code=1)


def test_a_start_asks_the_gate_and_keeps_what_it_said(home: Path) -> None:
    refused = rollout(home, "start", "models", "digits", "bad", "--canary", "5%", *ENOUGH, code=5)
    assert "the gate does not let bad through: accuracy: accuracy " in refused
    assert "; classes: 10 classes: worse: " in refused
    assert refused.endswith("; --ungated starts without the gate\n")
    assert history(home) == []
    said = rollout(home, "start", "models", "digits", "2", "--canary", "5%", *ENOUGH, "--why", "sharper")
    assert "passed  accuracy: " in said
    assert "rollout 1, 1 to 2: running at 5 % (canary)" in said
    (entry,) = history(home)
    assert (entry["why"], entry["after"]["plan"]["gated"]) == (["sharper"], True)
    assert entry["evidence"]["gate"]["passed"] is True
    shown = rollout(home, "status", "models", "digits")
    assert "sharper\n    passed  accuracy: " in shown
    rollout(home, "promote", "models", "digits")
    assert Repository(home / "models").live("digits").version == "2"  # type: ignore[union-attr]


def test_without_the_gate_the_history_says_so_and_a_promotion_asks(home: Path) -> None:
    rollout(home, "start", "models", "digits", "bad", "--shadow", "--ungated")
    assert history(home)[0]["why"] == ["started", "started without the gate"]
    assert "started without the gate" in rollout(home, "status", "models", "digits")
    assert "nothing shows yet that bad is no worse" in rollout(home, "promote", "models", "digits", code=5)
    assert "the gate does not let bad through" in rollout(
        home, "promote", "models", "digits", "--data", "digits", code=5
    )
    rollout(home, "promote", "models", "digits", "--force", "--why", "I know it")
    assert history(home)[-1]["why"] == ["I know it", "forced, though nothing shows that it is no worse"]


def test_a_promotion_by_the_gate(home: Path) -> None:
    said = rollout(home, "start", "models", "digits", "2", "--canary", "0.5%,100%", *ENOUGH, "--ungated")
    assert "running at 0.5 % (canary)" in said
    assert "start → 0.5 %, by " in rollout(home, "status", "models", "digits")
    rollout(home, "promote", "models", "digits", "--data", "digits")
    last = history(home)[-1]
    assert (last["move"], last["why"], last["evidence"]["gate"]["passed"]) == ("promote", ["by hand"], True)


def test_other_images(home: Path) -> None:
    data = make_folder(home / "photos", slice(1200, 1797))
    said = rollout(home, "check", "models", "digits", "2", "--data", str(data))
    assert "both answered the 597 test images of photos" in said
    assert "the champion 1 was trained on other data, and may or may not have seen these" in said
    assert "the challenger 2 was trained on other data" in said


def test_data_that_are_not_there(home: Path, tmp_path: Path) -> None:
    data = make_folder(tmp_path / "own", slice(1200, 1300))
    Repository(home / "models").publish(make_bundle(tmp_path / "3", version="3", data=str(data)).path)
    rollout(home, "check", "models", "digits", "3", *ENOUGH, "--set", "margin=0.2")
    next((data / "test" / "0").glob("*.png")).unlink()
    words = ("models", "digits", "3")
    assert "was trained on other data than own is now" in rollout(home, "check", *words, code=3)
    data.rename(tmp_path / "elsewhere")
    said = rollout(home, "start", *words, "--canary", "5%", code=3)
    assert "the gate has no test images: " in said
    assert said.endswith("; --data DATA names them; --ungated starts without the gate\n")
    assert "give one of them" in rollout(home, "start", *words, "--ab", "5%", "--data", "x", "--ungated", code=2)


def test_a_key_without_a_value_that_can_be_read_is_refused(home: Path) -> None:
    for word, said in (
        ("margin=[", "the value of margin is not valid YAML: '['"),
        ("margin", "--set must be key=value"),
    ):
        assert said in rollout(home, "start", "models", "digits", "2", "--shadow", "--set", word, code=2)


def test_the_serving_half_alone_says_what_is_missing(home: Path) -> None:
    def bare(*words: str, code: int) -> str:
        command = [sys.executable, "-c", BARE, "rollout", *words]
        env = {**os.environ, "EYAS_CACHE_DIR": str(home / "cache")}
        done = subprocess.run(command, cwd=home, capture_output=True, text=True, timeout=60, env=env, check=False)
        assert done.returncode == code, done.stdout + done.stderr
        return done.stderr

    start = ("start", "models", "digits", "2", "--canary", "5%")
    assert 'pip install "eyas[train]"; --ungated starts without the gate' in bare(*start, code=8)
    data = make_folder(home / "photos", slice(1200, 1797))
    bare("check", "models", "digits", "2", "--data", str(data), code=0)
    bare(*start, "--ungated", code=0)
