"""Several archives in one folder as one tree, such as `train.tar` beside `test.tar`."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from functools import cached_property
from pathlib import Path

from eyas.core.errors import DataError
from eyas.data.sources.archive import is_archive, open_archive
from eyas.data.sources.tree import PathTree, Tree


class MergedTree:
    """Several archives in one folder, as one tree. `train.tar` without a `train/` in it gets one."""

    def __init__(self, where: str, folder: PathTree, trees: Sequence[tuple[str, Tree]]) -> None:
        self.where, self._folder, self._trees = where, folder, trees

    @cached_property
    def _places(self) -> dict[str, tuple[Tree, str]]:
        """Our name → the tree and its name there."""
        made: dict[str, tuple[Tree, str]] = {}
        for stem, tree in self._trees:
            prefix = "" if all(name.startswith(f"{stem}/") for name in tree.names) else f"{stem}/"
            for name in tree.names:
                if prefix + name in made:
                    raise DataError(f"{self.where}: two of its archives hold {prefix}{name}; rename or unpack one")
                made[prefix + name] = (tree, name)
        return dict(sorted(made.items()))

    @cached_property
    def names(self) -> Sequence[str]:
        """See `Tree`."""
        return tuple(self._places)

    @property
    def folders(self) -> Sequence[str]:
        """See `Tree`."""
        return ()

    def read(self, name: str) -> bytes:
        """See `Tree`."""
        tree, inner = self._places[name]
        return tree.read(inner)

    def stream(self, names: Iterable[str]) -> Iterator[tuple[str, bytes | Path]]:
        """See `Tree`: one archive after another."""
        wanted = list(names)
        for _, tree in self._trees:
            ours = {self._places[name][1]: name for name in wanted if self._places[name][0] is tree}
            for inner, content in tree.stream(ours) if ours else ():
                yield ours[inner], content

    def signature(self) -> str:
        """See `Tree`."""
        return self._folder.signature()

    def content_key(self) -> str:
        """See `Tree`."""
        return self._folder.content_key()


def merged_archives(folder: PathTree) -> Tree | None:
    """The archives at the top of a folder as one tree, or None where there are none."""
    found = [name for name in folder.names if "/" not in name and is_archive(name)]
    if not found:
        return None
    if len(found) == 1:
        return open_archive(folder.path(found[0]))
    return MergedTree(
        folder.where,
        PathTree(folder.where, {name: str(folder.path(name)) for name in found}),
        [(name.partition(".")[0], open_archive(folder.path(name))) for name in found],
    )
