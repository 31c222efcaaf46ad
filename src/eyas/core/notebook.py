"""Parts of what a notebook shows of an object: plain HTML that needs no style sheet and no script."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Iterable, Sequence
from html import escape

MOST_ROWS = 20
"""Of a table: a page is to stay a page."""
NUMBER = "text-align:right"


def block(title: str, *parts: str) -> str:
    """A title and what stands below it."""
    return f"<div><strong>{escape(title)}</strong>{''.join(parts)}</div>"


def text(line: str) -> str:
    """One paragraph."""
    return f"<p>{escape(line)}</p>"


def table(columns: Sequence[object], rows: Iterable[Sequence[object]]) -> str:
    """A table; numbers stand at the right."""
    head = "".join(f"<th>{escape(str(column))}</th>" for column in columns)
    body = "".join(f"<tr>{''.join(map(_cell, row))}</tr>" for row in rows)
    return f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"


def picture(png: bytes, caption: str = "", width: int | None = None) -> str:
    """A PNG within the page, its pixels kept sharp where it is enlarged."""
    size = f' width="{width}"' if width else ""
    image = f'<img src="{data_url(png)}" alt="{escape(caption or "picture")}"{size} style="image-rendering:pixelated">'
    if not caption:
        return image
    return f'<figure style="display:inline-block;margin:4px;text-align:center">{image}<br>{escape(caption)}</figure>'


def data_url(png: bytes) -> str:
    """The address of a PNG that lies within the page."""
    return f"data:image/png;base64,{b64encode(png).decode()}"


def _cell(value: object) -> str:
    style = f' style="{NUMBER}"' if isinstance(value, int | float) else ""
    return f"<td{style}>{escape(str(value))}</td>"
