"""What images are built from: a folder laid out as a checkout is, so that the same Dockerfiles go with both."""

from __future__ import annotations

import shutil
from pathlib import Path

from eyas.bundle import Bundle, signature_of
from eyas.bundle.writing import copy_bundle
from eyas.deploy.files import template_folder

PACKAGE = Path(__file__).parents[1]
PROJECT = (".dockerignore", "LICENSE", "README.md", "pyproject.toml")
"""Beside the sources."""
BAKED = Path("bundle") / "model"
"""Where serve.Dockerfile looks for the bundle that is to be inside."""


def write_context(folder: Path, bundle: Bundle | None) -> None:
    """Write `src/`, `deploy/` and what is beside them into a folder, and a bundle with its signature into `bundle/`."""
    shutil.copytree(PACKAGE, folder / "src" / "eyas", ignore=_not_sources)
    shutil.copytree(
        template_folder(), folder / "deploy", ignore=shutil.ignore_patterns("__pycache__", ".env", "secrets")
    )
    for name in PROJECT:
        shutil.copyfile(project_folder() / name, folder / name)
    if bundle:
        copy_bundle(bundle, folder / BAKED)
        if (signature := signature_of(bundle.path)).is_file():
            shutil.copyfile(signature, signature_of(folder / BAKED))


def project_folder() -> Path:
    """The folder with pyproject.toml: inside an installed package, or a checkout's root."""
    shipped = PACKAGE / "deploy" / "project"
    return shipped if shipped.is_dir() else PACKAGE.parents[1]


def _not_sources(folder: str, names: list[str]) -> set[str]:
    """What an installed package has beside its sources: `deploy/`, which gets a place of its own, and bytecode."""
    shipped = {"files", "project"} if Path(folder) == PACKAGE / "deploy" else set()
    return {name for name in names if name == "__pycache__" or name in shipped}
