"""Names that tell what a file or a folder is, and what follows from them alone.

Standard library only, and nothing is read: completion and `eyas` alone go by them, and must be instant.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Literal

SETTINGS = "eyas.yaml"
MANIFEST, LIVE, LOCK = "manifest.json", "live.json", ".lock"
RUN, HISTORY, METRICS, STATE = "config.yaml", "history.csv", "metrics.json", "state.json"
COMPARISON, SEARCH = STUDY = ("study.yaml", "tune.yaml")
RUNS, FINAL = "runs", "final"
"""Folders of a study: its runs, and the comparison at the end of a search, which has runs of its own."""
RESULTS = "results.json"
JOURNAL, FOUND, IMPORTANCE, BEST = "journal.log", "optimization_results.json", "importance.json", "best.yaml"
PREDICTIONS, STATUS = "predictions.db", "status.json"

PARTS: Mapping[str, Literal["train", "val", "test"]] = {
    "train": "train",
    "training": "train",
    "val": "val",
    "valid": "val",
    "validation": "val",
    "dev": "val",
    "test": "test",
    "testing": "test",
}
"""What people call a split, and what it is."""
# What is read from files, and how they are named. The order is that of the attempts: TGA has no magic number. Left out
# is what starts other programs (EPS), what belongs to one program, and what hardly anybody fuzzes.
IMAGES = {
    "PNG": (".png", ".apng"),
    "JPEG": (".jpg", ".jpeg", ".jpe", ".jfif", ".mpo"),
    "WEBP": (".webp",),
    "GIF": (".gif",),
    "BMP": (".bmp",),
    "TIFF": (".tif", ".tiff"),
    "AVIF": (".avif", ".avifs"),
    "JPEG2000": (".jp2", ".j2k", ".jpc", ".jpf", ".jpx", ".j2c"),
    "PPM": (".ppm", ".pgm", ".pbm", ".pnm", ".pfm"),
    "QOI": (".qoi",),
    "ICO": (".ico",),
    "DIB": (".dib",),
    "DDS": (".dds",),
    "PCX": (".pcx",),
    "SGI": (".sgi", ".rgb", ".rgba", ".bw"),
    "TGA": (".tga", ".icb", ".vda", ".vst"),
}


def is_bundle(folder: Path) -> bool:
    """Whether there is a manifest in it."""
    return (folder / MANIFEST).is_file()


def is_run(folder: Path) -> bool:
    """Whether a training was begun in it."""
    return (folder / RUN).is_file()


def is_study(folder: Path) -> bool:
    """Whether a comparison, a learning curve or a search was begun in it."""
    return any((folder / name).is_file() for name in STUDY)


def is_repository(folder: Path) -> bool:
    """Whether bundles were published to it, or it holds a live pointer. A run or a study has a lock of its own."""
    if is_bundle(folder):
        return False
    locked = (folder / LOCK).is_file() and not is_run(folder) and not is_study(folder)
    return locked or any(folder.glob(f"*/{LIVE}"))


def counted(version: str) -> list[tuple[bool, int, str]]:
    """The key that sorts versions as people count: 9 before 10."""
    return [(part.isdigit(), int(part) if part.isdigit() else 0, part) for part in re.split(r"(\d+)", version)]
