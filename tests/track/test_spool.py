"""Records that survive their writer, and the training curve's points."""

from __future__ import annotations

import multiprocessing
from io import StringIO
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from eyas.cli.track import sync
from eyas.track.curve import StepCurve
from eyas.track.delivery.sender import Sender
from eyas.track.delivery.sink import Sink, one_line
from eyas.track.delivery.spool import Delivered, Record, Spool


def kinds(spool: Spool, after: int = 0) -> list[tuple[int, str]]:
    return [(number, record["kind"]) for number, record in spool.records(after)]


def test_a_line_that_a_kill_cut_is_left_out_and_counted(tmp_path: Path) -> None:
    spool = Spool(tmp_path)
    spool.append({"kind": "start", "trackers": ["mlflow"]}, {"kind": "metrics"})
    with spool.file.open("ab") as file:
        file.write(b'{"kind": "met')
    assert kinds(spool) == [(1, "start"), (2, "metrics")]
    Spool(tmp_path).append({"kind": "resume", "trackers": ["wandb"]})
    assert kinds(spool) == [(1, "start"), (2, "metrics"), (4, "resume")]
    assert kinds(spool, after=2) == [(4, "resume")]
    assert spool.trackers() == ["mlflow", "wandb"]


def test_all_that_a_stopped_search_has_to_send_is_sent(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "tune.yaml").touch()
    folders = [tmp_path, *(tmp_path / name for name in ("runs/0000-1", "runs/0001-1", "final/runs/best-seed0-1"))]
    for folder in folders:
        folder.mkdir(parents=True, exist_ok=True)
        Spool(folder).append({"kind": "start", "trackers": ["mlflow"]})
    sent: list[Path] = []
    monkeypatch.setattr("eyas.track.delivery.process.deliver", lambda spool: sent.append(spool.run) or [])
    sync(tmp_path)
    assert sent == folders


def test_numbers_that_json_has_not_are_no_records(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="not JSON compliant"):
        Spool(tmp_path).append({"kind": "metrics", "values": {"loss": float("nan")}})
    assert Spool(tmp_path).records() == []


def test_each_store_has_its_own_count(tmp_path: Path) -> None:
    spool = Spool(tmp_path)
    spool.append({"kind": "start"})
    one = Delivered(spool, "mlflow", "http://one")
    one.run_id, one.lines = "a", 7
    one.save()
    assert Delivered(spool, "mlflow", "http://one").lines == 7
    other = Delivered(spool, "mlflow", "http://other")
    assert (other.run_id, other.lines) == (None, 0)
    other.save()
    assert Delivered(spool, "mlflow", "http://one").run_id == "a"


def _try_lock(run: Path, answers: multiprocessing.SimpleQueue) -> None:
    with Spool(run).lock("mlflow") as ours:
        answers.put(ours)


def test_one_process_delivers(tmp_path: Path) -> None:
    spool, answers = Spool(tmp_path), multiprocessing.get_context("spawn").SimpleQueue()
    spool.append({"kind": "start"})
    with spool.lock("mlflow") as ours, spool.lock("wandb") as other:
        child = multiprocessing.get_context("spawn").Process(target=_try_lock, args=(tmp_path, answers))
        child.start()
        child.join(60)
        assert (ours, other, answers.get()) == (True, True, False)


def test_an_error_is_one_line_without_passwords() -> None:
    assert one_line(ValueError("a\n b http://me:secret@host/x")) == "a b http://host/x"
    assert one_line(TimeoutError()) == "TimeoutError"
    assert len(one_line(ValueError("x" * 999))) < 200


