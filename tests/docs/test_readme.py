"""The README's commands, run as they stand there; its table of commands; the links of the pages that GitHub shows."""

import re
import subprocess
import sys

import pytest
from PIL import Image

from support.pages import ROOT, figures, run_blocks, shown_outputs
from support.printed import difference

README = (ROOT / "README.md").read_text()


@pytest.mark.pages
@pytest.mark.timeout(600)
def test_every_command_of_the_readme_runs_and_prints_what_it_shows(tmp_path):
    printed = run_blocks(ROOT / "README.md", tmp_path, timeout=550)
    wrong = {index: difference(shown, printed[index]) for index, shown in shown_outputs(README)}
    assert len(wrong) >= 7
    assert {index: said for index, said in wrong.items() if said} == {}, "make readme renews them"
    for shown, made in figures(ROOT / "README.md"):
        for file in (shown, tmp_path / made):
            with Image.open(file) as picture:
                assert picture.width >= 400, file


def test_the_pictures_of_the_tour_are_committed_and_small():
    shown = [file for file, _ in figures(ROOT / "README.md")]
    assert sorted(shown) == sorted((ROOT / "docs" / "tour").iterdir())
    assert all(file.stat().st_size < 100_000 for file in shown)


@pytest.mark.parametrize(
    ("shown", "printed", "said"),
    [
        ("trained 40 epochs in 9.1 s (fp32)", "trained 8 epochs in 0.2 s (bf16)", ""),
        ("│ a │  1 │\n└───┴────┘", "│ a │ -1,000.5 │\n└───┴──────────┘", ""),
        ("run-1b03c84e, 7.7e-07", "run-0aa3c841, 1e-08", ""),
        ("first\n…", "first\nsecond\nthird", ""),
        ("first", "first\nsecond", "shown: (nothing)\nprinted: second"),
        ("feedback", "decade", "shown: feedback\nprinted: decade"),
    ],
)
def test_numbers_may_differ_and_words_may_not(shown, printed, said):
    assert difference(shown, printed) == said


def test_what_training_is_said_to_take_is_what_it_took():
    assert "in ten seconds on an idle core and\nwithin a minute on a busy one" in README
    (seconds,) = re.findall(r"^trained 40 epochs in ([\d.]+) s", README, re.MULTILINE)
    assert 1 < float(seconds) < 60


def test_every_verb_is_in_the_readme():
    listed = subprocess.run([sys.executable, "-m", "eyas", "--help"], capture_output=True, text=True, check=True).stdout
    verbs = re.findall(r"^  ([\w-]+) +\w", listed.partition("Commands:")[2].partition("Exit codes:")[0], re.MULTILINE)
    assert len(verbs) >= 9
    assert [verb for verb in verbs if f"eyas {verb}" not in README] == []


def test_links_to_files_lead_somewhere():
    targets = re.findall(r"\]\((?!http)([^)#\s]+)[^)]*\)", README + (ROOT / "CONTRIBUTING.md").read_text())
    assert [target for target in targets if not (ROOT / target).exists()] == []
