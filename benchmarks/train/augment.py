"""Augmentation of whole batches against a loop over Pillow images that does the same.

    python benchmarks/train/augment.py

On one core of an AMD EPYC (Zen 4) that other work shared, a batch of 512 images of 32x32x3, ten seconds in all:

    flip + crop + cutout    eyas  2.2 ms   Pillow loop  28 ms   13 times faster
    RandAugment             eyas 10.4 ms   Pillow loop  52 ms    5 times faster
    TrivialAugment          eyas  5.0 ms   Pillow loop  31 ms    6 times faster

Both sides start from one uint8 array and end with another; Pillow's loop is what a PyTorch `Dataset` with transforms
runs for each image, without the cost of worker processes. Both run in one thread and are timed by its CPU time, so
that other work on the machine does not count. Rounds alternate between the two; times are medians over the rounds, and
the ratio is the median of the rounds' ratios.
"""

import argparse
import statistics
import time
from collections.abc import Callable

import numpy as np
import torch
from PIL import Image, ImageEnhance, ImageOps

from eyas.core.schema import AugmentConfig
from eyas.train.augment import Augment
from eyas.train.augment.policies import OPERATIONS, draw_policy

SIDE, PAD, SQUARE = 32, 4, 8
GREY = Image.new("RGB", (SQUARE, SQUARE), (128, 128, 128))
AFFINE = {"shear_x": 1, "translate_x": 2, "shear_y": 3, "translate_y": 5}
ENHANCERS = {
    "brightness": ImageEnhance.Brightness,
    "color": ImageEnhance.Color,
    "contrast": ImageEnhance.Contrast,
    "sharpness": ImageEnhance.Sharpness,
}
Batch = Callable[[np.ndarray, int], np.ndarray]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--batch", type=int, default=512)
    options = parser.parse_args()
    torch.set_num_threads(1)
    images = np.random.default_rng(0).integers(0, 256, (options.batch, SIDE, SIDE, 3), dtype=np.uint8)
    print(f"{options.batch} images of {SIDE}x{SIDE}x3, CPU time of one thread, {options.rounds} rounds")
    flip_crop_cutout = AugmentConfig(flip="random", crop=PAD, cutout=SQUARE)
    compare("flip + crop + cutout", eyas(flip_crop_cutout), pillow_flip_crop_cutout, images, options.rounds)
    for policy in ("randaugment", "trivialaugment"):
        config = AugmentConfig(policy=policy)
        compare(policy, eyas(config), pillow_policy(config), images, options.rounds)
    for config in (AugmentConfig(mixup=0.2), AugmentConfig(cutmix=1.0), AugmentConfig(color_jitter=0.4)):
        changed = " ".join(config.model_dump(exclude_defaults=True))
        print(f"{changed:22s} eyas {1e3 * statistics.median(times(eyas(config), images, options.rounds)):7.2f} ms")


def compare(name: str, ours: Batch, theirs: Batch, images: np.ndarray, rounds: int) -> None:
    """One line: the medians and the ratio."""
    pairs = [(times(ours, images, 3)[-1], times(theirs, images, 1)[-1]) for _ in range(rounds)]
    mine, pillow = (1e3 * statistics.median(side) for side in zip(*pairs, strict=True))
    ratio = statistics.median(b / a for a, b in pairs)
    print(f"{name:22s} eyas {mine:7.2f} ms   Pillow loop {pillow:7.2f} ms   {ratio:5.1f} times faster")


def times(function: Batch, images: np.ndarray, rounds: int) -> list[float]:
    seconds = []
    for step in range(rounds):
        started = time.thread_time()
        function(images, step)
        seconds.append(time.thread_time() - started)
    return seconds


def eyas(config: AugmentConfig) -> Batch:
    augment = Augment(config, (SIDE, SIDE, 3), 0, epochs=None)

    def run(images: np.ndarray, step: int) -> np.ndarray:
        rows = np.arange(len(images))
        return augment(torch.from_numpy(images), torch.from_numpy(rows), rows, 0, step).images.numpy()

    return run


def pillow_flip_crop_cutout(images: np.ndarray, step: int) -> np.ndarray:
    rng = np.random.default_rng(step)
    flips = rng.random(len(images)) < 0.5
    places = rng.integers(0, 2 * PAD + 1, (len(images), 2)).tolist()
    centres = rng.integers(0, SIDE, (len(images), 2)).tolist()
    out = np.empty_like(images)
    for i, image in enumerate(images):
        padded = np.pad(image, ((PAD, PAD), (PAD, PAD), (0, 0)), mode="reflect")  # Pillow has no mirrored border
        x, y = places[i]
        picture = Image.fromarray(padded).crop((x, y, x + SIDE, y + SIDE))
        if flips[i]:
            picture = ImageOps.mirror(picture)
        picture.paste(GREY, (centres[i][0] - SQUARE // 2, centres[i][1] - SQUARE // 2))
        out[i] = picture
    return out


def pillow_policy(config: AugmentConfig) -> Batch:
    def run(images: np.ndarray, step: int) -> np.ndarray:
        operations, strengths = draw_policy(config, (SIDE, SIDE, 3), len(images), np.random.default_rng(step))
        names, amounts = OPERATIONS[operations].T.tolist(), strengths.T.tolist()
        out = np.empty_like(images)
        for i, image in enumerate(images):
            picture = Image.fromarray(image)
            for name, amount in zip(names[i], amounts[i], strict=True):
                picture = with_pillow(picture, name, amount)
            out[i] = picture
        return out

    return run


def with_pillow(image: Image.Image, name: str, amount: float) -> Image.Image:
    if name in AFFINE:
        data = [1.0, 0, 0, 0, 1, 0]
        data[AFFINE[name]] = amount
        return image.transform(image.size, Image.Transform.AFFINE, data, Image.Resampling.NEAREST)
    if name in ENHANCERS:
        return ENHANCERS[name](image).enhance(amount)
    match name:
        case "rotate":
            return image.rotate(amount, Image.Resampling.NEAREST)
        case "posterize":
            return ImageOps.posterize(image, int(amount))
        case "solarize":
            return ImageOps.solarize(image, amount)
        case "autocontrast":
            return ImageOps.autocontrast(image)
        case "equalize":
            return ImageOps.equalize(image)
        case _:
            return image


if __name__ == "__main__":
    main()