@settings(max_examples=50, deadline=None)
@given(st.lists(st.floats(0, 100), min_size=1, max_size=95), st.integers(1, 9), st.integers(1, 8))
def test_points_are_means_over_the_steps_between_them(losses: list[float], batch: int, last: int) -> None:
    """Losses of one epoch's steps in; the last batch may be short."""
    sizes = [batch] * (len(losses) - 1) + [min(last, batch)]
    curve = StepCurve(images=sum(sizes), batch_size=batch, steps=len(losses), epochs=2)
    found, total, seen = [], 0.0, 0
    for step, (loss, size) in enumerate(zip(losses, sizes, strict=True), start=1):
        total, seen = total + loss * size, seen + size
        if point := curve.point(0, step, total / seen, 0.5):
            found.append(point)
    assert [step for step, _, _ in found] == list(range(10, len(losses) + 1, 10))
    for step, loss, accuracy in found:
        window = slice(step - 10, step)
        weighted = sum(value * size for value, size in zip(losses[window], sizes[window], strict=True))
        assert loss == pytest.approx(weighted / sum(sizes[window]), abs=1e-6)
        assert accuracy == pytest.approx(0.5)


def test_a_long_run_has_two_thousand_points() -> None:
    curve = StepCurve(images=1_000_000, batch_size=10, steps=100_000, epochs=3)
    points = [step for step in range(1, 100_001) if curve.point(0, step, 1.0, 0.5)]
    assert len(points) == 100_000 // 150


def test_a_gpu_that_is_read_every_fiftieth_step_gives_points() -> None:
    curve = StepCurve(images=390 * 8, batch_size=8, steps=390, epochs=100)  # a stride of 19
    calls = [(epoch, step) for epoch in range(2) for step in (*range(50, 390, 50), 390)]
    points = [point for epoch, step in calls if (point := curve.point(epoch, step, 1.0, 0.5))]
    assert [step for step, _, _ in points] == [epoch * 390 + step for epoch, step in calls]
    assert {(loss, accuracy) for _, loss, accuracy in points} == {(1.0, 0.5)}


@pytest.mark.parametrize("cadence", [1, 5])
@pytest.mark.parametrize("done", [15, 20])
def test_points_after_a_continuation_hold_its_steps_alone(cadence: int, done: int) -> None:
    """Losses are the numbers of the steps; `done` of them were trained before."""
    curve = StepCurve(images=100, batch_size=1, steps=100, epochs=2, resumed=True)
    calls = range(done + cadence, 101, cadence)
    points = [point for step in calls if (point := curve.point(0, step, (step + 1) / 2, 0.5))]
    assert [step for step, _, _ in points] == list(range(points[0][0], 101, 10))
    for (before, _, _), (step, loss, _) in pairwise(points):
        assert loss == pytest.approx((before + 1 + step) / 2)
    assert done < points[0][1] <= points[0][0]
    following = curve.point(1, 10, 7.0, 0.5)
    assert following == (110, pytest.approx(7.0), 0.5)


def test_a_file_goes_alone_and_a_continuation_to_its_own_sender(tmp_path: Path) -> None:
    spool = Spool(tmp_path)
    spool.append({"kind": "start", "key": "k"}, {"kind": "metrics"}, {"kind": "file", "path": "a"})
    spool.append({"kind": "picture", "path": "b"}, {"kind": "end", "status": "FINISHED"})
    sink = Kept(spool)
    sender = Sender(sink, StringIO(), known=len(spool.lines()))
    spool.append({"kind": "resume", "trackers": []})
    sender._pump()
    assert sink.sent == [[1, 2], [3], [4], [5]]
    assert Delivered(spool, "mlflow", "here").lines == 5
    Sender(again := Kept(spool), StringIO(), known=len(spool.lines()))._pump()
    assert again.sent == [[6]]


class Kept(Sink):
    """Notes what it is sent."""

    tracker, keeps_at_once = "mlflow", True

    def __init__(self, spool: Spool) -> None:
        super().__init__(spool, local=False)
        self.sent: list[list[int]] = []

    @staticmethod
    def store(spool: Spool) -> str:
        return "here"

    def connect(self) -> None:
        pass

    def deliver(self, records: list[tuple[int, Record]]) -> None:
        self.sent.append([number for number, _ in records])

    def close(self) -> None:
        pass
