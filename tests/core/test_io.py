from __future__ import annotations

import hashlib
import json
import os
from pathlib import Path

import pytest

from eyas.core import io
from eyas.core.errors import BundleError, EyasError


def names(folder: Path) -> list[str]:
    return sorted(p.name for p in folder.iterdir())


def test_a_file_is_written_with_its_folders_and_readable_by_all(tmp_path: Path) -> None:
    file = tmp_path / "a" / "b.bin"
    io.write_bytes(file, b"one")
    io.write_bytes(file, b"two")
    assert file.read_bytes() == b"two"
    assert file.stat().st_mode & 0o777 == 0o644
    assert names(tmp_path / "a") == ["b.bin"]


@pytest.mark.parametrize("step", ["fsync", "replace"])
@pytest.mark.parametrize("failure", [OSError("disk full"), KeyboardInterrupt()])
def test_a_failed_write_leaves_the_old_file_and_nothing_else(
    step: str, failure: BaseException, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "kept.txt"
    io.write_text(file, "old")

    def fail(*_: object) -> None:
        raise failure

    monkeypatch.setattr(os if step == "fsync" else Path, step, fail)
    with pytest.raises(type(failure)):
        io.write_text(file, "new")
    monkeypatch.undo()
    assert file.read_text() == "old"
    assert names(tmp_path) == ["kept.txt"]


def test_json_keeps_unicode_and_refuses_what_is_not_json(tmp_path: Path) -> None:
    file = tmp_path / "x.json"
    io.write_json(file, {"class": "猫", "n": [1, 2.5, None]})
    assert "猫" in file.read_text(encoding="utf-8")
    assert io.read_json(file) == {"class": "猫", "n": [1, 2.5, None]}
    with pytest.raises(ValueError, match="not JSON compliant"):
        io.write_json(file, float("nan"))
    assert json.loads(file.read_text(encoding="utf-8"))["n"] == [1, 2.5, None]


def test_the_hash_is_sha256(tmp_path: Path) -> None:
    file = tmp_path / "x"
    file.write_bytes(b"eyas" * 1_000_000)
    assert io.sha256_file(file) == hashlib.sha256(b"eyas" * 1_000_000).hexdigest()


def test_a_new_folder_appears_whole(tmp_path: Path) -> None:
    target = tmp_path / "deep" / "made"
    with io.new_folder(target) as folder:
        (folder / "x").write_text("1")
        assert not target.exists()
        assert folder.parent == target.parent
    assert (target / "x").read_text() == "1"
    assert target.stat().st_mode & 0o777 == 0o755
    assert names(target.parent) == ["made"]


@pytest.mark.parametrize("failure", [RuntimeError("no"), KeyboardInterrupt()])
def test_a_failure_leaves_no_folder(failure: BaseException, tmp_path: Path) -> None:
    def fill() -> None:
        with io.new_folder(tmp_path / "made") as folder:
            (folder / "x").write_text("1")
            raise failure

    with pytest.raises(type(failure)):
        fill()
    assert names(tmp_path) == []


def test_a_folder_is_never_overwritten(tmp_path: Path) -> None:
    (tmp_path / "made").mkdir()
    (tmp_path / "made" / "x").write_text("old")
    with pytest.raises(BundleError, match="made exists already"), io.new_folder(tmp_path / "made", BundleError):
        pytest.fail("the block must not run")
    assert names(tmp_path) == ["made"]


def test_a_folder_made_meanwhile_by_another_is_never_overwritten(tmp_path: Path) -> None:
    target = tmp_path / "made"

    def race() -> None:
        with io.new_folder(target) as folder:
            (folder / "x").write_text("mine")
            target.mkdir()
            (target / "x").write_text("theirs")

    with pytest.raises(EyasError, match="made exists already"):
        race()
    assert (target / "x").read_text() == "theirs"
    assert names(tmp_path) == ["made"]


def test_the_cache_is_where_the_environment_says(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("EYAS_CACHE_DIR", raising=False)
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    assert io.cache_dir() == tmp_path / ".cache" / "eyas"
    monkeypatch.setenv("XDG_CACHE_HOME", "/elsewhere")
    assert io.cache_dir() == Path("/elsewhere/eyas")
    monkeypatch.setenv("EYAS_CACHE_DIR", "~/mine")
    assert io.cache_dir() == tmp_path / "mine"
