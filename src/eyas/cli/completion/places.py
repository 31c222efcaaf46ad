"""Folders, by the files that tell what they are."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import typer

from eyas.core.marks import MANIFEST, PREDICTIONS, RUN, SETTINGS, STATUS, STUDY, is_repository

RUNS_DIR = re.compile(r"""^runs_dir:[ \t]+(["']?)(.+?)\1(?:[ \t]+#.*)?[ \t]*$""", re.MULTILINE)
"""Its line in the configuration: to parse YAML takes longer than a shell may wait."""


def runs(incomplete: str) -> list[str]:
    """Run folders: below `runs_dir`, or below the folder that the word names."""
    return _below(incomplete, RUN)


def studies(incomplete: str) -> list[str]:
    """Folders of comparisons, learning curves and searches."""
    return _below(incomplete, *STUDY)


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
    return _here(incomplete, is_repository)


def servable(incomplete: str) -> list[str]:
    """Bundles, runs that hold one, and repositories."""
    return list(dict.fromkeys([*bundles(incomplete), *repositories(incomplete)]))


def reported(incomplete: str) -> list[str]:
    """Runs, studies, and the folders of watched services."""
    return [*tracked(incomplete), *_beside(incomplete, STATUS, PREDICTIONS)]


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
    """Folders with one of these files: those of `runs_dir`, or of the folder that the word is in."""
    parent = incomplete.rpartition("/")[0] if "/" in incomplete else _runs_dir()
    return _those(Path(parent), parent, partial(_has_one, marks))


def _beside(incomplete: str, *marks: str) -> list[str]:
    """The same, of this folder or the one that the word is in."""
    return _here(incomplete, partial(_has_one, marks))


def _here(incomplete: str, wanted: Callable[[Path], bool]) -> list[str]:
    parent = incomplete.rpartition("/")[0] if "/" in incomplete else ""
    return _those(Path(parent or "."), parent, wanted)


def _runs_dir() -> str:
    """Where the configuration lets runs go."""
    try:
        found = RUNS_DIR.search(Path(SETTINGS).read_text(encoding="utf-8", errors="replace"))
    except OSError:  # there is none
        return "runs"
    return found[2].rstrip("/") if found else "runs"


def _those(folder: Path, named: str, wanted: Callable[[Path], bool]) -> list[str]:
    return sorted(_names(folder, named, wanted))


def _names(folder: Path, named: str, wanted: Callable[[Path], bool]) -> Iterator[str]:
    """The folders as they would be typed."""
    try:
        entries = [entry for entry in folder.iterdir() if not entry.name.startswith(".")]
    except OSError:  # there is no such folder: there is nothing to offer
        return
    for entry in entries:
        if wanted(entry):
            yield f"{named}/{entry.name}" if named else entry.name


def _has_one(marks: tuple[str, ...], folder: Path) -> bool:
    return any((folder / mark).is_file() for mark in marks)
