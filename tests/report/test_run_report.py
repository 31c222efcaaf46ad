"""Reports on real runs, in both languages and both forms."""

import re
from datetime import date
from html.parser import HTMLParser

import pytest
from typer.testing import CliRunner

from eyas.api.looking_back import look_at
from eyas.cli import app
from eyas.core.config import load_values
from eyas.core.errors import ConfigError, DataError
from eyas.core.language import LANGUAGES
from eyas.nn import build_network, run_network
from eyas.report import run_document
from eyas.report.document import Callout, Figure, Table
from eyas.report.words import words
from eyas.train import start_run


@pytest.fixture(scope="module")
def run(digits, tmp_path_factory):
    return _train(digits, tmp_path_factory.mktemp("report"), "train.epochs=4")


def _train(digits, folder, *settings):
    config = load_values({}, ["data.source=digits", f"runs_dir={folder}", "train.threads=1", *settings], "test")
    return start_run(config, digits).run


class Page(HTMLParser):
    """What a browser would fetch, and what a blind reader would hear."""

    def __init__(self, text):
        super().__init__()
        self.fetched, self.alts, self.open = [], [], []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        found = dict(attrs)
        self.fetched += [found[name] for name in ("src", "href") if name in found]
        if tag == "img":
            self.alts.append(found["alt"])
        if tag not in ("meta", "img"):
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_command_writes_both_forms(run, tmp_path, language):
    arguments = ["report", str(run.path), "--lang", language, "--pdf", "--html", "--out", str(tmp_path)]
    before = run.read_metrics()
    done = CliRunner().invoke(app, arguments)
    assert done.exit_code == 0, done.output
    assert run.read_metrics() == before  # the report lies elsewhere, and leaves the run as it is
    pdf = (tmp_path / f"report-{language}.pdf").read_bytes()
    assert pdf.startswith(b"%PDF-")
    assert pdf.rstrip().endswith(b"%%EOF")
    page = Page((tmp_path / f"report-{language}.html").read_text())
    assert page.open == []
    assert all(place.startswith(("#", "data:image/png;base64,")) for place in page.fetched)
    assert len(page.alts) >= 8
    assert all(page.alts)


def test_the_sections_say_what_was_measured(run, tmp_path):
    facts = look_at(run.path)
    assert run.read_metrics()["test"]["images"] == 180
    document = run_document(facts, "en", tmp_path, date(2026, 1, 2))
    titles = [section.title for section in document.sections]
    assert titles == [
        *("Summary", "Data", "Model", "Training", "Results"),
        *("Calibration", "Diagnosis", "Examples", "How to reproduce it"),
    ]
    assert f"right on {facts.evaluations['test'].accuracy:.1%}" in document.sections[0].blocks[0].text
    tables = [block for section in document.sections for block in section.blocks if isinstance(block, Table)]
    assert all(
        len(row) == len(table.columns) == len(table.to_json()["numeric"]) for table in tables for row in table.rows
    )
    figures = [block for section in document.sections for block in section.blocks if isinstance(block, Figure)]
    assert all((tmp_path / figure.file).stat().st_size > 1000 for figure in figures)
    assert "train.epochs" in str(tables)


def test_french_leaves_no_english_behind(run, tmp_path):
    document = run_document(look_at(run.path), "fr", tmp_path, date(2026, 1, 2))
    blocks = [block.to_json() for section in document.sections for block in section.blocks]
    said = str([block for block in blocks if block["kind"] != "code"])
    assert re.findall(r"\b(?:the|and|training|images? of|which|error|accuracy)\b", said) == []
    assert document.date == "02/01/2026"


def test_an_unfinished_run_and_one_without_validation_are_said_to_be_so(digits, tmp_path):
    short = _train(digits, tmp_path, "train.epochs=2")
    text = short.config_file.read_text().replace("epochs: 2", "epochs: 9")
    short.config_file.write_text(text)
    boxes = run_document(look_at(short.path), "en", tmp_path, date(2026, 1, 2)).sections[0].blocks
    box = next(box for box in boxes if isinstance(box, Callout))
    assert box.commands == [f"eyas train --resume {short.path}"]


def test_a_run_without_a_validation_split_has_no_diagnosis(tmp_path):
    settings = ["data.source=digits", "data.val_fraction=0", "train.monitor=loss", "train.epochs=1"]
    done = CliRunner().invoke(app, ["train", *settings, f"runs_dir={tmp_path}", "name=alone", "train.threads=1"])
    assert done.exit_code == 0, done.output
    document = run_document(look_at(tmp_path / "alone-1"), "en", tmp_path, date(2026, 1, 2))
    assert "Diagnosis" not in [section.title for section in document.sections]
    assert "no validation split" in document.sections[0].blocks[1].text


def test_what_cannot_be_reported_is_refused(run, tmp_path):
    with pytest.raises(ConfigError, match="the language must be one of en, fr, got 'es'"):
        CliRunner().invoke(app, ["report", str(run.path), "--lang", "es"], catch_exceptions=False)
    dead = tmp_path / "dead-1"
    dead.mkdir()
    (dead / "config.yaml").write_text(run.config_file.read_text())
    with pytest.raises(DataError, match="no finished epoch"):
        look_at(dead)


def test_both_languages_have_the_same_phrases_with_the_same_values():
    english, french = map(words, LANGUAGES)
    assert english.keys() == french.keys()
    for key in english.keys():  # noqa: SIM118 - a method, not a dict's
        assert english.fields(key) == french.fields(key), key


def test_a_run_is_opened_and_asked_once(run, monkeypatch):
    loaded, asked = [], []
    monkeypatch.setattr("eyas.nn.weights.build_network", lambda *given: loaded.append(1) or build_network(*given))
    monkeypatch.setattr("eyas.train.run.network_of", lambda *_: loaded.append(1))
    monkeypatch.setattr(
        "eyas.train.evaluation.run_network",
        lambda network, split: asked.append(split.name) or run_network(network, split),
    )
    look_at(run.path, record=False)
    assert loaded == [1]
    assert asked == ["val", "test", "train"]


def test_a_run_without_images_to_measure_is_refused(tmp_path):
    settings = ["data.source=digits", "data.val_fraction=0", "data.test_fraction=0", "train.monitor=loss"]
    words = [*settings, "train.epochs=1", f"runs_dir={tmp_path}", "name=all", "train.threads=1"]
    assert CliRunner().invoke(app, ["train", *words]).exit_code == 0
    with pytest.raises(DataError, match="the val split of digits is empty"):
        look_at(tmp_path / "all-1")
