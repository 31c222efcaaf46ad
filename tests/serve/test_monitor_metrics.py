"""What the watcher tells Prometheus, over its death and over a restart of the service."""

from __future__ import annotations

import os
import signal
from pathlib import Path
from time import time
from typing import Any

import httpx
import numpy as np
import pytest

from eyas.bundle import Bundle, Repository
from eyas.monitor.store import Outcome
from eyas.rollout import Move, make_plan, rollouts_of
from eyas.serve.metrics import Tables
from eyas.serve.monitor_status import MonitorStatus, StoreStatus
from eyas.serve.monitoring.counts import BoardCounts, LabelCounts, VersionCounts
from support.bundles import CLASSES, make_bundle
from support.server import Server, running
from support.waiting import wait_until
from support.watching import WATCH_ALL, clean, metrics, predict, watcher_of

WHO = ("digits", "digits-1")


def outcome(number: int, *, correct: bool) -> Outcome:
    return Outcome(number, f"id-{number}", 1, 1 if correct else 2, 0.9, "digits", "1", "champion", 0.0)


def feedback(tables: Tables) -> dict[str, float]:
    total = tables.total()
    return {series[-1]: numbers[0] for series, numbers in total.items() if series[0] == "eyas_feedback"}


def test_labels_are_counted_once_whichever_watcher_reads_them() -> None:
    tables = Tables(1)
    first = LabelCounts(tables.counts(0))
    first.begin(3)
    first.met([outcome(number, correct=True) for number in (1, 2, 3)], 3)  # there before the service was
    first.met([outcome(4, correct=True), outcome(5, correct=False)], 7)  # 6 and 7 correct earlier ones
    second = LabelCounts(tables.counts(0))
    second.begin(7)
    second.met([outcome(number, correct=True) for number in (1, 2, 3, 4, 6, 7)], 7)
    second.met([outcome(8, correct=False)], 8)
    assert feedback(tables) == {"right": 1, "wrong": 2}


def test_labels_that_came_while_no_watcher_was_there_are_counted_by_the_next() -> None:
    tables = Tables(1)
    LabelCounts(tables.counts(0)).begin(0)
    second = LabelCounts(tables.counts(0))
    second.begin(2)
    second.met([outcome(1, correct=True), outcome(2, correct=True)], 2)
    assert feedback(tables) == {"right": 2}


def board(written: int, dropped: dict[str, int]) -> MonitorStatus:
    return MonitorStatus([], 0, StoreStatus("predictions.db", written, 5, dropped, None, labels_read=True), [], [])


def test_a_second_watchers_store_is_counted_on_top_of_the_first_ones() -> None:
    tables = Tables(1)
    for written, dropped in ((10, {}), (7, {"overflow": 3})):
        counts = BoardCounts(tables.counts(0))
        counts.tell(board(written - 2, {}))
        counts.tell(board(written, dropped))
    total = {series: numbers[0] for series, numbers in tables.total().items()}
    assert total["eyas_store_written",] == 17
    assert total["eyas_store_waiting",] == 5
    assert total["eyas_store_dropped", "overflow"] == 3
    assert total["eyas_store_dropped", "refused"] == 0


@pytest.mark.parametrize(
    ("classes", "labels"), [(CLASSES, {*CLASSES}), (tuple(f"c{number}" for number in range(201)), {"all"})]
)
def test_each_class_is_0_from_the_start(classes: tuple[str, ...], labels: set[str]) -> None:
    tables = Tables(1)
    counts = VersionCounts(tables.counts(0), "digits", "1", classes)
    found = {series: numbers[0] for series, numbers in tables.total().items() if series[0] == "eyas_predictions"}
    assert found == {("eyas_predictions", "digits", "1", label): 0 for label in labels}
    counts.predicted(np.array([1, 1]), 0, 0)
    label = classes[1] if len(labels) > 1 else "all"
    assert tables.total()["eyas_predictions", "digits", "1", label][0] == 2


