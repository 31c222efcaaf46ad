"""A folder of bundles by model and version, and which version of each model is live.

REPOSITORY/MODEL/VERSION/     a bundle; never changed
REPOSITORY/MODEL/live.json    the live version, since when, by whom, and those before it
REPOSITORY/.lock              held by whoever writes

Readers need no lock: each change is one rename. A writer that is killed leaves at most a folder with a hidden name,
which the next writer takes away.
"""

from __future__ import annotations

import getpass
import os
import re
import shutil
import socket
import tempfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from pydantic import ValidationError

from eyas.bundle.folder import Bundle, open_bundle, signature_of
from eyas.bundle.writing import copy_bundle, only_writer
from eyas.core import io
from eyas.core.errors import BundleError, IntegrityError
from eyas.core.marks import LIVE, MANIFEST, counted, is_bundle
from eyas.core.moments import iso
from eyas.core.schema import Section
from eyas.core.schema.section import NAME, first_fault

LEFTOVERS = (".*.partial-*", ".*.removed-*", f".{LIVE}.*")
REMEMBERED = 20  # versions that were live before, in live.json
LOCK_SECONDS = 60.0


class Turn(Section):
    """A version's time as the live one."""

    version: str
    since: str
    """ISO 8601, UTC."""
    by: str
    """Who made it live."""


class Live(Turn):
    """The whole of `live.json`."""

    before: tuple[Turn, ...] = ()
    """What was live before, the last first; `Repository.roll_back` goes along these."""


