"""Scripts that check: a source tree by make, a release, an image that runs."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

import pytest
from pipeline_place import SCRIPTS, Place

import eyas
from support.bundles import make_bundle
from support.server import free_port

ROOT = SCRIPTS.parents[1]
NEEDED = ("Makefile", "pyproject.toml", "requirements.lock", "CHANGELOG.md", "tests/serve/boto3.lock")
PYTHON = """#!/bin/sh
for word in "$@"; do [ "$word" != pip ] || { echo "no test installs anything" >&2; exit 9; }; done
exec %s "$@"
"""
MAKEFILE = "first:\n\techo one\nsecond:\n\tfalse\nthird:\n\techo three\n"


@pytest.fixture
def tree(place: Place) -> Path:
    """A checkout of what the checks need, with an environment of its own, which is up to date and cannot be changed."""
    tree = place.folder / "checkout"
    shutil.copytree(SCRIPTS, tree / "deploy" / "pipelines")
    shutil.copytree(ROOT / "tests" / "install", tree / "tests" / "install")
    (tree / "tests" / "serve").mkdir()
    for name in NEEDED:
        shutil.copy2(ROOT / name, tree / name)
    (tree / "src" / "eyas").mkdir(parents=True)
    (tree / "src" / "eyas" / "__init__.py").write_text('"""By which ruff tells whose imports are ours."""\n')
    programs = tree / ".venv" / "bin"
    programs.mkdir(parents=True)
    (programs / "python").write_text(PYTHON % sys.executable)
    (programs / "python").chmod(0o755)
    (programs / "ruff").symlink_to(Path(sys.executable).with_name("ruff"))
    for made in (".venv/.dev", "build/release-tools/.done", "build/boto3/.done"):
        (tree / made).parent.mkdir(parents=True, exist_ok=True)
        (tree / made).touch()
    return tree


def script(place: Place, tree: Path, name: str, *words: str, code: int = 0) -> str:
    return place.run(tree / "deploy" / "pipelines" / name, *words, code=code, VENV=".venv", MAKEFLAGS="")


def test_a_check_is_run_by_make(place: Place, tree: Path) -> None:
    assert "All checks passed" in script(place, tree, "check.sh", "lint")
    (tree / "wrong.py").write_text("import os\n")
    assert "F401" in script(place, tree, "check.sh", "lint", code=2)


def test_a_check_that_fails_is_the_last(place: Place, tree: Path) -> None:
    (tree / "Makefile").write_text(MAKEFILE)
    said = script(place, tree, "check.sh", "first", "second", "third", code=2)
    assert "one" in said
    assert "three" not in said


def test_a_release_is_held_against_its_tag(place: Place, tree: Path) -> None:
    """The script, make, and the check behind it; `make release-check` goes the whole way."""
    said = script(place, tree, "release-check.sh", "v99.0.0", code=2)
    assert f"the tag must be v{eyas.__version__}, as eyas.__version__ has it, got v99.0.0" in said


class Engine:
    """Images as folders, run by made_engine.py."""

    def __init__(self, place: Place) -> None:
        self.place, self.home = place, place.folder / "engine"
        self.home.mkdir()
        (self.home / "user").write_text("10001")
        (place.programs / "docker").symlink_to(Path(__file__).with_name("made_engine.py"))

    def test(self, image: str, bundle: Path, *, code: int = 0, **variables: str) -> str:
        (self.home / "ended").unlink(missing_ok=True)
        where = {"ENGINE_HOME": str(self.home), "PORT": str(free_port())}
        said = self.place.run("image-test.sh", image, bundle, code=code, **where, **variables)
        assert (self.home / "ended").is_file(), "the container is taken away, whatever was found"
        return said


@pytest.fixture
def engine(place: Place) -> Engine:
    return Engine(place)


def test_an_image_gives_its_golden_answers(engine: Engine) -> None:
    bundle = make_bundle(engine.home / "digits", version="1").path
    assert "golden" in engine.test("digits", bundle)
    other = make_bundle(engine.place.folder / "other", version="2", sharpness=0.8).path
    assert "golden" in engine.test("digits", other, MOUNT="1")  # the volume lies over what the image holds


def test_an_image_that_answers_otherwise_is_refused(engine: Engine) -> None:
    make_bundle(engine.home / "digits", version="2", sharpness=0.5)
    right = make_bundle(engine.place.folder / "right", version="2", sharpness=0.8).path
    assert "golden" in engine.test("digits", right, code=7)


def test_an_image_that_runs_as_root_is_refused(engine: Engine) -> None:
    (engine.home / "user").write_text("0")
    bundle = make_bundle(engine.home / "digits", version="1").path
    assert "digits runs as root" in engine.test("digits", bundle, code=1)