def test_tests_that_go_on_where_they_were_saved_take_nothing_back() -> None:
    tables = Tables(1)
    for saved, watched in ((0, 100), (60, 90)):
        counts = VersionCounts(tables.counts(0), "digits", "1", CLASSES)
        counts.goes_on(saved, 0)
        counts.watched(watched, 0)
    assert tables.total()["eyas_monitor_watched", "digits", "1"][0] == 130


def tell(server: Server, count: int, *, wrong: int) -> None:
    """Labels of so many predictions, the first of them wrong."""
    images, truths = clean(count)
    classes = [httpx.post(f"{server.url}/predict", json={"data": one, "range": 255}).json() for one in images]
    told = [
        {"id": one["id"], "label": (one["predictions"][0] + (number < wrong)) % 10}
        for number, one in enumerate(classes)
    ]
    assert len(truths) == count
    assert httpx.post(f"{server.url}/feedback", json={"feedback": told}).status_code == 200


def waits_for(server: Server, expected: dict[tuple[str, ...], float]) -> None:
    wait_until(lambda: expected.items() <= metrics(server).items(), seconds=30)


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="finds the watcher in /proc")
def test_counters_go_on_over_a_killed_watcher_and_begin_anew_with_the_service(grey: Bundle, tmp_path: Path) -> None:
    monitor: dict[str, Any] = {"folder": str(tmp_path / "monitor"), "most_per_second": WATCH_ALL, "save_seconds": 0}
    right, wrong = (("eyas_feedback_total", "digits", word, "digits-1") for word in ("right", "wrong"))
    with running(grey.path, workers=1, monitor=monitor) as server:
        waits_for(server, {right: 0, wrong: 0, ("eyas_accuracy_lower", *WHO): 0, ("eyas_accuracy_upper", *WHO): 1})
        tell(server, 60, wrong=20)
        waits_for(server, {right: 40, wrong: 20, ("eyas_store_written_total",): 60})
        before = metrics(server)
        assert before["eyas_accuracy_lower", *WHO] < 2 / 3 < before["eyas_accuracy_upper", *WHO]
        assert before["eyas_accuracy_held_out", *WHO] == grey.manifest.accuracy
        os.kill(watcher_of(server), signal.SIGKILL)
        tell(server, 30, wrong=10)
        waits_for(server, {right: 60, wrong: 30, ("eyas_store_written_total",): 90})
        waits_for(server, {("eyas_monitor_watched_total", *WHO): 90})
        assert server.stop()[0] == 0
    with running(grey.path, workers=1, monitor=monitor) as server:
        wait_until(lambda: metrics(server).get(("eyas_accuracy_upper", *WHO), 1) < 1, seconds=30)
        after = metrics(server)
        assert (after[right], after[wrong], after["eyas_store_written_total",]) == (0, 0, 0)


def test_a_challengers_share_is_told_and_0_once_its_rollout_is_over(tmp_path: Path) -> None:
    repository = Repository(tmp_path / "models")
    repository.publish(make_bundle(tmp_path / "old", version="1").path, live=True)
    repository.publish(make_bundle(tmp_path / "new", version="2", sharpness=1.1).path)
    store = rollouts_of(repository, "digits")
    share = ("eyas_rollout_share", "digits", "2")

    def start() -> None:
        plan = {"champion": "1", "challenger": "2", "mode": "canary", "stages": [0.2, 1.0]}
        store.start(make_plan(plan), by="test", why="to try it", now=time())

    start()
    with running(repository.path, workers=1, poll_seconds=0.2, monitor={}) as server:
        waits_for(server, {share: 0.2})
        assert predict(server, clean(1)[0])
        store.move(Move.ROLL_BACK, by="test", why="enough", now=time())
        waits_for(server, {share: 0})
        start()
        waits_for(server, {share: 0.2})
