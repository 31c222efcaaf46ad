"""Gradients against what is known of them: linear networks, one that looks at a patch, sums, and CAM."""

from __future__ import annotations

from pathlib import Path
from time import monotonic, sleep

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from eyas.attribution import METHODS, NetworkPredictor, explain, last_maps
from eyas.attribution.explaining import BY_GRADIENTS
from eyas.attribution.methods import MOST_DRAWN
from eyas.core.errors import ConfigError, InputError
from eyas.core.runs import RunFolder
from eyas.core.schema import CNNConfig, CustomConfig, ExportConfig, MLPConfig, ResNetConfig, WideResNetConfig
from eyas.data import Dataset
from eyas.explain.explaining import GRADIENTS
from eyas.explain.picture import smoothed
from eyas.explain.regions import hidden
from eyas.export import export_run
from eyas.image import ImagePolicy
from eyas.infer import Predictor
from eyas.nn import Network, Normalise, build_network
from support.runs import make_run

SIDE = 28
PATCH = (slice(4, 12), slice(16, 24))
MEAN, STD = 0.4, 0.2


def predictor_of(body: nn.Module, head: nn.Module, channels: int = 1, **more: object) -> NetworkPredictor:
    network = Network(Normalise([MEAN] * channels, [STD] * channels), body, head).eval()
    classes = tuple(map(str, range(head.out_features)))
    return NetworkPredictor(network, classes, ImagePolicy(SIDE, SIDE, channels), **more)


@pytest.fixture
def linear() -> NetworkPredictor:
    """Three classes, each a weighted sum of an RGB image's values."""
    torch.manual_seed(0)
    one = np.random.default_rng(1).integers(0, 256, (1, SIDE, SIDE, 3), dtype=np.uint8)
    return predictor_of(nn.Flatten(), nn.Linear(3 * SIDE**2, 3), 3, background=lambda: one)


@pytest.fixture
def looking(image: np.ndarray) -> NetworkPredictor:
    """The second class is as probable as there are pixels above 128: those of the patch, in these images."""
    convolution = nn.Conv2d(1, 1, 1)
    head = nn.Linear(1, 2)
    with torch.no_grad():
        convolution.weight.fill_(1)
        convolution.bias.fill_(-(128 / 255 - MEAN) / STD)
        head.weight.copy_(torch.tensor([[0.0], [20.0]]))
        head.bias.copy_(torch.tensor([0.0, -2.0]))
    body = nn.Sequential(convolution, nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten())
    dark = np.random.default_rng(2).integers(0, 100, (20, SIDE, SIDE, 1), dtype=np.uint8)
    return predictor_of(body, head, background=lambda: dark)


@pytest.fixture
def image() -> np.ndarray:
    """Noise, and a bright patch."""
    made = np.random.default_rng(0).integers(0, 100, (SIDE, SIDE, 1), dtype=np.uint8)
    made[PATCH] = 255
    return made


@pytest.fixture(scope="module")
def run(digits: Dataset, tmp_path_factory: pytest.TempPathFactory) -> RunFolder:
    """A network that averages its maps for a dense head."""
    folder = tmp_path_factory.mktemp("attributed")
    return make_run(folder, digits, WideResNetConfig(depth=10, width=1), epochs=2)


@pytest.fixture(scope="module")
def trained(run: RunFolder, digits: Dataset) -> NetworkPredictor:
    """Its network; the background is named, as `make_run` says nothing of the data."""
    found = NetworkPredictor.of(run)
    return NetworkPredictor(found.network, found.classes, found.policy, 1.0, lambda: digits.train.take(slice(100)))


