"""What tells a folder: names of files that both completion and `eyas` alone go by. Nothing is read."""

from __future__ import annotations

from pathlib import Path

MANIFEST, LIVE, LOCK = "manifest.json", "live.json", ".lock"
RUN = "config.yaml"
STUDY = ("study.yaml", "tune.yaml")


def is_repository(folder: Path) -> bool:
    """As `eyas.bundle.is_repository`, which loads NumPy."""
    if (folder / MANIFEST).is_file():
        return False
    locked = (folder / LOCK).is_file() and not any((folder / name).is_file() for name in (RUN, *STUDY))
    return locked or any(folder.glob(f"*/{LIVE}"))
