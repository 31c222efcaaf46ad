"""`eyas` alone: where you are, what comes next, whatever lies in the folder."""

import json
import os
import subprocess
import sys
import time

import pytest
from PIL import Image

from eyas.bundle import Repository
from eyas.cli.road import Place, advise, look
from eyas.cli.road.runs import ACTIVE_SECONDS
from eyas.cli.road.telling import tell
from eyas.core.runs import create_run
from eyas.core.schema import Config
from eyas.rollout import begin, plan_for
from eyas.train.progress.history import EpochRow, write_history
from eyas.train.progress.stopping import Stopping
from support.bundles import make_bundle


def commands(here):
    return [step.command for step in advise(look(here))]


def said(here):
    place = look(here)
    return "\n".join(tell(place, advise(place)))


def make_run(here, values, epochs=5, patience=10, age=0.0):
    """A run folder whose monitored loss was `values`."""
    config = Config.model_validate(
        {"runs_dir": str(here / "runs"), "train": {"epochs": epochs, "early_stopping": {"patience": patience}}}
    )
    run = create_run(config, "digits-mlp")
    rows = [EpochRow(n, v, 0.9, v, 0.9, 1.0, 0.9, 0.9, 0.1, 0.001, 1.0) for n, v in enumerate(values, 1)]
    write_history(run.history, rows)
    then = time.time() - age
    for file in (run.history, run.config_file):
        os.utime(file, (then, then))
    return run


def make_classes(folder):
    for name in ("cat", "dog"):
        (folder / name).mkdir(parents=True)
        Image.new("L", (8, 8)).save(folder / name / "1.png")


def test_an_empty_folder_is_told_how_to_begin(tmp_path):
    assert commands(tmp_path) == ["eyas demo", "eyas init", "eyas data check FOLDER"]
    assert "nothing of eyas yet" in said(tmp_path)


@pytest.mark.parametrize("inside", ["", "train"])
def test_a_folder_of_images_is_looked_at_and_trained_on(tmp_path, inside):
    make_classes(tmp_path / "my photos" / inside)
    assert commands(tmp_path) == ["eyas data check 'my photos'", "eyas train 'my photos' model=cnn"]
    assert look(tmp_path / "my photos").data == (".",)


def test_a_configuration_says_which_data(tmp_path):
    (tmp_path / "eyas.yaml").write_text("data: {source: digits}\n")
    assert commands(tmp_path) == ["eyas data check digits", "eyas train"]
    assert "eyas.yaml, data: digits" in said(tmp_path)


def test_a_run_is_followed_to_its_service(tmp_path):
    run = make_run(tmp_path, [0.5, 0.4, 0.3, 0.2, 0.1])
    name = "runs/digits-mlp-1"
    assert commands(tmp_path) == [f"eyas evaluate {name}", f"eyas diagnose {name}"]
    run.add_metrics("test", {"accuracy": 0.5})
    assert commands(tmp_path) == [f"eyas diagnose {name}", f"eyas export {name}"]
    assert f"{name}: trained, test accuracy 50.00%" in said(tmp_path)
    make_bundle(run.bundle, version="1")
    assert commands(tmp_path) == [f"eyas serve {name}", f"eyas models publish {name} models --live"]
    Repository(tmp_path / "models").publish(run.bundle)
    assert commands(tmp_path) == ["eyas models live models digits 1"]
    Repository(tmp_path / "models").set_live("digits", "1")
    assert commands(tmp_path) == ["eyas serve models"]
    (tmp_path / "monitor").mkdir()
    (tmp_path / "monitor" / "status.json").write_text("{}")
    assert commands(tmp_path) == ["eyas serve models", "eyas monitor --url http://localhost:5000"]
    assert said(tmp_path).startswith("road        data ✓ → train ✓ → evaluate ✓ → export ✓ → publish ✓ → monitor ✓\n")


def test_a_rollout_that_is_under_way_comes_first(tmp_path):
    repository = Repository(tmp_path / "models")
    for version in ("9", "10"):
        repository.publish(make_bundle(tmp_path / f"bundle-{version}", version=version).path, live=version == "9")
    plan = plan_for(repository, "digits", "10", {"mode": "canary", "stages": (0.05, 1.0)})
    begin(repository, "digits", plan, by="ann", why="")
    (model,) = look(tmp_path).models
    assert (model.versions, model.live, model.rollout) == (("9", "10"), "9", "running")
    assert commands(tmp_path)[0] == "eyas rollout status models digits"


