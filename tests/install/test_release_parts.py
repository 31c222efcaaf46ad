"""The version, the changelog and the tag; licences."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

import eyas

sys.path.insert(0, str(Path(__file__).parent))
import licences
from licences import PAGE, Library, libraries
from release import ROOT, disagreements

CHANGELOG = "# Changelog\n\n## [Unreleased]\n\n## [0.2.0] - 2026-12-01\n\n- new\n\n## [0.1.0] - 2026-11-01\n"


def test_this_commit_agrees_with_itself() -> None:
    assert disagreements(eyas.__version__, (ROOT / "CHANGELOG.md").read_text()) == []


@pytest.mark.parametrize(
    ("version", "tag", "change", "words"),
    [
        ("0.2.0", "v0.2.0", ("", ""), []),
        ("0.3.0.dev0", "", ("", ""), []),
        ("0.3.0", "", ("", ""), ["eyas.__version__ is 0.3.0, the changelog's newest version 0.2.0"]),
        ("0.2.0", "v0.3.0", ("", ""), ["the tag must be v0.2.0, as eyas.__version__ has it, got v0.3.0"]),
        ("0.3.0.dev0", "v0.3.0.dev0", ("", ""), ["a release must be X.Y.Z, eyas.__version__ is 0.3.0.dev0"]),
        ("0.2.0", "", ("## [Unreleased]", ""), ["CHANGELOG.md must begin with [Unreleased], got ['0.2.0']"]),
        ("0.2.0", "", (" - 2026-11-01", ""), ["CHANGELOG.md: 0.1.0 lacks its date"]),
        (
            "0.2.0",
            "",
            ("0.1.0", "0.10.0"),
            ["CHANGELOG.md must have versions X.Y.Z, the newest first, got 0.2.0, 0.10.0"],
        ),
    ],
)
def test_what_disagrees_is_said(version: str, tag: str, change: tuple[str, str], words: list[str]) -> None:
    found = disagreements(version, CHANGELOG.replace(*change) if change[0] else CHANGELOG, tag)
    assert found[: len(words)] == words
    assert bool(found) == bool(words)


def test_every_library_is_listed_under_a_licence_that_asks_nothing_of_users() -> None:
    found, left_out = libraries()
    assert left_out.keys() <= {"aws"}  # boto3 does not fit requirements.lock; `make release-check` puts it beside
    assert [one.trouble for one in found if one.trouble] == []
    listed = set(PAGE.read_text().splitlines())
    installed = {line.replace("| aws, ", "| ") for line in listed} if left_out else listed
    assert [one.row for one in found if one.row not in installed] == []
    assert {"boto3", "botocore", "jmespath", "s3transfer"} <= {
        row.split(" ")[1] for row in listed if row.endswith("| aws |")
    }
    assert {"numpy", "onnxruntime", "pillow"} <= {one.name for one in found if "serve" in one.extras}


@pytest.mark.parametrize("words", [["--check"], []])
def test_an_extra_that_is_left_out_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, words: list[str]) -> None:
    (tmp_path / "docs").mkdir()
    (tmp_path / "docs" / "licences.md").write_text("kept")
    text = '[project]\ndependencies = ["numpy"]\n[project.optional-dependencies]\nodd = ["no-such-library"]\n'
    (tmp_path / "pyproject.toml").write_text(text)
    monkeypatch.setattr(licences, "ROOT", tmp_path)
    monkeypatch.setattr(licences, "PAGE", tmp_path / "docs" / "licences.md")
    monkeypatch.setattr(sys, "argv", ["licences.py", *words])
    with pytest.raises(SystemExit, match="the extra odd is left out: no-such-library is not installed here"):
        licences.main()
    assert licences.PAGE.read_text() == "kept"


@pytest.mark.parametrize(
    ("licence", "is_trouble"),
    [
        ("", True),
        ("GPLv3", True),
        ("GNU Affero General Public License v3", True),
        ("AGPL-3.0-or-later", True),
        ("LGPL-3.0-only", False),
        ("GNU Lesser General Public License v3 (LGPLv3)", False),
        ("MPL-2.0 AND MIT", False),
        ("GNU General Public License v2 (GPLv2)", True),
    ],
)
def test_which_licences_are_refused(licence: str, is_trouble: bool) -> None:
    assert bool(Library("made-up", licence, ("serve",)).trouble) == is_trouble
