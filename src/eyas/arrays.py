"""Plain arrays from files that may be damaged."""

from __future__ import annotations

import lzma
import tokenize
import zlib
from pathlib import Path
from typing import Any, BinaryIO
from zipfile import BadZipFile

import numpy as np
from numpy.typing import NDArray

# Damaged archives and headers give all of these; a pickled array gives ValueError, a lone one where an archive is
# wanted TypeError, a huge shape the last two.
DAMAGE = (
    ValueError,
    OSError,
    EOFError,
    KeyError,
    TypeError,
    AttributeError,
    SyntaxError,
    tokenize.TokenError,
    NotImplementedError,
    RuntimeError,
    BadZipFile,
    zlib.error,
    lzma.LZMAError,
    MemoryError,
    OverflowError,
)


def load_arrays(file: Path | BinaryIO) -> dict[str, NDArray[Any]]:
    """All arrays of an `.npz`, by name.

    Raises:
        ValueError: it cannot be read, is no such archive, or holds what is no plain array.
    """
    try:
        with np.load(file, allow_pickle=False) as archive:
            arrays = {name: archive[name] for name in archive.files}
    except DAMAGE as error:
        raise ValueError(str(error)) from error
    if strange := [name for name, array in arrays.items() if not isinstance(array, np.ndarray)]:
        raise ValueError(f"{strange[0]} in it is no array")  # NumPy gives its bytes
    return arrays