@pytest.mark.parametrize("method", ["integrated-gradients", "gradient-shap"])
def test_of_a_linear_network_the_map_is_weight_times_difference(linear: NetworkPredictor, method: str) -> None:
    image = np.random.default_rng(0).integers(0, 256, (SIDE, SIDE, 3), dtype=np.uint8)
    found = explain(linear, image, method, 1)
    weight = linear.network.head.weight[1].detach().numpy().reshape(3, SIDE, SIDE).transpose(1, 2, 0)
    blank = hidden(image, np.zeros((1, SIDE, SIDE)))
    baseline = (blank if method == "integrated-gradients" else linear.background())[0]
    expected = (weight / (255 * STD) * (image.astype(np.float64) - baseline)).sum(axis=2)
    np.testing.assert_allclose(found.map, expected, atol=1e-5)
    assert found.sums.delta == pytest.approx(0, abs=1e-4)
    assert (found.map > 0).any()
    assert (found.map < 0).any()


@pytest.mark.parametrize("method", GRADIENTS)
def test_all_lies_on_the_patch_that_the_answer_depends_on(
    looking: NetworkPredictor, image: np.ndarray, method: str
) -> None:
    found = explain(looking, image, method)
    inside = np.zeros((SIDE, SIDE), np.bool_)
    inside[PATCH] = True
    assert found.index == 1
    assert (found.map[inside] > 0).all()
    assert not found.map[~inside].any()
    assert found.reliability.is_reliable
    assert found.map.dtype == np.float32


def test_integrated_gradients_add_up(trained: NetworkPredictor, digits: Dataset) -> None:
    for image in digits.test.take(slice(5)):
        found = explain(trained, image, "integrated-gradients", 3)
        blank = hidden(image, np.zeros((1, *image.shape[:2])))
        with torch.no_grad():
            whole, none = (trained.logits(trained.pixels(one))[0, 3].item() for one in (image[None], blank))
        assert found.map.sum() == pytest.approx(found.sums.total, abs=1e-4)
        assert found.sums.expected == pytest.approx(whole - none, abs=1e-5)
        assert abs(found.sums.delta) <= 0.01 * max(1, abs(whole - none))
        assert 16 <= found.sums.gradients <= 512


def test_gradient_shap_adds_up_roughly_and_by_its_seed(trained: NetworkPredictor, digits: Dataset) -> None:
    image = digits.test.take(slice(1))[0]
    before = np.random.get_state()[1].copy(), torch.random.get_rng_state()
    one, same, other = (explain(trained, image, "gradient-shap", seed=seed, seconds=60) for seed in (1, 1, 2))
    assert np.array_equal(before[0], np.random.get_state()[1])
    assert torch.equal(before[1], torch.random.get_rng_state())
    assert np.array_equal(one.map, same.map)
    assert not np.array_equal(one.map, other.map)
    assert one.sums.gradients == MOST_DRAWN
    assert one.sums.baseline == "100 training images"
    assert abs(one.sums.delta) < 0.05 * one.sums.expected


def test_gradients_are_counted_and_logits_too(trained: NetworkPredictor, digits: Dataset) -> None:
    measured = (1 + 19) * 2 * 13  # the map and 19 random ones, each by deletion and insertion in 12 steps
    image = digits.test.take(slice(1))[0]
    found = {name: explain(trained, image, name, seconds=60) for name in GRADIENTS}
    asked = {name: one.asked - measured for name, one in found.items()}
    steps = found["integrated-gradients"].sums.gradients
    assert asked["integrated-gradients"] == 3 + sum(16 << k for k in range(6) if 16 << k <= steps)
    assert asked["grad-cam"] == 2
    assert asked["gradient-shap"] == 2 + MOST_DRAWN


def test_grad_cam_is_cam_where_a_dense_head_sees_the_average(trained: NetworkPredictor, digits: Dataset) -> None:
    image = digits.test.take(slice(1))[0]
    cam, grad_cam = (explain(trained, image, method, 3) for method in ("cam", "grad-cam"))
    maps = trained.run(image[None], cam=True).cam
    positions = maps.shape[2] * maps.shape[3]
    np.testing.assert_allclose(grad_cam.map * positions, cam.map, atol=1e-5)
    assert grad_cam.sums is None


