"""Near-duplicates: what was done to a picture must not hide it, and another picture must not be taken for it."""

from __future__ import annotations

import hashlib
import io
from pathlib import Path

import numpy as np
import pytest
from data_samples import png, write_files
from numpy.typing import NDArray
from PIL import Image

from eyas.core.schema import DataConfig
from eyas.data import look_closely
from eyas.data.near import NearPairs, later_copies, near_pairs
from eyas.data.near.search import candidates

SIDE = 32


def photographs(count: int, seed: int = 0, channels: int = 3) -> NDArray[np.uint8]:
    """(count, 40, 40, C) images with the spectrum of photographs: power falls with the square of the frequency."""
    rng = np.random.default_rng(seed)
    frequency = np.hypot(np.fft.fftfreq(40)[:, None], np.fft.fftfreq(40)[None])
    noise = rng.normal(size=(count, 40, 40, channels)) + rng.normal(size=(count, 40, 40, 1))
    shaped = np.fft.ifft2(
        np.fft.fft2(noise, axes=(1, 2)) / np.maximum(frequency, 0.025)[None, :, :, None], axes=(1, 2)
    ).real
    shaped -= shaped.mean(axis=(1, 2, 3), keepdims=True)
    scaled = 128 + 45 * shaped / shaped.std(axis=(1, 2, 3), keepdims=True)
    return np.clip(scaled, 0, 255).astype(np.uint8)


def jpeg(pixels: NDArray[np.uint8]) -> NDArray[np.uint8]:
    stream = io.BytesIO()
    Image.fromarray(pixels).save(stream, "JPEG", quality=60)
    return np.asarray(Image.open(stream))


def digests(images: NDArray[np.uint8]) -> NDArray[np.uint8]:
    return np.stack([np.frombuffer(hashlib.sha256(image.tobytes()).digest(), np.uint8) for image in images])


def crop(images: NDArray[np.uint8], down: int = 4, right: int = 4) -> NDArray[np.uint8]:
    return images[..., down : down + SIDE, right : right + SIDE, :]


BIG = photographs(400)
BASE = crop(BIG)
CHANGES = {
    "shifted": crop(BIG[0], 6, 3),
    "mirrored": BASE[1][:, ::-1],
    "brighter": np.clip(BASE[2].astype(int) + 30, 0, 255).astype(np.uint8),
    "less contrast": (128 + 0.7 * (BASE[3].astype(float) - 128)).astype(np.uint8),
    "jpeg": jpeg(BASE[4]),
    "mirrored, shifted and brighter": np.clip(crop(BIG[5], 5, 3)[:, ::-1].astype(int) + 20, 0, 255).astype(np.uint8),
}


def test_changed_copies_are_found_and_nothing_else() -> None:
    images = np.concatenate([BASE, np.stack(list(CHANGES.values()))])
    found = near_pairs(images, digests(images))
    expected = {(row, len(BASE) + row) for row in range(len(CHANGES))}
    assert set(zip(found.first.tolist(), found.second.tolist(), strict=True)) == expected
    mirrored = {int(row) for row in found.first[found.mirrored]}
    assert mirrored == {1, 5}


def test_equal_pixels_are_left_to_the_check_for_them() -> None:
    images = np.concatenate([BASE, BASE[:3], crop(BIG[:1], 5, 4)])
    found = near_pairs(images, digests(images))
    assert {(found.first[n], found.second[n]) for n in range(len(found))} == {(0, 403), (400, 403)}


def test_larger_and_grey_images() -> None:
    big = np.asarray(
        [Image.fromarray(image).resize((90, 70)) for image in photographs(120, seed=3, channels=1)[..., 0]]
    )
    copy = np.asarray(Image.fromarray(big[7]).resize((84, 66)).resize((90, 70)))
    images = np.concatenate([big, copy[None]])[..., None]
    found = near_pairs(images, digests(images))
    assert list(zip(found.first.tolist(), found.second.tolist(), strict=True)) == [(7, 120)]


@pytest.mark.parametrize("images", [np.zeros((5, 32, 32, 3), np.uint8), BASE[:1], BASE[:0], BASE[:9, :8, :8]])
def test_nothing_to_compare(images: NDArray[np.uint8]) -> None:
    images = images.copy()
    if len(images) == 5:
        images += np.arange(5, dtype=np.uint8)[:, None, None, None]
    known = digests(images) if len(images) else np.empty((0, 32), np.uint8)
    assert len(near_pairs(images, known)) == 0


def test_search_in_blocks_finds_what_a_loop_finds() -> None:
    rng = np.random.default_rng(0)
    vectors = rng.normal(size=(5000, 8)).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    first, second, _, _ = candidates(vectors, -vectors * 0, np.zeros(5000, np.float32), 0.97, 2.0)
    whole = np.argwhere(np.triu(vectors @ vectors.T > 0.97, 1))
    assert set(zip(first.tolist(), second.tolist(), strict=True)) == set(map(tuple, whole.tolist()))


def test_later_copies_keep_what_is_alike_only_through_a_third() -> None:
    pairs = NearPairs(np.array([0, 1, 5]), np.array([1, 2, 6]), np.zeros(3, bool), np.ones(3, np.float32))
    assert later_copies(pairs, np.arange(7)) == {1: 0, 6: 5}


def test_findings_across_splits_and_the_second_look_is_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    files = {f"train/{row % 2}/{row:03}.png": png(BASE[row]) for row in range(80)}
    files |= {f"test/{row % 2}/{row:03}.png": png(BASE[row]) for row in range(80, 120)}
    files["test/0/leak.png"] = png(CHANGES["shifted"])
    files["train/1/again.png"] = png(CHANGES["mirrored"])
    config = DataConfig(source=str(write_files(tmp_path / "images", files)), val_fraction=0)
    overview = look_closely(config)
    found = {one.code: one for one in overview.report.findings}
    assert found["near-leaked-test"].examples == ("test/0/leak.png ~ train/0/000.png",)
    assert (found["near-duplicates"].severity, found["near-duplicates"].count) == ("warning", 1)
    monkeypatch.setattr("eyas.data.overview.near_pairs", lambda *_: pytest.fail("searched again"))
    assert look_closely(config).report == overview.report


def test_images_of_several_sizes_are_looked_at(tmp_path: Path) -> None:
    files = {f"{row % 2}/{row:03}.png": png(BASE[row]) for row in range(60)}
    files["0/large.png"] = png(np.asarray(Image.fromarray(BASE[1]).resize((48, 48))))
    files["1/bad.png"] = b"no image"
    overview = look_closely(DataConfig(source=str(write_files(tmp_path / "images", files))))
    codes = {one.code for one in overview.report.findings}
    assert {"mixed-sizes", "corrupt-files"} < codes
    assert len(overview.pairs) == 1


def test_a_copy_in_another_split_has_the_pairs_of_its_twin():
    images = np.stack([BASE[0], CHANGES["shifted"], BASE[0], *BASE[50:]])
    found = near_pairs(images, digests(images))
    assert {(0, 1), (1, 2)} == set(zip(found.first.tolist(), found.second.tolist(), strict=True))
