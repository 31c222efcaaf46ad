"""What a check finds, and how bad it says that is."""

from __future__ import annotations

import io
import json
from pathlib import Path

import pytest
from data_samples import CLASSES, PARTS, Part, class_files, fail_with, keras_npz, part, pattern, png, write_files
from PIL import Image

from eyas import data
from eyas.core.schema import DataConfig
from eyas.data import CheckReport, Finding, check_dataset, decode_one, decoding, open_dataset
from eyas.image import READ_FORMATS

TRAIN, TEST = part(40, 0, height=8, width=8), part(40, 200, height=8, width=8)
CLEAN = class_files({"train": TRAIN, "test": TEST})


def check(folder: Path, files: dict[str, bytes], **options: object) -> CheckReport:
    source = str(write_files(folder / "images", files))
    return check_dataset(DataConfig.model_validate({"source": source, **options}))


def finding(report: CheckReport, code: str) -> Finding:
    [found] = [one for one in report.findings if one.code == code]
    return found


def test_clean(tmp_path: Path) -> None:
    report = check(tmp_path, CLEAN)
    assert report.findings == ()
    assert report.ok
    assert report.counts == {
        "train": dict.fromkeys(CLASSES, 36),
        "val": dict.fromkeys(CLASSES, 4),
        "test": dict.fromkeys(CLASSES, 40),
    }
    assert report.sizes == {"8×8": 240}
    assert report.modes == {"grey": 0, "colour": 240}


@pytest.mark.parametrize(("copies", "severity"), [(1, "warning"), (2, "error")])
def test_leak_into_test(tmp_path: Path, copies: int, severity: str) -> None:
    leaked = {f"test/1/leak{copy}.png": CLEAN[f"train/1/{40 + copy:03}.png"] for copy in range(copies)}
    report = check(tmp_path, CLEAN | leaked)
    found = finding(report, "leaked-test")
    assert (found.severity, found.count) == (severity, copies)
    assert found.examples[0] == "test/1/leak0.png"
    assert finding(report, "duplicates").examples[0] == "test/1/leak0.png = train/1/040.png"


def test_leak_is_of_pixels_not_of_files(tmp_path: Path) -> None:
    other = io.BytesIO()
    Image.open(io.BytesIO(CLEAN["train/1/040.png"])).save(other, "BMP")
    assert finding(check(tmp_path, CLEAN | {"test/1/leak.bmp": other.getvalue()}), "leaked-test").count == 1


@pytest.mark.parametrize(("copies", "severity"), [(1, "warning"), (3, "error")])
def test_two_labels(tmp_path: Path, copies: int, severity: str) -> None:
    twins = {f"train/2/twin{copy}.png": CLEAN[f"train/1/{40 + copy:03}.png"] for copy in range(copies)}
    found = finding(check(tmp_path, CLEAN | twins), "conflicting-labels")
    assert (found.severity, found.count) == (severity, 2 * copies)
    assert set(found.examples) >= {"train/2/twin0.png (2)", "train/1/040.png (1)"}


def test_unreadable_and_sizes_and_modes(tmp_path: Path) -> None:
    extra = {
        "train/0/bad.png": b"no",
        "train/0/wide.png": png(pattern(1, 4, 9, start=900)[0]),
        "train/0/grey.png": png(pattern(1, 8, 8, 1, start=901)[0]),
        "train/notes.txt": b"",
        "stray.png": png(pattern(1, 8, 8, start=902)[0]),
    }
    report = check(tmp_path, CLEAN | extra)
    assert finding(report, "corrupt-files").examples == [
        f"train/0/bad.png (not an image in a known format (allowed: {', '.join(READ_FORMATS)}))"
    ]
    assert finding(report, "mixed-sizes").severity == "error"
    assert finding(report, "mixed-modes").count == 1
    assert sorted(finding(report, "ignored-files").examples) == ["stray.png", "train/notes.txt"]
    assert report.sizes == {"8×8": 241, "4×9": 1}
    assert not report.ok
    sized = check_dataset(DataConfig(source=str(tmp_path / "images"), image_size=8))
    assert finding(sized, "mixed-sizes").severity == "warning"


def test_small_and_unequal_classes(tmp_path: Path) -> None:
    tiny = {f"train/tiny/{row}.png": png(pixels) for row, pixels in enumerate(pattern(3, 8, 8, start=700))}
    report = check(tmp_path, CLEAN | tiny)
    assert finding(report, "small-classes").examples == ("tiny: 3",)
    assert finding(report, "imbalance").examples == ("0: 80", "tiny: 3")
    assert finding(report, "missing-in-test").severity == "warning"
    assert report.ok


def test_class_that_only_test_has(tmp_path: Path) -> None:
    report = check(tmp_path, CLEAN | {"test/only/1.png": png(pattern(1, 8, 8, start=800)[0])})
    assert finding(report, "missing-in-train").severity == "error"
    assert "only has 0" in finding(report, "no-splits").message


def test_report_as_json_and_rows(tmp_path: Path) -> None:
    report = check(tmp_path, CLEAN | {"train/0/bad.png": b"no", "x.txt": b""})
    assert json.loads(json.dumps(report.to_json()))["findings"][0]["code"] == "corrupt-files"
    assert [row[0] for row in report.finding_rows()] == ["error", "warning"]
    assert report.count_rows()[0] == ("0", 36, 4, 40, 80)


def test_second_check_and_a_check_after_opening_decode_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = check(tmp_path, CLEAN)
    other = write_files(tmp_path / "other", class_files({"train": Part(TRAIN.images + 1, TRAIN.labels)}))
    open_dataset(DataConfig(source=str(other)))
    decoded: list[object] = []
    monkeypatch.setattr(decoding, "decode", lambda *arguments: decoded.append(arguments) or iter(()))
    assert check_dataset(DataConfig(source=str(tmp_path / "images"))) == first
    assert sum(check_dataset(DataConfig(source=str(other))).modes.values()) == 120
    assert not decoded
    check_dataset(DataConfig(source=str(other), max_pixels=99))
    assert len(decoded) == 1


def test_a_failure_that_may_pass_is_looked_at_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source = write_files(tmp_path / "images", CLEAN)
    with monkeypatch.context() as patch:
        patch.setattr(decode_one, "open_image", fail_with(MemoryError()))
        assert finding(check_dataset(DataConfig(source=str(source))), "corrupt-files").count == 240
    assert check_dataset(DataConfig(source=str(source))).ok


def test_arrays_are_checked_too(tmp_path: Path) -> None:
    (tmp_path / "a.npz").write_bytes(keras_npz(PARTS))
    report = check_dataset(DataConfig(source=str(tmp_path / "a.npz")))
    assert {one.code for one in report.findings} == {"small-classes"}


def test_public_names() -> None:
    assert sorted(data.__all__) == [
        "CheckReport",
        "Dataset",
        "Finding",
        "Fixes",
        "Overview",
        "Split",
        "check_dataset",
        "fetch",
        "look_closely",
        "open_dataset",
        "propose_fixes",
        "write_fixes",
    ]
