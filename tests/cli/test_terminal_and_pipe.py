"""What is drawn in a terminal of 80 columns, and what a pipe gets."""

import os
import re
import subprocess
import sys

import pytest

from support.bundles import make_bundle
from support.loaded import loaded_eyas
from support.terminal import terminal
from support.waiting import wait_until

COLOUR = re.compile(r"\x1b\[[0-9;]*m")
LONG = "a-name-that-is-longer-than-a-terminal-" + "x" * 20
NAMED = ("NO_COLOR", "FORCE_COLOR", "COLUMNS", "TERM")


@pytest.fixture(scope="module")
def here(tmp_path_factory):
    """A repository whose names are long."""
    folder = tmp_path_factory.mktemp("here")
    make_bundle(folder / "one", version=LONG.replace("name", "version"))
    publish = [loaded_eyas(), "models", "publish", "one", "models", "--as", LONG, "--live"]
    subprocess.run(publish, cwd=folder, check=True, timeout=120, capture_output=True)
    return folder


def piped(here, *words, **variables):
    environment = {name: value for name, value in os.environ.items() if name not in NAMED}
    command = [sys.executable, "-m", "eyas", *words]
    return subprocess.run(
        command, cwd=here, env={**environment, **variables}, capture_output=True, text=True, timeout=120, check=True
    )


def drawn(here, *words, monkeypatch):
    """Everything that comes to a terminal of 80 columns, colours and all."""
    monkeypatch.chdir(here)
    with terminal(*words) as shown:
        wait_until(lambda: shown.process.poll() is not None, seconds=60)
        wait_until(lambda: "┘" in shown.text, seconds=20)
        return shown


def test_a_pipe_has_no_colours_and_folds_nothing(here):
    said = piped(here, "models", "list", "models").stdout
    assert "\x1b" not in said
    assert sum(LONG in line for line in said.splitlines()) == 1
    assert len({len(line) for line in said.splitlines()}) == 1


def test_colours_can_be_forced_and_a_width_given(here):
    said = piped(here, "models", "list", "models", FORCE_COLOR="1", COLUMNS="60").stdout
    assert COLOUR.search(said)
    assert max(len(COLOUR.sub("", line)) for line in said.splitlines()) <= 60


def test_a_terminal_has_bold_heads_in_80_columns(here, monkeypatch):
    for name in NAMED:
        monkeypatch.delenv(name, raising=False)
    shown = drawn(here, "models", "list", "models", monkeypatch=monkeypatch)
    assert "\x1b[1m" in shown.raw
    assert 60 < max(map(len, shown.text.splitlines())) <= 80


def test_bars_and_colours_stay_out_of_what_is_piped(here):
    words = ("digits", "train.epochs=1", "train.precision=fp32", "model.hidden=[8]")
    done = subprocess.run(
        [loaded_eyas(), "train", *words], cwd=here, capture_output=True, text=True, timeout=120, check=True
    )
    assert "\x1b" not in done.stdout + done.stderr
    assert "\r" not in done.stdout + done.stderr
    assert done.stdout.splitlines()[-1] == "next: eyas evaluate runs/digits-mlp-1   or   eyas export runs/digits-mlp-1"
    assert done.stderr.startswith("epoch 1/1  loss ")
    assert done.stderr.count("\n") == 1


def test_a_bar_is_drawn_in_a_terminal_without_colours_where_there_are_to_be_none(here, monkeypatch):
    monkeypatch.chdir(here)
    words = ("train", "digits", "train.epochs=2", "train.precision=fp32", "model.hidden=[8]")
    with terminal(*words, environment={"NO_COLOR": "1"}) as shown:
        wait_until(lambda: shown.process.poll() is not None, seconds=100)
        wait_until(lambda: "next: eyas evaluate" in shown.text, seconds=20)
        assert "ETA" in shown.text
        assert not re.search(r"\x1b\[(?:\d+;)*(?:3\d|38;5;\d+)m", shown.raw)


@pytest.mark.parametrize("words", [["--help"], ["train", "--help"], ["deploy", "azure", "--help"]])
def test_help_fits_into_80_columns(here, words):
    assert max(map(len, piped(here, *words).stdout.splitlines())) <= 80
