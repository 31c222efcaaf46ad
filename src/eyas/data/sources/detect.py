"""From what the user wrote as `data.source` to the source it means."""

from __future__ import annotations

import difflib
import hashlib
from collections.abc import Sequence
from pathlib import Path

from eyas.core.errors import ConfigError, DataError
from eyas.data.sources import kaggle, layouts, named
from eyas.data.sources.archive import is_archive, open_archive
from eyas.data.sources.contents import Contents, Source
from eyas.data.sources.digits import Digits
from eyas.data.sources.merged import merged_archives
from eyas.data.sources.table import Table, is_table
from eyas.data.sources.tree import PathTree, Tree, folder_tree

NAMED = ("digits", *named.SETS)
HELP = f"a folder, an archive, an .npz, a CSV or Parquet table, {', '.join(NAMED)}, or {kaggle.SCHEME}owner/name"


class Files:
    """A source made of files: a folder, an archive, or one file."""

    def __init__(self, name: str, tree: Tree, class_names: Sequence[str] | None = None) -> None:
        self.name, self._tree, self._class_names = name, tree, class_names

    def signature(self) -> str:
        """See `Source`."""
        return self._tagged(self._tree.signature())

    def content_key(self) -> str:
        """See `Source`."""
        return self._tagged(self._tree.content_key())

    def contents(self) -> Contents:
        """See `Source`."""
        return layouts.read(self._tree, self._class_names)

    def _tagged(self, key: str) -> str:
        """The same files with other class names are another data set."""
        return hashlib.sha256(f"{key} {self._class_names}".encode()).hexdigest()


def open_source(spec: str | None) -> Source:
    """The source that `spec` means, downloaded where it has to be; nothing of its images is read yet.

    Raises:
        ConfigError: no `spec`.
        DataError: nothing there, a file of an unknown kind, or a download that failed.
    """
    if not spec:
        raise ConfigError(f"data.source must say which images to use: {HELP}")
    if spec == Digits.name:
        return Digits()
    if spec in named.SETS:
        return _open_path(named.fetch(spec), spec, named.SETS[spec].class_names)
    if spec.startswith(kaggle.SCHEME):
        return _open_path(kaggle.fetch(spec), spec.removeprefix(kaggle.SCHEME).replace("/", "-"))
    return _open_path(Path(spec).expanduser(), None)


def fetch(name: str) -> Path:
    """Make sure that a named set, or `kaggle:owner/name`, lies on this machine.

    Returns:
        The folder or archive: where it was found, else in the cache.

    Raises:
        ConfigError: no such set.
        DataError: the download failed.
    """
    if name in named.SETS:
        return named.fetch(name)
    if name.startswith(kaggle.SCHEME):
        return kaggle.fetch(name)
    raise ConfigError(
        f"only {', '.join(named.SETS)} and {kaggle.SCHEME}owner/name can be fetched, got {name!r}{_near(name)}"
    )


def _open_path(path: Path, name: str | None, class_names: Sequence[str] | None = None) -> Source:
    name = name or path.resolve().name
    if path.is_dir():
        tree = folder_tree(path)
        return Files(name, _archives_in(tree) or tree, class_names)
    if not path.is_file():
        raise DataError(f"{path} does not exist{_near(str(path)) or f'; data.source is {HELP}'}")
    if is_archive(path.name):
        return Files(name, open_archive(path), class_names)
    if is_table(path.name):
        return Table(name, path)
    if path.suffix.lower() == ".npz":
        return Files(name, PathTree(str(path), {path.name: str(path)}), class_names)
    raise DataError(f"{path} is a file of an unknown kind; data.source is {HELP}")


def _archives_in(tree: PathTree) -> Tree | None:
    """A folder's archives, where it holds no images itself."""
    archives = merged_archives(tree)
    return None if archives is None or layouts.recognised(tree) else archives


def _near(word: str) -> str:
    near = difflib.get_close_matches(word.lower(), NAMED, n=1, cutoff=0.6)
    return f"; did you mean {near[0]}?" if near else ""
