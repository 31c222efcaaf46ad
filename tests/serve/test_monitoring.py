"""A real service that watches its predictions: drift found, labels joined, nothing lost with a process."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from click.testing import Result
from typer.testing import CliRunner

from eyas.bundle import Bundle
from eyas.cli import app
from eyas.image import ImagePolicy, to_png
from eyas.monitor.store import open_store
from support.bundles import CLASSES, VAL, digits
from support.server import Server, running
from support.waiting import wait_until
from support.watching import WATCH_ALL, clean, metrics, noise, predict, watcher_of


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "monitor"


@pytest.fixture
def watched(grey: Bundle, folder: Path) -> Iterator[Server]:
    with running(grey.path, workers=2, monitor={"folder": str(folder), "most_per_second": WATCH_ALL}) as server:
        yield server


def status(server: Server) -> dict[str, Any]:
    answer = httpx.get(f"{server.url}/monitor")
    found: dict[str, Any] = answer.json() if answer.status_code == 200 else {}
    return found


def version(server: Server) -> dict[str, Any]:
    found: dict[str, Any] = next(iter(status(server).get("versions", [])), {})
    return found


def test_every_prediction_is_counted_and_digits_are_no_drift(watched: Server) -> None:
    predict(watched, clean(150)[0])
    wait_until(lambda: version(watched).get("predictions") == 150, seconds=20)
    found = version(watched)
    assert (found["model"], found["version"]) == ("digits", "digits-1")
    assert (found["watched"], found["failures"], found["drift"], found["alarms"]) == (150, 0, "none", [])
    assert found["unknown"] <= 10
    assert status(watched)["lost"] == 0


def test_noise_raises_an_alarm_that_names_its_kind_and_examples(watched: Server, folder: Path) -> None:
    predict(watched, clean(60)[0])
    bad = predict(watched, noise(120))
    wait_until(lambda: version(watched).get("predictions") == 180, seconds=20)
    found = version(watched)
    alarm = found["alarms"][-1]
    assert found["drift"] == "now"
    assert found["unknown"] >= 110
    assert alarm["kind"] in ("covariate shift", "outliers")
    assert 20 <= alarm["at"] <= 100  # two workers tell of them, each in its own time
    assert set(alarm["examples"]) & set(bad)
    assert (folder / "digits" / "digits-1" / "alarms.jsonl").read_text().count("\n") == len(found["alarms"])
    samples = metrics(watched)
    assert samples["eyas_drift", "digits", "digits-1"] == 1
    assert sum(value for key, value in samples.items() if key[0] == "eyas_drift_alarms_total") == len(found["alarms"])
    assert sum(value for key, value in samples.items() if key[0] == "eyas_predictions_total") == 180


def test_labels_told_later_give_the_accuracy(watched: Server) -> None:
    images, labels = clean(80)
    ids = predict(watched, images)
    told = [{"id": name, "label": CLASSES[label]} for name, label in zip(ids, labels, strict=True)]
    early = {"id": "not-yet", "label": 3}
    assert httpx.post(f"{watched.url}/feedback", json=early).json() == {"received": 1}
    assert httpx.post(f"{watched.url}/feedback", json={"feedback": told}).json() == {"received": 80}
    wait_until(lambda: (version(watched).get("feedback") or {}).get("labels") == 80, seconds=20)
    found = version(watched)["feedback"]
    answers = httpx.post(f"{watched.url}/predict", json={"data": images, "range": 255}).json()["predictions"]
    right = sum(a == b for a, b in zip(answers, labels, strict=True))
    assert found["right"] == right
    assert found["lower"] < right / 80 < found["upper"] <= 1


@pytest.mark.parametrize(
    ("body", "status_code", "says"),
    [
        (b"{", 400, "JSON"),
        (b"{}", 422, "neither"),
        (b'{"id": "a", "label": "eleven"}', 422, "must be a class (zero, one"),
        (b'{"id": "a", "label": 10}', 422, "index in [0, 10), got '10'"),
        (b'{"id": "a", "label": 1, "feedback": []}', 422, "both"),
        (b'{"feedback": []}', 422, "1 to 1000 labels, got 0"),
        (b'{"id": "a", "label": ""}', 422, "must be a class"),
        (b'{"id": "", "label": 1}', 422, "id must be 1 to 200 characters"),
    ],
)
def test_a_label_that_breaks_a_rule_is_refused(watched: Server, body: bytes, status_code: int, says: str) -> None:
    answer = httpx.post(f"{watched.url}/feedback", content=body, headers={"Content-Type": "application/json"})
    assert answer.status_code == status_code
    assert says in answer.json()["detail"]


def test_a_killed_watcher_costs_no_prediction_and_its_successor_goes_on(watched: Server) -> None:
    predict(watched, clean(100)[0])
    wait_until(lambda: version(watched).get("watched") == 100, seconds=20)
    os.kill(watcher_of(watched), signal.SIGKILL)
    assert len(predict(watched, clean(40)[0])) == 40
    wait_until(lambda: version(watched).get("predictions") == 40, seconds=30)
    assert 40 <= version(watched)["watched"] <= 140  # from where the tests were last saved
    assert len(predict(watched, clean(5)[0])) == 5


def test_what_was_told_last_is_kept_when_the_service_stops(grey: Bundle, folder: Path) -> None:
    config = {"folder": str(folder), "most_per_second": WATCH_ALL, "keep_images": 0.999}
    with running(grey.path, workers=2, monitor=config) as server:
        ids = predict(server, clean(60)[0])
        assert server.stop()[0] == 0
    store = open_store(folder / "predictions.db")
    assert {row.prediction.id for row in store.recent(100).rows} == set(ids)
    image = store.image(ids[0])
    assert image is not None
    assert image.content.startswith(b"\x89PNG")
    store.close()
    with running(grey.path, workers=1, monitor=config) as server:
        wait_until(lambda: version(server).get("watched") == 60, seconds=20)


def test_a_store_that_cannot_be_written_fails_no_prediction(grey: Bundle, tmp_path: Path) -> None:
    (tmp_path / "taken").write_text("a file where a folder is to be")
    with running(grey.path, workers=1, monitor={"store": str(tmp_path / "taken" / "predictions.db")}) as server:
        predict(server, clean(30)[0])
        wait_until(lambda: version(server).get("predictions") == 30, seconds=20)
        answer = httpx.post(f"{server.url}/feedback", json={"id": "a", "label": 1})
        assert answer.status_code == 503
        assert answer.headers["retry-after"] == "5"


@pytest.fixture(scope="module")
def holdout(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The held-out digits as PNG, in folders by class."""
    folder = tmp_path_factory.mktemp("holdout")
    images, labels = digits(ImagePolicy(8, 8, 1), VAL)
    for number, (image, label) in enumerate(zip(images, labels, strict=True)):
        (folder / CLASSES[label]).mkdir(exist_ok=True)
        (folder / CLASSES[label] / f"{number}.png").write_bytes(to_png(image))
    return folder


