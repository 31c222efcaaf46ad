"""The networks: their sizes, their first weights, and what they compute."""

import numpy as np
import pytest
import torch
from torch import nn

from eyas.core.errors import ConfigError
from eyas.core.schema import CNNConfig, CustomConfig, MLPConfig
from eyas.nn import Normalise, build_network
from eyas.nn.dropout import Dropout
from eyas.nn.layers import ACTIVATIONS

UNIT = ([0.0], [1.0])
RGB = ([0.5, 0.4, 0.3], [0.2, 0.3, 0.4])


def test_the_courses_mlp_has_the_courses_parameters():
    network = build_network(MLPConfig(), (28, 28, 1), 10, *UNIT)
    assert network.trainable_parameters() == 407_050


def test_the_mlp_has_its_layers_in_the_courses_order():
    config = MLPConfig(hidden=(512,), input_dropout=0.1, batch_norm=True)
    body = build_network(config, (28, 28, 1), 10, *UNIT).body
    kinds = [type(layer) for layer in body]
    assert kinds == [nn.Flatten, Dropout, nn.Linear, nn.ReLU, nn.BatchNorm1d, Dropout]


def test_the_cnn_is_the_sources():
    body = build_network(CNNConfig(), (32, 32, 3), 100, *RGB).body
    assert [layer.out_channels for layer in body if isinstance(layer, nn.Conv2d)] == [32, 64, 128, 256]
    assert [layer.out_features for layer in body if isinstance(layer, nn.Linear)] == [512, 256]
    block = [type(layer) for layer in body][:5]
    assert block == [nn.Conv2d, nn.BatchNorm2d, nn.MaxPool2d, nn.ReLU, Dropout]


@pytest.mark.parametrize("activation", ["relu", "tanh", "elu", "leaky_relu", "gelu", "silu"])
def test_a_block_pools_what_the_activation_gave_whatever_comes_first(activation):
    config = CNNConfig(filters=(4,), dense=(), activation=activation)
    body = build_network(config, (6, 6, 1), 3, *UNIT).body.eval()
    x = torch.randn(5, 1, 6, 6, generator=torch.Generator().manual_seed(0), requires_grad=True)
    convolved = body[1](body[0](x))
    expected = nn.functional.max_pool2d(ACTIVATIONS[activation]()(convolved), 2).flatten(1)
    torch.testing.assert_close(body(x), expected)
    (actual_gradient,) = torch.autograd.grad(body(x).square().sum(), x)
    (expected_gradient,) = torch.autograd.grad(expected.square().sum(), x)
    torch.testing.assert_close(actual_gradient, expected_gradient)


@pytest.mark.parametrize("config", [MLPConfig(), CNNConfig(), CNNConfig(filters=(), dense=()), MLPConfig(hidden=())])
@pytest.mark.parametrize("shape", [(1, 1, 1), (8, 8, 1), (5, 33, 3), (64, 48, 3)])
def test_any_input_size_gives_logits_and_features(config, shape):
    scaling = UNIT if shape[-1] == 1 else RGB
    network = build_network(config, shape, 7, *scaling).eval()
    images = torch.randint(0, 256, (3, *shape), dtype=torch.uint8)
    logits, features = network.logits_and_features(images)
    assert logits.shape == (3, 7)
    assert features.ndim == 2
    torch.testing.assert_close(network(images), logits)


def test_normalise_is_the_formula():
    images = np.random.default_rng(0).integers(0, 256, (4, 5, 6, 3), dtype=np.uint8)
    expected = (images / 255 - np.array(RGB[0])) / np.array(RGB[1])
    actual = Normalise(*RGB)(torch.from_numpy(images)).permute(0, 2, 3, 1).numpy()
    np.testing.assert_allclose(actual, expected, atol=1e-5)


def test_first_weights_are_keras_glorot_uniform():
    torch.manual_seed(0)
    network = build_network(CNNConfig(), (32, 32, 3), 100, *RGB)
    for layer in network.modules():
        if isinstance(layer, nn.Linear | nn.Conv2d):
            window = layer.weight[0, 0].numel() if isinstance(layer, nn.Conv2d) else 1
            limit = (6 / ((layer.weight.shape[0] + layer.weight.shape[1]) * window)) ** 0.5
            largest = layer.weight.abs().max().item()
            assert 0.95 * limit < largest <= limit
            assert not layer.bias.any()


def test_penalty_is_keras_l2_on_hidden_kernels_alone():
    network = build_network(MLPConfig(hidden=(16, 8), l2=0.01), (4, 4, 1), 3, *UNIT)
    kernels = [network.body[1].weight, network.body[4].weight]
    expected = 0.01 * sum((kernel**2).sum() for kernel in kernels)
    torch.testing.assert_close(network.penalty(), expected)
    assert build_network(MLPConfig(), (4, 4, 1), 3, *UNIT).penalty() == 0.0


