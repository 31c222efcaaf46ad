"""Weights that the workers share: an optimised graph for each bundle, in a folder of the service's own.

It is made by a process that ends with that: what it takes to optimise a graph would else stay in a worker's memory.
Where there is none, a worker loads the bundle's own graph, and has weights of its own.
"""

from __future__ import annotations

import logging
import shutil
from collections.abc import Iterable
from pathlib import Path

from eyas.bundle import Bundle
from eyas.bundle.folder import MODEL
from eyas.core.errors import EyasError
from eyas.infer import Predictor, write_optimised
from eyas.serve.processes.optimiser import worth_it

log = logging.getLogger("eyas.serve")


def find(folder: Path, bundle: Bundle) -> Path | None:
    """The optimised graph of a bundle; None where there is none."""
    graph = _place(folder, bundle) / MODEL
    return graph if graph.exists() else None


def make(folder: Path, bundle: Bundle) -> None:
    """Write the optimised graph of a bundle where it is worth that, and prove it; where that fails, there is none."""
    place = _place(folder, bundle)
    if place.exists() or not worth_it(bundle.path):
        return
    partial = folder / f"{place.name}.partial"  # one process at a time makes any
    shutil.rmtree(partial, ignore_errors=True)  # of one that ran out of time
    try:
        _require_space(folder, 2 * bundle.model.stat().st_size)
        partial.mkdir()
        Predictor(bundle, 1, optimised=write_optimised(bundle.model, partial)).verify_golden()
        partial.rename(place)
    except (EyasError, OSError) as error:
        log.warning(f"each worker has weights of {bundle.path} of its own: {error}")
    finally:
        shutil.rmtree(partial, ignore_errors=True)


def forget(folder: Path, bundle: Bundle, kept: Iterable[Bundle]) -> None:
    """Take away what was made for a bundle, unless one that is kept has the same graph; who has mapped it keeps it."""
    place = _place(folder, bundle)
    if all(_place(folder, one) != place for one in kept):
        shutil.rmtree(place, ignore_errors=True)


def _require_space(folder: Path, size: int) -> None:
    free = shutil.disk_usage(folder).free
    if free < size:
        raise OSError(f"{folder} must have {size:,} bytes free, got {free:,}")


def _place(folder: Path, bundle: Bundle) -> Path:
    return folder / bundle.manifest.files[MODEL]
