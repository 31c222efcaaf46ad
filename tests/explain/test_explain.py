"""Maps of a model whose reasons are known: a linear one of few pixels; and of a real bundle."""

from __future__ import annotations

import json
from pathlib import Path
from time import monotonic, sleep

import numpy as np
import pytest
from PIL import Image, ImageColor
from typer.testing import CliRunner

from eyas.bundle import Bundle
from eyas.cli import app
from eyas.core.errors import ConfigError, InputError
from eyas.explain import METHODS, Asker, Explanation, OutOfTimeError, Reliability, explain, measure_reliability
from eyas.explain.explaining import ASKING
from eyas.explain.methods import shap
from eyas.explain.picture import CAPTION, COLOURS, draw
from eyas.explain.regions import Cells, hidden
from eyas.infer import Predictor

SIDE = 28
PATCH = (slice(4, 12), slice(16, 24))
"""Where the class is seen: bright there, nothing else matters."""


def predict(images: np.ndarray) -> np.ndarray:
    """(N, 2): the second class is as probable as the patch is bright."""
    bright = images[:, *PATCH, 0].mean(axis=(1, 2)) / 255
    return np.stack([1 - bright, bright], axis=1).astype(np.float32)


@pytest.fixture
def image() -> np.ndarray:
    """Noise, and a bright patch."""
    made = np.random.default_rng(0).integers(0, 100, (SIDE, SIDE, 1), dtype=np.uint8)
    made[PATCH] = 255
    return made


@pytest.mark.parametrize("name", ASKING)
def test_the_patch_that_matters_is_found(image: np.ndarray, name: str) -> None:
    ask = Asker(predict, 1, seconds=60, most=1500)
    found = ASKING[name](image, ask, np.random.default_rng(0))
    assert found.shape == (SIDE, SIDE)
    assert found.dtype == np.float32
    inside = np.zeros((SIDE, SIDE), np.bool_)
    inside[PATCH] = True
    assert found[inside].mean() > 5 * abs(found[~inside].mean())
    assert measure_reliability(image, found, ask).is_reliable


@pytest.mark.parametrize("name", ASKING)
def test_the_same_seed_gives_the_same_map(image: np.ndarray, name: str) -> None:
    maps = [ASKING[name](image, Asker(predict, 1, 60, 300), np.random.default_rng(3)) for _ in range(2)]
    assert np.array_equal(*maps)


def test_shapley_values_add_up(image: np.ndarray) -> None:
    cells = Cells.of(image)
    found = shap(image, Asker(predict, 1, 60, 300), np.random.default_rng(0))
    values = [found[cells.numbers == cell][0] for cell in range(cells.count)]
    none = hidden(image, np.zeros((1, SIDE, SIDE)))
    assert sum(values) == pytest.approx(predict(image[None])[0, 1] - predict(none)[0, 1], abs=1e-4)


def test_a_map_of_chance_is_no_explanation(image: np.ndarray) -> None:
    chance = np.random.default_rng(5).normal(size=(SIDE, SIDE)).astype(np.float32)
    measured = measure_reliability(image, chance, Asker(predict, 1, 60, 10**6))
    assert not measured.is_reliable
    assert measured.p_value > 0.05


def test_a_model_that_looks_at_nothing_has_no_reasons(image: np.ndarray) -> None:
    ask = Asker(lambda images: np.full((len(images), 2), 0.5, np.float32), 1, 60, 500)
    found = ASKING["occlusion"](image, ask, np.random.default_rng(0))
    assert not found.any()
    assert not measure_reliability(image, found, ask).is_reliable


def test_the_budget_of_questions_holds(image: np.ndarray) -> None:
    for name in ASKING:
        ask = Asker(predict, 1, 60, 200)
        ASKING[name](image, ask, np.random.default_rng(0))
        assert ask.asked <= 200 + 2 * 65  # what was begun is ended


def slow(images: np.ndarray) -> np.ndarray:
    """10 ms an image."""
    sleep(0.01 * len(images))
    return predict(images)


@pytest.mark.parametrize("name", ASKING)
def test_a_slow_model_is_asked_for_twice_the_time_at_most(image: np.ndarray, name: str) -> None:
    began = monotonic()
    ask = Asker(slow, 1, seconds=1.5, most=10**6)
    found = ASKING[name](image, ask, np.random.default_rng(0))
    measured = measure_reliability(image, found, ask)
    assert monotonic() - began < 3 + 0.5
    assert measured.maps < 19
    assert measured.is_reliable is not True


