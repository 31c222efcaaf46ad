"""A real service with a page."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from time import time
from typing import Any

import httpx
import numpy as np
from PIL import Image

from eyas.bundle import Repository
from eyas.image import ImagePolicy, to_png
from eyas.rollout import RolloutStore, make_plan, rollouts_of
from support.bundles import CLASSES, VAL, digits, make_bundle
from support.server import Server, running
from support.waiting import wait_until

OLD, NEW = "digits-1", "digits-2"
HELD: dict[str, Any] = {"stage_seconds": 1e6, "latency_ratio": None, "salt": "the same users in every run"}


def make_repository(folder: Path) -> Repository:
    """`OLD` is live; `NEW` gives other probabilities."""
    made = Repository(folder / "models")
    made.publish(make_bundle(folder / "old", version=OLD, cam=True).path, live=True, by="ann")
    made.publish(make_bundle(folder / "new", version=NEW, sharpness=1.1).path)
    return made


@contextmanager
def page_service(folder: Path, **config: Any) -> Iterator[Server]:
    """Over a repository of two versions, with a folder that keeps all predictions and images."""
    monitor = {"folder": str(folder / "monitor"), "keep_images": 1.0, "most_per_second": 1e6}
    usual = {"workers": 1, "threads": 1, "admin": True, "poll_seconds": 0.2, "explain_seconds": 0.3, "monitor": monitor}
    with running(make_repository(folder).path, **(usual | config)) as server:
        wait_until(lambda: httpx.get(f"{server.url}/monitor").status_code != 503, seconds=20)  # the monitor has begun
        yield server


def digit_files(folder: Path, count: int) -> list[Path]:
    """Real digits as 8 × 8 PNG files, named by what they show."""
    images, labels = digits(ImagePolicy(8, 8, 1), VAL)
    paths = []
    for number, (image, label) in enumerate(zip(images[:count], labels, strict=False)):
        paths.append(folder / f"{CLASSES[label]}-{number}.png")
        paths[-1].write_bytes(to_png(image))
    return paths


def noise_file(folder: Path) -> Path:
    """An image like no digit."""
    path = folder / "noise.png"
    Image.fromarray(np.random.default_rng(0).integers(0, 2, (64, 64, 3), np.uint8) * 255).save(path)
    return path


def feed(url: str, count: int, wrong: int = 0) -> None:
    """Predictions with labels; the first `wrong` of them are said to be a nine."""
    images, labels = digits(ImagePolicy(8, 8, 1), VAL)
    with httpx.Client(base_url=url, timeout=30) as client:
        for number in range(count):
            image, label = images[number % len(images)], labels[number % len(images)]
            answer = client.post("/predict", json={"data": image.tolist(), "range": 255}).json()
            told = "nine" if number < wrong else CLASSES[label]
            client.post("/feedback", json={"id": answer["id"], "label": told}).raise_for_status()


def drift(url: str, count: int) -> None:
    """Digits in the negative: the monitor raises an alarm."""
    images, _ = digits(ImagePolicy(8, 8, 1), VAL)
    with httpx.Client(base_url=url, timeout=30) as client:
        for number in range(count):
            image = 255 - images[number % len(images)]
            client.post("/predict", json={"data": image.tolist(), "range": 255}).raise_for_status()


def begin_rollout(folder: Path, **plan: Any) -> RolloutStore:
    """A canary of `NEW` in the repository under `folder`, which goes on by hand alone."""
    store = rollouts_of(Repository(folder / "models"), "digits")
    values = {"champion": OLD, "challenger": NEW, "mode": "canary", "stages": [0.25, 0.5, 1.0], **HELD, **plan}
    store.start(make_plan(values), by="ann", why="to try it", now=time())
    return store
