"""`eyas` alone: where you are, what comes next, whatever lies in the folder."""

import json
import os
import socket
import subprocess
import sys
import time
from dataclasses import asdict
from pathlib import Path

import pytest
from PIL import Image

from eyas.bundle import Repository, is_repository
from eyas.cli.road import Place, advise, look
from eyas.cli.road.runs import ACTIVE_SECONDS
from eyas.cli.road.telling import tell
from eyas.core.io import write_json
from eyas.core.lives import living
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


def make_run(here, values, epochs=5, patience=10, age=0.0, first=1):
    """A run folder whose monitored loss was `values`, from epoch `first` on."""
    config = Config.model_validate(
        {"runs_dir": str(here / "runs"), "train": {"epochs": epochs, "early_stopping": {"patience": patience}}}
    )
    run = create_run(config, "digits-mlp")
    rows = [EpochRow(n, v, 0.9, v, 0.9, 1.0, 0.9, 0.9, 0.1, 0.001, 1.0) for n, v in enumerate(values, first)]
    write_history(run.history, rows)
    then = time.time() - age
    for file in (run.history, run.config_file):
        os.utime(file, (then, then))
    return run


def make_classes(folder, file="1.png"):
    for name in ("cat", "dog"):
        (folder / name).mkdir(parents=True)
        Image.new("L", (8, 8)).save(folder / name / file)


def test_an_empty_folder_is_told_how_to_begin(tmp_path):
    assert commands(tmp_path) == ["eyas demo", "eyas init", "eyas data check FOLDER"]
    assert "nothing of eyas yet" in said(tmp_path)


@pytest.mark.parametrize(("inside", "file"), [("", "1.png"), ("train", "1.png"), ("Training", "1.jfif"), ("", "1.PGM")])
def test_a_folder_of_images_is_looked_at_and_trained_on(tmp_path, inside, file):
    make_classes(tmp_path / "my photos" / inside, file)
    assert commands(tmp_path) == ["eyas data check 'my photos'", "eyas train 'my photos' model=cnn"]
    assert look(tmp_path / "my photos").data == (".",)


def test_a_folder_with_some_pictures_in_it_is_no_data(tmp_path):
    make_classes(tmp_path / "docs")  # as a project's, with pictures in two of its sub-folders
    for name in ("guide", "howto", "decisions"):
        (tmp_path / "docs" / name).mkdir()
        (tmp_path / "docs" / name / "index.md").touch()
    assert look(tmp_path).data == ()


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


def test_a_newer_bundle_goes_into_the_repository_and_takes_over_by_degrees(tmp_path):
    repository = Repository(tmp_path / "models")
    repository.publish(make_bundle(tmp_path / "old", version="1").path, live=True)
    run = make_run(tmp_path, [0.1], epochs=1)
    run.add_metrics("test", {"accuracy": 0.5})
    make_bundle(run.bundle, version="2")
    start = "eyas rollout start models digits 2"
    assert commands(tmp_path) == ["eyas models publish runs/digits-mlp-1 models", start]
    repository.publish(run.bundle)
    assert commands(tmp_path) == [start, "eyas serve models"]
    rollout = tmp_path / "models" / "digits" / ".rollouts" / "rollout.json"
    rollout.parent.mkdir()
    write_json(rollout, {"status": "rolled back", "plan": {"challenger": "2"}})
    assert commands(tmp_path)[0] == "eyas serve models"  # it was taken back


@pytest.mark.parametrize("file", ["live.json", ".rollouts/rollout.json"])
def test_a_pointer_that_cannot_be_read_is_not_written_over(tmp_path, file):
    repository = Repository(tmp_path / "models")
    for version in ("1", "2"):
        repository.publish(make_bundle(tmp_path / "made" / version, version=version).path, live=version == "1")
    broken = tmp_path / "models" / "digits" / file
    broken.parent.mkdir(exist_ok=True)
    broken.write_text("{")
    assert commands(tmp_path) == ["eyas models list models"]
    assert file in said(tmp_path)


def test_a_configuration_that_cannot_be_read_is_mended_first(tmp_path, monkeypatch):
    make_run(tmp_path, [0.1], epochs=1)
    (tmp_path / "eyas.yaml").write_text("train: {lr: 1}\n")
    monkeypatch.chdir(tmp_path)
    assert commands(Path()) == ["${EDITOR:-vi} eyas.yaml"]
    assert look(Path()).broken == ("unknown key train.lr in eyas.yaml: did you mean train.learning_rate?",)


def test_a_folder_is_not_taken_for_an_option(tmp_path):
    make_classes(tmp_path / "-x")
    assert commands(tmp_path) == ["eyas data check ./-x", "eyas train ./-x model=cnn"]


@pytest.mark.parametrize(
    ("files", "whether"),
    [
        ((), False),
        ((".lock",), True),
        (("digits/live.json",), True),
        ((".lock", "config.yaml"), False),
        ((".lock", "tune.yaml"), False),
        ((".lock", "config.yaml", "digits/live.json"), True),
        ((".lock", "manifest.json"), False),
    ],
)
def test_a_run_is_no_repository(tmp_path, files, whether):
    for file in files:
        (tmp_path / file).parent.mkdir(exist_ok=True)
        (tmp_path / file).touch()
    assert is_repository(tmp_path) is whether


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
    assert commands(tmp_path) == ["eyas train --resume runs/digits-mlp-1" if age else "eyas"]
    assert "2 of 5 epochs" in said(tmp_path)


