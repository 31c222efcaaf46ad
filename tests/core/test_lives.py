"""Whether something goes on, and how it ended: the lock, and what `state.json` says."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from eyas.core.errors import ResumeError
from eyas.core.io import read_json
from eyas.core.lives import is_held, living, require_idle, standing
from eyas.core.marks import LOCK, STATE

HERE = {"state": "running", "locked": True, "host": socket.gethostname()}


@contextmanager
def looking(folder: Path) -> Iterator[int]:
    """The lock, open for reading alone."""
    descriptor = os.open(folder / LOCK, os.O_RDONLY)
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def test_the_lock_is_one_trainer_s_and_those_who_look_do_not_see_each_other(tmp_path: Path) -> None:
    with living(tmp_path), looking(tmp_path) as one:
        assert is_held(one) is True
        assert read_json(tmp_path / STATE)["locked"] is True
        with living(tmp_path):  # a second trainer waits for nobody, and says that its end cannot be seen
            assert read_json(tmp_path / STATE)["locked"] is False
        assert is_held(one) is True
    with looking(tmp_path) as one, looking(tmp_path) as other:
        assert (is_held(one), is_held(other)) == (False, False)


def test_a_lock_that_may_only_be_read_is_locked_all_the_same(tmp_path: Path) -> None:
    (tmp_path / LOCK).mkdir()  # which nobody opens for writing, root neither
    with living(tmp_path), looking(tmp_path) as lock:
        assert is_held(lock) is True


def test_training_goes_on_without_a_lock(tmp_path: Path) -> None:
    (tmp_path / LOCK).symlink_to(tmp_path / "gone" / LOCK)
    with living(tmp_path, device="cpu") as life:
        said = read_json(tmp_path / STATE)
        assert (said["state"], said["locked"], said["device"]) == ("running", False, "cpu")
        life.ended("finished")
    assert read_json(tmp_path / STATE)["state"] == "finished"


@pytest.mark.parametrize(
    ("error", "state", "cause"),
    [
        (ValueError("no"), "failed", "no"),
        (OSError(), "failed", "OSError"),
        (ValueError("a name \udcff of bytes"), "failed", "a name \\udcff of bytes"),
        (KeyboardInterrupt(), "stopped", ""),
    ],
)
def test_an_error_says_how_it_ended(tmp_path: Path, error: BaseException, state: str, cause: str) -> None:
    with pytest.raises(type(error)) as told, living(tmp_path):
        raise error
    assert told.value is error
    said = read_json(tmp_path / STATE)
    assert (said["state"], said["cause"]) == (state, cause)
    assert said["ended"]


def test_a_note_that_cannot_be_written_hides_no_error(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / STATE).mkdir()
    with pytest.raises(ValueError, match="the real one"), living(tmp_path):
        raise ValueError("the real one")
    assert "state.json does not say failed" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("said", "held", "state"),
    [
        (HERE, True, "running"),
        (HERE, False, "killed"),
        (HERE, None, "elsewhere"),
        (HERE | {"locked": False}, False, "elsewhere"),
        (HERE | {"host": "another"}, False, "elsewhere"),
        (HERE | {"host": "another"}, True, "running"),
        (HERE | {"state": "paused"}, False, "paused"),
        ({"name": "no state"}, False, ""),
    ],
)
def test_nothing_is_called_killed_that_nobody_can_see(said: dict[str, Any], held: bool | None, state: str) -> None:
    assert standing(said, held=held) == state


@pytest.mark.parametrize("damage", [None, "", "[]", "{}"])
def test_a_held_lock_refuses_a_second_trainer_whatever_lies_beside_it(tmp_path: Path, damage: str | None) -> None:
    require_idle(tmp_path)
    with living(tmp_path, pid=7):
        if damage is not None:
            (tmp_path / STATE).write_text(damage)
        who = f"process 7 on {socket.gethostname()}" if damage is None else "a process that .*state.json does not name"
        with pytest.raises(ResumeError, match=f"is being trained by {who}; wait"):
            require_idle(tmp_path)
    require_idle(tmp_path)
