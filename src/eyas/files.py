"""Image files as a person names them (files, folders, standard input), and the line that each is answered with."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import numpy as np
from numpy.typing import NDArray

from eyas.image import is_image_path

STDIN = "-"
NO_IMAGE = "no image in this folder"


@dataclass(frozen=True)
class ImageFile:
    """One file that was named, or found in a folder."""

    name: str
    source: Path | bytes | None
    """Where it is, or what came on standard input; None where `name` is a folder without an image (NO_IMAGE)."""

    def tell(self, error: object) -> str:
        """What is wrong with it, with its name."""
        return f"{'standard input' if self.name == STDIN else self.name}: {error}"


@dataclass(frozen=True)
class FileRow:
    """One line of the answer. Where `error` is set, the prediction's fields are None and `top` is empty."""

    file: str
    index: int | None = None
    label: str | None = None
    confidence: float | None = None
    top: tuple[tuple[str, float], ...] = ()
    """(label, probability) of the most probable classes, falling."""
    needs_review: bool | None = None
    """The conformal set holds no class or several."""
    unknown: bool | None = None
    """Like no held-out image; None also where that cannot be told."""
    error: str | None = None

    @classmethod
    def of(
        cls,
        file: str,
        labels: Sequence[str],
        probabilities: NDArray[np.float32],
        review: bool,
        unknown: bool | None,
        top: int,
    ) -> FileRow:
        """One image's row; `probabilities`: (K,) float32. Of equal classes the lowest index comes first."""
        order = np.argsort(-probabilities, kind="stable").tolist()
        best = tuple((labels[k], float(probabilities[k])) for k in order[:top])
        return cls(file, order[0], labels[order[0]], float(probabilities[order[0]]), best, review, unknown)


def find_images(sources: Iterable[str | Path], stdin: BinaryIO | None = None) -> Iterator[ImageFile]:
    """Every image file of `sources`, in order; folders are searched through, sorted by path.

    Args:
        sources: files, folders, or `-` for an image on standard input.
        stdin: read in place of the process's standard input.
    """
    for source in sources:
        if source == STDIN:
            yield ImageFile(STDIN, (stdin or sys.stdin.buffer).read())
            continue
        path = Path(source)
        files = _inside(path) if path.is_dir() else [path]
        if not files:
            yield ImageFile(str(path), None)
        for file in files:
            yield ImageFile(str(file), file)


def _inside(folder: Path) -> list[Path]:
    """The images in a folder and below; hidden files and what file managers leave are passed over."""
    return sorted(p for p in folder.rglob("*") if is_image_path(p.relative_to(folder)) and p.is_file())
