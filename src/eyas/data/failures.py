"""What happens when some images cannot be read."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from eyas.core import console
from eyas.core.errors import DataError, UnsafeDataError
from eyas.core.schema import DataConfig
from eyas.data.cache import Entry
from eyas.data.pixels import Failure

SHOWN = 5


def refuse(name: str, names: Sequence[str], failures: Mapping[int, Failure], config: DataConfig) -> None:
    """Raise because of unreadable images; with `config.force` only where none is left.

    Raises:
        UnsafeDataError: one of them was refused before decoding (too many pixels).
        DataError: the others.
    """
    if not failures or (config.force and len(failures) < len(names)):
        return
    reasons = [(names[row], failures[row].message) for row in sorted(failures)]
    _report(name, reasons, len(names), config, unsafe=any(failure.unsafe for failure in failures.values()))


def refuse_cached(name: str, entry: Entry, config: DataConfig) -> None:
    """Raise, or with `config.force` warn, because of what the import left out or read under a higher `max_pixels`."""
    skipped = [(file, reason) for file, reason in entry.meta["skipped"].values()]
    if skipped:
        _report(name, skipped, len(entry.labels), config, unsafe=False)
    if entry.meta["largest"] > config.max_pixels:
        raise UnsafeDataError(
            f"{name} has an image of {entry.meta['largest']:,} pixels; data.max_pixels is {config.max_pixels:,}"
        )


def _report(name: str, reasons: Sequence[tuple[str, str]], total: int, config: DataConfig, *, unsafe: bool) -> None:
    shown = "; ".join(f"{file}: {reason}" for file, reason in reasons[:SHOWN])
    more = f"; and {len(reasons) - SHOWN} more" if len(reasons) > SHOWN else ""
    what = f"{len(reasons)} of {total} images of {name} cannot be read: {shown}{more}"
    if not config.force or len(reasons) == total:
        advice = "" if len(reasons) == total else "; mend or remove them, or leave them out with data.force=true"
        raise (UnsafeDataError if unsafe else DataError)(what + advice)
    console.err.print(f"warning: {what}; left out (data.force)", style="yellow", markup=False)
