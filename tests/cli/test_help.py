"""The help of every command: a sentence, an example that can be typed, the same options everywhere."""

import re
import subprocess
import sys

import pytest

from eyas.cli import words as shared
from eyas.core.config import is_override, known_keys
from eyas.core.errors import EXIT_CODES
from eyas.core.scalings import SCALINGS
from support.command_tree import EXAMPLE, command_tree
from support.pages import ROOT

TREE = command_tree()
LINES = {command.line: command for command in TREE}
WITHOUT_JSON = {
    "eyas serve": "it answers until it is ended",
    "eyas ui": "it answers until it is ended, and shows what `eyas` and the files of a run say as JSON",
    "eyas demo": "a walk to be watched; each of its stages has a command with --json",
}
FOLLOWING = {"eyas monitor", "eyas models mirror"}
"""With --follow they print one document a line."""


@pytest.mark.parametrize("command", TREE, ids=lambda command: command.line)
def test_help_begins_with_a_sentence_and_ends_with_an_example(command):
    said = command.found.help or ""
    sentence = said.partition("\n\n")[0]
    assert sentence.endswith("."), sentence
    assert len(sentence) < 250
    assert f"\n\n{EXAMPLE}eyas" in said
    assert all(parameter.help for parameter in command.found.params), command.line


def test_the_help_names_every_scaling():
    assert [word.partition(" (")[0] for word in shared.SCALINGS_HELP.split(", ")] == [*SCALINGS]


@pytest.mark.parametrize("command", TREE, ids=lambda command: command.line)
def test_an_example_is_read_by_the_command_itself(command):
    """Typer parses it: each option exists, has a value of its type, and none that is required is left out."""
    for words in command.examples:
        line, rest = _command_of(words)
        assert line.startswith(command.line), words
        context = LINES[line].found.make_context(line, list(rest))
        assert context.params is not None
        takes_keys = any("KEY=VALUE" in str(parameter.metavar) for parameter in LINES[line].found.params)
        given = [word.partition("=")[0] for word in rest if is_override(word) and not word.startswith("-")]
        if takes_keys and "--set" not in rest:
            assert [key for key in given if key not in KEYS] == []


KEYS = set(known_keys())


def test_every_command_prints_json_or_says_why_not():
    leaves = [command for command in TREE if not command.is_group]
    assert {command.line for command in leaves if "--json" not in command.options} == set(WITHOUT_JSON)
    assert {command.line for command in leaves if "--follow" in command.options} == FOLLOWING


@pytest.mark.parametrize("page", ["README.md", "docs/howto/command-line.md"])
def test_pages_name_the_commands_without_json(page):
    (said,) = re.findall(r"all but ([^:;.]+) have `--json`", (ROOT / page).read_text(), re.IGNORECASE)
    assert set(re.findall(r"`(.+?)`", said)) == set(WITHOUT_JSON)


def test_the_help_ends_with_the_exit_codes():
    listed = subprocess.run([sys.executable, "-m", "eyas", "--help"], capture_output=True, text=True, check=True).stdout
    line = " ".join(listed.partition("Exit codes:")[2].split())
    assert line.rstrip(".").split(", ") == [f"{code} {said.short}" for code, said in EXIT_CODES.items()]
    assert max(map(len, listed.splitlines())) <= 80


def _command_of(words):
    """The longest path of commands that the words begin with, and the words after it."""
    depth = next(n for n in range(len(words), -1, -1) if " ".join(["eyas", *words[:n]]) in LINES)
    return " ".join(["eyas", *words[:depth]]), words[depth:]


def test_examples_name_runs_in_one_way():
    named = {word for command in TREE for words in command.examples for word in words if word.startswith("runs/")}
    assert [word for word in named if not re.fullmatch(r"runs/[a-z0-9-]+-(\d+|\*)(/bundle)?", word)] == []
