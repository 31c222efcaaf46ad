"""A bundle is whole and unchanged, or it does not open."""

import json
import shutil
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from eyas.bundle import Bundle, open_bundle, write_bundle
from eyas.bundle.folder import REQUIRED
from eyas.bundle.manifest import digest_of
from eyas.core import io
from eyas.core.errors import BundleError, IntegrityError
from support.bundles import make_bundle


@pytest.fixture(scope="session")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    return make_bundle(tmp_path_factory.mktemp("bundle") / "bundle", size=(12, 10), channels=3)


@pytest.fixture
def copy(whole: Bundle, tmp_path: Path) -> Path:
    return shutil.copytree(whole.path, tmp_path / "bundle")


def edited(path: Path, **fields: Any) -> None:
    """Change the manifest as somebody would who knows its digest."""
    manifest = json.loads((path / "manifest.json").read_text()) | fields
    manifest["digest"] = digest_of(manifest)
    (path / "manifest.json").write_text(json.dumps(manifest))


def test_what_was_written_is_read(whole: Bundle, copy: Path) -> None:
    opened = open_bundle(copy)
    assert opened.manifest == whole.manifest
    assert opened.policy.shape == (12, 10, 3)
    assert opened.classes[3] == "three"
    assert opened.golden().images.shape == (16, 12, 10, 3)
    assert opened.golden().images.dtype == np.uint8
    assert {"row_probabilities", "features"} <= opened.reference().keys()
    assert {p.name for p in copy.iterdir()} == {*REQUIRED, "manifest.json"}


@pytest.mark.parametrize("name", REQUIRED)
@pytest.mark.parametrize("place", [0, 0.5, -1])
def test_one_changed_byte_is_found(copy: Path, name: str, place: float) -> None:
    content = bytearray((copy / name).read_bytes())
    content[int(place * len(content)) if place > 0 else int(place)] ^= 1
    (copy / name).write_bytes(content)
    with pytest.raises(IntegrityError, match=rf"{name} has changed since it was written"):
        open_bundle(copy)


@pytest.mark.parametrize("old", ['"three"', '"linear', '"accuracy": 0', '"temperature": 1'])
def test_a_changed_byte_in_the_manifest_is_found(copy: Path, old: str) -> None:
    text = (copy / "manifest.json").read_text()
    assert old in text
    last = "8" if old[-1].isdigit() else "x"
    changed = old[:-1] + last if old[-1] != '"' else old[:-2] + last + '"'
    (copy / "manifest.json").write_text(text.replace(old, changed, 1))
    with pytest.raises(IntegrityError, match=r"manifest\.json has changed since it was written"):
        open_bundle(copy)


def test_a_changed_hash_is_found(copy: Path) -> None:
    files = json.loads((copy / "manifest.json").read_text())["files"]
    edited(copy, files=files | {"card.md": "0" * 64})
    with pytest.raises(IntegrityError, match=r"card\.md has changed"):
        open_bundle(copy)


@pytest.mark.parametrize("name", REQUIRED)
def test_a_missing_file_is_found(copy: Path, name: str) -> None:
    (copy / name).unlink()
    with pytest.raises(IntegrityError, match=f"lacks {name}"):
        open_bundle(copy)


def test_a_file_that_the_manifest_forgets_is_found(copy: Path) -> None:
    files = json.loads((copy / "manifest.json").read_text())["files"]
    files.pop("golden.npz")
    edited(copy, files=files)
    with pytest.raises(IntegrityError, match=r"golden\.npz is not listed"):
        open_bundle(copy)


@pytest.mark.parametrize("name", ["extra.txt", "deep/extra.txt", ".hidden"])
def test_an_extra_file_is_found(copy: Path, name: str) -> None:
    (copy / name).parent.mkdir(exist_ok=True)
    (copy / name).write_text("x")
    with pytest.raises(IntegrityError, match=r"is not listed"):
        open_bundle(copy)


def test_a_manifest_cannot_point_outside(copy: Path, tmp_path: Path) -> None:
    (tmp_path / "outside").write_text("x")
    files = json.loads((copy / "manifest.json").read_text())["files"]
    edited(copy, files=files | {"../outside": io.sha256_file(tmp_path / "outside")})
    with pytest.raises(IntegrityError, match=r"lacks \.\./outside"):
        open_bundle(copy)


