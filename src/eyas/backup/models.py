"""A repository copied as it was at one moment.

Versions never change, so nearly all of the copying needs no lock. Then, with writers kept out for a moment, what came
or went meanwhile is made up for, and the pointers and rollouts are copied: each points at what is there.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

from eyas.bundle import Repository, open_bundle, signature_of
from eyas.bundle.repository import LOCK_SECONDS
from eyas.bundle.writing import copy_bundle, only_writer
from eyas.core import io
from eyas.core.errors import BundleError, IntegrityError
from eyas.core.marks import LIVE, MANIFEST
from eyas.rollout import rollouts_of
from eyas.rollout.state import CURRENT, FOLDER, HISTORY

Version = tuple[str, str]
"""A model and its version."""


def copy_repository(repository: Repository, target: Path) -> dict[str, str | None]:
    """Copy all of it, while others publish, remove and roll out.

    Args:
        repository: read alone, but for its locks.
        target: a folder to make.

    Returns:
        The live version of each model.

    Raises:
        IntegrityError: a version, pointer or rollout is damaged.
        BundleError: another process keeps the lock.
    """
    target.mkdir()
    for model, version in versions_of(repository):
        with suppress(FileNotFoundError, BundleError):  # it is being removed; what is damaged is found again below
            _copy_version(repository.path / model / version, target / model / version)
    with still(repository):
        there = versions_of(repository)
        for model, version in set(versions_of(Repository(target))) - set(there):
            shutil.rmtree(target / model / version)
        for model, version in there:
            _make_up(repository.path / model / version, target / model / version)
        live = {model: _copy_pointers(repository, model, target / model) for model in repository.models()}
    return live


def versions_of(repository: Repository) -> list[Version]:
    """All that are there at this moment."""
    found = []
    for model in repository.models():
        with suppress(BundleError):  # it went since
            found += [(model, version) for version in repository.versions(model)]
    return found


@contextmanager
def still(repository: Repository) -> Iterator[None]:
    """Nobody else moves a pointer, a rollout or a version within the block. The locks are in the order of a move's.

    A model that came while we waited has none of them yet, so all are given back and taken once more.
    """
    while True:
        with ExitStack() as locks:
            held = repository.models()
            for model in held:  # its first rollout may be about to begin
                locks.enter_context(only_writer(repository.path / model / FOLDER, LOCK_SECONDS))
            locks.enter_context(only_writer(repository.path, LOCK_SECONDS))
            if set(repository.models()) <= set(held):
                yield
                return


def _make_up(source: Path, copy: Path) -> None:
    """For what is new, was copied by half, or was removed and published anew; and its signature, which may follow."""
    manifest = copy / MANIFEST
    if not manifest.is_file() or manifest.read_bytes() != (source / MANIFEST).read_bytes():
        shutil.rmtree(copy, ignore_errors=True)
        _copy_version(source, copy)
    if (signature := signature_of(source)).is_file():
        io.copy_file(signature, signature_of(copy))


def _copy_version(source: Path, copy: Path) -> None:
    copy.mkdir(parents=True)
    copy_bundle(open_bundle(source), copy)
    open_bundle(copy)


def _copy_pointers(repository: Repository, model: str, copy: Path) -> str | None:
    live = repository.live(model)
    if live and live.version not in repository.versions(model):
        raise IntegrityError(f"{repository.path / model / LIVE} names version {live.version}, which is not there")
    copy.mkdir(exist_ok=True)
    if live:
        io.copy_file(repository.path / model / LIVE, copy / LIVE)
    rollouts_of(repository, model).history()  # damage is to be found now
    for name in (HISTORY, CURRENT):
        with suppress(FileNotFoundError):
            io.copy_file(repository.path / model / FOLDER / name, copy / FOLDER / name)
    io.sync(copy)
    return live.version if live else None
