"""Each operation against Pillow's own."""

import numpy as np
import pytest
import torch
from PIL import Image, ImageEnhance, ImageOps

from eyas.core.schema import AugmentConfig
from eyas.train.augment import photometric
from eyas.train.augment.geometry import affine, matrices
from eyas.train.augment.policies import OPERATIONS, SIGNED, color_jitter, draw_policy, run_operations

ENHANCERS = {
    "brightness": ImageEnhance.Brightness,
    "color": ImageEnhance.Color,
    "contrast": ImageEnhance.Contrast,
    "sharpness": ImageEnhance.Sharpness,
}
SHAPES = [(32, 32, 3), (28, 28, 1), (8, 8, 1), (17, 40, 3), (40, 17, 1), (2, 5, 3), (1, 1, 3)]


def samples(shape, n=12):
    """Noise, dark, narrow and even images, with a gradient: what the operations treat differently."""
    rng = np.random.default_rng(3)
    images = rng.integers(0, 256, (n, *shape))
    images[1::4] //= 3
    images[2::4] = 100 + images[2::4] // 16
    images[3] = 77
    images[4] = np.linspace(0, 255, int(np.prod(shape))).reshape(shape)
    images[5] = np.where(images[5] > 200, 250, 3)
    return torch.from_numpy(images.astype(np.uint8))


def with_pillow(images, change):
    """(n, H, W, C) through Pillow, image by image; `change(image, i)`."""
    grey = images.shape[-1] == 1
    pictures = [Image.fromarray(image[..., 0] if grey else image) for image in images.numpy()]
    out = np.stack([np.asarray(change(picture, i)) for i, picture in enumerate(pictures)])
    return torch.from_numpy(out).view(images.shape)


def distance(a, b):
    return int((a.int() - b.int()).abs().max())


def apply(name, images, strengths):
    return run_operations(images, np.full(len(images), list(OPERATIONS).index(name)), np.asarray(strengths))


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("name", ENHANCERS)
def test_enhancements(name, shape):
    images = samples(shape)
    factors = np.linspace(0.01, 1.99, len(images))
    expected = with_pillow(images, lambda image, i: ENHANCERS[name](image).enhance(factors[i]))
    assert distance(apply(name, images, factors), expected) <= 1


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("name", ENHANCERS)
def test_factor_one_changes_nothing(name, shape):
    images = samples(shape)
    assert torch.equal(apply(name, images, np.ones(len(images))), images)


@pytest.mark.parametrize("shape", SHAPES)
def test_bits_and_thresholds(shape):
    images = samples(shape)
    bits = np.resize([1, 2, 4, 7, 8], len(images))
    expected = with_pillow(images, lambda image, i: ImageOps.posterize(image, int(bits[i])))
    assert torch.equal(apply("posterize", images, bits.astype(float)), expected)
    thresholds = np.resize([0, 255, 127.5, 100, 8.5], len(images))
    expected = with_pillow(images, lambda image, i: ImageOps.solarize(image, thresholds[i]))
    assert torch.equal(apply("solarize", images, thresholds), expected)


@pytest.mark.parametrize("shape", SHAPES)
def test_histogram_operations(shape):
    images = samples(shape)
    zeros = np.zeros(len(images))
    assert (
        distance(apply("autocontrast", images, zeros), with_pillow(images, lambda x, _: ImageOps.autocontrast(x))) <= 1
    )
    assert torch.equal(apply("equalize", images, zeros), with_pillow(images, lambda x, _: ImageOps.equalize(x)))


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("name", ["shear_x", "shear_y", "translate_x", "translate_y"])
def test_shears_and_translations_are_pillows_to_the_byte(name, shape):
    images = samples(shape)
    largest = 0.99 if "shear" in name else max(shape)
    strengths = np.linspace(-largest, largest, len(images))
    strengths = strengths if "shear" in name else np.rint(strengths)
    place = {"shear_x": 1, "translate_x": 2, "shear_y": 3, "translate_y": 5}[name]

    def change(image, i):
        data = [1.0, 0, 0, 0, 1, 0]
        data[place] = strengths[i]
        return image.transform(image.size, Image.Transform.AFFINE, data, Image.Resampling.NEAREST)

    assert torch.equal(apply(name, images, strengths), with_pillow(images, change))


