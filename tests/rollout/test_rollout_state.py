"""A rollout stands where its last whole line says, whoever was killed, and only legal moves lead on."""

from __future__ import annotations

import fcntl
import json
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from eyas.core.errors import BundleError, IntegrityError, RolloutError
from eyas.rollout.gate import Check, GateReport
from eyas.rollout.moves import LEGAL, Move, Rollout, Status, moved
from eyas.rollout.plan import RolloutPlan, make_plan
from eyas.rollout.state import RolloutStore

PLAN = make_plan({"champion": "3", "challenger": "4", "salt": "a fixed salt"})
OTHER = make_plan({"champion": "3", "challenger": "5", "salt": "a fixed salt"})
BEGUN = Rollout(number=1, step=1, plan=PLAN, status=Status.RUNNING, stage=0, since=10.0)


def started(folder: Path, plan: RolloutPlan = PLAN) -> RolloutStore:
    store = RolloutStore(folder)
    store.start(plan, by="ann", why="better on the test set", now=10.0)
    return store


def test_from_stage_to_stage_to_the_end(tmp_path: Path) -> None:
    store = RolloutStore(tmp_path / "rollout")
    assert store.current() is None
    assert store.history() == ()
    assert store.start(PLAN, by="ann", why="it is better", now=10.0).share == 0.01
    assert store.move(Move.ADVANCE, by="eyas", why="nothing against it", now=20.0).share == 0.1
    assert store.move(Move.PAUSE, by="bob", why="lunch", now=30.0).share == 0.1
    resumed = store.move(Move.RESUME, by="bob", why="after lunch", now=40.0)
    assert (resumed.since, resumed.stage, resumed.status) == (40.0, 1, Status.RUNNING)
    assert store.move(Move.ADVANCE, by="bob", why="in a hurry", now=50.0, stage=3).share == 1
    known = {"stage": 3, "loss": [-0.1, 0.001]}
    done = store.move(Move.PROMOTE, by="eyas", why=("one", "two"), now=60.0, evidence=known)
    assert (done.status, done.share, done.over) == (Status.PROMOTED, 1.0, True)
    assert RolloutStore(tmp_path / "rollout").current() == done
    entries = store.history()
    assert [entry.move for entry in entries] == ["start", "advance", "pause", "resume", "advance", "promote"]
    assert [entry.by for entry in entries] == ["ann", "eyas", "bob", "bob", "bob", "eyas"]
    assert (entries[-1].why, entries[-1].evidence, entries[-1].time) == (("one", "two"), known, 60.0)
    assert (entries[4].before, entries[4].stage_before, entries[4].after.stage) == (Status.RUNNING, 1, 3)


def test_what_the_gate_said_is_kept(tmp_path: Path) -> None:
    passes = GateReport((Check("accuracy", True, "no loss", {"p": 0.01}),), ("180 test images",))
    store = RolloutStore(tmp_path / "gated")
    assert store.start(OTHER.model_copy(update={"gated": False}), by="ann", why="", now=1.0, gate=passes).plan.gated
    (entry,) = RolloutStore(tmp_path / "gated").history()
    assert entry.evidence == {"gate": passes.to_json()}
    assert entry.why == ("",)
    open_store = RolloutStore(tmp_path / "ungated")
    assert not open_store.start(PLAN.model_copy(update={"gated": True}), by="ann", why="", now=1.0).plan.gated
    assert open_store.history()[0].why == ("", "started without the gate")
    fails = GateReport((Check("accuracy", False, "a loss of 3 %", {}),))
    with pytest.raises(RolloutError, match="the gate does not let 4 through: accuracy: a loss of 3 %"):
        RolloutStore(tmp_path / "shut").start(PLAN, by="ann", why="", now=1.0, gate=fails)
    assert not (tmp_path / "shut").exists()


def test_what_comes_first_comes_only_before_a_legal_move(tmp_path: Path) -> None:
    store, done = started(tmp_path), list[Rollout]()
    with pytest.raises(RolloutError, match="cannot resume"):
        store.move(Move.RESUME, by="ann", why="", now=20.0, first=done.append)
    with pytest.raises(RolloutError, match="has moved since"):
        store.move(Move.PAUSE, by="ann", why="", now=20.0, expected=7, first=done.append)

    def fails(rollout: Rollout) -> None:
        raise BundleError("it is damaged")

    with pytest.raises(BundleError, match="it is damaged"):
        store.move(Move.PAUSE, by="ann", why="", now=20.0, first=fails)
    assert done == []
    store.move(Move.PAUSE, by="ann", why="", now=20.0, first=done.append)
    assert [rollout.status for rollout in done] == [Status.RUNNING]
    assert len(store.history()) == 2


def test_one_at_a_time(tmp_path: Path) -> None:
    store = started(tmp_path)
    with pytest.raises(RolloutError, match=r"rollout 1 \(3 to 4\) is running; end it before another one starts"):
        store.start(OTHER, by="bob", why="impatient", now=11.0)
    assert store.move(Move.ROLL_BACK, by="eyas", why="errors", now=12.0).share == 0
    assert store.start(OTHER, by="bob", why="another try", now=13.0).number == 2
    assert [entry.after.step for entry in store.history()] == [1, 2, 3]