@pytest.mark.parametrize("version", [0, 2, "1", None])
def test_another_schema_version_is_refused(copy: Path, version: Any) -> None:
    edited(copy, schema_version=version)
    with pytest.raises(IntegrityError, match=r"schema version .*; this eyas reads version 1"):
        open_bundle(copy)


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"temperature": 0}, "temperature"),
        ({"classes": ["one"]}, "classes"),
        ({"surprise": 1}, "surprise"),
        ({"input": {"height": 8}}, "input"),
    ],
)
def test_a_manifest_that_breaks_its_schema_is_refused(copy: Path, fields: dict[str, Any], message: str) -> None:
    edited(copy, **fields)
    with pytest.raises(IntegrityError, match=message):
        open_bundle(copy)


@pytest.mark.parametrize("content", [b"", b"{", b"\xff", b"[]", b"3"])
def test_a_manifest_that_is_none_is_refused(copy: Path, content: bytes) -> None:
    (copy / "manifest.json").write_bytes(content)
    with pytest.raises(IntegrityError, match=r"manifest\.json"):
        open_bundle(copy)


@pytest.mark.parametrize("name", ["absent", "empty"])
def test_another_folder_is_no_bundle(tmp_path: Path, name: str) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(BundleError, match="is not a bundle"):
        open_bundle(tmp_path / name)


def rehashed(path: Path, name: str) -> Bundle:
    """The bundle, opened after the manifest has taken the file's new hash."""
    files = json.loads((path / "manifest.json").read_text())["files"]
    edited(path, files=files | {name: io.sha256_file(path / name)})
    return open_bundle(path)


class Pickled:
    """Leaves a file where it is unpickled."""

    def __init__(self, trace: Path) -> None:
        self.trace = trace

    def __reduce__(self) -> Any:
        return Path.touch, (self.trace,)


def test_pickled_arrays_are_refused(copy: Path, tmp_path: Path) -> None:
    trace = tmp_path / "trace"
    np.savez(copy / "golden.npz", images=np.array([Pickled(trace)], dtype=object), probabilities=np.zeros(1))
    with pytest.raises(IntegrityError, match="not an archive of plain arrays: Object arrays cannot be loaded"):
        rehashed(copy, "golden.npz").golden()
    assert not trace.exists()
    np.load(copy / "golden.npz", allow_pickle=True)["images"]
    assert trace.exists()  # it would have run


def test_a_damaged_archive_is_refused(copy: Path) -> None:
    np.savez_compressed(copy / "golden.npz", images=np.arange(1000), probabilities=np.zeros(1))
    content = bytearray((copy / "golden.npz").read_bytes())
    content[60:70] = b"\xff" * 10  # in the compressed data
    (copy / "golden.npz").write_bytes(content)
    with pytest.raises(IntegrityError, match="not an archive of plain arrays: Error -3"):
        rehashed(copy, "golden.npz").golden()


def test_an_array_of_absurd_size_is_refused(copy: Path) -> None:
    description = {"descr": "|u1", "fortran_order": False, "shape": (1 << 50,)}
    with zipfile.ZipFile(copy / "golden.npz", "w") as archive, archive.open("images.npy", "w") as stream:
        np.lib.format.write_array_header_1_0(stream, description)
    with pytest.raises(IntegrityError, match="not an archive of plain arrays: Unable to allocate"):
        rehashed(copy, "golden.npz").golden()


def test_a_bundle_is_never_overwritten(copy: Path) -> None:
    before = {p.name: p.read_bytes() for p in copy.iterdir()}
    with pytest.raises(BundleError, match="never overwritten"), write_bundle(copy):
        pass
    assert {p.name: p.read_bytes() for p in copy.iterdir()} == before


def test_a_failure_leaves_nothing(tmp_path: Path) -> None:
    def fail() -> None:
        with write_bundle(tmp_path / "bundle") as draft:
            (draft.path / "model.onnx").write_bytes(b"x")
            raise RuntimeError("midway")

    with pytest.raises(RuntimeError, match="midway"):
        fail()
    assert list(tmp_path.iterdir()) == []


def test_a_draft_that_is_not_finished_leaves_nothing(tmp_path: Path) -> None:
    with pytest.raises(BundleError, match="is not a bundle"), write_bundle(tmp_path / "bundle") as draft:
        (draft.path / "model.onnx").write_bytes(b"x")
    assert list(tmp_path.iterdir()) == []
