"""The fast residual network: its order, its first weights, its size, its stem."""

import itertools

import pytest
import torch
from pydantic import ValidationError
from torch import nn
from torch.nn.functional import max_pool2d

from eyas.core.schema import CNNConfig, ResNetConfig
from eyas.nn import build_network, fit_stem
from eyas.nn.layers import ScaledLinear
from eyas.nn.residual import Group
from eyas.nn.sizing import scaled, widest
from eyas.nn.stem import Whitening, patch_covariance

RGB = ([0.5, 0.4, 0.3], [0.2, 0.3, 0.4])


def build(config, shape=(32, 32, 3), classes=100):
    torch.manual_seed(0)
    return build_network(config, shape, classes, *(values[: shape[-1]] for values in RGB))


def smooth_images(count=200, channels=3, side=12):
    """Neighbouring pixels and channels are alike, as in photographs."""
    generator = torch.Generator().manual_seed(0)
    grey = torch.rand(count, 1, side // 4, side // 4, generator=generator)
    colour = torch.rand(count, channels, side // 2, side // 2, generator=generator)
    images = nn.functional.interpolate(grey, side, mode="bicubic") + nn.functional.interpolate(colour, side) / 4
    images = images + torch.rand(images.shape, generator=generator) / 20
    return (images * 200).clamp(0, 255).to(torch.uint8).permute(0, 2, 3, 1)


def test_the_body_is_stem_groups_and_pool():
    kinds = [type(layer).__name__ for layer in build(ResNetConfig(dropout=0.1)).body]
    assert kinds == ["Whitening", "ReLU", "Group", "Group", "Group", "AdaptiveAvgPool2d", "Flatten", "Dropout"]
    learned = [type(layer).__name__ for layer in build(ResNetConfig(whitening=False, pool="max")).body]
    assert learned[:3] == ["Conv2d", "BatchNorm2d", "ReLU"]
    assert "AdaptiveMaxPool2d" in learned


def test_a_group_pools_before_its_norm_and_adds_its_blocks():
    group = Group(4, 8, 2, ResNetConfig(), early_pool=False).eval()
    x = torch.randn(3, 4, 7, 7)
    y = torch.relu(group.norm(max_pool2d(group.conv(x), 2)))
    for block in group.blocks:
        y = y + torch.relu(block.norm(block.conv(y)))
    torch.testing.assert_close(group(x), y)
    assert group(x[:, :, :1]).shape == (3, 8, 1, 7)  # a side of 1 is not pooled


def test_a_group_may_pool_before_its_convolution():
    group = Group(4, 8, 0, ResNetConfig(), early_pool=True).eval()
    x = torch.randn(3, 4, 7, 7)
    torch.testing.assert_close(group(x), torch.relu(group.norm(group.conv(max_pool2d(x, 2)))))


def test_blocks_are_one_number_or_one_for_each_group():
    network = build(ResNetConfig(widths=(8, 16), blocks=(0, 3)))
    assert [len(layer.blocks) for layer in network.body if isinstance(layer, Group)] == [0, 3]
    with pytest.raises(ValidationError, match="one for each of the 2 widths"):
        ResNetConfig(widths=(8, 16), blocks=(1, 2, 3))


def test_convolutions_start_by_copying_their_inputs():
    x = torch.randn(2, 4, 5, 5)
    torch.testing.assert_close(Group(4, 8, 1, ResNetConfig(), early_pool=False).conv(x)[:, :4], x)
    torch.testing.assert_close(Group(4, 3, 1, ResNetConfig(), early_pool=False).conv(x), x[:, :3])


def test_only_the_norms_shifts_are_learned_unless_scales_are_asked_for():
    norms = [m for m in build(ResNetConfig()).modules() if isinstance(m, nn.BatchNorm2d)]
    assert not any(norm.weight.requires_grad for norm in norms)
    assert all(norm.bias.requires_grad for norm in norms)
    asked = [m for m in build(ResNetConfig(norm_scale=True)).modules() if isinstance(m, nn.BatchNorm2d)]
    assert all(norm.weight.requires_grad for norm in asked)


def test_logits_are_scaled():
    network = build(ResNetConfig(head_scale=0.25)).eval()
    images = torch.randint(0, 256, (2, 32, 32, 3), dtype=torch.uint8)
    logits, features = network.logits_and_features(images)
    torch.testing.assert_close(logits, 0.25 * features @ network.head.weight.T)
    assert isinstance(network.head, ScaledLinear)
    assert network.head.bias is None


def test_trainable_parameters_leave_out_what_is_frozen():
    network = build(ResNetConfig(widths=(8, 16)))
    frozen = 24 * 3 * 4 + 2 * 8 + 2 * 16
    kernels = 9 * (24 * 8 + 8 * 8 + 8 * 16 + 16 * 16) + 16 * 100
    assert network.trainable_parameters() == kernels + 24 + 2 * 8 + 2 * 16
    assert network.total_parameters() == network.trainable_parameters() + frozen


def test_the_default_is_the_pilots():
    assert build(ResNetConfig()).trainable_parameters() == 3_070_488


@pytest.mark.parametrize("limit", [6_000, 100_000, 3_070_487, 3_070_488, 3_200_000, 9_000_000])
def test_parameters_give_the_widest_network_that_fits(limit):
    config = ResNetConfig(parameters=limit)
    network = build(config)
    groups = [layer for layer in network.body if isinstance(layer, Group)]
    widths = tuple(group.conv.out_channels for group in groups)
    assert network.trainable_parameters() <= limit
    assert all(width % 8 == 0 for width in widths)
    scales = sorted((8 * step + 4) / width for width in config.widths for step in range(200))
    steps = [key for key, _ in itertools.groupby(scaled(config.widths, scale + 1e-9) for scale in scales)]
    wider = next((step for step in steps if step > widths and min(map(int.__sub__, step, widths)) >= 0), None)
    assert build(config.model_copy(update={"parameters": None, "widths": wider})).trainable_parameters() > limit


def test_sizing_leaves_the_random_generator_alone():
    torch.manual_seed(5)
    before = torch.get_rng_state()
    widest((8, 16), lambda widths: tuple(nn.Linear(8, width) for width in widths), 10_000)
    assert torch.equal(torch.get_rng_state(), before)


def test_patch_covariance_is_numpys():
    images = torch.randn(6, 3, 5, 4)
    patches = images.unfold(2, 2, 1).unfold(3, 2, 1).permute(0, 2, 3, 1, 4, 5).reshape(-1, 12)
    expected = torch.cov(patches.T.double(), correction=0)
    torch.testing.assert_close(patch_covariance(images.split(4)), expected)


@pytest.mark.parametrize("channels", [1, 3])
def test_the_stem_decorrelates_the_training_patches(channels):
    images = smooth_images(channels=channels)
    network = build(ResNetConfig(), (12, 12, channels))
    before = network.body[0].weight.clone()
    fit_stem(network, images)
    stem = network.body[0]
    assert isinstance(stem, Whitening)
    assert not torch.equal(stem.weight, before)
    maps = (stem(network.normalise(images)) - stem.bias.view(1, -1, 1, 1)).detach()
    half = 4 * channels
    torch.testing.assert_close(maps[:, half:], -maps[:, :half])
    covariance = torch.cov(maps[:, :half].transpose(0, 1).flatten(1))
    assert (covariance - torch.eye(half)).abs().max() < 0.1


def test_the_directions_come_by_their_variance():
    network = build(ResNetConfig(), (12, 12, 3))
    fit_stem(network, smooth_images())
    lengths = network.body[0].weight[:12].flatten(1).norm(dim=1)
    assert (lengths.diff() > 0).all()


def test_images_of_one_colour_leave_finite_weights():
    network = build(ResNetConfig())
    fit_stem(network, torch.full((4, 32, 32, 3), 7, dtype=torch.uint8))
    assert network.body[0].weight.abs().max() < 100


def test_large_images_are_whitened_a_few_at_a_time():
    network = build(ResNetConfig(), (12, 12, 3))
    images = smooth_images()
    fit_stem(network, images)
    whole = network.body[0].weight.clone()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("eyas.nn.stem.PIXELS", 12 * 12 * 30)
        fit_stem(network, images)
    torch.testing.assert_close(network.body[0].weight.abs(), whole.abs(), atol=1e-4, rtol=1e-3)


@pytest.mark.parametrize("config", [CNNConfig(), ResNetConfig(whitening=False)])
def test_without_a_whitened_stem_nothing_is_fitted(config):
    network = build(config)
    before = {name: value.clone() for name, value in network.state_dict().items()}
    fit_stem(network, torch.randint(0, 256, (4, 32, 32, 3), dtype=torch.uint8))
    assert all(torch.equal(before[name], value) for name, value in network.state_dict().items())


def test_the_unfitted_stem_picks_single_pixels():
    x = torch.randn(1, 3, 4, 4)
    stem = Whitening(3)
    nn.init.zeros_(stem.bias)
    torch.testing.assert_close(stem(x)[0, 0], x[0, 0, :3, :3])
    torch.testing.assert_close(stem(x)[0, 13], -x[0, 0, :3, 1:])
