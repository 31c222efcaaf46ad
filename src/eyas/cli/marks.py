"""What tells a folder: names of files that both completion and `eyas` alone go by. Nothing is read."""

from __future__ import annotations

from pathlib import Path

MANIFEST, LIVE, LOCK = "manifest.json", "live.json", ".lock"
RUN = "config.yaml"
STUDY = ("study.yaml", "tune.yaml")


def is_repository(folder: Path) -> bool:
    """Whether a folder has been published to, or holds a live pointer.

    Runs and searches have a `.lock` too, and bundles lie in repositories.
    """
    if any((folder / name).is_file() for name in (MANIFEST, RUN, *STUDY)):
        return False
    return (folder / LOCK).is_file() or any(folder.glob(f"*/{LIVE}"))
