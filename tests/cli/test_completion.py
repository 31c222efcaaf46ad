"""Shell completion: asked as bash, zsh and fish ask, in a folder with runs, a repository and data."""

import os
import pty
import subprocess
import sys
from pathlib import Path

import pytest

from eyas.cli.completion import names, places
from eyas.core.config import load_config, recipes
from eyas.core.language import LANGUAGES
from eyas.core.schema import ARCHITECTURES
from eyas.data.sources.detect import NAMED
from eyas.deploy.inspection import TARGETS
from eyas.deploy.rendering.kubernetes import OVERLAYS
from eyas.explain import METHODS
from eyas.serve.trust.issue import SCOPES
from eyas.tune.samplers import SAMPLERS
from support.terminal import Terminal
from support.waiting import wait_until

BIN = Path(sys.executable).parent
ENVIRONMENT = {**os.environ, "PATH": f"{BIN}{os.pathsep}{os.environ['PATH']}"}
ASK = """
source <(_EYAS_COMPLETE=source_bash eyas)
ask() { COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); COMPREPLY=(); _eyas_completion eyas; echo "${COMPREPLY[*]}"; }
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    here = tmp_path_factory.mktemp("work")
    for file in (
        "runs/digits-cnn-1/config.yaml",
        "runs/digits-cnn-1/bundle/manifest.json",
        "runs/digits-mlp-1/config.yaml",
        "runs/digits-tune-1/tune.yaml",
        "moved/config.yaml",
        "moved/.lock",
        "search/tune.yaml",
        "search/.lock",
        "models/digits/1.0/manifest.json",
        "models/digits/1.1/manifest.json",
        "models/digits/live.json",
        "small/manifest.json",
        "mine.yaml",
        "photos/cat/1.png",
    ):
        (here / file).parent.mkdir(parents=True, exist_ok=True)
        (here / file).write_text("")
    return here


ASKED = {
    "eyas mod": "models",
    "eyas evaluate runs/": "runs/digits-cnn-1 runs/digits-mlp-1",
    "eyas evaluate --split ''": "train val test",
    "eyas serve ''": "runs/digits-cnn-1 small models",
    "eyas models list ''": "models",
    "eyas tune --resume ''": "runs/digits-tune-1",
    "eyas train --config ''": " ".join([*recipes(), "mine.yaml"]),
    "eyas train m": "mnist models/ moved/ model= model.name=",
    "eyas train digits p": "",
    "eyas train digits model =": " ".join(name for name in ARCHITECTURES if name != "custom"),
    "eyas train digits train.optimizer = a": "adam adamw",
    "eyas train digits train.batch_s": "train.batch_size= train.batch_size=128",
    "eyas rollout start models digits ''": "1.0 1.1",
    "eyas explain small x.png --method s": "shap",
    "eyas compare digits --study ''": "baseline regularization optimizers batchnorm all mine.yaml",
}


@pytest.fixture(scope="module")
def answers(folder):
    """Every question, put to the function that bash calls."""
    script = ASK + "\n".join(f"ask {line}" for line in ASKED)
    asked = subprocess.run(
        ["bash", "-c", script], cwd=folder, env=ENVIRONMENT, capture_output=True, text=True, timeout=120, check=True
    )
    assert asked.stderr == ""
    return dict(zip(ASKED, asked.stdout.splitlines(), strict=True))


@pytest.mark.parametrize("line", ASKED)
def test_bash_is_offered_what_fits(answers, line):
    offered = answers[line].split()
    expected = ASKED[line].split()
    if line.endswith(" m"):
        assert [word for word in expected if word not in offered] == []
        assert all(word.startswith("m") for word in offered)
    else:
        assert offered == expected


def test_tab_completes_in_a_real_bash(folder):
    main, other = pty.openpty()
    shell = subprocess.Popen(
        ["bash", "--norc", "--noprofile", "-i"],
        cwd=folder,
        env={**ENVIRONMENT, "PS1": "$ ", "TERM": "dumb"},
        stdin=other,
        stdout=other,
        stderr=other,
        start_new_session=True,
    )
    os.close(other)
    try:
        seen = Terminal(shell, main)
        os.write(main, b"source <(_EYAS_COMPLETE=source_bash eyas); echo re''ady\n")
        wait_until(lambda: "\nready" in seen.text, 60)
        os.write(main, b"eyas evaluate runs/digits-m\t")
        wait_until(lambda: "eyas evaluate runs/digits-mlp-1" in seen.text, 60)
    finally:
        shell.kill()
        shell.wait()
        os.close(main)


@pytest.mark.parametrize(("shell", "said"), [("zsh", '"runs/digits-mlp-1"'), ("fish", "runs/digits-mlp-1")])
def test_zsh_and_fish_ask_about_the_whole_line(folder, shell, said):
    asked = {
        "_EYAS_COMPLETE": f"complete_{shell}",
        "_TYPER_COMPLETE_ARGS": "eyas evaluate runs/digits-m",
        "_TYPER_COMPLETE_FISH_ACTION": "get-args",
    }
    assert said in eyas(folder, asked)
    asked["_TYPER_COMPLETE_ARGS"] = "eyas train digits model=c"
    assert "model=cnn" in eyas(folder, asked)
    assert "complete" in eyas(folder, {"_EYAS_COMPLETE": f"source_{shell}"})


@pytest.mark.parametrize(
    "line", ["runs_dir: out", "runs_dir: out/  # here", "data: {source: digits}\nruns_dir: 'out'\n", 'runs_dir: "out" ']
)
def test_runs_are_looked_for_where_the_configuration_lets_them_go(tmp_path, monkeypatch, line):
    (tmp_path / "out" / "digits-1").mkdir(parents=True)
    (tmp_path / "out" / "digits-1" / "config.yaml").touch()
    (tmp_path / "eyas.yaml").write_text(line)
    monkeypatch.chdir(tmp_path)
    assert places.runs("") == ["out/digits-1"]
    assert load_config().runs_dir.rstrip("/") == "out"


def test_the_names_are_those_that_the_code_takes():
    assert names.DATA == NAMED
    assert set(names.METHODS) == set(METHODS)
    assert tuple(SAMPLERS) == names.SAMPLERS
    assert (names.LANGUAGES, names.TARGETS) == (LANGUAGES, TARGETS)
    assert set(names.SCOPES) == SCOPES
    assert set(names.OVERLAYS) == set(OVERLAYS)


def eyas(folder, variables):
    command = subprocess.run(
        [BIN / "eyas"], cwd=folder, env={**ENVIRONMENT, **variables}, capture_output=True, text=True, timeout=60
    )
    assert command.stderr == ""
    return command.stdout