@pytest.mark.parametrize("method", METHODS)
def test_a_run_is_explained_by_every_method(trained: NetworkPredictor, digits: Dataset, method: str) -> None:
    image = digits.test.take(slice(1))[0]
    found = explain(trained, image, method, questions=200)
    assert found.method == method
    assert found.map.shape == image.shape[:2]
    assert np.isfinite(found.map).all()
    assert np.ptp(found.map) > 0


def test_the_methods_are_those_that_a_bundle_says_it_has_not() -> None:
    assert tuple(BY_GRADIENTS) == GRADIENTS


@pytest.mark.parametrize("method", ["occlusion", *GRADIENTS])
def test_a_class_may_be_an_integer_of_numpy(looking: NetworkPredictor, image: np.ndarray, method: str) -> None:
    index = looking.run(image[None]).probabilities[0].argmin()
    found = explain(looking, image, method, index)
    assert type(found.index) is int
    assert found.index == index == 0


def test_a_run_answers_as_its_bundle(run: RunFolder, digits: Dataset) -> None:
    images = digits.test.take(slice(20))
    bundle = export_run(run, digits, ExportConfig())
    ours = NetworkPredictor.of(run)
    assert ours.temperature == bundle.manifest.temperature != 1
    assert (ours.classes, ours.policy) == (bundle.classes, bundle.policy)
    theirs = Predictor(bundle).run(images, cam=True)
    np.testing.assert_allclose(ours.run(images).probabilities, theirs.probabilities, atol=1e-5)
    np.testing.assert_allclose(ours.run(images, cam=True).cam, theirs.cam, atol=1e-4)


class Twice(nn.Module):
    """One activation for two layers, as people write it."""

    def __init__(self, classes: int) -> None:
        super().__init__()
        self.first, self.second, self.relu = nn.Conv2d(1, 4, 3), nn.Conv2d(4, 4, 3), nn.ReLU()
        self.head = nn.Linear(4, classes)

    def forward(self, x: Tensor) -> Tensor:
        maps = self.relu(self.second(self.relu(self.first(x))))
        return self.head(maps.mean((2, 3)))


class Last(nn.Module):
    """(N, D, h, w) → (N, h, w, D)."""

    def forward(self, x: Tensor) -> Tensor:
        return x.permute(0, 2, 3, 1)


class Mean(nn.Module):
    """(N, h, w, D) → (N, D)."""

    def forward(self, x: Tensor) -> Tensor:
        return x.mean((1, 2))


FAMILIES = {
    "cnn": (CNNConfig(filters=(4, 4, 4, 4), dense=(8,)), (2, 2)),  # its last blocks leave one position
    "cnn without dense": (CNNConfig(filters=(4,), dense=(), dropout=0), (4, 4)),
    "resnet": (ResNetConfig(widths=(8,)), (3, 3)),
    "resnet to one position": (ResNetConfig(widths=(8, 16)), (3, 3)),
    "wide_resnet": (WideResNetConfig(depth=10, width=1), (2, 2)),
}


@pytest.mark.parametrize("family", FAMILIES)
def test_the_last_maps_are_found(digits: Dataset, family: str) -> None:
    model, size = FAMILIES[family]
    network = build_network(model, (8, 8, 1), 10, [0.5], [0.25]).eval()
    assert maps_of(network, (8, 8, 1)) == size


def test_the_last_maps_of_ones_own_network_are_found(tmp_path: Path) -> None:
    own = Network(Normalise([0.5], [0.25]), Twice(10), nn.Identity()).eval()
    assert maps_of(own, (8, 8, 1)) == (4, 4)
    (tmp_path / "mine.py").write_text(
        "from torch import nn\n\ndef build(input_shape, classes):\n    return nn.Sequential(nn.Conv2d(1, 4, 3), "
        "nn.ReLU(), nn.Flatten(), nn.Linear(144, classes))\n"
    )
    built = build_network(CustomConfig(name=f"{tmp_path / 'mine.py'}:build"), (8, 8, 1), 10, [0.5], [0.25])
    assert maps_of(built.eval(), (8, 8, 1)) == (6, 6)