@pytest.mark.parametrize("age", [ACTIVE_SECONDS + 60, 0])
def test_a_run_that_is_not_finished_can_go_on(tmp_path, age):
    make_run(tmp_path, [0.5, 0.4], age=age)
    assert commands(tmp_path) == [*([] if age else ["eyas"]), "eyas train --resume runs/digits-mlp-1"]
    assert "2 of 5 epochs" in said(tmp_path)


def test_a_study_that_is_not_finished_can_go_on(tmp_path):
    for name, file, done in (("a-1", "tune.yaml", ""), ("b-1", "study.yaml", "results.json")):
        (tmp_path / "runs" / name).mkdir(parents=True)
        (tmp_path / "runs" / name / file).write_text("kind: learning-curve\n")
        if done:
            (tmp_path / "runs" / name / done).write_text("{}")
    assert commands(tmp_path) == ["eyas tune --resume runs/a-1"]
    assert {(one.kind, one.finished) for one in look(tmp_path).studies} == {("tune", False), ("learning-curve", True)}


@pytest.mark.parametrize("values", [[0.5, 0.4, 0.41, 0.42], [0.5, 0.51, 0.4, 0.42], [0.5, 0.5, 0.5]])
def test_early_stopping_is_counted_as_training_counts_it(tmp_path, values):
    config = make_run(tmp_path, values, epochs=50, patience=2).config().train
    stopping = Stopping.of(config.monitor, config.early_stopping, None)
    for epoch, value in enumerate(values, 1):
        stopping.update(value, epoch, 0.1)
    (run,) = look(tmp_path).runs
    assert (run.finished, run.epochs) == (stopping.stop, len(values))


def test_the_newest_runs_are_looked_at(tmp_path):
    for age in range(30, 0, -1):
        make_run(tmp_path, [0.1], epochs=1, age=60.0 * age)
    place = look(tmp_path)
    assert place.runs[0].path == "runs/digits-mlp-30"
    assert len(place.runs) + place.more_runs == 30
    assert "and 25 older" in said(tmp_path)


GARBAGE = (b"", b"\xff\xfe\x00", b"[]", b"{", b"train: 3", b'{"test": 7, "version": []}', b"a,b\n1", b"[" * 5000, None)
FILES = (
    "eyas.yaml",
    "runs/digits-mlp-1/config.yaml",
    "runs/digits-mlp-1/history.csv",
    "runs/digits-mlp-1/metrics.json",
    "runs/study-1/study.yaml",
    "models/digits/live.json",
    "models/digits/.rollouts/rollout.json",
)


@pytest.mark.parametrize("file", FILES)
def test_a_broken_file_is_named_and_ends_nothing(tmp_path, file):
    make_run(tmp_path, [0.1], epochs=1)
    (tmp_path / "models" / "digits" / "1").mkdir(parents=True)
    (tmp_path / "models" / "digits" / "1" / "manifest.json").write_text("{}")
    (tmp_path / "models" / ".lock").touch()
    named = 0
    for content in GARBAGE:
        path = tmp_path / file
        path.unlink(missing_ok=True)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.mkdir() if content is None else path.write_bytes(content)
        place = look(tmp_path)
        assert advise(place)
        named += any(file in trouble for trouble in place.broken)
        assert all(len(line) < 300 for line in said(tmp_path).splitlines())
    assert named >= 3


def test_a_pipe_gets_plain_lines_and_json_one_document(tmp_path):
    make_run(tmp_path, [0.1], epochs=1)
    for words in ([], ["--json"]):
        process = subprocess.run(
            [sys.executable, "-m", "eyas", *words], cwd=tmp_path, capture_output=True, text=True, timeout=60, check=True
        )
        assert process.stderr == ""
        assert "\x1b" not in process.stdout
    found = json.loads(process.stdout)
    assert set(found) == {"road", "next", *Place.__dataclass_fields__}
    assert found["next"][0]["command"] == "eyas evaluate runs/digits-mlp-1"


def test_a_look_loads_nothing_that_takes_long(tmp_path):
    (tmp_path / "runs" / "a-1").mkdir(parents=True)
    code = (
        "import sys, eyas.cli\n"
        "sys.argv = ['eyas']\n"
        "eyas.cli.main()\n"
        "print([n for n in ('torch', 'numpy', 'pydantic', 'rich', 'PIL') if n in sys.modules], file=sys.stderr)"
    )
    command = [sys.executable, "-c", code]
    process = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=True, timeout=60)
    assert process.stderr.strip() == "[]"
