"""A document as PDF, by typst, and as one HTML page that needs nothing else."""

from __future__ import annotations

import json
import shutil
import tempfile
from pathlib import Path

import typst
from jinja2 import Environment, FileSystemLoader, StrictUndefined

from eyas.core.io import write_bytes, write_text
from eyas.core.notebook import data_url
from eyas.report.document import Document

TEMPLATES = Path(__file__).parent / "templates"


def write_pdf(document: Document, pdf: Path) -> None:
    """Typeset with typst's own fonts, embedded; the picture's captions are its alternative texts."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        shutil.copytree(document.folder, folder, dirs_exist_ok=True)
        shutil.copy(TEMPLATES / "report.typ", folder)
        (folder / "document.json").write_text(json.dumps(document.to_json()), encoding="utf-8")
        content = typst.compile(str(folder / "report.typ"), root=str(folder), format="pdf")
    write_bytes(pdf, content)


def write_html(document: Document, html: Path) -> None:
    """One page, its pictures inside."""

    def inline(file: str) -> str:
        return data_url((document.folder / file).read_bytes())

    environment = Environment(
        loader=FileSystemLoader(TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    template = environment.get_template("report.html")
    write_text(html, template.render(document=document.to_json(), inline=inline))
