"""A study's report, made of a real one."""

import re
from datetime import date

import pytest
from typer.testing import CliRunner

from eyas.cli import app
from eyas.compare.conclusion import words
from eyas.compare.document import study_document
from eyas.compare.plan import load_plan
from eyas.compare.running import read_results
from eyas.core.errors import ConfigError
from eyas.core.language import LANGUAGES
from eyas.report.document import Table


@pytest.fixture(scope="module")
def study(tmp_path_factory):
    runs = tmp_path_factory.mktemp("study")
    words = ["compare", "digits", "--study", "batchnorm", "--seeds", "2", "train.epochs=2", f"runs_dir={runs}"]
    done = CliRunner().invoke(app, words, catch_exceptions=False)
    assert done.exit_code == 0, done.output
    return runs / "digits-batchnorm-1"


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_command_writes_both_forms(study, tmp_path, language):
    arguments = ["report", str(study), "--lang", language, "--pdf", "--html", "--out", str(tmp_path)]
    assert CliRunner().invoke(app, arguments, catch_exceptions=False).exit_code == 0
    assert (tmp_path / f"report-{language}.pdf").read_bytes().startswith(b"%PDF-")
    page = (tmp_path / f"report-{language}.html").read_text()
    assert re.findall(r'(?:src|href)="(?!data:|#)', page) == []


def test_what_it_says_is_what_was_found(study, tmp_path, digits):
    plan = load_plan(study)
    results = read_results(study, plan, digits)
    documents = {
        language: study_document(study, plan, results, language, tmp_path, date(2026, 1, 2)) for language in LANGUAGES
    }
    blocks = [block for section in documents["en"].sections for block in section.blocks]
    ranking = next(block for block in blocks if isinstance(block, Table) and "ranked" in block.caption)
    assert [row[0] for row in ranking.rows] == [arm.name for arm in results[0].arms]
    assert ranking.rows[0][1] == f"{results[0].arms[0].val.mean:.4f}"
    french = str([block.to_json() for section in documents["fr"].sections for block in section.blocks])
    assert re.findall(r"\b(?:the|beyond|seeds|accuracy|epochs (?!\w+:))\b", french.replace("train.epochs", "")) == []


def test_an_unfinished_study_is_not_reported(study, tmp_path, digits):
    plan = load_plan(study)
    with pytest.raises(ConfigError, match=r"must be finished, got 4 runs to make; .*eyas compare --resume"):
        read_results(tmp_path, plan, digits)


def test_both_languages_have_the_same_phrases_with_the_same_values():
    english, french = map(words, LANGUAGES)
    assert english.keys() == french.keys()
    for key in english.keys():  # noqa: SIM118 - a method, not a dict's
        assert english.fields(key) == french.fields(key), key
