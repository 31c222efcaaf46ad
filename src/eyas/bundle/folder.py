"""Writing a bundle whole or not at all, and opening one only where every byte is what its manifest says."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property, partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from eyas.arrays import load_arrays
from eyas.bundle.manifest import SCHEMA_VERSION, Manifest
from eyas.bundle.sealed import read_listing, require_whole, seal
from eyas.core import io
from eyas.core.errors import BundleError, IntegrityError
from eyas.core.marks import MANIFEST, is_bundle, is_run
from eyas.image import ImagePolicy

MODEL = "model.onnx"
GOLDEN = "golden.npz"
REFERENCE = "reference.npz"
CARD = "card.md"
REQUIRED = (MODEL, GOLDEN, REFERENCE, CARD)


@dataclass(frozen=True)
class Golden:
    """Inputs and the answers that they must give, on any machine."""

    images: NDArray[np.uint8]
    """(N, H, W, C) uint8."""
    probabilities: NDArray[np.float32]
    """(N, K) float32, rows sum to 1."""


@dataclass(frozen=True)
class Bundle:
    """An opened bundle, its files checked."""

    path: Path
    manifest: Manifest

    @property
    def model(self) -> Path:
        """The ONNX graph."""
        return self.path / MODEL

    @property
    def classes(self) -> tuple[str, ...]:
        """Class names in the order of the graph's outputs."""
        return self.manifest.classes

    @cached_property
    def policy(self) -> ImagePolicy:
        """How an image becomes the graph's input."""
        spec = self.manifest.input
        return ImagePolicy(spec.height, spec.width, spec.channels, spec.resize)

    def golden(self) -> Golden:
        """The golden inputs and answers."""
        arrays = _load_arrays(self.path / GOLDEN)
        if missing := {"images", "probabilities"} - arrays.keys():
            raise IntegrityError(f"{self.path / GOLDEN} lacks the array {', '.join(sorted(missing))}")
        return Golden(arrays["images"], arrays["probabilities"])

    def reference(self) -> dict[str, NDArray[Any]]:
        """What monitoring compares with; see `eyas.monitor.reference`."""
        return _load_arrays(self.path / REFERENCE)


def open_bundle(path: Path | str) -> Bundle:
    """Open a bundle after checking its schema version and the hash of every file. Nothing is unpickled.

    Raises:
        BundleError: `path` is no bundle.
        IntegrityError: another schema version, a missing, changed or unlisted file.
    """
    path = Path(path)
    manifest = read_manifest(path)
    require_whole(path, MANIFEST, manifest.files, REQUIRED, "; copy the bundle again, or export anew")
    return Bundle(path, manifest)


def read_manifest(path: Path) -> Manifest:
    """What a bundle says of itself; its other files are not looked at.

    Raises:
        BundleError: `path` is no bundle.
        IntegrityError: another schema version, or a manifest that has changed.
    """
    file = path / MANIFEST
    if not file.is_file():
        run = path if is_run(path) else "RUN"
        raise BundleError(f"{path} is not a bundle (no {MANIFEST} in it); `eyas export {run}` makes one")
    return read_listing(file, Manifest, partial(_require_version, file))


def temperature_in(path: Path) -> float | None:
    """What the bundle at `path` divides logits by; None where there is no bundle.

    Raises:
        IntegrityError: as `read_manifest`.
    """
    return read_manifest(path).temperature if is_bundle(path) else None


def signature_of(bundle: Path) -> Path:
    """Where a bundle's signature is, if it is signed: beside it, since in it is no unlisted file."""
    real = bundle.resolve()
    return real.with_name(f"{real.name}.sig")


@contextmanager
def write_bundle(target: Path) -> Iterator[BundleDraft]:
    """Fill a bundle; it appears at `target` whole when the block ends, and not at all when it fails.

    The block writes the files into `draft.path` and ends with `draft.finish(...)`.

    Raises:
        BundleError: `target` exists.
    """
    with io.new_folder(target, BundleError) as folder:
        draft = BundleDraft(folder)
        yield draft
        open_bundle(folder)  # what we have written is what a reader will accept


@dataclass(frozen=True)
class BundleDraft:
    """A bundle in the making."""

    path: Path

    def finish(self, **fields: Any) -> Manifest:
        """Hash the files and write the manifest from `fields` (all of `Manifest` but `files` and `digest`)."""
        return seal(self.path, MANIFEST, Manifest, **fields)


def _require_version(file: Path, version: object) -> None:
    if version != SCHEMA_VERSION:
        newer = isinstance(version, int) and version > SCHEMA_VERSION
        advice = "; a newer eyas made it: pip install --upgrade eyas" if newer else ""
        raise IntegrityError(f"{file} has schema version {version!r}; this eyas reads version {SCHEMA_VERSION}{advice}")


def _load_arrays(file: Path) -> dict[str, NDArray[Any]]:
    try:
        return load_arrays(file)
    except ValueError as error:
        raise IntegrityError(f"{file} is not an archive of plain arrays: {error}") from error
