"""The few pieces of HTML that a page is made of; all text is escaped here and nowhere else."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from eyas.core.notebook import data_url
from eyas.image import to_png

SHOWN_ROWS = 12
"""A longer table is folded."""


@dataclass(frozen=True)
class Picture:
    """An image of the dataset in a cell, its name below."""

    pixels: NDArray[np.uint8]
    """(H, W, C) uint8."""
    name: str


Cell = str | int | float | Picture


def section(key: str, title: str, *parts: str) -> str:
    """A heading and what follows it."""
    return f'<section id="{key}"><h2>{escape(title)}</h2>\n{"".join(parts)}</section>\n'


def paragraph(text: str) -> str:
    """One paragraph."""
    return f"<p>{escape(text)}</p>\n"


def chart(png: bytes, alt: str) -> str:
    """A drawn figure."""
    return f'<img class="chart" alt="{escape(alt)}" src="{data_url(png)}">\n'


def table(caption: str, columns: Sequence[str], rows: Sequence[Sequence[Cell]]) -> str:
    """A table; a long one without pictures is folded until it is asked for."""
    head = "".join(f'<th scope="col">{escape(name)}</th>' for name in columns)
    body = "".join(f"<tr>{''.join(map(_cell, row))}</tr>\n" for row in rows)
    made = (
        f'<div class="scroll"><table><caption>{escape(caption)}</caption><thead><tr>{head}</tr></thead>'
        f"<tbody>\n{body}</tbody></table></div>\n"
    )
    if len(rows) <= SHOWN_ROWS or any(isinstance(cell, Picture) for row in rows for cell in row):
        return made
    return f"<details><summary>{escape(caption)}: {len(rows):,} rows</summary>{made}</details>\n"


def _cell(value: Cell) -> str:
    if isinstance(value, Picture):
        alt = f"image {value.name}"
        return (
            f'<td class="name"><img alt="{escape(alt)}" src="{data_url(_png(value.pixels))}">{escape(value.name)}</td>'
        )
    if isinstance(value, str):
        kind = ' class="error"' if value == "error" else ""
        return f"<td{kind}>{escape(value)}</td>"
    return f'<td class="n">{value:,}</td>' if isinstance(value, int) else f'<td class="n">{value:.3f}</td>'


def _png(pixels: NDArray[np.uint8]) -> bytes:
    image = Image.fromarray(pixels[..., 0] if pixels.shape[-1] == 1 else pixels)
    image.thumbnail((192, 192))
    return to_png(np.asarray(image))
