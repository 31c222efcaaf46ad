"""Look around in a folder: a few small files are read, and none that is broken ends the look."""

from __future__ import annotations

from collections import defaultdict
from functools import partial
from itertools import chain
from pathlib import Path

from eyas.cli.road.place import Place
from eyas.cli.road.reading import Troubles, read_or
from eyas.cli.road.runs import Found, find_runs
from eyas.cli.road.serving import is_monitor, read_models
from eyas.core.errors import ConfigError
from eyas.core.marks import IMAGES, PARTS, SETTINGS, is_bundle, is_repository

MOST = 200  # entries of a folder that are looked at
SUFFIXES = frozenset(chain(*IMAGES.values()))


def look(here: Path) -> Place:
    """What lies in `here`; files that cannot be read are named in `broken`."""
    troubles: Troubles = []
    settings, source, runs_dir = _settings(here, troubles)
    find = partial(find_runs, runs_dir=runs_dir, troubles=troubles)
    nothing: Found = ((), 0, ())
    runs, more, studies = read_or(here, runs_dir, find, nothing, troubles)
    found: dict[str, list[Path]] = defaultdict(list)
    for folder in _folders(here):
        if folder.name != Path(runs_dir).name:
            found[read_or(folder, folder.name, _kind, "", troubles)].append(folder)
    models = [model for folder in found["models"] for model in read_models(folder, folder.name, troubles)]
    named = {kind: tuple(folder.name for folder in folders) for kind, folders in found.items()}
    return Place(
        settings=settings,
        unreadable=SETTINGS if settings is None and (here / SETTINGS).exists() else None,
        source=source,
        data=_data(here, named.get("data", ())),
        runs=runs,
        more_runs=more,
        studies=studies,
        bundles=named.get("bundles", ()),
        models=tuple(models),
        monitors=named.get("monitors", ()),
        broken=tuple(troubles),
    )


def _data(here: Path, found: tuple[str, ...]) -> tuple[str, ...]:
    """The folders that were found, or this one, where they are the parts of it or there are none."""
    return (".",) if {name.lower() for name in found} <= PARTS.keys() and _has_classes(here) else found


def _kind(folder: Path) -> str:
    """The field of `Place` that it belongs to; empty where to none."""
    if is_bundle(folder):
        return "bundles"
    if is_repository(folder):
        return "models"
    if is_monitor(folder):
        return "monitors"
    return "data" if _has_classes(folder) else ""


def _settings(here: Path, troubles: Troubles) -> tuple[str | None, str | None, str]:
    """The configuration file's name, its data, and where its runs go."""
    file = here / SETTINGS
    if not file.exists():
        return None, None, "runs"
    from eyas.core.config import load_config  # with pydantic, which takes longer than all the rest

    try:
        config = load_config(file)
    except ConfigError as error:
        troubles.append(str(error))
    else:
        return file.name, config.data.source, config.runs_dir
    return None, None, "runs"


def _folders(here: Path) -> list[Path]:
    try:
        entries = sorted(here.iterdir())[:MOST]
    except OSError:  # a folder that may not be listed has nothing to show
        return []
    return [entry for entry in entries if not entry.name.startswith((".", "_")) and entry.is_dir()]


def _has_classes(folder: Path) -> bool:
    """Whether most sub-folders, and two at least, hold images, or one that is named as a split does."""
    inside = _folders(folder)
    if sum(_has_images(one) for one in inside) >= max(2, len(inside) / 2):
        return True
    return any(one.name.lower() in PARTS and any(map(_has_images, _folders(one))) for one in inside)


def _has_images(folder: Path) -> bool:
    try:
        return any(entry.suffix.lower() in SUFFIXES for entry, _ in zip(folder.iterdir(), range(MOST), strict=False))
    except OSError:
        return False
