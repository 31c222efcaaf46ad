"""A report before it is typeset: sections of blocks, the same for PDF and HTML."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, ClassVar, Literal


@dataclass(frozen=True)
class Block:
    """A part of a section; `kind` is what the templates look at."""

    kind: ClassVar[str]

    def to_json(self) -> dict[str, Any]:
        """A plain dict with its kind."""
        return {"kind": self.kind, **asdict(self)}


@dataclass(frozen=True)
class Text(Block):
    """A paragraph."""

    kind: ClassVar[str] = "text"
    text: str


@dataclass(frozen=True)
class Callout(Block):
    """A conclusion in a box: title, sentences, and the commands that follow from it."""

    kind: ClassVar[str] = "callout"
    tone: Literal["problem", "warning", "note", "good"]
    title: str
    paragraphs: Sequence[str]
    commands: Sequence[str] = ()


@dataclass(frozen=True)
class Code(Block):
    """Lines to be typed or read as they are."""

    kind: ClassVar[str] = "code"
    text: str


@dataclass(frozen=True)
class Table(Block):
    """Cells of text; `numeric` columns stand at the right."""

    kind: ClassVar[str] = "table"
    caption: str
    columns: Sequence[str]
    rows: Sequence[Sequence[str]]
    numeric: Sequence[bool] = ()

    def to_json(self) -> dict[str, Any]:
        """A plain dict; columns are text where nothing else is said."""
        return {**super().to_json(), "numeric": list(self.numeric) or [False] * len(self.columns)}


@dataclass(frozen=True)
class Figure(Block):
    """A picture that lies in the document's folder."""

    kind: ClassVar[str] = "figure"
    file: str
    """Its name in the folder."""
    caption: str
    width: float = 1.0
    """Share of the line, in (0, 1]."""


@dataclass(frozen=True)
class Picture:
    """One of a gallery."""

    file: str
    """Its name in the folder."""
    title: str
    mark: str = ""
    """A word of warning; empty where there is none."""
    note: str = ""
    id: str = ""
    small: bool = False
    """So few pixels that each is to be seen."""


@dataclass(frozen=True)
class Gallery(Block):
    """Small pictures side by side, each with its words; counted among the figures."""

    kind: ClassVar[str] = "gallery"
    caption: str
    pictures: Sequence[Picture]


@dataclass(frozen=True)
class Section:
    """A heading and what stands under it."""

    title: str
    blocks: Sequence[Block]


@dataclass(frozen=True)
class Document:
    """The whole report."""

    language: str
    title: str
    subtitle: str
    date: str
    contents: str
    """The heading above the table of contents."""
    figure: str
    """What a figure is called before its number."""
    table: str
    """What a table is called before its number."""
    sections: Sequence[Section]
    folder: Path = field(repr=False)
    """Where its pictures lie."""

    def to_json(self) -> dict[str, Any]:
        """Everything but the pictures."""
        words = {name: getattr(self, name) for name in ("language", "title", "subtitle", "date", "contents")}
        sections = [{"title": s.title, "blocks": [block.to_json() for block in s.blocks]} for s in self.sections]
        return {**words, "figure": self.figure, "table": self.table, "sections": sections}
