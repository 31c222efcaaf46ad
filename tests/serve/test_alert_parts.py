"""What is noticed, by whom it is remembered, and which moves of rollouts are told."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from time import time
from typing import Any

import msgspec
import pytest

from eyas.core.moments import iso
from eyas.core.schema import MonitoringConfig
from eyas.monitor.accuracy import HeldOutAccuracy
from eyas.rollout import Move, RolloutStore, make_plan
from eyas.rollout.state import FOLDER, HISTORY
from eyas.serve.alerts import Alerts
from eyas.serve.alerts.events import Event, event
from eyas.serve.alerts.memory import FILE, Kept, Memory
from eyas.serve.alerts.moves import Moves
from eyas.serve.alerts.noticing import LEFT_SECONDS, TROUBLE_SECONDS, Noticing
from eyas.serve.messages import Served, Version
from eyas.serve.monitor_status import (
    AccuracyStatus,
    AlarmStatus,
    Drift,
    MonitorStatus,
    StoreStatus,
    VersionStatus,
)
from support.receiver import Receiver
from support.waiting import wait_until

NOW = 1_700_000_000.0
SERVICE = "host:5000"


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    made = Receiver()
    made.start()
    yield made
    made.stop()


def alarm(at: int) -> AlarmStatus:
    return AlarmStatus("m", "1", "outliers", iso(NOW + at), ["energy"], at, at - 9, False, [], 0.5, 4.0, ["a-1"])


def version(drift: Drift = "none", *alarms: AlarmStatus, **more: Any) -> VersionStatus:
    """Its alarms, the newest first."""
    values: dict[str, Any] = {"feedback": None, "tested": None, **more}
    return VersionStatus(
        "m",
        "1",
        100,
        100,
        0,
        0,
        drift,
        None,
        [],
        0,
        values["feedback"],
        [*alarms],
        0.01,
        values["tested"],
    )


def accuracy(upper: float, labels: int = 100) -> VersionStatus:
    known = AccuracyStatus(labels, labels // 2, 0.5, 0.4, upper, 0.95)
    return version(feedback=known, tested=HeldOutAccuracy(0.9, 0.85, 0.94))


def monitor(*versions: VersionStatus, trouble: str | None = None, labels_read: bool = True) -> MonitorStatus:
    return MonitorStatus([*versions], 0, StoreStatus("p.db", 9, 0, {}, trouble, labels_read), [], [])


def seen(noticing: Noticing, status: MonitorStatus, now: float = NOW) -> list[str]:
    return [one.event for one in noticing.look(status, now)]


def test_a_drift_is_told_when_it_begins_and_when_it_is_over() -> None:
    noticing = Noticing(SERVICE, Memory())
    assert seen(noticing, monitor(version())) == []
    began, *rest = noticing.look(monitor(version("now", alarm(20))), NOW)
    assert (began.event, began.severity, began.model, began.since, rest) == ("drift", "ticket", "m", iso(NOW + 20), [])
    assert began.time == iso(NOW)
    assert began.summary == "m 1: outliers, since prediction 11 of 20, by energy; for example a-1"
    assert began.text == f"[{SERVICE}] {began.summary}"
    assert began.details["examples"] == ["a-1"]
    assert seen(noticing, monitor(version("now", alarm(20)))) == []
    over, *rest = noticing.look(monitor(version("once", alarm(20))), NOW + 60)
    assert (over.event, over.severity, over.since, over.time) == ("drift_over", "info", began.since, iso(NOW + 60))
    assert over.id != began.id
    assert seen(noticing, monitor(version("once", alarm(20)))) == []


def test_a_drift_that_has_gone_on_for_days_is_told_all_the_same(receiver: Receiver) -> None:
    days_ago = round(time() - NOW - 3 * 86_400)
    made = Alerts(MonitoringConfig(webhooks=(receiver.url,)), "http://0.0.0.0:5000", NOW)
    assert made.look(monitor(version("now", alarm(days_ago))), (), time())
    wait_until(lambda: receiver.events("drift"), seconds=10)
    assert (receiver.got[0].body["since"], made.status()[0].given_up) == (iso(NOW + days_ago), {})
    made.close()


def test_a_drift_that_came_and_went_between_two_looks_is_told_whole() -> None:
    noticing = Noticing(SERVICE, Memory())
    assert seen(noticing, monitor(version())) == []
    both = ["drift", "drift_over"]
    assert seen(noticing, monitor(version("once", alarm(20)))) == both
    assert seen(noticing, monitor(version("now", alarm(60), alarm(40), alarm(20)))) == [*both, "drift"]


def test_old_alarms_are_no_news_and_those_that_were_told_are_not_told_again() -> None:
    memory = Memory()
    assert seen(Noticing(SERVICE, memory), monitor(version("now", alarm(40), alarm(20)))) == ["drift"]
    assert seen(Noticing(SERVICE, memory), monitor(version("now", alarm(40), alarm(20)))) == []
    assert seen(Noticing(SERVICE, memory), monitor(version("once", alarm(40)))) == ["drift_over"]
    assert seen(Noticing(SERVICE, Memory()), monitor(version("once", alarm(20)))) == []


def test_the_conditions_of_a_version_that_is_no_longer_served_are_over() -> None:
    noticing = Noticing(SERVICE, Memory())
    assert seen(noticing, monitor(version("now", alarm(20)))) == ["drift"]
    assert seen(noticing, monitor()) == []
    (over,) = noticing.look(monitor(), NOW + LEFT_SECONDS)
    assert (over.event, over.summary) == ("drift_over", "m 1: no longer served")
    assert seen(noticing, monitor(version("now", alarm(20)))) == ["drift"]


def test_accuracy_is_told_once_it_is_below_all_that_the_test_images_left_open() -> None:
    memory = Memory()
    noticing = Noticing(SERVICE, memory)
    assert seen(noticing, monitor(accuracy(0.86))) == []
    (low,) = noticing.look(monitor(accuracy(0.84)), NOW)
    assert low.summary == (
        "m 1: accuracy is at most 84.0% by 100 labels, below the 90.0% (85.0% to 94.0%) of the held-out images"
    )
    assert seen(noticing, monitor(accuracy(0.83, 200))) == []
    again = Noticing(SERVICE, memory)
    assert seen(again, monitor(accuracy(1.0, 0), labels_read=False)) == []  # another watcher, which still reads
    assert seen(again, monitor(accuracy(0.9, 40))) == ["low_accuracy_over"]  # of the others, their days are over


def test_the_store_is_told_of_once_its_trouble_lasts() -> None:
    noticing = Noticing(SERVICE, Memory())
    assert seen(noticing, monitor(trouble="disk full"), NOW) == []
    assert seen(noticing, monitor(), NOW + 5) == []
    assert seen(noticing, monitor(trouble="disk full"), NOW + 6) == []
    late = NOW + 6 + TROUBLE_SECONDS
    (began,) = noticing.look(monitor(trouble="disk full"), late)
    assert (began.event, began.model, began.since) == ("store_trouble", None, iso(NOW + 6))
    assert began.summary == "predictions cannot be stored in p.db: disk full"
    assert seen(noticing, monitor(), late + 1) == []
    assert seen(noticing, monitor(), late + 1 + TROUBLE_SECONDS) == ["store_trouble_over"]


def table(folder: Path) -> tuple[Served, ...]:
    return (Served("m", "1", (Version("m", "1", str(folder / "1"), "stamp"),)),)


def looked(moves: Moves, folder: Path) -> list[Event]:
    moves._look_at = 0.0
    return [*moves.look(table(folder))]


def test_every_move_of_a_rollout_is_told_once_whoever_made_it(tmp_path: Path) -> None:
    store, memory = RolloutStore(tmp_path / FOLDER), Memory()
    plan = make_plan({"champion": "1", "challenger": "2", "mode": "canary", "stages": [0.1, 0.5]})
    store.start(plan, by="ann", why="before the service began", now=NOW - 1)
    moves = Moves(SERVICE, memory, NOW)
    assert looked(moves, tmp_path) == []
    store.move(Move.ADVANCE, by="eyas", why=("all is well", "so far"), now=NOW + 1)
    (told,) = looked(moves, tmp_path)
    assert told.summary == "m: the rollout of 2 goes on at 50 % (canary): all is well; so far"
    assert (told.event, told.version, told.severity, told.details["by"]) == ("rollout", "2", "info", "eyas")
    store.move(Move.ROLL_BACK, by="ann", why="it is slow", now=NOW + 2)
    (told,) = looked(Moves(SERVICE, memory, NOW + 9), tmp_path)  # another watcher
    assert told.summary == "m: the rollout of 2 is rolled back: it is slow"
    assert (told.severity, told.details["kind"], told.time) == ("ticket", "roll back", iso(NOW + 2))
    assert looked(Moves(SERVICE, memory, NOW), tmp_path) == []


def test_a_damaged_history_tells_nothing_and_stops_nothing(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    moves = Moves(SERVICE, Memory(), NOW)
    assert looked(moves, tmp_path) == []
    (tmp_path / FOLDER).mkdir()
    (tmp_path / FOLDER / HISTORY).write_text("nonsense\n")
    assert looked(moves, tmp_path) == []
    assert looked(moves, tmp_path) == []
    assert caplog.text.count("the moves of its rollouts cannot be told") == 1


def test_what_was_not_taken_is_told_by_the_next_process(tmp_path: Path) -> None:
    away = Receiver()
    config = MonitoringConfig(folder=str(tmp_path), webhooks=(f"{away.url}/pS3cret",))
    first = Alerts(config, "http://0.0.0.0:5000", NOW)
    assert not first.look(monitor(version()), (), NOW)
    assert first.look(monitor(version("now", alarm(20))), (), time())
    (waiting,) = first._memory.waiting.values()
    assert [one.event for one in waiting] == ["drift"]
    assert "pS3cret" not in (tmp_path / FILE).read_text()
    away.start()
    second = Alerts(config, "http://0.0.0.0:5000", NOW)
    wait_until(lambda: away.events("drift"), seconds=10)
    assert away.got[0].body["id"] == waiting[0].id
    assert away.got[0].body["service"].endswith(":5000")
    second.close()
    first.close()
    assert Kept(tmp_path).load().waiting == {next(iter(first._memory.waiting)): []}
    away.stop()


DATED = event("drift", SERVICE, ("m", "1"), "it drifts", {}, time="yesterday", since=iso(NOW))


@pytest.mark.parametrize(
    "content",
    [b"{", msgspec.json.encode(Memory(waiting={"0": [DATED]})), msgspec.json.encode(Memory({"drift": DATED}))],
)
def test_a_damaged_memory_is_begun_anew(tmp_path: Path, content: bytes, caplog: pytest.LogCaptureFixture) -> None:
    (tmp_path / FILE).write_bytes(content)
    assert Kept(tmp_path).load() == Memory()
    assert "cannot be read" in caplog.text
