import numpy as np
import pytest
from PIL import Image

from eyas.report import draw_preview
from eyas.report.preview import caption


@pytest.mark.parametrize(
    ("mixture", "text"),
    [
        ([("7", 1.0)], "7"),
        ([("7", 0.62), ("3", 0.38)], "7 .62 + 3 .38"),
        ([("lawn_mower", 0.25), ("bowl", 0.75)], "lawn_mower .25\n+ bowl .75"),
        ([("7", 0.001), ("3", 0.999)], "3"),
        ([("$x", 0.5), ("y", 0.5)], "\\$x .50 + y .50"),
    ],
)
def test_captions(mixture, text):
    assert caption(mixture) == text


@pytest.mark.parametrize("shape", [(8, 8, 1), (5, 9, 3), (40, 10, 3)])
@pytest.mark.parametrize("rows", [1, 3])
def test_images_of_any_shape_are_drawn(shape, rows, tmp_path):
    rng = np.random.default_rng(0)
    originals = rng.integers(0, 256, (rows, *shape), dtype=np.uint8)
    variants = rng.integers(0, 256, (rows, 2, *shape), dtype=np.uint8)
    mixtures = [[[("a", 1.0)], [("a", 0.5), ("$b", 0.5)]]] * rows
    draw_preview(originals, variants, ["a"] * rows, mixtures, tmp_path / "p.png", "data: crop=1")
    with Image.open(tmp_path / "p.png") as picture:
        assert min(picture.size) > 100
        colours = len(picture.convert("RGB").getcolors(1 << 24))
    assert colours > len(np.unique(originals.reshape(-1, shape[-1]), axis=0)) / 2