def test_who_decides_on_what_is_past_is_told(tmp_path: Path) -> None:
    store = started(tmp_path)
    store.move(Move.ADVANCE, by="worker 1", why="fine", now=20.0, expected=1)
    with pytest.raises(RolloutError, match="has moved since: it was at step 1, is at 2, running"):
        store.move(Move.ADVANCE, by="worker 2", why="fine", now=20.0, expected=1)
    assert len(store.history()) == 2


@pytest.mark.parametrize(
    ("moves", "said"),
    [
        ([Move.RESUME], r"is running and cannot resume: from there it can advance, pause, promote, roll back, abort"),
        ([Move.PAUSE, Move.ADVANCE], r"is paused and cannot advance: from there it can resume, promote"),
        ([Move.ABORT, Move.RESUME], r"is aborted and cannot resume: that is its end; start another one"),
        ([Move.PROMOTE], r"is at stage 1 of 4 \(1 %\) and is promoted from the last one only"),
        ([Move.START], r"is running and cannot start"),
    ],
)
def test_an_illegal_move_is_named_and_changes_nothing(tmp_path: Path, moves: list[Move], said: str) -> None:
    store = started(tmp_path)
    *legal, illegal = moves
    for move in legal:
        store.move(move, by="ann", why="", now=20.0)
    before = (tmp_path / "history.jsonl").read_bytes()
    with pytest.raises(RolloutError, match=said):
        store.move(illegal, by="ann", why="", now=21.0)
    assert (tmp_path / "history.jsonl").read_bytes() == before


def test_stages_are_advanced_to_alone_and_upwards() -> None:
    for stage in (0, 4, -1):
        with pytest.raises(RolloutError, match="is at stage 1 of 4 and advances to a later one"):
            moved(BEGUN, Move.ADVANCE, 20.0, stage)
    with pytest.raises(RolloutError, match="only advance leads to a stage, got pause to 2"):
        moved(BEGUN, Move.PAUSE, 20.0, 2)
    assert moved(BEGUN, Move.PROMOTE, 20.0, early=True).status is Status.PROMOTED


def test_nothing_moves_before_a_start(tmp_path: Path) -> None:
    with pytest.raises(RolloutError, match=r"there is no rollout in .* that could pause; start one"):
        RolloutStore(tmp_path).move(Move.PAUSE, by="ann", why="", now=1.0)


def test_a_shadow_answers_nobody(tmp_path: Path) -> None:
    store = started(tmp_path, make_plan({**PLAN.model_dump(exclude={"stages"}), "mode": "shadow"}))
    now = store.current()
    assert now is not None
    assert (now.share, now.shadow_share, now.dealt) == (0.0, 1.0, 1.0)
    done = store.move(Move.PROMOTE, by="ann", why="it agrees", now=20.0)
    assert (done.share, done.shadow_share) == (0.0, 0.0)


@given(moves=st.lists(st.tuples(st.sampled_from(list(Move)), st.one_of(st.none(), st.integers(-1, 5)), st.booleans())))
def test_whatever_is_tried_shares_only_grow_until_the_end(moves: list[tuple[Move, int | None, bool]]) -> None:
    rollout = BEGUN
    for now, (move, stage, early) in enumerate(moves, start=20):
        try:
            after = moved(rollout, move, float(now), stage, early=early)
        except RolloutError:
            continue
        assert move in LEGAL[rollout.status]
        assert not rollout.over
        assert after.step == rollout.step + 1
        assert rollout.stage <= after.stage <= PLAN.last_stage
        assert (after.stage > rollout.stage) is (move is Move.ADVANCE)
        if not after.over:
            assert after.share >= rollout.share
        if after.status in (Status.ROLLED_BACK, Status.ABORTED):
            assert after.share == 0
        rollout = after


@settings(deadline=None, max_examples=30)
@given(cut=st.floats(0, 1, exclude_max=True))
def test_a_torn_line_is_no_move(tmp_path_factory: pytest.TempPathFactory, cut: float) -> None:
    """The writer was killed within the line, at any of its bytes."""
    folder = tmp_path_factory.mktemp("torn")
    store = started(folder)
    current, history = folder / "rollout.json", folder / "history.jsonl"
    before, whole = current.read_bytes(), history.read_bytes()
    store.move(Move.ADVANCE, by="ann", why="größer", now=20.0)
    line = history.read_bytes()[len(whole) :]
    current.write_bytes(before)
    history.write_bytes(whole + line[: int(cut * len(line))])
    again = RolloutStore(folder)
    assert again.current() == BEGUN
    assert len(again.history()) == 1
    assert again.move(Move.PAUSE, by="bob", why="", now=30.0).step == 2
    assert [entry.move for entry in again.history()] == ["start", "pause"]


