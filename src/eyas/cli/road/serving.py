"""Repositories and what a watched service leaves: as `eyas.bundle`, `eyas.rollout` and `eyas.monitor` lay them out.

Those read all of it and check every file, and load NumPy; this is a glance.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from eyas.cli.road.place import Model
from eyas.cli.road.reading import NEITHER, Troubles, read_json, read_or
from eyas.core.marks import LIVE, MANIFEST, PREDICTIONS, STATUS, counted

ROLLOUT = Path(".rollouts", "rollout.json")
UNDER_WAY = ("running", "paused")


def is_monitor(folder: Path) -> bool:
    """Whether a watched service has written there."""
    return any((folder / name).is_file() for name in (STATUS, PREDICTIONS))


def read_models(folder: Path, name: str, troubles: Troubles) -> Iterator[Model]:
    """The repository's models, by name."""
    for model in sorted({file.parents[1] for file in folder.glob(f"*/*/{MANIFEST}")}):
        said = f"{name}/{model.name}"
        before = len(troubles)
        live = read_or(model / LIVE, f"{said}/{LIVE}", _live, None, troubles)
        status, tried = read_or(model / ROLLOUT, f"{said}/{ROLLOUT}", _rollout, NEITHER, troubles)
        yield Model(
            repository=name,
            name=model.name,
            versions=tuple(sorted((file.parent.name for file in model.glob(f"*/{MANIFEST}")), key=counted)),
            live=live,
            rollout=status if status in UNDER_WAY else None,
            tried=tried,
            unreadable=len(troubles) > before,
        )


def _live(file: Path) -> str:
    return str(read_json(file)["version"])


def _rollout(file: Path) -> tuple[str, str]:
    """The last one's status and version."""
    said = read_json(file)
    return str(said["status"]), str(said["plan"]["challenger"])
