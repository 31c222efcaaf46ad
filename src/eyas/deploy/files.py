"""Where the files that bring a bundle into production lie."""

from __future__ import annotations

from pathlib import Path


def template_folder() -> Path:
    """The folder with `docker/`, `compose/` and the others: inside an installed package, or `deploy/` of a checkout."""
    here = Path(__file__).parent
    shipped = here / "files"
    return shipped if shipped.is_dir() else here.parents[2] / "deploy"
