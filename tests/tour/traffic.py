"""People who ask the service of the tour, and tell it later what their images truly showed."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from time import sleep

import numpy as np
from numpy.typing import NDArray

import eyas
from eyas.bundle import Bundle
from eyas.core.schema import DataConfig
from eyas.image import to_png

AT_ONCE = 20
PAUSE = 0.2


@dataclass(frozen=True)
class TestImages:
    """Of the test split, in a random order."""

    images: NDArray[np.uint8]
    """(N, H, W, C)"""
    names: list[str]
    """Of the N true classes."""

    def write(self, folder: Path, count: int) -> list[Path]:
        """The first ones as PNG files, named by what they show."""
        folder.mkdir(exist_ok=True)
        files = [folder / f"{name}-{row}.png" for row, name in enumerate(self.names[:count])]
        for file, image in zip(files, self.images, strict=False):
            file.write_bytes(to_png(image))
        return files


def test_images(source: str, bundle: Bundle) -> TestImages:
    """As large as the model takes them."""
    size = bundle.manifest.input.height
    test = eyas.open_dataset(DataConfig(source=source, image_size=size)).test
    order = np.random.default_rng(0).permutation(len(test))
    return TestImages(test.take(order), [bundle.classes[label] for label in test.labels[order]])


def traffic(url: str, images: TestImages, most: int, until: Callable[[], bool] = lambda: False) -> str:
    """Ask `AT_ONCE` images at a time and tell the labels, until it holds; what came of it.

    Args:
        most: images.
    """
    right: Counter[str] = Counter()
    asked: Counter[str] = Counter()
    with eyas.Client(url) as client:
        for start in range(0, most, AT_ONCE):
            rows = np.arange(start, start + AT_ONCE) % len(images.names)
            labels = {}
            for row in rows.tolist():
                answer = client.predict(images.images[row])
                labels[answer.id] = images.names[row]
                asked[answer.version] += 1
                right[answer.version] += answer[0].label == images.names[row]
            client.feedback(labels)
            if until():
                break
            sleep(PAUSE)
    told = (f"{version}: {right[version] / count:.1%} of {count} images" for version, count in asked.items())
    return "    right answers of " + "; ".join(told)
