"""A source into the cache: decode, bring to one shape, write.

signature ─ known? ─► content key ─ cached? ─► contents ─ decoded ─► images.npy, labels.npy, digests.npy, meta.json
"""

from __future__ import annotations

import errno
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from eyas.core.errors import DataError
from eyas.core.io import write_json
from eyas.core.schema import DataConfig
from eyas.data import cache, failures
from eyas.data.cache import Entry
from eyas.data.locks import locked
from eyas.data.pixels import Result, bring
from eyas.data.sources import Contents, Source
from eyas.data.survey import Survey, save_survey

FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


def load(source: Source, config: DataConfig) -> Entry:
    """The source's images at the size that `config` asks for; imported now where they are not cached.

    Raises:
        DataError: images that cannot be read or have several sizes, or a cache that cannot be written.
    """
    with writing_cache():
        signature = source.signature()
        if (key := cache.find_key(signature)) is None:
            key = source.content_key()
            if source.signature() == signature:  # nobody changed the files while they were read
                cache.note_key(signature, key)
        path = cache.entry_path(key, config)
        entry = cache.read_entry(path) or _import(source, key, path, config)
    failures.refuse_cached(source.name, entry, config)
    return entry


@contextmanager
def writing_cache() -> Iterator[None]:
    """Turn a failure to write into an error that says what to do."""
    try:
        yield
    except OSError as error:
        if error.errno in FULL:
            raise DataError(f"disk full while caching in {cache.root()}: {error.strerror}") from error
        raise DataError(
            f"cannot write the cache {cache.root()}: {error}; EYAS_CACHE_DIR names another place"
        ) from error


def _import(source: Source, key: str, path: Path, config: DataConfig) -> Entry:
    with locked(path):
        if entry := cache.read_entry(path):  # made while we waited
            return entry
        contents = source.contents()
        if not len(contents.labels):
            raise DataError(f"{source.name} holds no images")
        with cache.making(path) as partial:
            result = bring(source.name, contents, config, partial / "images.npy")
            failures.refuse(source.name, contents.names, result.failures, config)
            _write_rows(partial, contents, result)
        save_survey(key, Survey.of(contents, result, config.max_pixels))
    entry = cache.read_entry(path)
    if entry is None:
        raise DataError(f"the cache {path} cannot be read back")
    return entry


def _write_rows(folder: Path, contents: Contents, result: Result) -> None:
    np.save(folder / "labels.npy", contents.labels)
    np.save(folder / "digests.npy", result.pixel_digests)
    write_json(folder / "meta.json", _meta(contents, result))


def _meta(contents: Contents, result: Result) -> Mapping[str, Any]:
    return {
        "classes": list(contents.classes),
        "parts": {part: [rows.start, rows.stop] for part, rows in contents.parts.items()},
        "largest": int(result.sizes.prod(axis=1).max(initial=0)),
        "skipped": {str(row): [contents.names[row], reason.message] for row, reason in result.failures.items()},
    }
