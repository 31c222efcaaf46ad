"""The report of a service's monitor, made of what a real service has left."""

from __future__ import annotations

import base64
import io
import json
import re
import shutil
import sqlite3
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import date
from html.parser import HTMLParser
from pathlib import Path
from time import time
from typing import Any

import httpx
import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image
from typer.testing import CliRunner

from eyas.bundle import Bundle
from eyas.cli import app
from eyas.core.errors import ConfigError, DataError, StoreError
from eyas.core.language import LANGUAGES
from eyas.image import ImagePolicy
from eyas.monitor.accuracy import held_out_accuracy
from eyas.monitor.folder import ABOUT, ALARMS, STATUS, read_status, read_versions
from eyas.monitor.store import Prediction, open_store, pack_scores
from eyas.report.document import Callout, Document, Gallery, Table, Text
from eyas.report.monitoring import Asked, MonitorFacts, gather, monitor_document
from eyas.report.monitoring.facts import Accuracy
from eyas.report.monitoring.words import words
from support.bundles import CLASSES, VAL, digits, make_bundle
from support.postgres import PASSWORD, needs_postgres, running_postgres
from support.server import Server, running
from support.waiting import wait_until

ON = date(2026, 1, 2)
CLEAN, CHANGED, LABELLED = 80, 60, 25


@dataclass
class Left:
    """What a stopped service has left, and what it was sent."""

    folder: Path
    images: dict[str, NDArray[np.uint8]]
    """(8, 8) by the ids of their predictions."""
    changed: set[str]


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    return make_bundle(tmp_path_factory.mktemp("drift") / "bundle")


@pytest.fixture(scope="module")
def drifted(bundle: Bundle, tmp_path_factory: pytest.TempPathFactory) -> Left:
    """Digits as they are, then negatives of digits, until the alarm; some of both with their labels."""
    folder = tmp_path_factory.mktemp("drifted") / "monitor"
    images, labels = held_out(CLEAN + CHANGED)
    images[CLEAN:] = 255 - images[CLEAN:]
    with serving(bundle, folder) as server:
        ids = predict(server, images[:CLEAN])
        wait_until(lambda: predictions(server) == CLEAN, seconds=20)
        ids += predict(server, images[CLEAN:])
        rows = [*range(LABELLED), *range(CLEAN, CLEAN + LABELLED)]
        told = [{"id": ids[row], "label": CLASSES[labels[row]]} for row in rows]
        assert httpx.post(f"{server.url}/feedback", json={"feedback": told}).json() == {"received": 2 * LABELLED}
        wait_until(lambda: predictions(server) == CLEAN + CHANGED, seconds=20)
        wait_until(lambda: version(server)["feedback"]["labels"] == 2 * LABELLED, seconds=20)
        assert version(server)["drift"] == "now"
        assert server.stop()[0] == 0
    return Left(folder, dict(zip(ids, images[..., 0], strict=True)), {*ids[CLEAN:]})


