"""What the residual families promise alike."""

import pytest
import torch
from torch import nn
from torch.nn.functional import cross_entropy

from eyas.core.errors import ConfigError
from eyas.core.schema import CNNConfig, MLPConfig, ResNetConfig, WideResNetConfig
from eyas.nn import build_network, fit_stem
from eyas.nn.squeeze import SqueezeExcite

FAMILIES = {
    "resnet": ResNetConfig(widths=(8, 16, 24)),
    "deep": ResNetConfig(widths=(8, 8, 16, 16, 24), blocks=2, activation="gelu"),
    "one_group": ResNetConfig(widths=(8,), pool="max", dropout=0.3, head_scale=0.2),
    "learned_stem": ResNetConfig(widths=(8, 16), whitening=False, norm_scale=True, squeeze_excite=True),
    "wide": WideResNetConfig(depth=10, width=1),
    "wide_weighed": WideResNetConfig(depth=16, width=1, dropout=0.2, squeeze_excite=True),
}
SHAPES = [(8, 8, 1), (28, 28, 1), (32, 32, 3), (20, 20, 3), (8, 41, 3)]


def images(shape, count=3):
    return torch.randint(0, 256, (count, *shape), dtype=torch.uint8, generator=torch.Generator().manual_seed(1))


def build(config, shape=(32, 32, 3), classes=7):
    torch.manual_seed(0)
    network = build_network(config, shape, classes, [0.5] * shape[-1], [0.25] * shape[-1])
    fit_stem(network, images(shape, 64))
    return network


@pytest.fixture(params=FAMILIES.values(), ids=FAMILIES.keys())
def config(request):
    return request.param


@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_logits_and_features_at_every_size(config, shape):
    network = build(config, shape).eval()
    logits, features = network.logits_and_features(images(shape))
    assert logits.shape == (3, 7)
    assert features.shape == (3, network.head.in_features)
    torch.testing.assert_close(network(images(shape)), logits)
    torch.testing.assert_close(network(images(shape, 1)), logits[:1], atol=1e-5, rtol=1e-4)


def test_a_network_takes_other_sizes_than_its_own(config):
    network = build(config).eval()
    assert network.any_size
    for side in (8, 20, 24, 33):
        assert network(images((side, side, 3))).shape == (3, 7)


def test_the_flattening_networks_do_not():
    assert not build(MLPConfig()).any_size
    assert not build(CNNConfig(filters=(4,), dense=())).any_size


def test_a_step_reaches_every_trainable_parameter_and_no_other(config):
    network = build(config).train()
    cross_entropy(network(images((32, 32, 3), 8)), torch.arange(8) % 7).backward()
    for name, parameter in network.named_parameters():
        assert (parameter.grad is not None) == parameter.requires_grad, name
        assert parameter.grad is None or parameter.grad.isfinite().all(), name


def test_one_pixel_maps_train_too(config):
    network = build(config, (8, 8, 1)).train()
    loss = cross_entropy(network(images((8, 8, 1), 4)), torch.arange(4))
    loss.backward()
    assert loss.isfinite()


@pytest.mark.parametrize("channels", [1, 3])
def test_no_layer_leaves_the_memory_format_that_images_have(config, channels):
    network = build(config, (32, 32, channels)).train()
    strayed = []

    def look(layer, inputs, output):
        if output.ndim == 4 and not output.is_contiguous(memory_format=torch.channels_last):
            strayed.append(layer)

    for layer in network.body.modules():
        layer.register_forward_hook(look)
    with torch.autocast("cpu", torch.bfloat16):
        network(images((32, 32, channels)))
    assert not strayed


def test_weights_go_from_one_network_to_the_next(config):
    first = build(config).eval()
    second = build_network(config, (32, 32, 3), 7, [0.5] * 3, [0.25] * 3)
    second.load_state_dict(first.state_dict())
    torch.testing.assert_close(second.eval()(images((32, 32, 3))), first(images((32, 32, 3))))


def test_the_same_seed_gives_the_same_weights(config):
    first, second = (build(config).state_dict() for _ in range(2))
    assert all(torch.equal(first[name], second[name]) for name in first)


@pytest.mark.parametrize(
    ("config", "shape", "said"),
    [
        (ResNetConfig(), (7, 32, 3), r"model\.name=resnet needs images of at least 8 pixels a side, got 7×32"),
        (WideResNetConfig(), (32, 3, 1), r"model\.name=wide_resnet needs images of at least 4 pixels a side, got 32×3"),
        (ResNetConfig(parameters=1000), (32, 32, 3), r"model\.parameters must be at least 4,736, .*, got 1,000"),
    ],
)
def test_what_cannot_be_built_says_why(config, shape, said):
    with pytest.raises(ConfigError, match=said):
        build(config, shape)


def test_squeeze_and_excite_is_the_formula():
    layer = SqueezeExcite(32)
    x = torch.randn(2, 32, 5, 4)
    reduce, _, expand, _ = layer.weigh
    hidden = torch.relu(x.mean((2, 3)) @ reduce.weight.T + reduce.bias)
    weights = torch.sigmoid(hidden @ expand.weight.T + expand.bias)
    assert reduce.out_features == 8
    torch.testing.assert_close(layer(x), x * weights.view(2, 32, 1, 1))


@pytest.mark.parametrize("config", [ResNetConfig(squeeze_excite=True), WideResNetConfig(squeeze_excite=True)])
def test_squeeze_and_excite_stands_where_asked(config):
    layers = [layer for layer in build(config).body.modules() if isinstance(layer, SqueezeExcite)]
    assert len(layers) == (3 if config.name == "resnet" else 6)
    plain = build(config.model_copy(update={"squeeze_excite": False}))
    assert not any(isinstance(layer, SqueezeExcite) for layer in plain.body.modules())


@pytest.mark.parametrize(
    ("depth", "width", "classes", "parameters"),
    [(16, 4, 10, 2_748_890), (16, 4, 100, 2_772_020), (40, 2, 10, 2_243_546), (40, 4, 10, 8_949_210)],
)
def test_the_wide_networks_are_the_papers(depth, width, classes, parameters):
    """Tables 4 and 5 of the paper give 2.7M, 2.2M and 8.9M."""
    network = build(WideResNetConfig(depth=depth, width=width), classes=classes)
    assert network.trainable_parameters() == network.total_parameters() == parameters
    convolutions = [m for m in network.body.modules() if isinstance(m, nn.Conv2d) and m.kernel_size == (3, 3)]
    assert len(convolutions) == depth - 3  # the paper's depth counts the three shortcuts too
