"""Decoding in several processes."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from data_samples import pattern, png, write_files, write_tar

from eyas.core.errors import DataError
from eyas.core.schema import DataConfig
from eyas.data import open_dataset, pool
from eyas.data.decode_one import DecodeSettings


def test_several_processes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pool, "ALONE_SECONDS", 0)
    monkeypatch.setattr(pool, "WORTH_SECONDS", 0)
    monkeypatch.setattr(pool, "usable_cores", lambda: 2)
    images = pattern(1000, height=3, width=3, channels=1)
    files = {f"{row % 2}/{row:04}.png": png(pixels) for row, pixels in enumerate(images)}
    dataset = open_dataset(DataConfig(source=str(write_tar(tmp_path / "many.tar", files, "w"))))
    np.testing.assert_array_equal(dataset.train.images, np.concatenate([images[::2], images[1::2]]))


def test_a_worker_that_dies() -> None:
    with pool.Pool(1, DecodeSettings(1000, None)) as workers:
        [process] = workers._workers.values()
        process.kill()
        with pytest.raises(DataError, match=r"died \(exit code -9\)"):
            list(workers.map([[(0, b"")]]))


@pytest.mark.parametrize("module", ["numpy", "selectors"])
def test_workers_import_nothing_from_the_working_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, module: str
) -> None:
    write_files(tmp_path, {f"{module}.py": b"open('owned', 'w').close()"})
    monkeypatch.chdir(tmp_path)
    with pool.Pool(1, DecodeSettings(10_000, None)) as workers:
        [image] = workers.map([[(0, png(pattern(1)[0]))]])
    assert image.size == (32, 32)
    assert not Path("owned").exists()


def test_batches_are_cut_by_number_and_by_content() -> None:
    images = [(row, bytes(3 << 20 if row < 4 else 1)) for row in range(20)]
    batches = list(pool._batches(images, 8))
    assert [len(batch) for batch in batches] == [2, 2, 8, 8]
    assert [row for batch in batches for row, _ in batch] == list(range(20))
