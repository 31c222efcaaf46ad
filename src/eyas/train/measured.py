"""What has been measured on this machine, kept in the cache: `<cache_dir>/<room>/<identity's hash>.json`."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

from eyas.core import io
from eyas.data.writing import writing_cache


def remembered(room: str, identity: str, measure: Callable[[], dict[str, Any]]) -> dict[str, Any]:
    """What `measure` gave under this identity; it is called where that is not known, or the file is damaged.

    Args:
        room: the folder of such measurements in the cache.
        identity: all that the measurement depends on. It is kept with it, as `measured_on`.
        measure: gives plain values for JSON.

    Raises:
        DataError: the cache cannot be written.
    """
    file = io.cache_dir() / room / f"{hashlib.sha256(identity.encode()).hexdigest()[:16]}.json"
    if (known := _read(file)).get("measured_on") == identity:
        return known
    found = measure() | {"measured_on": identity}
    with writing_cache():
        io.write_json(file, found)
    return found


def _read(file: Path) -> dict[str, Any]:
    """Empty where there is no such file, or no document in it."""
    try:
        known = io.read_json(file)
    except (OSError, ValueError):
        return {}
    return known if isinstance(known, dict) else {}
