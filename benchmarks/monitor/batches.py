"""How many shifts a batch of requests shows: the protocol of Rabanser, Günnemann & Lipton 2019, *Failing Loudly*.

Section 4 of the paper: Gaussian noise of deviation 1, 10 and 100; random image shifts (turned, moved, zoomed in,
mirrored) that are small (up to 10°, 5 %, 10 %), medium (40°, 20 %, 20 %) or large (90°, 40 %, 40 %); a class knocked
out; medium shifts with a class knocked out; only one class left, and medium shifts. Each with 10, 50 and 100 % of the
batch changed. Its adversarial images are left out. Power: the share of batches with p < 0.05. "BBSDs", the paper's best
test, is run on the same batches: two-sample Kolmogorov–Smirnov (SciPy) of each class's probability, Bonferroni.

Null: the held-out and the test images are drawn apart anew for each batch, and the tests calibrated with the first.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
from models import REAL, Answers, Images, Labels, Watched, calibrate, watched
from scipy.ndimage import affine_transform
from scipy.stats import ks_2samp

from eyas.monitor.streaming import Calibration, compare_batch

TITLE = "batches"
SIZES = (10, 100, 1000)
SHARES = (0.1, 0.5, 1.0)
LEVEL = 0.05
CLASS = 0
MEDIUM = (40.0, 0.2, 0.2)
Change = Callable[[Images, np.random.Generator], Images]
Choice = Callable[[Labels, float], np.ndarray]


@dataclass(frozen=True)
class Shift:
    """What happens to a batch: some images are changed, and some left out."""

    change: Change | None = None
    kept: Choice | None = None
    """(labels, share) → (N,) weights with which images are drawn."""


def _noise(deviation: float) -> Change:
    def change(images: Images, random: np.random.Generator) -> Images:
        return np.clip(images + random.normal(0, deviation, images.shape), 0, 255).astype(np.uint8)

    return change


def _moved(degrees: float, share: float, zoom: float) -> Change:
    def one(image: Images, random: np.random.Generator) -> Images:
        angle = np.deg2rad(random.uniform(-degrees, degrees))
        scale = 1 - random.uniform(0, zoom)
        turn = scale * np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
        sides = np.array(image.shape[:2])
        offset = (sides - 1) / 2 - turn @ ((sides - 1) / 2) + random.uniform(-share, share, 2) * sides
        flipped = image[:, ::-1] if random.random() < 0.5 else image
        planes = [
            affine_transform(flipped[..., c], turn, offset, order=1, mode="nearest") for c in range(image.shape[2])
        ]
        return np.stack(planes, axis=-1)

    return lambda images, random: np.stack([one(image, random) for image in images])


def _knocked_out(labels: Labels, share: float) -> np.ndarray:
    return np.where(labels == CLASS, 1 - share, 1.0)


def _only(labels: Labels, share: float) -> np.ndarray:
    return np.where(labels == CLASS, 1.0, 1 - share)


SHIFTS = {
    "noise 1": Shift(_noise(1)),
    "noise 10": Shift(_noise(10)),
    "noise 100": Shift(_noise(100)),
    "images, small": Shift(_moved(10, 0.05, 0.1)),
    "images, medium": Shift(_moved(*MEDIUM)),
    "images, large": Shift(_moved(90, 0.4, 0.4)),
    "class knocked out": Shift(kept=_knocked_out),
    "medium, knocked out": Shift(_moved(*MEDIUM), _knocked_out),
    "medium, only one class": Shift(_moved(*MEDIUM), _only),
}


def run(options: argparse.Namespace) -> None:
    """Print the tables."""
    totals: dict[tuple[str, int], list[float]] = {}
    for name in REAL:
        model = watched(name)
        test = model.of("test")
        print(
            f"\n{name}: power, mean over {options.repeats} batches each of 10, 50 and 100 % changed; in brackets BBSDs"
        )
        for what, shift in SHIFTS.items():
            changed = _changed(model, test, shift)
            cells = []
            for size in SIZES:
                found = [*_power(model.calibration, test, changed, shift, size, options.repeats)]
                for who, power in zip(("eyas", "BBSDs"), np.mean(found, axis=0).tolist(), strict=True):
                    totals.setdefault((who, size), []).append(power)
                cells.append("{:.2f} ({:.2f})".format(*np.mean(found, axis=0)))
            print(
                f"{what:24} " + "   ".join(f"n = {size}: {cell}" for size, cell in zip(SIZES, cells, strict=True)),
                flush=True,
            )
        _null(model.of("val"), test, 10 * options.repeats)
    for (who, size), powers in totals.items():
        print(f"{who}, n = {size}: mean power {np.mean(powers):.3f}")


def _changed(model: Watched, test: Answers, shift: Shift) -> Answers:
    if shift.change is None:
        return test
    images = shift.change(test.images, np.random.default_rng(0))
    return model.answer(images, test.labels)


def _power(
    calibration: Calibration, test: Answers, changed: Answers, shift: Shift, size: int, repeats: int
) -> Iterator[tuple[bool, bool]]:
    """Whether each batch was found, by eyas and by BBSDs; none where a share leaves too few images."""
    for share in SHARES:
        weights = shift.kept(test.labels, share) if shift.kept else np.ones(len(test))
        if np.count_nonzero(weights) < size:
            continue
        for seed in range(repeats):
            random = np.random.default_rng([seed, size, int(100 * share)])
            rows = random.choice(len(test), size, replace=False, p=weights / weights.sum())
            # Where classes are left out, all images that stay are changed, by half of them.
            count = size // 2 if shift.kept else round(share * size)
            batch = changed[rows[:count]] + test[rows[count:]] if shift.change else test[rows]
            yield _found(calibration, batch)


def _found(calibration: Calibration, batch: Answers) -> tuple[bool, bool]:
    verdict = compare_batch(calibration, batch.probabilities, batch.logits, batch.features, batch.pixels)
    # The reference keeps half precision; unrounded, the batch's smallest numbers alone would be a difference.
    known, seen = calibration.probabilities, batch.probabilities.astype(np.float16)
    p_values = [ks_2samp(known[:, k], seen[:, k]).pvalue for k in range(known.shape[1])]
    return verdict.p_value < LEVEL, min(p_values) * len(p_values) < LEVEL


def _null(held_out: Answers, test: Answers, repeats: int) -> None:
    both = held_out + test
    for size in SIZES:
        found = []
        for seed in range(repeats):
            order = np.random.default_rng([seed, size]).permutation(len(both))
            calibration = calibrate(both[order[: len(held_out)]])
            found.append(_found(calibration, both[order[len(held_out) :][:size]]))
        ours, theirs = np.mean(found, axis=0)
        error = 1.96 * np.sqrt(LEVEL * (1 - LEVEL) / repeats)
        print(
            f"n = {size}: of {repeats} clean batches {ours:.3f} were called shifted ({theirs:.3f}); {LEVEL} ± "
            f"{error:.3f}",
            flush=True,
        )
