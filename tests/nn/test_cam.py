"""Class activation maps: where they can be had, and that they add up to the logits."""

import pytest
import torch
from torch import nn

from eyas.core.schema import CNNConfig, MLPConfig, ResNetConfig, WideResNetConfig
from eyas.nn import Network, Normalise, build_network, run_in_parts, run_network
from eyas.nn.dropout import Dropout


def conv(*tail):
    return nn.Sequential(nn.Conv2d(1, 4, 3), nn.ReLU(), *tail)


def network(body, head):
    return Network(Normalise([0.5], [0.25]), body, head).eval()


AVERAGE = (nn.AdaptiveAvgPool2d(1), nn.Flatten())


@pytest.mark.parametrize(
    ("config", "side"),
    [
        (ResNetConfig(widths=(8, 16), head_scale=0.3, dropout=0.2, squeeze_excite=True), 7),
        (ResNetConfig(widths=(8, 8, 8, 8, 8, 8)), 1),
        (WideResNetConfig(depth=10, width=1), 8),
    ],
)
def test_the_mean_of_the_maps_and_the_bias_are_the_logits(config, side):
    torch.manual_seed(0)
    built = build_network(config, (32, 32, 3), 7, [0.5] * 3, [0.25] * 3).eval()
    images = torch.randint(0, 256, (4, 32, 32, 3), dtype=torch.uint8)
    logits, features, cam = built.outputs(images)
    bias = 0 if built.head.bias is None else built.head.bias
    assert cam.shape == (4, 7, side, side)
    torch.testing.assert_close(cam.mean((2, 3)) + bias, logits, atol=1e-5, rtol=1e-5)
    torch.testing.assert_close(features, built.logits_and_features(images)[1])


def test_a_layer_that_stands_twice_is_used_twice():
    torch.manual_seed(0)
    activation = nn.ELU()
    body = nn.Sequential(nn.Conv2d(1, 4, 3), activation, nn.Conv2d(4, 4, 3), activation, *AVERAGE)
    built = network(body, nn.Linear(4, 3))
    images = torch.randint(0, 256, (2, 8, 8, 1), dtype=torch.uint8)
    logits, features, cam = built.outputs(images)
    torch.testing.assert_close(logits, built(images))
    torch.testing.assert_close(features, built.logits_and_features(images)[1])
    torch.testing.assert_close(cam.mean((2, 3)) + built.head.bias, logits)


@pytest.mark.parametrize(
    ("body", "head", "has"),
    [
        (conv(*AVERAGE), nn.Linear(4, 3), True),
        (conv(nn.AdaptiveAvgPool2d((1, 1)), nn.Flatten(), nn.Dropout(), nn.Identity()), nn.Linear(4, 3), True),
        (conv(*AVERAGE, Dropout(0.5)), nn.Linear(4, 3, bias=False), True),
        (nn.Sequential(*AVERAGE), nn.Linear(1, 3), True),
        (conv(*AVERAGE, nn.ReLU()), nn.Linear(4, 3), False),
        (conv(nn.AdaptiveAvgPool2d(2), nn.Flatten()), nn.Linear(16, 3), False),
        (conv(nn.AdaptiveMaxPool2d(1), nn.Flatten()), nn.Linear(4, 3), False),
        (conv(nn.AdaptiveAvgPool2d(1), nn.Flatten(2)), nn.Linear(1, 3), False),
        (conv(*AVERAGE), nn.Sequential(nn.Linear(4, 3)), False),
        (nn.Flatten(), nn.Linear(64, 3), False),
    ],
)
def test_a_global_average_before_a_dense_head_is_what_it_takes(body, head, has):
    built = network(body, head)
    images = torch.randint(0, 256, (2, 8, 8, 1), dtype=torch.uint8)
    logits, _, cam = built.outputs(images)
    assert built.has_cam is has
    assert (cam is not None) is has
    torch.testing.assert_close(logits, built(images))
    if has:
        bias = 0 if head.bias is None else head.bias
        torch.testing.assert_close(cam.mean((2, 3)) + bias, logits)


@pytest.mark.parametrize("config", [MLPConfig(), CNNConfig(), ResNetConfig(pool="max")])
def test_networks_without_maps_say_so(config):
    assert not build_network(config, (32, 32, 3), 7, [0.5] * 3, [0.25] * 3).has_cam


def test_a_body_with_a_forward_of_its_own_is_not_taken_for_a_row_of_layers():
    class Odd(nn.Sequential):
        def forward(self, x):
            return super().forward(x) * 2

    assert not network(Odd(*conv(*AVERAGE)), nn.Linear(4, 3)).has_cam


def test_parts_together_are_the_whole(digits, monkeypatch):
    monkeypatch.setattr("eyas.nn.outputs.PIXELS", 64 * 50)
    built = build_network(ResNetConfig(widths=(8, 8)), (8, 8, 1), 10, [0.5], [0.25])
    parts = list(run_in_parts(built, digits.test))
    assert [len(images) for images, _ in parts][:-1] == [50] * (len(parts) - 1)
    assert sum(len(images) for images, _ in parts) == len(digits.test)
    assert all(some.cam.shape == (len(images), 10, 1, 1) for images, some in parts)
    logits = torch.cat([torch.from_numpy(some.logits) for _, some in parts])
    torch.testing.assert_close(logits, torch.from_numpy(run_network(built, digits.test).logits))
