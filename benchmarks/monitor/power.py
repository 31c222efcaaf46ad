"""How soon the monitor tells of a change, how often it is wrong, and what a request costs, on a real bundle.

    eyas train fashion-mnist model.name=cnn train.epochs=3
    eyas export runs/fashion-mnist-cnn-1 --to model
    python benchmarks/monitor/power.py model fashion-mnist --repeats 5

About 3 minutes on 2 cores. The test images come in another order at each repeat: first `--clean` as they are, then the
changed ones. Batches: the share of those with p < 0.05 among 100 and 1,000 images of which 10, 50 or all % are changed,
beside "BBSDs" alone (Rabanser et al. 2019) on the same batches.
"""

from __future__ import annotations

import argparse
import time
from collections import Counter
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import rotate, shift

import eyas
from eyas.monitor.pixels import all_statistics
from eyas.monitor.streaming import (
    Alarm,
    Calibration,
    Monitor,
    MonitorConfig,
    Scoring,
    compare_batch,
    read_calibration,
)

Images = NDArray[np.uint8]
Answers = tuple[NDArray[np.float32], ...]
CHANGED = 2000
LEVEL = 0.05


def noise(deviation: float) -> Callable[[Images], Images]:
    def change(images: Images) -> Images:
        drawn = np.random.default_rng(0).normal(0, deviation, images.shape)
        return np.clip(images + drawn, 0, 255).astype(np.uint8)

    return change


def turn(degrees: float) -> Callable[[Images], Images]:
    def change(images: Images) -> Images:
        return np.clip(rotate(images, degrees, axes=(1, 2), reshape=False, order=1), 0, 255).astype(np.uint8)

    return change


def move(share: float) -> Callable[[Images], Images]:
    def change(images: Images) -> Images:
        height, width = images.shape[1:3]
        moved: Images = shift(images, (0, round(share * height), round(share * width), 0), order=0)
        return moved

    return change


CHANGES = {
    "noise, deviation 100": noise(100),
    "noise, deviation 30": noise(30),
    "noise, deviation 10": noise(10),
    "rotation by 40": turn(40),
    "rotation by 10": turn(10),
    "translation by 20 %": move(0.2),
    "translation by 5 %": move(0.05),
    "half the light": lambda images: images // 2,
}


def rows_of(answers: Answers, rows: NDArray[np.int64]) -> Answers:
    return tuple(array[rows] for array in answers)


def feed(monitor: Monitor, answers: Answers, took: list[float]) -> tuple[int, Alarm] | None:
    """The first alarm, and at which of these requests it came."""
    scoring = Scoring(monitor.calibration)
    probabilities, logits, features, pixels = answers
    for row in range(len(pixels)):
        part = slice(row, row + 1)
        number = row + 1
        started = time.perf_counter()
        scores = scoring.score(probabilities[part], logits[part], features[part])
        outcome = monitor.observe(str(number), scores, pixels[row])
        took.append(1e6 * (time.perf_counter() - started))
        if outcome.alarm:
            return number, outcome.alarm
    return None


def report_online(
    name: str,
    calibration: Calibration,
    clean: Answers,
    changed: Callable[[NDArray[np.int64]], Answers],
    args: argparse.Namespace,
) -> None:
    delays, errors, kinds, wrong = [], [], Counter[str](), 0
    for seed in range(args.repeats):
        monitor = Monitor(calibration, MonitorConfig(seed=seed))
        order = np.random.default_rng(seed).permutation(len(clean[0]))
        wrong += feed(monitor, rows_of(clean, order[: args.clean]), []) is not None
        found = feed(monitor, changed(order[args.clean :]), [])
        delays.append(found[0] if found else np.inf)
        if found:
            kinds[found[1].kind.value] += 1
            errors.append(abs(found[1].since - args.clean - 1))
    middle = np.median(errors) if errors else np.nan
    print(f"{name:24} {np.median(delays):8.0f} {max(delays):8.0f} {middle:12.0f} {wrong:6}   {dict(kinds)}", flush=True)


def report_clean(calibration: Calibration, clean: Answers, repeats: int) -> None:
    took: list[float] = []
    alarms = 0
    for seed in range(repeats):
        order = np.random.default_rng(100 + seed).permutation(len(clean[0]))
        alarms += feed(Monitor(calibration, MonitorConfig(seed=seed)), rows_of(clean, order), took) is not None
    middle, high = np.percentile(took, [50, 99])
    print(f"\nclean: {alarms} of {repeats} orders of {len(clean[0])} requests raised an alarm")
    print(f"a request: p50 {middle:.0f} µs, p99 {high:.0f} µs")


def report_batches(calibration: Calibration, clean: Answers, changed: dict[str, Answers], repeats: int) -> None:
    rng = np.random.default_rng(0)
    for size in (100, 1000):
        ours, bbsds, null = [], [], []
        for _ in range(10 * repeats):
            batch = rows_of(clean, rng.choice(len(clean[0]), size, replace=False))
            null.append(compare_batch(calibration, *batch).p_value < LEVEL)
        for answers in changed.values():
            for count in (size // 10, size // 2, size):
                for _ in range(repeats):
                    kept = rows_of(clean, rng.choice(len(clean[0]), size - count, replace=False))
                    new = rows_of(answers, rng.choice(len(answers[0]), count, replace=False))
                    verdict = compare_batch(calibration, *map(np.concatenate, zip(kept, new, strict=True)))
                    ours.append(verdict.p_value < LEVEL)
                    bbsds.append(verdict.by_class[0].min() * calibration.classes < LEVEL)
        shares = [np.mean(found) for found in (ours, bbsds, null)]
        print("batches of {}: {:.2f} found, BBSDs {:.2f}; of clean ones {:.3f}".format(size, *shares))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("bundle")
    parser.add_argument("data", help="data.source of the test images")
    parser.add_argument("--clean", type=int, default=1000, help="requests before the change")
    parser.add_argument("--repeats", type=int, default=5)
    args = parser.parse_args()
    bundle = eyas.open_bundle(args.bundle)
    calibration, predictor = read_calibration(bundle.reference()), eyas.Predictor(bundle)
    test = eyas.open_dataset(eyas.load_config(overrides=[f"data.source={args.data}"]).data).test
    images, labels = test.take(slice(None)), np.asarray(test.labels)

    def answer(seen: Images) -> Answers:
        found = predictor.run(seen)
        return found.probabilities, found.logits, found.features, all_statistics(seen)

    clean = answer(images)
    changed = {name: answer(change(images[:CHANGED])) for name, change in CHANGES.items()}
    print(f"{'change':24} {'median':>8} {'longest':>8} {'since, error':>12} {'wrong':>6}   kinds")
    for name, answers in changed.items():
        report_online(name, calibration, clean, lambda rows, a=answers: rows_of(a, rows % len(a[0])), args)
    for k in range(3):
        report_online(
            f"without class {k}", calibration, clean, lambda rows, k=k: rows_of(clean, rows[labels[rows] != k]), args
        )
    report_clean(calibration, clean, args.repeats)
    report_batches(calibration, clean, changed, args.repeats)


if __name__ == "__main__":
    main()