CUSTOM = """
import torch
from torch import nn

def row(input_shape, classes):
    return nn.Sequential(
        nn.Conv2d(input_shape[2], 6, 3), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(6, classes)
    )

def plain(input_shape, classes, width=4):
    height, across, channels = input_shape
    return nn.Sequential(nn.Flatten(), nn.Linear(height * across * channels, width), nn.Linear(width, classes))

class Split(nn.Module):
    def __init__(self, inputs, classes):
        super().__init__()
        self.body = nn.Sequential(nn.Flatten(), nn.Linear(inputs, 6))
        self.head = nn.Linear(6, classes)
    def forward(self, x):
        return self.head(self.body(x))

def split(input_shape, classes):
    return Split(input_shape[0] * input_shape[1] * input_shape[2], classes)

def wrong(input_shape, classes):
    return plain(input_shape, classes + 1)

def nothing(input_shape, classes):
    return 3

class Twist(Split):
    def forward(self, x):
        return self.head(torch.relu(self.body(x)))

def twist(input_shape, classes):
    return Twist(input_shape[0] * input_shape[1] * input_shape[2], classes)

def narrow(input_shape, classes):
    return nn.Sequential(nn.Flatten(), nn.Linear(3, classes))

def broken(input_shape, classes):
    return {}["missing"]
"""


@pytest.fixture
def source(tmp_path):
    file = tmp_path / "mine.py"
    file.write_text(CUSTOM)
    return file


def test_a_custom_network_takes_its_options(source):
    config = CustomConfig(name=f"{source}:plain", options={"width": 9})
    network = build_network(config, (4, 4, 1), 3, *UNIT)
    assert network.body[1].out_features == 9


def test_a_custom_networks_own_body_gives_the_features(source):
    network = build_network(CustomConfig(name=f"{source}:split"), (4, 4, 1), 3, *UNIT)
    logits, features = network.logits_and_features(torch.zeros(2, 4, 4, 1, dtype=torch.uint8))
    assert (logits.shape, features.shape) == ((2, 3), (2, 6))


def test_a_custom_row_of_layers_is_split_before_its_last(source):
    network = build_network(CustomConfig(name=f"{source}:row"), (8, 8, 1), 3, *UNIT)
    images = torch.randint(0, 256, (2, 8, 8, 1), dtype=torch.uint8)
    logits, features = network.logits_and_features(images)
    assert (logits.shape, features.shape) == ((2, 3), (2, 6))
    assert network.has_cam


@pytest.mark.parametrize(("function", "any_size"), [("row", True), ("plain", False), ("split", False)])
def test_whether_a_custom_network_takes_any_size_is_tried(source, function, any_size):
    network = build_network(CustomConfig(name=f"{source}:{function}"), (8, 8, 1), 3, *UNIT)
    assert network.any_size is any_size
    assert network.training


def test_a_custom_networks_own_forward_is_what_is_computed(source):
    network = build_network(CustomConfig(name=f"{source}:twist"), (4, 4, 1), 3, *UNIT).eval()
    images = torch.randint(0, 256, (5, 4, 4, 1), dtype=torch.uint8)
    torch.testing.assert_close(network(images), network.body(network.normalise(images)))
    assert isinstance(network.head, nn.Identity)


def test_a_file_that_is_not_python_says_so(tmp_path):
    (tmp_path / "bad.py").write_text("def build(:\n")
    with pytest.raises(ConfigError, match=r"reading .*bad\.py failed \(SyntaxError"):
        build_network(CustomConfig(name=f"{tmp_path}/bad.py:build"), (4, 4, 1), 3, *UNIT)


@pytest.mark.parametrize(
    ("function", "options", "said"),
    [
        ("wrong", {}, r"must give \(N, 3\) logits .* got \(2, 4\)"),
        ("nothing", {}, "must return a torch.nn.Module, got int"),
        ("absent", {}, "defines no function absent"),
        ("plain", {"depth": 2}, "unexpected keyword argument 'depth'"),
        ("narrow", {}, r"the network of narrow failed \(RuntimeError in .*\): mat1 and mat2"),
        ("broken", {}, r"broken\(.*\) failed \(KeyError in mine\.py, line \d+\): 'missing'"),
    ],
)
def test_a_custom_network_that_does_not_fit_says_why(source, function, options, said):
    with pytest.raises(ConfigError, match=said):
        build_network(CustomConfig(name=f"{source}:{function}", options=options), (4, 4, 1), 3, *UNIT)


def test_a_custom_file_that_is_absent_is_named(tmp_path):
    with pytest.raises(ConfigError, match=r"no such file .*gone\.py"):
        build_network(CustomConfig(name=f"{tmp_path}/gone.py:f"), (4, 4, 1), 3, *UNIT)
