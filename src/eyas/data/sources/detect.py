"""From what the user wrote as `data.source` to the source it means."""

from __future__ import annotations

import difflib
import hashlib
from collections.abc import Sequence
from pathlib import Path

from eyas.core.errors import ConfigError, DataError
from eyas.data.sources import layouts
from eyas.data.sources.contents import Contents, Source
from eyas.data.sources.digits import Digits
from eyas.data.sources.tree import PathTree, Tree, folder_tree

NAMED = ("digits", "mnist", "fashion-mnist", "cifar10", "cifar100")
HELP = f"a folder, an archive, an .npz, a CSV or Parquet table, {', '.join(NAMED)}, or kaggle:owner/name"


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
    """The source that `spec` means; nothing of its images is read yet.

    Raises:
        ConfigError: no `spec`.
        DataError: nothing there, or a file of an unknown kind.
    """
    if not spec:
        raise ConfigError(f"data.source must say which images to use: {HELP}")
    if spec == "digits":
        return Digits()
    return open_path(Path(spec).expanduser())


def open_path(path: Path, name: str | None = None, class_names: Sequence[str] | None = None) -> Source:
    """The source at a path.

    Raises:
        DataError: nothing there, or a file of an unknown kind.
    """
    name = name or path.resolve().name
    if path.is_dir():
        return Files(name, folder_tree(path), class_names)
    if path.is_file():
        return Files(name, PathTree(str(path), {path.name: str(path)}), class_names)
    near = difflib.get_close_matches(str(path), NAMED, n=1, cutoff=0.6)
    hint = f"did you mean {near[0]}?" if near else f"data.source is {HELP}"
    raise DataError(f"{path} does not exist; {hint}")
