"""Records that survive their writer, and the training curve's points."""

from __future__ import annotations

import multiprocessing
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from eyas.track.curve import StepCurve
from eyas.track.delivery.sink import one_line
from eyas.track.delivery.spool import Delivered, Spool


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
