"""Fixes: proposed from what was found, honoured by `open_dataset`, refused where they do not belong."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import yaml
from data_samples import png, write_files
from test_near import BASE, CHANGES

from eyas.core.errors import DataError
from eyas.core.schema import DataConfig
from eyas.data import check_dataset, look_closely, open_dataset, propose_fixes, write_fixes
from eyas.data.fixes import image_names


def sources(folder: Path) -> DataConfig:
    """80 training images in two classes, 40 test images, and six copies of some in wrong places."""
    files = {f"train/{row % 2}/{row:03}.png": png(BASE[row]) for row in range(80)}
    files |= {f"test/{row % 2}/{row:03}.png": png(BASE[row]) for row in range(80, 120)}
    files["test/0/leak.png"] = png(CHANGES["shifted"])  # of train/0/000
    files["test/1/exact.png"] = png(BASE[9])  # of train/1/009
    files["train/1/again.png"] = png(CHANGES["mirrored"])  # of train/1/001
    files["train/0/equal.png"] = png(BASE[20])  # of train/0/020
    return DataConfig(source=str(write_files(folder / "images", files)), val_fraction=0)


@pytest.fixture
def config(tmp_path: Path) -> DataConfig:
    return sources(tmp_path)


@pytest.fixture
def file(tmp_path: Path, config: DataConfig) -> Path:
    write_fixes(propose_fixes(look_closely(config), [(5, 1, 0.99)]), tmp_path / "fixes.yaml")
    return tmp_path / "fixes.yaml"


def changed(file: Path, **values: object) -> str:
    """A copy of the file with other values."""
    target = file.with_name("changed.yaml")
    target.write_text(yaml.safe_dump(yaml.safe_load(file.read_text()) | values))
    return str(target)


def fixed(config: DataConfig, file: Path | str) -> DataConfig:
    return config.model_copy(update={"fixes": str(file)})


def test_what_is_proposed(file: Path) -> None:
    fixes = yaml.safe_load(file.read_text())
    assert [(one["image"], one["reason"], one["twin"]) for one in fixes["remove"]] == [
        ("train/0/000.png", "stands in test", "test/0/leak.png"),
        ("train/0/equal.png", "duplicate", "train/0/020.png"),
        ("train/1/009.png", "stands in test", "test/1/exact.png"),
        ("train/1/again.png", "near-duplicate", "train/1/001.png"),
    ]
    assert fixes["test_near_duplicates"] == ["test/0/leak.png", "test/1/exact.png"]
    assert fixes["relabel"] == [{"image": "train/0/010.png", "from": "0", "to": "1", "confidence": 0.99}]


def test_opening_honours_them(config: DataConfig, file: Path) -> None:
    plain, mended = open_dataset(config), open_dataset(fixed(config, file))
    assert len(mended.train) == len(plain.train) - 4
    assert np.array_equal(mended.test.rows, plain.test.rows)
    assert mended.fingerprint != plain.fingerprint
    assert mended.train.labels[list(mended.train.rows).index(5)] == 1
    clean = mended.clean_test
    assert clean is not None
    assert len(clean) == len(mended.test) - 2
    assert plain.clean_test is None


def test_the_check_of_fixed_data_is_content(config: DataConfig, file: Path) -> None:
    codes = {one.code for one in check_dataset(config).findings}
    assert {"duplicates", "leaked-test"} <= codes
    assert look_closely(fixed(config, file)).report.findings == ()


def test_an_entry_taken_out_is_not_done(config: DataConfig, file: Path) -> None:
    plain = open_dataset(config)
    empty = changed(file, remove=[], relabel=[])
    assert open_dataset(fixed(config, empty)).fingerprint == plain.fingerprint


def test_a_removal_by_hand(config: DataConfig, file: Path) -> None:
    mended = open_dataset(fixed(config, changed(file, remove=[{"image": "train/0/002.png"}])))
    assert 1 not in mended.train.rows


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"remove": [{"image": "train/0/none.png"}]}, "remove names 1 images that do not exist, such as train/0/none"),
        ({"remove": [{"image": "test/0/080.png"}]}, "remove is for images of train or val; test/0/080.png is none"),
        ({"remove": [{"image": "train/0/002.png"}] * 2}, "must name an image once"),
        ({"relabel": [{"image": "train/0/002.png", "from": "1", "to": "0"}]}, "from its class 0, got 1"),
        ({"relabel": [{"image": "train/0/002.png", "from": "0", "to": "7"}]}, "relabelled to 7, which is no class"),
        ({"test_near_duplicates": ["train/0/002.png"]}, "test_near_duplicates is for images of test"),
        ({"removed": []}, "no file of fixes: removed"),
        ({"format": 2}, "no file of fixes: format"),
    ],
)
def test_refusals(config: DataConfig, file: Path, values: dict[str, object], message: str) -> None:
    with pytest.raises(DataError, match=message):
        open_dataset(fixed(config, changed(file, **values)))


def test_other_data_and_other_splits(config: DataConfig, file: Path, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"made for other data: images of 124 images"):
        open_dataset(DataConfig(source="digits", fixes=str(file)))
    with pytest.raises(DataError, match="made for other splits"):
        open_dataset(fixed(config, file).model_copy(update={"val_fraction": 0.1}))
    with pytest.raises(DataError, match=r"cannot read data\.fixes"):
        open_dataset(fixed(config, tmp_path / "none.yaml"))
    (tmp_path / "broken.yaml").write_text("a: [")
    with pytest.raises(DataError, match="not valid YAML"):
        open_dataset(fixed(config, tmp_path / "broken.yaml"))


def test_a_file_listed_twice_has_two_names() -> None:
    assert image_names(["a", "b", "a", "a"]) == ["a", "b", "a #2", "a #3"]
