"""A source into the cache: decode, bring to one shape, write.

signature ─ known? ─► content key ─ cached? ─► contents ─ decoded ─► images.npy, labels.npy, digests.npy, meta.json
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from eyas.core import console
from eyas.core.errors import DataError, UnsafeDataError
from eyas.core.io import write_json
from eyas.core.schema import DataConfig
from eyas.data import cache
from eyas.data.cache import Entry
from eyas.data.decode_one import Failure
from eyas.data.decoding import Inspection, decode_into
from eyas.data.sources import Contents, Source
from eyas.data.survey import Survey, save_survey
from eyas.data.writing import locked, writing_cache

SHOWN = 5


def load(source: Source, config: DataConfig) -> Entry:
    """The source's images at the size that `config` asks for; imported now where they are not cached.

    Raises:
        DataError: images that cannot be read or have several sizes, a source that changes meanwhile, or a cache that
            cannot be written.
    """
    signature = source.signature()
    key = cache.content_key(source, signature)
    path = cache.entry_path(key, config)
    entry = _cached(path, config) or _import(source, signature, key, path, config)
    _refuse_cached(source.name, entry, config)
    return entry


def _cached(path: Path, config: DataConfig) -> Entry | None:
    entry = cache.read_entry(path)
    return entry if entry and entry.holds_for(config) else None


def _import(source: Source, signature: str, key: str, path: Path, config: DataConfig) -> Entry:
    with locked(path):
        if entry := _cached(path, config):  # made while we waited
            return entry
        contents = source.contents()
        if not len(contents.labels):
            raise DataError(f"{source.name} holds no images")
        with cache.making(path) as partial:
            inspection, digests = decode_into(partial / "images.npy", source.name, contents, config)
            _refuse_failures(source.name, contents.names, inspection.failures, config)
            with writing_cache():
                _write_rows(partial, contents, inspection, digests, config)
            cache.refuse_changed(source, signature)
        with writing_cache():
            save_survey(key, Survey.of(contents, inspection, config.max_pixels))
    entry = cache.read_entry(path)
    if entry is None:
        raise DataError(f"the cache {path} cannot be read back")
    return entry


def _write_rows(
    folder: Path, contents: Contents, inspection: Inspection, digests: NDArray[np.uint8], config: DataConfig
) -> None:
    cache.write_array(folder / "labels.npy", contents.labels)
    cache.write_array(folder / "digests.npy", digests)
    write_json(folder / "meta.json", _meta(contents, inspection, config))


def _meta(contents: Contents, inspection: Inspection, config: DataConfig) -> Mapping[str, Any]:
    return {
        "classes": list(contents.classes),
        "parts": {part: [rows.start, rows.stop] for part, rows in contents.parts.items()},
        "max_pixels": config.max_pixels,
        "largest": int(inspection.sizes.astype(np.int64).prod(axis=1).max(initial=0)),
        "skipped": {
            str(row): [contents.names[row], failure.message, failure.lasting]
            for row, failure in inspection.failures.items()
        },
    }


def _refuse_failures(name: str, names: Sequence[str], failures: Mapping[int, Failure], config: DataConfig) -> None:
    """Raise because of unreadable images; with `config.force` only where none is left.

    Raises:
        UnsafeDataError: one of them was refused before decoding (too many pixels).
        DataError: the others.
    """
    if not failures or (config.force and len(failures) < len(names)):
        return
    reasons = [(names[row], failures[row].message) for row in sorted(failures)]
    _report(name, reasons, len(names), config, unsafe=any(failure.unsafe for failure in failures.values()))


def _refuse_cached(name: str, entry: Entry, config: DataConfig) -> None:
    """Raise, or with `config.force` warn, because of what the import left out or read under a higher `max_pixels`."""
    skipped = [(file, reason) for file, reason, _ in entry.meta["skipped"].values()]
    if skipped:
        _report(name, skipped, len(entry.labels), config, unsafe=False)
    if entry.meta["largest"] > config.max_pixels:
        raise UnsafeDataError(
            f"{name} has an image of {entry.meta['largest']:,} pixels; data.max_pixels is {config.max_pixels:,}: raise "
            "it for images that you trust"
        )


def _report(name: str, reasons: Sequence[tuple[str, str]], total: int, config: DataConfig, *, unsafe: bool) -> None:
    shown = "; ".join(f"{file}: {reason}" for file, reason in reasons[:SHOWN])
    more = f"; and {len(reasons) - SHOWN} more" if len(reasons) > SHOWN else ""
    what = f"{len(reasons)} of {total} images of {name} cannot be read: {shown}{more}"
    if not config.force or len(reasons) == total:
        advice = "" if len(reasons) == total else "; mend or remove them, or leave them out with data.force=true"
        raise (UnsafeDataError if unsafe else DataError)(what + advice)
    console.warn(f"{what}; left out (data.force)")
