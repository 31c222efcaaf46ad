"""The images that the store keeps, as a gallery."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from eyas.core.io import write_bytes
from eyas.core.language import Phrases
from eyas.image import open_image, to_png
from eyas.report.document import Gallery, Picture
from eyas.report.monitoring.changes import Shown

LARGEST = 160
"""Pixels of a side; a larger image is made smaller for the page."""
SMALL = 64
"""Up to so many, each pixel is drawn as a square."""


def gallery(
    shown: Sequence[Shown], caption: str, folder: Path, name: str, class_name: Callable[[int], str], say: Phrases
) -> Gallery:
    """Write the images into `folder`, and give the block that shows them.

    Args:
        shown: at least one.
        caption: below all of them.
        folder: of the document.
        name: what the files' names begin with.
        class_name: of a class by its index.
        say: the phrases.

    Raises:
        InputError: an image in the store is damaged.
    """
    pictures = []
    for number, one in enumerate(shown, 1):
        file = f"{name}-{number}.png"
        side = _write(one.image.content, one.image.media_type, folder / file)
        label = "" if one.scored.true_class is None else say("alarm.labelled", label=class_name(one.scored.true_class))
        title = f"{class_name(one.scored.predicted)} {say('percent', value=one.scored.confidence)}"
        mark = say("alarm.unknown") if one.scored.unknown else ""
        pictures.append(Picture(file, title, mark, label, one.scored.id, small=side <= SMALL))
    return Gallery(caption, pictures)


def _write(content: bytes, media_type: str, png: Path) -> int:
    """As it is kept, where that is a PNG and small enough; gives its longer side."""
    image = open_image(content)
    kept = media_type == "image/png" and max(image.size) <= LARGEST
    image.thumbnail((LARGEST, LARGEST))
    write_bytes(png, content if kept else to_png(np.asarray(image)))
    return max(image.size)
