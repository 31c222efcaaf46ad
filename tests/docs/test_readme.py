"""The README's commands, run as they stand there; its table of commands; the links of the pages that GitHub shows."""

import re
import subprocess
import sys

import pytest

from support.pages import ROOT, run_page

README = (ROOT / "README.md").read_text()


@pytest.mark.pages
@pytest.mark.timeout(600)
def test_every_command_of_the_readme_runs(tmp_path):
    said = run_page(ROOT / "README.md", tmp_path, timeout=550)
    assert said.count('"labels":["7"]') == 3
    assert re.search(r"7 with \d+\.\d%", said)
    assert (tmp_path / "eyas.yaml").exists()


def test_every_verb_is_in_the_readme():
    listed = subprocess.run([sys.executable, "-m", "eyas", "--help"], capture_output=True, text=True, check=True).stdout
    verbs = re.findall(r"^  ([\w-]+) +\w", listed.partition("Commands:")[2], re.MULTILINE)
    assert len(verbs) >= 9
    assert [verb for verb in verbs if f"eyas {verb}" not in README] == []


def test_links_to_files_lead_somewhere():
    targets = re.findall(r"\]\((?!http)([^)#]+)\)", README + (ROOT / "CONTRIBUTING.md").read_text())
    assert [target for target in targets if not (ROOT / target).exists()] == []
