"""Look around in a folder: a few small files are read, and none that is broken ends the look."""

from __future__ import annotations

from pathlib import Path

from eyas.cli.road.place import Place
from eyas.cli.road.reading import Troubles
from eyas.cli.road.runs import find_runs
from eyas.cli.road.serving import is_monitor, is_repository, read_models
from eyas.core.errors import ConfigError

SETTINGS = "eyas.yaml"
MOST = 200  # entries of a folder that are looked at
IMAGES = frozenset({".png", ".jpg", ".jpeg", ".bmp", ".gif", ".tif", ".tiff", ".webp"})
PARTS = frozenset({"train", "val", "valid", "validation", "test"})


def look(here: Path) -> Place:
    """What lies in `here`; files that cannot be read are named in `broken`."""
    troubles: Troubles = []
    settings, source, runs_dir = _settings(here, troubles)
    runs, more, studies = find_runs(here, runs_dir, troubles)
    data, bundles, models, monitors = [], [], [], []
    for folder in _folders(here):
        name = folder.name
        if name == Path(runs_dir).name:
            continue
        if (folder / "manifest.json").is_file():
            bundles.append(name)
        elif is_repository(folder):
            models += read_models(folder, name, troubles)
        elif is_monitor(folder):
            monitors.append(name)
        elif _has_classes(folder):
            data.append(name)
    if not data and _has_classes(here):
        data = ["."]
    return Place(
        settings=settings,
        source=source,
        data=tuple(data),
        runs=runs,
        more_runs=more,
        studies=studies,
        bundles=tuple(bundles),
        models=tuple(models),
        monitors=tuple(monitors),
        broken=tuple(troubles),
    )


def _settings(here: Path, troubles: Troubles) -> tuple[str | None, str | None, str]:
    """The configuration file's name, its data, and where its runs go."""
    file = here / SETTINGS
    if not file.exists():
        return None, None, "runs"
    from eyas.core.config import load_config  # with pydantic, which takes longer than all the rest

    try:
        config = load_config(file)
    except ConfigError as error:
        troubles.append(f"{file.name}: {error}")
        return None, None, "runs"
    return file.name, config.data.source, config.runs_dir


def _folders(here: Path) -> list[Path]:
    try:
        entries = sorted(here.iterdir())[:MOST]
    except OSError:  # a folder that may not be listed has nothing to show
        return []
    return [entry for entry in entries if not entry.name.startswith((".", "_")) and entry.is_dir()]


def _has_classes(folder: Path) -> bool:
    """Whether two sub-folders hold images, or one that is named as a split does."""
    inside = _folders(folder)
    if sum(_has_images(one) for one in inside) >= 2:
        return True
    return any(one.name.lower() in PARTS and any(map(_has_images, _folders(one))) for one in inside)


def _has_images(folder: Path) -> bool:
    try:
        return any(entry.suffix.lower() in IMAGES for entry, _ in zip(folder.iterdir(), range(MOST), strict=False))
    except OSError:
        return False
