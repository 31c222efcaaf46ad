"""Folders, by the files that tell what they are."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import typer

MANIFEST, LIVE, LOCK = "manifest.json", "live.json", ".lock"


def runs(incomplete: str) -> list[str]:
    """Run folders: below `runs`, or below the folder that the word names."""
    return _below(incomplete, "config.yaml")


def studies(incomplete: str) -> list[str]:
    """Folders of comparisons, learning curves and searches."""
    return _below(incomplete, "study.yaml", "tune.yaml")


def tracked(incomplete: str) -> list[str]:
    """Runs and studies."""
    return [*runs(incomplete), *studies(incomplete)]


def bundles(incomplete: str) -> list[str]:
    """Runs that hold a bundle, and bundles."""
    return [*_below(incomplete, f"bundle/{MANIFEST}"), *_beside(incomplete, MANIFEST)]


def runs_and_bundles(incomplete: str) -> list[str]:
    """What can be measured."""
    return list(dict.fromkeys([*runs(incomplete), *bundles(incomplete)]))


def repositories(incomplete: str) -> list[str]:
    """Folders that bundles were published to."""
    found = _beside(incomplete, f"*/{LIVE}", LOCK)
    return [path for path in found if not (Path(path) / MANIFEST).is_file()]


def servable(incomplete: str) -> list[str]:
    """Bundles, runs that hold one, and repositories."""
    return list(dict.fromkeys([*bundles(incomplete), *repositories(incomplete)]))


def reported(incomplete: str) -> list[str]:
    """Runs, studies, and the folders of watched services."""
    return [*tracked(incomplete), *_beside(incomplete, "status.json", "predictions.db")]


def models(context: typer.Context, incomplete: str) -> list[str]:
    """Of the repository that the words before name."""
    return sorted({file.parents[1].name for file in _repository(context).glob(f"*/*/{MANIFEST}")})


def versions(context: typer.Context, incomplete: str) -> list[str]:
    """Of the repository's model that the words before name."""
    model = context.params.get("model")
    return sorted(file.parent.name for file in _repository(context).glob(f"{model}/*/{MANIFEST}"))


def _repository(context: typer.Context) -> Path:
    return Path(context.params.get("repository") or "models")


def _below(incomplete: str, *marks: str) -> list[str]:
    """Folders with one of these files: those of `runs`, or of the folder that the word is in."""
    parent = incomplete.rpartition("/")[0] if "/" in incomplete else "runs"
    return _marked(Path(parent), parent, marks)


def _beside(incomplete: str, *marks: str) -> list[str]:
    """The same, of this folder or the one that the word is in."""
    parent = incomplete.rpartition("/")[0] if "/" in incomplete else ""
    return _marked(Path(parent or "."), parent, marks)


def _marked(folder: Path, named: str, marks: tuple[str, ...]) -> list[str]:
    return sorted(dict.fromkeys(_names(folder, named, marks)))


def _names(folder: Path, named: str, marks: tuple[str, ...]) -> Iterator[str]:
    """The folders as they would be typed."""
    try:
        entries = [entry for entry in folder.iterdir() if not entry.name.startswith(".")]
    except OSError:  # there is no such folder: there is nothing to offer
        return
    for entry in entries:
        if any(_has(entry, mark) for mark in marks):
            yield f"{named}/{entry.name}" if named else entry.name


def _has(folder: Path, mark: str) -> bool:
    return any(folder.glob(mark)) if "*" in mark else (folder / mark).is_file()
