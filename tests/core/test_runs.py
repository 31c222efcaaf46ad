from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from eyas.core.config import load_config
from eyas.core.errors import ConfigError
from eyas.core.runs import create_run, open_run
from eyas.core.schema import Config

STARTER = """
import sys
from eyas.core.runs import create_run
from eyas.core.schema import Config
sys.stdin.readline()
for _ in range(25):
    print(create_run(Config(runs_dir=sys.argv[1]), "digits-mlp").path.name)
"""


def test_numbers_go_up_and_gaps_are_not_filled(tmp_path: Path) -> None:
    config = Config(runs_dir=str(tmp_path / "runs"))
    assert create_run(config, "a").path.name == "a-1"
    assert create_run(config, "a").path.name == "a-2"
    assert create_run(config, "a.b").path.name == "a.b-1"
    (tmp_path / "runs" / "a-41").mkdir()
    (tmp_path / "runs" / "a-x").mkdir()
    (tmp_path / "runs" / "aXb-7").mkdir()  # the dot of `a.b` is a dot
    assert create_run(config, "a").path.name == "a-42"
    assert create_run(config, "a.b").path.name == "a.b-2"


def test_two_processes_never_share_a_number(tmp_path: Path) -> None:
    command = [sys.executable, "-c", STARTER, str(tmp_path)]
    started = [subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) for _ in range(2)]
    for process in started:  # both wait here until both have imported
        assert process.stdin is not None
        process.stdin.write("go\n")
        process.stdin.flush()
    made = [process.communicate()[0].split() for process in started]
    assert [process.returncode for process in started] == [0, 0]
    assert sorted(made[0] + made[1]) == sorted(f"digits-mlp-{n}" for n in range(1, 51))


def test_a_run_keeps_its_resolved_configuration(tmp_path: Path) -> None:
    config = load_config(None, [f"runs_dir={tmp_path}", "model=cnn", "train.epochs=7"])
    run = create_run(config, "x")
    assert run.config() == config
    assert open_run(run.path) == run


def test_metrics_gather_by_split(tmp_path: Path) -> None:
    run = create_run(Config(runs_dir=str(tmp_path)), "x")
    assert run.read_metrics() == {}
    run.add_metrics("val", {"accuracy": 0.5})
    run.add_metrics("test", {"accuracy": 0.25})
    run.add_metrics("val", {"accuracy": 0.75})
    assert run.read_metrics() == {"val": {"accuracy": 0.75}, "test": {"accuracy": 0.25}}


def test_the_paths_are_inside_the_run(tmp_path: Path) -> None:
    run = create_run(Config(runs_dir=str(tmp_path)), "x")
    names = [p.name for p in (run.config_file, run.history, run.metrics, run.best, run.last, run.bundle)]
    assert names == ["config.yaml", "history.csv", "metrics.json", "best.pt", "last.pt", "bundle"]


def test_a_folder_that_is_no_run_is_refused_with_the_runs_nearby(tmp_path: Path) -> None:
    create_run(Config(runs_dir=str(tmp_path)), "x")
    for wrong in (tmp_path, tmp_path / "x-9"):
        with pytest.raises(ConfigError, match=r"is not a run folder \(no config.yaml in it\); runs in .*: x-1$"):
            open_run(wrong)
    with pytest.raises(ConfigError, match=r"no config.yaml in it\); `eyas train DATA` makes one$"):
        open_run(tmp_path / "none" / "none")
