from __future__ import annotations

import io
import zipfile
from pathlib import Path

import numpy as np
import pytest

from eyas.arrays import load_arrays


def npz() -> bytes:
    file = io.BytesIO()
    np.savez(file, a=np.arange(5), b=np.ones((3, 2), np.float32))
    return file.getvalue()


def archive(member: bytes) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as made:
        made.writestr("a.npy", member)
    return file.getvalue()


def test_every_array_comes_by_its_name(tmp_path: Path) -> None:
    (tmp_path / "kept.npz").write_bytes(npz())
    found = load_arrays(tmp_path / "kept.npz")
    assert {name: array.tolist() for name, array in found.items()} == {"a": list(range(5)), "b": [[1, 1]] * 3}


@pytest.mark.filterwarnings("ignore::UserWarning", "ignore::SyntaxWarning")
def test_whatever_byte_is_wrong_there_is_one_error() -> None:
    whole = npz()
    refused = 0
    for place in range(len(whole)):
        for byte in (0, ord("("), whole[place] ^ 1):
            try:
                load_arrays(io.BytesIO(whole[:place] + bytes([byte]) + whole[place + 1 :]))
            except ValueError:
                refused += 1
    assert refused > 100


def test_what_is_no_archive_of_arrays_is_refused(tmp_path: Path) -> None:
    lone = io.BytesIO()
    np.save(lone, np.arange(5))
    header = lone.getvalue().replace(b"(5,)", b"(5, ")  # what NumPy reads to its end in search of the bracket
    for content in (b"", b"PK", npz()[:-30], lone.getvalue(), archive(b"no array"), archive(header)):
        with pytest.raises(ValueError):  # noqa: PT011 - of any words
            load_arrays(io.BytesIO(content))
    with pytest.raises(ValueError, match="No such file"):
        load_arrays(tmp_path / "none.npz")
