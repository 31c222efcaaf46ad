"""The training image: what it holds, and a training in it, whose bundle is answered with here."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from eyas import __version__
from eyas.bundle import Repository
from eyas.infer import Predictor
from support.images import Image, locked, needs_builder, plain_image

QUICK = ("train.epochs=1", "train.precision=fp32")
pytestmark = needs_builder


@pytest.fixture(scope="module")
def image() -> Iterator[Image]:
    with plain_image("train") as built:
        yield built


def test_it_holds_what_the_locks_name_and_nothing_that_builds(image: Image, capsys: pytest.CaptureFixture[str]):
    own = image.own()
    assert own["user"] == 10001
    assert not {"pip", "cc"} & set(own["found"])
    assert set(own["writable"]) <= {"/work", "/models"}
    installed = {name: version.partition("+")[0] for name, version in own["installed"].items() if name != "eyas"}
    assert installed == locked("train", "ray")
    with capsys.disabled():
        print(f"\nthe training image adds {image.added_megabytes():.1f} MB to its base")


@pytest.mark.parametrize(
    ("command", "said"),
    [
        (("eyas", "--version"), __version__),
        (("jupyter", "lab", "--version"), locked("train")["jupyterlab"]),
        (("ray", "--version"), locked("train")["ray"]),
    ],
    ids=["eyas", "jupyter", "ray"],
)
def test_its_programs_start(image: Image, command: tuple[str, ...], said: str):
    assert said in image.run(*command, writable=("/work",))


def test_a_training_ends_in_a_bundle_that_gives_its_golden_answers(image: Image, tmp_path: Path):
    models = tmp_path / "models"
    models.mkdir()
    for path in (tmp_path, models):  # the user inside is another
        path.chmod(0o777)
    command = ("train-and-publish", "digits", "/models", "digits", *QUICK)
    assert "and made it live" in image.run(*command, mounts={models: "/models"}, writable=("/work",))
    repository = Repository(models)
    (version,) = repository.versions("digits")
    Predictor(repository.open("digits", version)).verify_golden()