def run(*words: str) -> Result:
    return CliRunner().invoke(app, [*words])


def test_replayed_noise_raises_an_alarm_where_the_same_images_as_they_are_raise_none(
    watched: Server, holdout: Path
) -> None:
    words = ("--url", watched.url, "--clean", "100", "--changed", "300", "--rate", "1000")
    result = run("replay", str(holdout), "--shift", "noise=120", *words)
    assert result.exit_code == 0, result.output
    assert "100 images as they are: no alarm" in result.output
    assert "noise=120: alarm within" in result.output


def test_images_that_a_store_has_kept_are_replayed(grey: Bundle, folder: Path) -> None:
    monitor = {"folder": str(folder), "most_per_second": WATCH_ALL, "keep_images": 1}
    with running(grey.path, workers=1, monitor=monitor) as server:
        predict(server, clean(100)[0])
        wait_until(lambda: (status(server).get("store") or {}).get("written") == 100, seconds=20)
        store = folder / "predictions.db"
        result = run(
            "replay", str(store), "--shift", "noise=120", "--url", server.url, "--clean", "50", "--rate", "1000"
        )
    assert result.exit_code == 0, result.output
    assert "50 images as they are: no alarm" in result.output
    assert "noise=120: alarm within" in result.output


def test_a_store_without_images_cannot_be_replayed(tmp_path: Path) -> None:
    for place in (tmp_path / "no" / "where.db", f"sqlite:///{tmp_path / 'no' / 'where.db'}"):
        nowhere = run("replay", str(place), "--shift", "noise")
        assert f"no prediction store at {tmp_path}/no/where.db, and no folder of images" in str(nowhere.exception)
    assert not (tmp_path / "no").exists()
    store = open_store(tmp_path / "empty.db")
    store.check()
    store.close()
    empty = run("replay", str(tmp_path / "empty.db"), "--shift", "noise")
    assert "has none: serve.monitor.keep_images keeps a share" in str(empty.exception)


def test_the_command_shows_what_the_service_knows(watched: Server, tmp_path: Path) -> None:
    images, labels = clean(60)
    ids = predict(watched, images)
    rows = "".join(f"{name},{CLASSES[label]}\n" for name, label in zip(ids, labels, strict=True))
    (tmp_path / "labels.csv").write_text(f"id,label\n{rows}")
    assert run("feedback", str(tmp_path / "labels.csv"), "--url", watched.url).output == "60 labels were kept\n"
    wait_until(lambda: (version(watched).get("feedback") or {}).get("labels") == 60, seconds=20)
    shown = run("monitor", "--url", watched.url).output
    assert "digits-1" in shown
    assert "of 60" in shown
    assert "60 predictions are in" in shown
    assert json.loads(run("monitor", "--url", watched.url, "--json").output)["versions"][0]["predictions"] == 60


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("--knockout", "ten"), "must have images of ten and of others"),
        ((), "one of --shift and --knockout must be given"),
        (("--shift", "noise=much"), "NAME=AMOUNT with a number, got much"),
    ],
)
def test_what_cannot_be_replayed_is_refused(holdout: Path, words: tuple[str, ...], says: str) -> None:
    result = run("replay", str(holdout), *words)
    assert says in str(result.exception)