@pytest.mark.parametrize("shape", SHAPES)
def test_rotation_is_pillows_to_the_byte(shape):
    images = samples(shape)
    angles = np.linspace(-135, 134, len(images))
    expected = with_pillow(images, lambda image, i: image.rotate(angles[i], Image.Resampling.NEAREST))
    assert torch.equal(apply("rotate", images, angles), expected)


def test_no_strength_leaves_the_image_in_place():
    images = samples((9, 6, 3))
    maps = matrices(np.full(len(images), "rotate"), np.zeros(len(images)), 9, 6)
    assert torch.equal(affine(images, tuple(torch.from_numpy(maps))), images)


@pytest.mark.parametrize("shape", SHAPES)
def test_color_jitter_is_brightness_contrast_and_saturation(shape):
    images = samples(shape)
    factors = np.random.default_rng(5).uniform(0.5, 1.5, (3, len(images)))
    expected = with_pillow(
        images,
        lambda image, i: ImageEnhance.Color(
            ImageEnhance.Contrast(ImageEnhance.Brightness(image).enhance(factors[0, i])).enhance(factors[1, i])
        ).enhance(factors[2, i]),
    )
    found = color_jitter(images, 0.5, np.random.default_rng(5))
    assert (
        distance(found, expected) <= 5
    )  # Pillow truncates three times, and each loss is multiplied by up to 1.5 after
    assert (found.double() - expected).abs().mean() < 1.5


def test_saturation_leaves_grey_images_alone():
    images = samples((8, 8, 1))
    assert torch.equal(photometric.color(images.float(), torch.full((len(images),), 1.9)), images.float())


@pytest.mark.parametrize("config", [{"policy": "randaugment", "policy_ops": 3}, {"policy": "trivialaugment"}])
def test_a_policy_is_each_image_by_itself(config):
    images = samples((16, 16, 3), 60)
    drawn = draw_policy(AugmentConfig(**config), (16, 16, 3), len(images), np.random.default_rng(0))
    for operations, strengths in zip(*drawn, strict=True):
        together = run_operations(images, operations, strengths)
        alone = [run_operations(images[i : i + 1], operations[i : i + 1], strengths[i : i + 1]) for i in range(60)]
        assert torch.equal(together, torch.cat(alone))
        images = together


def test_policies_draw_all_operations_alike_and_both_signs():
    rng = np.random.default_rng(0)
    config = AugmentConfig(policy="randaugment", policy_ops=2, policy_magnitude=9)
    operations, strengths = draw_policy(config, (32, 32, 3), 14_000, rng)
    assert operations.shape == (2, 14_000)
    counts = np.bincount(operations.ravel(), minlength=14)
    assert counts.min() > 1800
    assert counts.max() < 2200
    rotations = strengths[OPERATIONS[operations] == "rotate"]
    assert set(np.unique(rotations)) == {-9.0, 9.0}
    assert abs((rotations > 0).mean() - 0.5) < 0.06
    assert np.unique(strengths[OPERATIONS[operations] == "brightness"]) == pytest.approx([1 - 0.27, 1 + 0.27])
    assert set(strengths[OPERATIONS[operations] == "posterize"]) == {7.0}
    assert set(strengths[OPERATIONS[operations] == "translate_x"]) == {-4.0, 4.0}  # 150/331 · 32 · 9/30


def test_trivialaugment_draws_every_magnitude_of_its_wide_space():
    config = AugmentConfig(policy="trivialaugment", policy_ops=2, policy_magnitude=9)
    operations, strengths = draw_policy(config, (32, 32, 3), 30_000, np.random.default_rng(0))
    assert operations.shape == (1, 30_000)
    ranges = {
        "shear_y": (-0.99, 0.99),
        "rotate": (-135, 135),
        "translate_y": (-32, 32),
        "sharpness": (0.01, 1.99),
        "posterize": (2, 8),
        "solarize": (0, 255),
    }
    for name, expected in ranges.items():
        found = strengths[OPERATIONS[operations] == name]
        assert (found.min(), found.max()) == pytest.approx(expected)
    per_sign = len(np.unique(strengths[OPERATIONS[operations] == "rotate"]))
    assert per_sign == 2 * 30 + 1
    assert len(SIGNED) == 9