@pytest.mark.parametrize("width", [24, 8])
def test_maps_with_their_channels_last_are_none(width: int) -> None:
    patches = nn.Conv2d(3, width, 4, 4)
    later = [Last(), nn.LayerNorm(width), nn.Linear(width, width), nn.GELU(), nn.Linear(width, 2 * width)]
    own = Network(Normalise([0.5] * 3, [0.25] * 3), nn.Sequential(patches, *later, Mean()), nn.Linear(2 * width, 10))
    assert last_maps(own.eval(), torch.zeros(1, 32, 32, 3)) is patches


def maps_of(network: Network, shape: tuple[int, int, int]) -> tuple[int, int]:
    """Height and width of what the module found gives."""
    sizes: list[tuple[int, int]] = []
    pixels = torch.zeros(1, *shape)
    last_maps(network, pixels).register_forward_hook(lambda _, __, output: sizes.append(tuple(output.shape[2:])))
    network(pixels)
    return sizes[0]


def test_what_cannot_be_explained_is_refused(linear: NetworkPredictor, run: RunFolder, digits: Dataset) -> None:
    image = np.zeros((SIDE, SIDE, 3), np.uint8)
    with pytest.raises(ConfigError, match=r"must be one of cam, occlusion, .*, gradient-shap, got gradcam"):
        explain(linear, image, "gradcam")
    with pytest.raises(InputError, match="grad-cam needs maps of convolutions"):
        explain(linear, image, "grad-cam")
    with pytest.raises(InputError, match="the network gives no class activation maps"):
        explain(linear, image, "cam")
    with pytest.raises(InputError, match=r"the class must be in \[0, 3\), got 3"):
        explain(linear, image, index=3)
    with pytest.raises(InputError, match="must have the shape"):
        explain(linear, image[:4])
    without = NetworkPredictor(linear.network, linear.classes, linear.policy)
    with pytest.raises(InputError, match="give the predictor a background"):
        explain(without, image, "gradient-shap")
    mlp = build_network(MLPConfig(hidden=(8,)), (8, 8, 1), 10, [0.5], [0.25])
    with pytest.raises(InputError, match="ask for integrated-gradients or gradient-shap"):
        last_maps(mlp, torch.zeros(1, 8, 8, 1))
    with pytest.raises(ConfigError, match=r"data\.source must say"):  # it was made from a dataset in memory
        explain(NetworkPredictor.of(run), digits.test.take(slice(1))[0], "gradient-shap")


class Slow(nn.Module):
    """20 ms an image, and so bent that integrated gradients would like as many steps as may be."""

    def forward(self, x: Tensor) -> Tensor:
        sleep(0.02 * len(x))
        return torch.sin(50 * x.flatten(1))


@pytest.mark.parametrize("method", ["integrated-gradients", "gradient-shap"])
def test_the_time_holds(image: np.ndarray, method: str) -> None:
    torch.manual_seed(0)
    background = np.repeat(image[None] // 2, 100, axis=0)
    slow = predictor_of(Slow(), nn.Linear(SIDE**2, 2), background=lambda: background)
    if method == "gradient-shap":
        assert slow.background_logits.shape == (2,)  # once for all images, and in nobody's time
    began = monotonic()
    found = explain(slow, image, method, seconds=1)
    assert monotonic() - began < 2 + 0.7
    assert 4 <= found.sums.gradients < 64


def test_smoothing_for_display_keeps_the_sum() -> None:
    spike = np.zeros((SIDE, SIDE), np.float32)
    spike[14, 14] = 1
    wide = smoothed(spike)
    assert wide.sum() == pytest.approx(1, abs=1e-5)
    assert wide[14, 14] == wide.max() < 0.2
    assert np.array_equal(smoothed(np.ones((5, 9), np.float32)).round(6), np.ones((5, 9)))
