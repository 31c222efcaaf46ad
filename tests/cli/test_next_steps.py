"""What a newcomer gets wrong: each sentence says what to do next."""

import json
import os
import socket
import subprocess
from pathlib import Path

import pytest
from PIL import Image

from eyas.core.lives import living
from eyas.core.schema import MLPConfig
from support.bundles import make_bundle
from support.loaded import loaded_eyas
from support.runs import make_run


def eyas(here: Path, *words: object, code: int) -> str:
    """Standard error."""
    command = [loaded_eyas(), *map(str, words)]
    done = subprocess.run(command, cwd=here, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == code, done.stdout + done.stderr
    assert "Traceback" not in done.stderr
    return done.stderr


@pytest.fixture(scope="module")
def here(tmp_path_factory, digits):
    """A run that was not exported, a bundle, images without labels, and a class that is alone."""
    folder = tmp_path_factory.mktemp("here")
    make_run(folder / "runs", digits, MLPConfig(hidden=(8,)), epochs=1)
    make_bundle(folder / "bundle")
    for place in ("unlabeled", "alone/cat"):
        (folder / place).mkdir(parents=True)
        for shade in range(3):
            Image.new("L", (8, 8), 40 * shade).save(folder / place / f"{shade}.png")
    (folder / "fresh").mkdir()
    return folder


RUN = "runs/digits-made-1"
MISTAKES = [
    (("train", "phtos"), 3, "phtos does not exist; data.source is a folder, an archive"),
    (("train", "digit"), 3, "did you mean digits?"),
    (("train",), 2, "data.source must say which images to use: a folder"),
    (("train", "digits", "train.lr=1"), 2, "did you mean train.learning_rate?"),
    (("train", "digits", "--epochs", "3"), 2, "No such option: --epochs"),
    (("trian", "digits"), 2, "Did you mean 'train'"),
    (("train", "unlabeled"), 3, "sort them, or list path,label in a CSV file"),
    (("train", "alone"), 3, "give each a folder or label of its own"),
    (("train", "digits", "data.val_fraction=0"), 2, "set data.val_fraction=0.1 or train.monitor=loss"),
    (("train", "-c", "digit"), 2, "recipes that ship: cifar100-cpu"),
    (("evaluate", "runs/digits-1"), 2, "runs in runs: digits-made-1"),
    (("evaluate", "fresh/runs/digits-1"), 2, "`eyas train DATA` makes one"),
    (("evaluate", RUN, "data.source=digits", "data.seed=3"), 3, "bring the data back as they were, or train a new run"),
    (
        ("evaluate", RUN, "data.source=digits", "data.test_fraction=0"),
        3,
        "choose another split, or train on data that are split with data.te",
    ),
    (("serve", RUN), 5, f"`eyas export {RUN}` makes one"),
    (("predict", RUN, "x.png"), 5, f"`eyas export {RUN}` makes one"),
    (("serve", "bundle", "serve.host=0.0.0.0"), 7, "`eyas token --new-secret secret` makes a secret"),
    (("serve", "bundle", "serve.admin=true"), 2, "serve.admin=true is for a repository"),
    (("token", "--sub", "ann", "--scope", "predict"), 2, "`eyas token --new-secret FILE` makes one"),
    (("models", "list", "models"), 5, "`eyas models publish BUNDLE models` makes one"),
    (("rollout", "status", "models", "digits"), 5, "`eyas models publish BUNDLE models` brings one"),
    (("feedback", "3f2a"), 6, "must be ID=CLASS or a CSV file with the columns id and label"),
    (("monitor", "--url", "http://127.0.0.1:1"), 7, "`eyas serve BUNDLE` starts one"),
    (("restore", "bundle", "models"), 5, "`eyas backup REPO --to bundle` makes one"),
]


@pytest.mark.parametrize(("words", "code", "said"), MISTAKES, ids=[" ".join(words) for words, _, _ in MISTAKES])
def test_a_mistake_is_told_with_the_next_step(here, words, code, said):
    assert said in " ".join(eyas(here, *words, code=code).split())


def test_a_port_that_is_taken_is_told_with_another(here):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        said = eyas(here, "serve", "bundle", "--port", port, code=7)
    assert f"stop the program that has it, or take another: serve.port={port + 1}" in said


def test_with_json_the_same_is_one_json_line(here):
    for words, code, said in MISTAKES[1:3]:
        (line,) = eyas(here, *words, "--json", code=code).splitlines()
        error = json.loads(line)["error"]
        assert set(error) == {"type", "message", "exit_code"}
        assert error["exit_code"] == code
        assert said in error["message"]


def test_a_run_that_trains_is_not_trained_by_a_second_process(here):
    with living(here / RUN, pid=os.getpid()):
        told = eyas(here, "train", "--resume", RUN, "data.source=digits", code=4)
    who = f"process {os.getpid()} on {socket.gethostname()}"
    assert told == f"error: {RUN} is being trained by {who}; wait for it, or stop it with Ctrl-C\n"
