"""`eyas data preview`, in a process of its own."""

import json
import subprocess
import sys

import numpy as np
import pytest
from PIL import Image

from eyas.core.schema import AugmentConfig
from eyas.train.augment import make_preview
from support.loaded import loaded_eyas


def preview(*words, cwd, code=0, fresh=False):
    command = [*([sys.executable, "-m", "eyas"] if fresh else [loaded_eyas()]), "data", "preview", *map(str, words)]
    done = subprocess.run(command, cwd=cwd, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == code, done.stdout + done.stderr
    return done


def test_a_picture_and_its_json(tmp_path):
    keys = ("augment.crop=1", "augment.mixup=0.4", "augment.flip=alternating")
    done = preview("digits", *keys, "--out", "seen.png", "--json", cwd=tmp_path, fresh=True)
    assert {entry.name for entry in tmp_path.iterdir()} == {"seen.png", "seen.json"}
    with Image.open(tmp_path / "seen.png") as picture:
        assert min(picture.size) > 600
    written = json.loads((tmp_path / "seen.json").read_text())
    assert json.loads(done.stdout) == {"picture": "seen.png", **written}
    assert written["augment"]["crop"] == 1
    assert len(written["images"]) == 8
    assert len({image["class"] for image in written["images"]}) == 8
    for image in written["images"]:
        assert len(image["variants"]) == 7
        assert all(sum(mixture.values()) == pytest.approx(1) for mixture in image["variants"])
        assert all(image["class"] in mixture for mixture in image["variants"])


def test_nothing_to_show_is_said(tmp_path):
    done = preview("digits", cwd=tmp_path)
    assert "augment is all off" in done.stderr
    assert (tmp_path / "preview.png").exists()


@pytest.mark.parametrize(
    ("words", "code", "message"),
    [
        (("digits", "augment.crop=8"), 2, "augment.crop must be below the image's smaller side 8, got 8"),
        (("digits", "augment.cutout=9"), 2, "augment.cutout must be at most the image's smaller side 8, got 9"),
        (("digits", "augment.flip=sideways"), 2, "augment.flip"),
        (("digits", "augment.mixpu=1"), 2, "augment.mixup"),
        (("digits", "--out", "seen.jpg"), 2, "--out must end with .png, got seen.jpg"),
        (("nowhere/",), 3, "nowhere"),
    ],
)
def test_bad_input_gets_a_sentence_and_leaves_nothing(words, code, message, tmp_path):
    done = preview(*words, cwd=tmp_path, code=code)
    assert message in done.stderr
    assert "Traceback" not in done.stderr
    assert list(tmp_path.iterdir()) == []


def test_the_originals_are_the_datasets(digits):
    made = make_preview(AugmentConfig(crop=1), digits, 0)
    assert np.array_equal(made.originals, digits.train.take(made.rows))
    assert np.array_equal(made.labels, digits.train.labels[made.rows])
    assert made.variants.shape == (8, 7, 8, 8, 1)
    assert (made.shares == 1).all()