def test_a_line_without_its_file_is_a_move(tmp_path: Path) -> None:
    """The writer was killed between the two."""
    store = started(tmp_path)
    before = (tmp_path / "rollout.json").read_bytes()
    store.move(Move.ADVANCE, by="ann", why="", now=20.0)
    (tmp_path / "rollout.json").write_bytes(before)
    again = RolloutStore(tmp_path).current()
    assert again is not None
    assert (again.stage, again.step) == (1, 2)
    store.move(Move.PAUSE, by="ann", why="", now=30.0)
    assert json.loads((tmp_path / "rollout.json").read_text())["step"] == 3


def test_long_lines_are_read_from_the_end(tmp_path: Path) -> None:
    store = started(tmp_path)
    for length in (10, 200_000, 65_000, 300_000):
        step = store.move(Move.PAUSE, by="ann", why="x" * length, now=20.0).step
        (tmp_path / "rollout.json").unlink()
        found = store.current()
        assert found is not None
        assert found.step == step
        store.move(Move.RESUME, by="ann", why="", now=20.0)
    assert len(store.history()) == 9


def test_damage_is_named(tmp_path: Path) -> None:
    store = started(tmp_path)
    store.move(Move.PAUSE, by="ann", why="", now=20.0)
    history = tmp_path / "history.jsonl"
    first, second, _ = history.read_bytes().split(b"\n")
    history.write_bytes(second + b"\n")
    with pytest.raises(IntegrityError, match=r"history\.jsonl: line 1 must be step 1, is 2"):
        store.history()
    history.write_bytes(first + b"\n{}\n")
    with pytest.raises(IntegrityError, match=r"history\.jsonl: time: Field required"):
        store.current()
    history.write_bytes(first + b"\n")
    (tmp_path / "rollout.json").write_text("{")
    with pytest.raises(IntegrityError, match=r"rollout\.json: it: Invalid JSON"):
        store.current()


def test_readers_need_no_lock_and_writers_wait_for_it(tmp_path: Path) -> None:
    started(tmp_path)
    impatient = RolloutStore(tmp_path, lock_seconds=0.05)
    with (tmp_path / ".lock").open() as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        assert impatient.current() == BEGUN
        with pytest.raises(BundleError, match=r"another process has been writing to .* for 0\.05 s"):
            impatient.move(Move.PAUSE, by="ann", why="", now=20.0)


KILLED = """
import json, os, signal, sys
from eyas.rollout.moves import Move
from eyas.rollout.state import RolloutStore
EVENTS = ("open", "os.rename", "os.remove", "os.chmod", "os.truncate", "fcntl.flock")
store, point = RolloutStore(sys.argv[1]), 0
while True:
    point += 1
    before = store.current()
    move = Move.PAUSE if before.status == "running" else Move.RESUME
    pid = os.fork()
    if pid == 0:
        seen = 0
        def count(event, arguments):
            global seen
            if event in EVENTS:
                seen += 1
                if seen == point:
                    os.kill(os.getpid(), signal.SIGKILL)
        sys.addaudithook(count)
        try:
            store.move(move, by="child", why="", now=1.0)
        finally:
            os._exit(sys.exc_info()[0] is not None)
    ended = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    assert ended in (0, -signal.SIGKILL), ended
    after = store.current()
    print(json.dumps([before.step, after.step, ended, len(store.history())]), flush=True)
    if not ended:
        break
"""


def test_killed_before_anything_that_it_does_a_move_is_made_or_not(tmp_path: Path) -> None:
    """Killed before each thing that it does to a file, one after the other, until it comes through."""
    store = started(tmp_path)
    done = subprocess.run(
        [sys.executable, "-c", KILLED, str(tmp_path)], check=True, capture_output=True, text=True, timeout=120
    )
    rows = [json.loads(line) for line in done.stdout.splitlines()]
    assert len(rows) > 5
    assert {after - before for before, after, _, _ in rows} == {0, 1}
    assert all(after == lines for _, after, _, lines in rows)
    assert rows[-1][2] == 0
    assert rows[-1][1] == rows[-1][0] + 1
    assert list(tmp_path.glob(".rollout.json.*")) == []
    assert json.loads((tmp_path / "rollout.json").read_text())["step"] == rows[-1][1]
    assert store.current() == store.history()[-1].after


MOVES = """
import sys
from eyas.rollout.moves import Move
from eyas.rollout.state import RolloutStore
store = RolloutStore(sys.argv[1])
while True:
    move = Move.PAUSE if store.current().status == "running" else Move.RESUME
    print(store.move(move, by="child", why="x" * 20_000, now=1.0).step, flush=True)
"""


def test_kill_9_at_whatever_moment_loses_no_move_that_was_made(tmp_path: Path) -> None:
    store = started(tmp_path)
    for more in range(1, 7):
        command = [sys.executable, "-c", MOVES, str(tmp_path)]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
            told = [process.stdout.readline() for _ in range(more)] if process.stdout else []
            process.send_signal(signal.SIGKILL)
            told += process.stdout.readlines() if process.stdout else []
        last = max(int(line) for line in told if line.endswith("\n"))
        now = store.current()
        assert now is not None
        assert now.step in (last, last + 1)
        assert len(store.history()) == now.step
    final = store.move(Move.ABORT, by="ann", why="enough", now=2.0)
    assert RolloutStore(tmp_path).current() == final == store.history()[-1].after
