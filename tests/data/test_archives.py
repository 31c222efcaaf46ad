"""Archives that attack their reader, or are damaged."""

from __future__ import annotations

import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest
from data_samples import TRAIN, class_files, write_tar, write_zip

from eyas.core.errors import DataError, UnsafeDataError
from eyas.core.schema import DataConfig
from eyas.data import open_dataset
from eyas.data.sources import archive

GOOD = class_files({"all": TRAIN})


@pytest.fixture
def refuse(own_cache: Path) -> Callable[..., None]:
    def refuse(path: Path, message: str, kind: type[Exception] = DataError) -> None:
        with pytest.raises(kind, match=message):
            open_dataset(DataConfig(source=str(path)))
        assert not list(own_cache.rglob("*.npy"))
        assert not list(own_cache.rglob("*partial*"))

    return refuse


@pytest.mark.parametrize("name", ["../up.png", "/etc/up.png", "a/../../up.png", "c:\\up.png", "c:up.png"])
@pytest.mark.parametrize("write", [write_zip, write_tar])
def test_archive_that_climbs_out(
    refuse: Callable[..., None], tmp_path: Path, write: Callable[..., Path], name: str
) -> None:
    suffix = ".zip" if write is write_zip else ".tar.gz"
    refuse(write(tmp_path / f"a{suffix}", {**GOOD, name: b"x"}), "leads out of the archive; refused", UnsafeDataError)


@pytest.mark.parametrize("kind", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.CHRTYPE, tarfile.FIFOTYPE])
def test_tar_with_a_link_or_device(refuse: Callable[..., None], tmp_path: Path, kind: bytes) -> None:
    path = write_tar(tmp_path / "a.tar", GOOD, "w")
    with tarfile.open(path, "a") as file:
        member = tarfile.TarInfo("0/link.png")
        member.type, member.linkname = kind, "/etc/passwd"
        file.addfile(member)
    refuse(path, "'0/link.png' is a link or a device", UnsafeDataError)


def test_zip_with_a_link(refuse: Callable[..., None], tmp_path: Path) -> None:
    path = write_zip(tmp_path / "a.zip", GOOD)
    with zipfile.ZipFile(path, "a") as file:
        member = zipfile.ZipInfo("0/link.png")
        member.external_attr = 0o120777 << 16
        file.writestr(member, "/etc/passwd")
    refuse(path, "'0/link.png' is a link or a device", UnsafeDataError)


def test_member_that_stands_twice(refuse: Callable[..., None], tmp_path: Path) -> None:
    path = write_tar(tmp_path / "a.tar", GOOD, "w")
    with tarfile.open(path, "a") as file:
        file.addfile(tarfile.TarInfo("0/000.png"))
    refuse(path, "'0/000.png' stands twice", UnsafeDataError)


@pytest.mark.parametrize("name", ["a.zip", "a.tar.gz"])
def test_archive_bomb(refuse: Callable[..., None], tmp_path: Path, name: str) -> None:
    write = write_zip if name == "a.zip" else write_tar
    refuse(
        write(tmp_path / name, {"0/000.bmp": bytes(110 << 20)}),
        "'0/000.* unpacks to .* like a bomb; refused",
        UnsafeDataError,
    )


@pytest.mark.parametrize("name", ["a.zip", "a.tar"])
def test_an_image_too_large_for_memory(
    refuse: Callable[..., None], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.setattr(archive, "MAX_IMAGE", 5000)
    path = (write_zip if name == "a.zip" else write_tar)(tmp_path / name, {**GOOD, "0/large.bmp": bytes(6000)})
    refuse(path, "'0/large.bmp' unpacks to 6,000 bytes or more; at most 5,000 are read", UnsafeDataError)


def test_headers_of_a_tar_are_bounded(refuse: Callable[..., None], tmp_path: Path) -> None:
    long_name = {**GOOD, "0/" + "x" * (2 << 20) + ".png": b""}
    for form in (tarfile.GNU_FORMAT, tarfile.PAX_FORMAT):
        path = write_tar(tmp_path / f"{form}.tar", long_name, "w", form)
        refuse(path, r"tar: a name or PAX header of 2,097,\d+ bytes; at most 1,048,576 are read", UnsafeDataError)


def test_a_size_below_0_is_refused(refuse: Callable[..., None], tmp_path: Path) -> None:
    member = tarfile.TarInfo("0/000.png")
    member.pax_headers = {"size": "-5"}
    (tmp_path / "a.tar").write_bytes(member.tobuf(tarfile.PAX_FORMAT) + bytes(1024))
    refuse(tmp_path / "a.tar", "'0/000.png' has a size of -5; refused", UnsafeDataError)


def test_a_chain_of_long_names(refuse: Callable[..., None], tmp_path: Path) -> None:
    header = tarfile.TarInfo("././@LongLink")
    header.type, header.size = tarfile.GNUTYPE_LONGNAME, 5
    block = header.tobuf(tarfile.GNU_FORMAT) + b"name".ljust(512, b"\0")
    (tmp_path / "a.tar").write_bytes(block * 3000)
    refuse(tmp_path / "a.tar", "a.tar cannot be read: maximum recursion depth")


def test_two_archives_that_hold_the_same_file(refuse: Callable[..., None], tmp_path: Path) -> None:
    folder = tmp_path / "images"
    write_zip(folder / "set.v1.zip", GOOD)
    write_tar(folder / "set.v2.tar", GOOD, "w")
    refuse(folder, "two of its archives hold set/0/000.png; rename or unpack one")


@pytest.mark.parametrize("name", ["a.zip", "a.tar.gz", "a.tar"])
def test_damaged_archive(refuse: Callable[..., None], tmp_path: Path, name: str) -> None:
    path = write_zip(tmp_path / name, GOOD) if name == "a.zip" else write_tar(tmp_path / name, GOOD, "w:gz")
    path.write_bytes(path.read_bytes()[:-2000])
    refuse(path, "the archive .* cannot be read")