class Repository:
    """Bundles by model and version. It need not exist yet: the first `publish` makes it.

    Args:
        path: of the folder.
        lock_seconds: how long to wait for another writer.
    """

    def __init__(self, path: Path | str, lock_seconds: float = LOCK_SECONDS) -> None:
        self.path = Path(path)
        self._lock_seconds = lock_seconds

    def models(self) -> tuple[str, ...]:
        """The names of the models, sorted."""
        return tuple(sorted(folder.name for folder in _folders(self.path) if _is_model(folder)))

    def versions(self, model: str) -> tuple[str, ...]:
        """Of a model, sorted as people count: 9 before 10.

        Raises:
            BundleError: there is no such model.
        """
        found = (folder.name for folder in _folders(self._model(model)) if is_bundle(folder))
        return tuple(sorted(found, key=counted))

    def live(self, model: str) -> Live | None:
        """What is live of a model; None where nothing is.

        Raises:
            BundleError: there is no such model.
            IntegrityError: `live.json` is damaged.
        """
        file = self._model(model) / LIVE
        try:
            return Live.model_validate_json(file.read_bytes())
        except FileNotFoundError:
            return None
        except ValidationError as error:
            raise IntegrityError(f"{file}: {first_fault(error)}") from error

    def folder(self, model: str, version: str) -> Path:
        """Where a version lies.

        Raises:
            BundleError: there is no such version.
        """
        path = self._model(model) / _named(version, "version")
        if not is_bundle(path):
            raise BundleError(
                f"{model} has no version {version} in {self.path}; it has {', '.join(self.versions(model)) or 'none'}"
            )
        return path

    def open(self, model: str, version: str) -> Bundle:
        """A version, its files checked.

        Raises:
            BundleError: there is no such version.
            IntegrityError: it is damaged, or lies under another version's name.
        """
        return open_version(self.folder(model, version), version)

    def publish(
        self, bundle: Path | str, *, model: str | None = None, live: bool = False, by: str | None = None
    ) -> Bundle:
        """Copy a bundle in, and its signature where it has one; it appears whole or not at all.

        Args:
            bundle: its path.
            model: to publish it under; the bundle's own name where None.
            live: make it the live version, too.
            by: who does this; this process's user where None.

        Returns:
            The copy. A version that is there already is left as it is where it is the same to the byte.

        Raises:
            BundleError: `bundle` is none, a name breaks its rule, or the version exists with another content.
        """
        source = open_bundle(bundle)
        version = _named(source.manifest.version, "version")
        target = self.path / _named(source.manifest.name if model is None else model, "model") / version
        with only_writer(self.path, self._lock_seconds):
            self._sweep(target.parent)
            if target.exists():
                published = open_version(target, version)
                if published.manifest != source.manifest:
                    raise BundleError(
                        f"{target} exists already with another content; give the new one a version of its own"
                    )
                _copy_signature(source.path, target)
            else:
                with io.new_folder(target, BundleError) as partial:
                    copy_bundle(source, partial)
                    published = replace(open_version(partial, version), path=target)
                    _copy_signature(source.path, target)  # before the version can be seen
                io.sync(target.parent)
            if live:
                self._point(target.parent.name, version, by)
        return published

    def set_live(self, model: str, version: str, by: str | None = None) -> Live:
        """Make a version the live one, once its files are checked.

        Raises:
            BundleError: there is no such version.
            IntegrityError: it is damaged.
        """
        with only_writer(self.path, self._lock_seconds):
            self.open(model, version)
            return self._point(model, version, by)

    def previous(self, model: str) -> str:
        """The version that was live before, of those that are still there.

        Raises:
            BundleError: there is none.
        """
        return self._before(model)[0].version

    def roll_back(self, model: str, by: str | None = None) -> Live:
        """Make the version live that was live before. Once more goes back further.

        Raises:
            BundleError: there is none.
            IntegrityError: it is damaged.
        """
        with only_writer(self.path, self._lock_seconds):
            last, *earlier = self._before(model)
            self.open(model, last.version)
            return self._write(
                model, Live(version=last.version, since=iso(), by=by or whoever(), before=tuple(earlier))
            )

    def remove(self, model: str, version: str) -> None:
        """Remove a version that is not live.

        Raises:
            BundleError: there is no such version, or it is live.
        """
        with only_writer(self.path, self._lock_seconds):
            folder = self.folder(model, version)
            live = self.live(model)
            if live and live.version == version:
                raise BundleError(f"{model} {version} is live and cannot be removed; make another version live first")
            self._sweep(folder.parent)
            signature_of(folder).unlink(missing_ok=True)
            folder.rename(tempfile.mkdtemp(dir=folder.parent, prefix=f".{version}.removed-"))
            self._sweep(folder.parent)
            if not any(folder.parent.iterdir()):
                folder.parent.rmdir()

    def _model(self, model: str) -> Path:
        path = self.path / _named(model, "model")
        if not path.is_dir():
            there = ", ".join(self.models()) or f"none; `eyas models publish BUNDLE {self.path}` brings one"
            raise BundleError(f"there is no model {model} in {self.path}; there are: {there}")
        return path

    def _before(self, model: str) -> list[Turn]:
        live = self.live(model)
        there = self.versions(model)
        found = [turn for turn in live.before if turn.version in there and turn.version != live.version] if live else []
        if not found:
            raise BundleError(
                f"{model} has no version in {self.path} that was live before; `eyas models live` makes one of them live"
            )
        return found

    def _point(self, model: str, version: str, by: str | None) -> Live:
        """Under the lock."""
        now = self.live(model)
        if now and now.version == version:
            return now
        before = (Turn(version=now.version, since=now.since, by=now.by), *now.before) if now else ()
        return self._write(model, Live(version=version, since=iso(), by=by or whoever(), before=before[:REMEMBERED]))

    def _write(self, model: str, live: Live) -> Live:
        io.write_json(self.path / model / LIVE, live.model_dump(mode="json"))
        return live

    def _sweep(self, folder: Path) -> None:
        """Take away what a killed writer has left; under the lock, so that there is no other."""
        for entry in [entry for pattern in LEFTOVERS for entry in folder.glob(pattern)]:
            shutil.rmtree(entry) if entry.is_dir() else entry.unlink()


def open_version(path: Path, version: str) -> Bundle:
    """The bundle at `path`, which must be of this version.

    Raises:
        IntegrityError: it is damaged, or of another version.
    """
    bundle = open_bundle(path)
    if bundle.manifest.version != version:
        raise IntegrityError(f"{path} must hold version {version}, holds {bundle.manifest.version}")
    return bundle


def _copy_signature(source: Path, target: Path) -> None:
    if (signature := signature_of(source)).is_file():
        io.copy_file(signature, signature_of(target))


def _named(name: str, what: str) -> str:
    if not re.fullmatch(NAME, name) or name == LIVE:
        raise BundleError(
            f"a {what}'s name must be 1 to 64 letters, digits and . _ + -, begin with a letter or digit, "
            f"and not be {LIVE}; got {name!r}"
        )
    return name


def _folders(path: Path) -> Iterator[Path]:
    if path.is_dir():
        yield from (entry for entry in path.iterdir() if re.fullmatch(NAME, entry.name) and entry.is_dir())


def _is_model(folder: Path) -> bool:
    return (folder / LIVE).is_file() or any(folder.glob(f"*/{MANIFEST}"))


def whoever() -> str:
    """Who runs this process, for the records: user@host."""
    try:
        user = getpass.getuser()
    except (KeyError, OSError):  # a container's user need not have a name
        user = str(os.getuid())
    return f"{user}@{socket.gethostname()}"