@pytest.fixture(scope="module")
def calm(bundle: Bundle, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("calm") / "monitor"
    with serving(bundle, folder) as server:
        predict(server, held_out(40)[0])
        wait_until(lambda: predictions(server) == 40, seconds=20)
        assert server.stop()[0] == 0
    return folder


def serving(bundle: Bundle, folder: Path) -> Any:
    config = {"folder": str(folder), "most_per_second": 1e6, "keep_images": 0.999999}
    return running(bundle.path, workers=1, monitor=config)


def held_out(count: int) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    """Shuffled: those that come later are by other hands, which is a drift."""
    images, labels = digits(ImagePolicy(8, 8, 1), VAL)
    drawn = np.random.default_rng(0).permutation(len(images))[:count]
    return images[drawn], labels[drawn]


def predict(server: Server, images: NDArray[np.uint8]) -> list[str]:
    """One request each; their ids."""
    with httpx.Client(base_url=server.url) as client:
        answers = [client.post("/predict", json={"data": one, "range": 255}) for one in images.tolist()]
    return [str(answer.json()["id"]) for answer in answers]


def version(server: Server) -> dict[str, Any]:
    answer = httpx.get(f"{server.url}/monitor")
    found: dict[str, Any] = next(iter(answer.json()["versions"]), {}) if answer.status_code == 200 else {}
    return found


def predictions(server: Server) -> int:
    return int(version(server).get("predictions", 0))


def facts_of(folder: Path, asked: Asked | None = None) -> MonitorFacts:
    store = open_store(folder / "predictions.db")
    try:
        return gather(folder, store, asked or Asked(), time())
    finally:
        store.close()


def blocks(document: Document, kind: type) -> list[Any]:
    return [block for section in document.sections for block in section.blocks if isinstance(block, kind)]


class Cards(HTMLParser):
    """The pictures of a page by what they say, and whether everything is closed."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.pictures: dict[str, str] = {}
        self.fetched: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        found = dict(attrs)
        self.fetched += [place for name in ("src", "href") if (place := found.get(name))]
        if tag == "img":
            self.pictures[str(found["alt"])] = str(found["src"])


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_page_shows_the_alarm_and_the_images_that_were_sent(drifted: Left, tmp_path: Path, language: str) -> None:
    asked = ["report", str(drifted.folder), "--html", "--lang", language, "--out", str(tmp_path)]
    done = CliRunner().invoke(app, asked, catch_exceptions=False)
    assert done.exit_code == 0, done.output
    text = (tmp_path / f"report-{language}.html").read_text()
    page = Cards(text)
    assert all(place.startswith(("#", "data:image/png;base64,")) for place in page.fetched)
    alarm = read_versions(drifted.folder)[0].alarms[0]
    assert words(language)(f"kind.{alarm.kind}.name") in text
    shown = {alt.split()[-1]: source for alt, source in page.pictures.items() if alt.split()[-1] in drifted.images}
    assert len(shown) == 18  # 12 since the change, 6 before
    assert len(drifted.changed & shown.keys()) >= 11
    for name, source in shown.items():
        with Image.open(io.BytesIO(base64.b64decode(source.partition(",")[2]))) as picture:
            np.testing.assert_array_equal(np.asarray(picture), drifted.images[name])
    assert [name for name in alarm.examples if name not in shown] == []


def test_it_says_what_the_monitor_found(drifted: Left, tmp_path: Path) -> None:
    facts = facts_of(drifted.folder)
    document = monitor_document(facts, "en", tmp_path, ON)
    (found,) = facts.versions
    assert document.title == "Drift report: digits"
    assert [section.title for section in document.sections][::2] == [
        "Summary",
        document.sections[2].title,
        "What was looked at",
    ]
    (summary,) = blocks(document, Callout)
    assert summary.title == "digits digits-1: a change goes on"
    assert f"{CLEAN + CHANGED} predictions from" in summary.paragraphs[0]
    assert "Alarms: 1. The clearest:" in summary.paragraphs[1]
    assert found.accuracy is not None
    assert found.accuracy.labels == 2 * LABELLED
    assert f"of {2 * LABELLED} predictions with a label" in summary.paragraphs[2]
    assert "Since the last change began: " in summary.paragraphs[3]
    assert found.against_held_out == "below"
    assert summary.tone == "problem"
    assert summary.commands == ["eyas train DATA", "eyas models rollback REPOSITORY digits"]
    (change,) = found.changes
    assert change.begun.exact
    assert 0.9 * CLEAN < len(change.before) <= CLEAN
    assert len(change.before) + len(change.since) == CLEAN + CHANGED
    tables = {table.caption: table for table in blocks(document, Table)}
    assert all(len(row) == len(table.columns) for table in tables.values() for row in table.rows)
    looked_at = dict(tables["Of this report"].rows)
    assert looked_at["predictions"] == str(CLEAN + CHANGED)
    assert looked_at["dropped on the way to the store"] == "0 since the service was started"
    assert looked_at["false alarms, digits digits-1"] == "at most 1.00% in 10,000 predictions"
    assert sum(int(row[1]) for row in tables["digits digits-1: accuracy by true class, lowest first"].rows) == 50


def test_a_version_that_is_rolled_out_is_taken_back_by_its_rollout(drifted: Left, tmp_path: Path) -> None:
    facts = facts_of(drifted.folder)
    rollout = {"model": "digits", "challenger": {"version": "digits-1"}}
    document = monitor_document(replace(facts, status={**facts.status, "rollouts": [rollout]}), "en", tmp_path, ON)
    assert blocks(document, Callout)[0].commands == ["eyas rollout rollback REPOSITORY digits"]


def test_french_leaves_no_english_behind(drifted: Left, tmp_path: Path) -> None:
    document = monitor_document(facts_of(drifted.folder), "fr", tmp_path, ON)
    said = json.dumps(document.to_json()["sections"], ensure_ascii=False)
    said = re.sub(r'"file": "[^"]*"', "", said)
    assert re.findall(r"\b(?:the|and|since|before|which|accuracy|alarms?|unknown)\b", said) == []
    assert re.search("[0-9],[0-9]\u202f%", said)


def test_a_pdf_is_typeset(drifted: Left, tmp_path: Path) -> None:
    done = CliRunner().invoke(app, ["report", str(drifted.folder), "--out", str(tmp_path)], catch_exceptions=False)
    assert done.exit_code == 0, done.output
    assert (tmp_path / "report-en.pdf").read_bytes().startswith(b"%PDF-")


def test_without_alarms_the_report_is_calm(calm: Path, tmp_path: Path) -> None:
    document = monitor_document(facts_of(calm), "en", tmp_path, ON)
    (summary,) = blocks(document, Callout)
    assert (summary.tone, summary.title) == ("good", "digits digits-1: no change was found")
    assert "The tests raised no alarm" in summary.paragraphs[1]
    assert "No label has come" in summary.paragraphs[2]
    assert summary.commands == ["eyas replay IMAGES --shift darken --url http://localhost:5000"]
    assert [section.title for section in document.sections] == ["Summary", "Traffic", "Labels", "What was looked at"]
    assert blocks(document, Gallery) == []


def test_accuracy_is_below_as_an_alert_means_it(drifted: Left, bundle: Bundle) -> None:
    """Of few test images much is possible: between their lower bound and what they gave, nothing is proven."""
    (found,) = facts_of(drifted.folder).versions
    held_out = held_out_accuracy(bundle.manifest)
    assert held_out is not None
    for high, said in (
        (held_out.accuracy - 1e-3, "within"),
        (held_out.lower, "within"),
        (held_out.lower - 1e-3, "below"),
    ):
        assert replace(found, accuracy_since=Accuracy(1000, 900, 0.5, high)).against_held_out == said
    above = replace(found, accuracy_since=Accuracy(1000, 1000, held_out.upper + 1e-9, 1.0))
    assert above.against_held_out == "above"
    metrics = {"val": bundle.manifest.metrics["val"]}
    assert held_out_accuracy(bundle.manifest.model_copy(update={"metrics": metrics})) is None


def test_the_service_leaves_what_a_report_needs(drifted: Left, bundle: Bundle) -> None:
    (kept,) = read_versions(drifted.folder)
    assert kept.about is not None
    assert kept.about.classes == CLASSES
    assert kept.about.tested == held_out_accuracy(bundle.manifest)
    assert kept.about.held_out is not None
    assert kept.about.held_out.images == 300
    assert sum(kept.about.held_out.shares) == pytest.approx(1)
    assert {name: len(found) for name, found in kept.about.held_out.scores.items()} == {
        "confidence": 101,
        "energy": 101,
        "distance": 101,
    }
    assert kept.state is not None
    assert kept.state.watched == CLEAN + CHANGED
    assert read_status(drifted.folder)["store"]["written"] == CLEAN + CHANGED


@pytest.fixture
def copied(drifted: Left, tmp_path: Path) -> Iterator[Path]:
    return shutil.copytree(drifted.folder, tmp_path / "copied")


def test_what_an_older_eyas_has_left_is_reported_without_names(copied: Path, tmp_path: Path) -> None:
    version_folder = copied / "digits" / "digits-1"
    (version_folder / ABOUT).unlink()
    (copied / STATUS).unlink()
    lines = [json.loads(line) for line in (version_folder / ALARMS).read_text().splitlines()]
    for line in lines:
        del line["since_id"]
        line["classes"] = [{"label": "three", "before": None, "since": 0.25}]
    (version_folder / ALARMS).write_text("\n".join([*map(json.dumps, lines), '{"model": "dig']))  # and was killed
    facts = facts_of(copied)
    (tmp_path / "pictures").mkdir()
    said = str(monitor_document(facts, "en", tmp_path / "pictures", ON).to_json())
    assert not facts.versions[0].changes[0].begun.exact
    assert "about 20" in said
    assert "not known; an older eyas wrote the folder" in said
    assert "three 25.0%" in said
    assert "zero" not in said


def test_without_images_it_names_the_key(copied: Path, tmp_path: Path) -> None:
    with sqlite3.connect(copied / "predictions.db") as database:
        database.execute("DELETE FROM eyas_images")
    database.close()
    (tmp_path / "pictures").mkdir()
    document = monitor_document(facts_of(copied), "en", tmp_path / "pictures", ON)
    assert blocks(document, Gallery) == []
    assert [text for text in blocks(document, Text) if "serve.monitor.keep_images asks" in text.text]


def test_it_is_narrowed(drifted: Left) -> None:
    facts = facts_of(drifted.folder, Asked(days=1, model="digits", version="digits-1"))
    assert facts.predictions == CLEAN + CHANGED
    with pytest.raises(DataError, match="must hold predictions or alarms to report on, has none of version 9"):
        facts_of(drifted.folder, Asked(version="9"))
    with pytest.raises(ConfigError, match="--days must be above 0, got -1"):
        Asked(days=-1)


@pytest.mark.parametrize(
    ("hours", "span", "most"), [(1, 60, 61), (30 * 24, 12 * 3600, 62)], ids=["an hour", "thirty days"]
)
def test_spans_read_well(tmp_path: Path, hours: float, span: float, most: int) -> None:
    store, now = open_store(tmp_path / "predictions.db"), time()
    rows = np.linspace(now - 3600 * hours, now - 1, 500).tolist()
    scores = pack_scores(np.array([0.2, 0.8]))
    store.write(
        [
            Prediction(f"{n}", at, "m", "1", "champion", 1, 0.8, scores, False, n % 9 == 0, None, None, 1.0)
            for n, at in enumerate(rows)
        ]
    )
    store.close()
    facts = facts_of(tmp_path)
    (found,) = facts.versions
    assert found.traffic.span == span
    assert most - 3 <= len(found.traffic.buckets) <= most
    (tmp_path / "pictures").mkdir()
    (summary,) = blocks(monitor_document(facts, "fr", tmp_path / "pictures", ON), Callout)
    assert (summary.tone, summary.title) == ("note", "m 1 : dérive non testée")


@needs_postgres
def test_the_store_may_lie_in_postgresql(drifted: Left, tmp_path: Path) -> None:
    folder = shutil.copytree(drifted.folder, tmp_path / "monitor", ignore=shutil.ignore_patterns("*.db*"))
    kept = open_store(drifted.folder / "predictions.db")
    rows = [row.prediction for row in kept.recent(1000).rows]
    images = [image for row in rows if (image := kept.image(row.id))]
    kept.close()
    with running_postgres() as server:
        store = open_store(server.url)
        store.write([*rows, *images])
        store.close()
        words = ["report", str(folder), "--store", server.url, "--html"]
        done = CliRunner().invoke(app, words, catch_exceptions=False)
    assert done.exit_code == 0, done.output
    text = (folder / "report-en.html").read_text()
    assert text.count('class="card small"') == 18
    assert "postgresql://me@127.0.0.1" in text
    assert PASSWORD not in text


@pytest.mark.parametrize(
    ("made", "words", "says"),
    [
        (None, (), "must be a run, a study or the folder of a service's monitor; it is none of them"),
        ("", (), "must be a run, a study or the folder of a service's monitor; it is none of them"),
        ("", ("--days", "3"), "--days, --model and --version need the folder of a service's monitor"),
        ("", ("--store", "nowhere.db"), "there is no prediction store at nowhere.db"),
        ("", ("--store", "sqlite:///no/where.db"), "there is no prediction store at no/where.db"),
        ("digits/1/alarms.jsonl", (), "has no predictions.db: --store must name the store"),
    ],
)
def test_what_is_no_monitors_folder_is_said(
    tmp_path: Path, made: str | None, words: tuple[str, ...], says: str
) -> None:
    folder = tmp_path / "monitor"
    if made is not None:
        (folder / made).parent.mkdir(parents=True, exist_ok=True)
        folder.mkdir(exist_ok=True)
    if made:
        (folder / made).touch()
    with pytest.raises((ConfigError, StoreError), match=re.escape(says)):
        CliRunner().invoke(app, ["report", str(folder), *words], catch_exceptions=False)
    assert not Path("no").exists()


def test_both_languages_have_the_same_phrases_with_the_same_values() -> None:
    english, french = map(words, LANGUAGES)
    assert english.keys() == french.keys()
    for key in english.keys():  # noqa: SIM118 - a method, not a dict's
        assert english.fields(key) == french.fields(key), key
