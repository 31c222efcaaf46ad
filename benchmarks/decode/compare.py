"""Decode the same JPEG and PNG files with Pillow, as eyas does, and with its peers, and print the ratios.

    make bench-decode                           everything, 5 rounds (about 3 minutes)
    make bench-decode BENCH="--rounds 3"

All run in one process with one thread, from an environment of their own (build/peers-decode, from decoders.lock). A
round decodes each file with each decoder in turn, in an order that moves on by one each round; ratios are taken within
a round. `apart` is the largest difference from Pillow in any pixel, in [0, 255]. The files are pictures of noise whose
amplitude falls as 1 / f, as photographs' does, JPEG at quality 90.

Then the service's way with a large JPEG, decoding all of it and resizing, against Pillow's `Image.draft`, which decodes
a half, a quarter or an eighth of the size: how much faster, and how other the pixels are.

Results, 28 November 2026, Python 3.11.7 on 2 cores of an AMD EPYC that others shared (load 3), 5 rounds, median:
JPEG   simplejpeg (libjpeg-turbo alone) 6.3 times as fast as eyas at 32 × 32 (0.008 against 0.050 ms), 1.3 at 224 × 224
       (0.20 against 0.26 ms), 1.2 at 640 × 480, 2.5 at 12 megapixels; OpenCV 4.0, 1.2, 1.2, 2.4; libvips 0.2 to 2.0
PNG    imagecodecs 2.3 times as fast at 32 × 32 (0.017 against 0.039 ms), 1.5 at 224 × 224, 1.8 at 12 megapixels;
       OpenCV 2.3, 1.2, 1.3; libvips 0.15 to 2.1
draft  1.5 to 2.9 times as fast to 224 × 224; pixels apart by 1.0 to 2.8 on average, 7 to 15 at most
All decoders give the same pixels of both kinds.
"""

from __future__ import annotations

import argparse
import io
import os
import statistics
from collections.abc import Callable
from time import perf_counter

import numpy as np
from decoders import DECODERS
from PIL import Image

from eyas.core.machine import cpu_name
from eyas.image import ImagePolicy, read_image, to_array

SIZES = ((32, 32), (224, 224), (480, 640), (1080, 1920), (3000, 4000))
TARGET = ImagePolicy(224, 224, 3)
SECONDS = 0.1  # of one measurement, at least


def main() -> None:
    options = _options()
    print(f"{cpu_name()}, load {os.getloadavg()[0]:.1f} on {len(os.sched_getaffinity(0))} cores")
    files = {(kind, size): _file(size, kind) for kind in DECODERS for size in SIZES}
    for (kind, size), content in files.items():
        _compare(f"{kind}, {size[1]} × {size[0]}, {len(content) / 1e3:,.0f} kB", kind, content, options.rounds)
    for size in SIZES[2:]:
        _draft(size, files["jpeg", size], options.rounds)


def _compare(title: str, kind: str, content: bytes, rounds: int) -> None:
    decoders = DECODERS[kind]
    right = decoders["pillow"](content).astype(int)
    times = _rounds({name: lambda decode=decode: decode(content) for name, decode in decoders.items()}, rounds)
    print(f"\n{title}: {rounds} rounds\n{'decoder':<12}{'ms':>9}{'eyas / it':>11}{'least':>8}{'most':>8}{'apart':>7}")
    for name, decode in decoders.items():
        ratios = [ours / its for ours, its in zip(times["eyas"], times[name], strict=True)]
        apart = np.abs(decode(content).astype(int) - right).max()
        print(f"{name:<12}{statistics.median(times[name]) * 1e3:9.3f}{_spread(ratios)}{apart:7}")


def _draft(size: tuple[int, int], content: bytes, rounds: int) -> None:
    ways = {"whole": lambda: read_image(content, TARGET), "draft": lambda: _drafted(content)}
    times = _rounds(ways, rounds)
    ratios = [whole / draft for whole, draft in zip(times["whole"], times["draft"], strict=True)]
    apart = np.abs(ways["whole"]().astype(int) - ways["draft"]().astype(int))
    print(f"\njpeg, {size[1]} × {size[0]} → {TARGET.width} × {TARGET.height}: whole / draft{_spread(ratios)}", end="")
    print(f"; pixels apart by {apart.mean():.2f} on average, {apart.max()} at most")


def _drafted(content: bytes) -> np.ndarray:
    image = Image.open(io.BytesIO(content))
    image.draft("RGB", (TARGET.width, TARGET.height))
    return to_array(image, TARGET)


def _rounds(ways: dict[str, Callable[[], np.ndarray]], rounds: int) -> dict[str, list[float]]:
    """{name: seconds of a call in each round, the least of its calls}."""
    times: dict[str, list[float]] = {name: [] for name in ways}
    names = list(ways)
    for first in range(rounds):
        for name in names[first % len(names) :] + names[: first % len(names)]:
            times[name].append(_time(ways[name]))
    return times


def _time(work: Callable[[], np.ndarray]) -> float:
    """Seconds of a call: the least of those that fit into SECONDS, three at least."""
    calls, until = [], perf_counter() + SECONDS
    while len(calls) < 3 or perf_counter() < until:
        began = perf_counter()
        work()
        calls.append(perf_counter() - began)
    return min(calls)


def _file(size: tuple[int, int], kind: str) -> bytes:
    """(height, width) → a picture."""
    random = np.random.default_rng(0)
    height, width = size
    frequency = np.hypot(np.fft.fftfreq(height)[:, None], np.fft.rfftfreq(width)[None])
    frequency[0, 0] = np.inf
    planes = [np.fft.irfft2(np.fft.rfft2(random.normal(size=size)) / frequency, size) for _ in range(3)]
    grey = planes[0]  # most of what differs in a photograph is how bright it is
    pixels = np.stack([grey + 0.3 * plane for plane in planes], -1)
    pixels = 128 + 50 * (pixels - pixels.mean()) / pixels.std()
    buffer = io.BytesIO()
    Image.fromarray(pixels.clip(0, 255).astype(np.uint8)).save(buffer, kind, quality=90)
    return buffer.getvalue()


def _spread(ratios: list[float]) -> str:
    return f"{statistics.median(ratios):11.2f}{min(ratios):8.2f}{max(ratios):8.2f}"


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    return parser.parse_args()


if __name__ == "__main__":
    main()