def test_a_run_that_trains_is_left_alone_however_old_its_files_are(tmp_path):
    run = make_run(tmp_path, [0.5, 0.4], age=ACTIVE_SECONDS + 60)
    with living(run.path) as life:
        os.utime(run.path / "state.json", (0, 0))
        assert commands(tmp_path) == ["eyas"]
        assert "is training, 2 of 5 epochs" in said(tmp_path)
        life.ended("paused")
    assert commands(tmp_path) == ["eyas train --resume runs/digits-mlp-1"]
    assert "paused, 2 of 5 epochs" in said(tmp_path)


@pytest.mark.parametrize(
    ("state", "host", "command"),
    [
        ("running", socket.gethostname(), "eyas train --resume runs/digits-mlp-1"),  # and its lock is free: killed
        ("running", "another", "eyas"),
        ("finished", "another", "eyas evaluate runs/digits-mlp-1"),
        ("stopped", "another", "eyas train --resume runs/digits-mlp-1"),
    ],
)
def test_what_a_run_says_of_itself_counts(tmp_path, state, host, command):
    run = make_run(tmp_path, [0.5, 0.4])
    (run.path / ".lock").touch()
    write_json(run.path / "state.json", {"state": state, "host": host, "locked": True})
    assert commands(tmp_path)[0] == command


def test_a_run_that_was_imported_is_complete(tmp_path):
    make_run(tmp_path, [0.5], epochs=30, age=ACTIVE_SECONDS + 60, first=0)
    assert commands(tmp_path)[0] == "eyas evaluate runs/digits-mlp-1"
    assert "imported, not evaluated" in said(tmp_path)


@pytest.mark.parametrize(
    ("files", "finished"),
    [
        ({"optimization_results.json": '{"final": null, "best": {"number": 1}}'}, False),  # as a stopped search's
        ({"optimization_results.json": '{"final": null, "best": {}}', "best.yaml": "", "final/study.yaml": ""}, False),
        ({"optimization_results.json": '{"final": null, "best": {"number": 0}}', "best.yaml": ""}, True),
        ({"optimization_results.json": '{"final": {"arms": {}}}', "best.yaml": "", "final/study.yaml": ""}, True),
        ({"optimization_results.json": '{"final": {"arms": {}}}', "state.json": '{"state": "stopped"}'}, False),
        ({"state.json": '{"state": "finished"}'}, True),
    ],
)
def test_a_search_is_finished_once_its_best_is_compared(tmp_path, files, finished):
    folder = tmp_path / "runs" / "digits-tune-1"
    for name, content in {"tune.yaml": "", **files}.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(content)
    assert [study.finished for study in look(tmp_path).studies] == [finished]


def test_an_older_study_that_was_stopped_hides_nothing(tmp_path):
    plan = tmp_path / "runs" / "digits-tune-1" / "tune.yaml"
    plan.parent.mkdir(parents=True)
    plan.touch()
    run = make_run(tmp_path, [0.1], epochs=1)
    resume = "eyas tune --resume runs/digits-tune-1"
    assert commands(tmp_path)[0] == "eyas evaluate runs/digits-mlp-1"  # it was written last
    os.utime(plan, (time.time() + 5, time.time() + 5))
    assert commands(tmp_path) == [resume, "eyas evaluate runs/digits-mlp-1"]
    os.utime(plan, (5, 5))
    run.add_metrics("test", {"accuracy": 0.5})
    Repository(tmp_path / "models").publish(make_bundle(run.bundle, version="1").path, live=True)
    assert commands(tmp_path) == ["eyas serve models", resume]


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
INFINITE = (
    b'{"test": {"accuracy": NaN}}',
    b'{"test": {"accuracy": 1e999}}',
    b"train: {epochs: .inf, monitor: val_loss, early_stopping: null}",
)
FILES = (
    "eyas.yaml",
    "runs/digits-mlp-1/config.yaml",
    "runs/digits-mlp-1/history.csv",
    "runs/digits-mlp-1/metrics.json",
    "runs/digits-mlp-1/state.json",
    "runs/digits-mlp-1/bundle/manifest.json",
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
    for content in (*INFINITE, *GARBAGE):
        path = tmp_path / file
        path.unlink(missing_ok=True)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.mkdir() if content is None else path.write_bytes(content)
        place = look(tmp_path)
        assert advise(place)
        json.dumps(asdict(place), allow_nan=False)
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
    run = make_run(tmp_path, [0.1])
    write_json(run.path / "state.json", {"state": "stopped"})
    make_run(tmp_path, [0.1, 0.2, 0.3], patience=2)  # of an older eyas
    code = (
        "import sys, eyas.cli\n"
        "sys.argv = ['eyas']\n"
        "eyas.cli.main()\n"
        "print([n for n in ('torch', 'numpy', 'pydantic', 'rich', 'PIL') if n in sys.modules], file=sys.stderr)"
    )
    command = [sys.executable, "-c", code]
    process = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=True, timeout=60)
    assert process.stderr.strip() == "[]"
