"""`eyas init --dvc`, run by the real DVC in a repository of its own."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from PIL import Image

from eyas.core.config import load_values
from eyas.core.pipeline import dvc_yaml
from support.loaded import loaded_eyas

STAGES = ["prepare", "train", "evaluate", "export"]
QUIET = {
    "DVC_NO_ANALYTICS": "1",
    "GIT_CONFIG_GLOBAL": os.devnull,
    **{f"GIT_{who}_{what}": "test@example.org" for who in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")},
}


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """Run a command line in the repository; its standard output."""
    home = tmp_path_factory.mktemp("pipeline")
    path = os.pathsep.join(map(str, (Path(loaded_eyas()).parent, Path(sys.executable).parent, os.environ["PATH"])))
    environment = {**os.environ, **QUIET, "PATH": path, "DVC_SITE_CACHE_DIR": str(home / ".site")}

    def call(line, code=0):
        done = subprocess.run(
            ["bash", "-c", line], cwd=home, env=environment, capture_output=True, text=True, timeout=200, check=False
        )
        assert done.returncode == code, done.stdout + done.stderr
        return done.stderr if code else done.stdout

    call("git init -q . && dvc init -q")
    call("eyas init --dvc data.source=digits model.hidden=[16] train.epochs=1 train.threads=1 train.precision=fp32")
    assert ran(call("dvc repro")) == STAGES
    call("git add -A && git commit -qm one")
    call.home = home
    return call


def ran(said):
    return re.findall(r"Running stage '(\w+)'", said)


def test_all_that_the_stages_make_is_kept_by_dvc_and_not_by_git(run):
    tracked = run("git ls-files").split()
    assert {"dvc.yaml", "dvc.lock", "params.yaml", "check.json", "dataset.json"} <= set(tracked)
    assert not [name for name in tracked if name.startswith(("run/", "evaluation/", "bundle/"))]
    assert {entry.name for entry in (run.home / "bundle").iterdir()} >= {"model.onnx", "manifest.json"}


def test_a_second_repro_runs_nothing(run):
    assert ran(run("dvc repro")) == []


def test_a_changed_key_reruns_from_its_stage_on_and_the_metrics_differ(run):
    params = run.home / "params.yaml"
    before = params.read_text()
    params.write_text(before.replace("epochs: 1", "epochs: 2"))
    assert ran(run("dvc repro")) == ["train", "evaluate", "export"]
    assert json.loads(run("dvc params diff --json"))["params.yaml"]["train.epochs"] == {"old": 1, "new": 2, "diff": 1}
    changed = json.loads(run("dvc metrics diff --json"))["evaluation/evaluation.json"]
    found = json.loads((run.home / "evaluation" / "evaluation.json").read_text())
    assert changed["nll"]["new"] == pytest.approx(found["nll"])
    assert changed["nll"]["new"] < changed["nll"]["old"]

    run("dvc plots diff --out plots")
    page = (run.home / "plots" / "index.html").read_text()
    assert all(name in page for name in ("val_loss", "val_accuracy", "confusion.png", "curves.png"))
    for revision in ("HEAD", "workspace"):
        with Image.open(run.home / "plots" / "static" / f"{revision}_evaluation_confusion.png") as picture:
            assert picture.width > 100

    params.write_text(before.replace("coverage: 0.9", "coverage: 0.8"))
    assert ran(run("dvc repro")) == ["export"]  # DVC remembers the run of one epoch
    assert json.loads((run.home / "bundle" / "manifest.json").read_text())["conformal"]["coverage"] == 0.8


def test_what_lies_there_is_never_overwritten(run):
    assert "dvc.yaml exists already" in run("eyas init --dvc data.source=digits", code=2)
    assert "run exists already and a run folder is never overwritten" in run("eyas train digits --to run", code=2)
    assert "leave --to elsewhere out" in run("eyas train --resume run --to elsewhere", code=2)
    assert "needs the data" in run("mkdir -p empty && cd empty && eyas init --dvc", code=2)
    assert "got the name my.yaml too" in run("cd empty && eyas init my.yaml --dvc data.source=digits", code=2)
    assert list((run.home / "empty").iterdir()) == []


def test_files_of_the_users_own_are_watched(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "photos").mkdir()
    words = ("data.source=photos", "model=net.py:build", "train.teacher=old/bundle")
    stages = yaml.safe_load(dvc_yaml(load_values({}, words, "here")))["stages"]
    assert stages["prepare"]["deps"] == ["${data.source}"]
    assert stages["train"]["deps"] == ["dataset.json", "net.py", "${train.teacher}"]
    named = yaml.safe_load(dvc_yaml(load_values({}, ["data.source=digits"], "here")))["stages"]
    assert "deps" not in named["prepare"]
    assert list(named) == STAGES
