"""`digits`: scikit-learn's 1,797 handwritten digits, 8×8, there on every machine without a download."""

from __future__ import annotations

import hashlib

import numpy as np

from eyas.core.errors import needs_extra
from eyas.data.sources.contents import Contents, from_numbers

BRIGHTEST = 16  # the images hold 0..16


class Digits:
    """See the module. Alpaydin, Kaynak, "Optical Recognition of Handwritten Digits", UCI, 1998 (CC BY 4.0)."""

    name = "digits"

    def signature(self) -> str:
        """A constant: the data have been the same in every release of scikit-learn."""
        return hashlib.sha256(b"scikit-learn digits, 0..16 to 0..255").hexdigest()

    def content_key(self) -> str:
        """The signature: there is no file of ours to read."""
        return self.signature()

    def contents(self) -> Contents:
        """1,797 images, undivided.

        Raises:
            MissingExtraError: scikit-learn is not installed.
        """
        with needs_extra("train"):
            from sklearn.datasets import load_digits
        loaded = load_digits()
        images = np.round(loaded.images * (255 / BRIGHTEST)).astype(np.uint8)[..., None]
        return from_numbers({"all": (images, loaded.target.astype(np.int64))}, None)