def test_a_model_that_is_too_slow_is_said_to_be(image: np.ndarray) -> None:
    with pytest.raises(OutOfTimeError, match=r"took more than twice 0\.1 s"):
        ASKING["shap"](image, Asker(slow, 1, seconds=0.1, most=1000), np.random.default_rng(0))


@pytest.mark.parametrize("shape", [(28, 28), (8, 8), (32, 64), (1, 5)])
def test_cells_cover_an_image_of_any_shape(shape: tuple[int, int]) -> None:
    cells = Cells.of(np.zeros((*shape, 3), np.uint8))
    assert cells.numbers.shape == shape
    assert np.array_equal(np.unique(cells.numbers), np.arange(cells.count))


@pytest.mark.parametrize("method", METHODS)
def test_a_bundle_explains_itself(colour: Bundle, method: str) -> None:
    predictor = Predictor(colour)
    image = colour.golden().images[0]
    if method == "cam" and "cam" not in colour.manifest.outputs:
        with pytest.raises(InputError, match="no class activation maps"):
            explain(predictor, image, method)
        return
    found = explain(predictor, image, method, questions=300)
    assert found.map.shape == image.shape[:2]
    assert found.probability == pytest.approx(colour.golden().probabilities[0].max(), abs=1e-5)


def test_what_cannot_be_explained_is_refused(grey: Bundle) -> None:
    predictor, image = Predictor(grey), grey.golden().images[0]
    with pytest.raises(ConfigError, match="must be one of cam, occlusion, rise, lime, shap, got gradcam"):
        explain(predictor, image, "gradcam")
    with pytest.raises(ConfigError, match="grad-cam needs the gradients of a run's network"):
        explain(predictor, image, "grad-cam")
    with pytest.raises(InputError, match=r"the class must be in \[0, 10\), got 10"):
        explain(predictor, image, index=10)
    with pytest.raises(ConfigError, match="must be above 0"):
        explain(predictor, image, seconds=0)
    with pytest.raises(InputError, match="must have the shape"):
        explain(predictor, image[:4])


@pytest.mark.parametrize(("as_well", "maps"), [(0, 19), (1, 19), (0, 5)])
def test_a_picture_shows_whether_its_map_is_any_good(image: np.ndarray, as_well: int, maps: int) -> None:
    heat = np.zeros((SIDE, SIDE), np.float32)
    heat[PATCH] = 1
    found = Explanation("occlusion", 1, 0.9, heat, Reliability(0.1, 0.9, 0.0, maps, as_well), 100, 0.1)
    picture = np.asarray(draw(image, found))
    side = SIDE * 10
    assert picture.shape == (side + CAPTION, side, 3)
    red, _, blue = picture[80, 200].astype(int)  # the patch is white below the map
    good = found.reliability.is_reliable
    assert (red - blue > 100) == bool(good)
    verdict = np.array(ImageColor.getrgb(COLOURS[found.reliability.verdict]))
    written = (picture[side:] == verdict).all(axis=2)
    assert written.sum() > 50


def test_the_command_writes_pictures_and_arrays(grey: Bundle, tmp_path: Path) -> None:
    image = grey.golden().images[0]
    Image.fromarray(image[..., 0]).save(tmp_path / "seven.v2.png")
    words = ("explain", str(grey.path), str(tmp_path / "seven.v2.png"), "--out", str(tmp_path / "out"))
    result = CliRunner().invoke(app, [*words, "--method", "shap", "--method", "rise", "--seconds", "0.5", "--json"])
    assert result.exit_code == 0, result.output
    rows = json.loads(result.output)
    assert [Path(row["picture"]).name for row in rows] == ["seven.v2-shap.png", "seven.v2-rise.png"]
    for row in rows:
        assert np.load(row["array"]).shape == image.shape[:2]
        with Image.open(row["picture"]) as picture:
            assert picture.size == (256, 256 + CAPTION)
    with Image.open(tmp_path / "out" / "seven.v2-methods.png") as sheet:
        assert sheet.size == (2 * 256 + 8, 2 * (256 + CAPTION) + 8)
    first = [Path(rows[0][key]) for key in ("picture", "array")]
    for file in first:
        (tmp_path / file.name).hardlink_to(file)
    assert CliRunner().invoke(app, [*words, "--method", "shap", "--seconds", "0.5"]).exit_code == 0
    assert not any(
        file.samefile(tmp_path / file.name) for file in first
    )  # another file in its place, never half of one
    refused = CliRunner().invoke(app, [*words, "--class", "ten"])
    assert "--class must be one of" in str(refused.exception)
