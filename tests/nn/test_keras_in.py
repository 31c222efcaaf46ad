"""Keras models as body and head: the same numbers as Keras's, and refusals in words."""

import copy
import random
import sys
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from eyas.core.errors import ConfigError, MissingExtraError
from eyas.core.schema import KerasConfig
from eyas.nn import Network, Normalise, build_network
from eyas.nn.from_keras import split
from eyas.nn.from_keras.library import keras_on_torch

keras = keras_on_torch()
L = keras.layers
SHAPE, CLASSES = (12, 10, 3), 4


def _cnn():
    """One of each layer that torch's own computes."""
    l2 = keras.regularizers.l2(0.01)
    return keras.Sequential(
        [
            L.Input(SHAPE),
            L.Conv2D(6, 3, strides=2, padding="same", activation="relu", kernel_regularizer=l2),
            L.BatchNormalization(momentum=0.8),
            L.SeparableConv2D(8, 4, padding="same", activation="gelu", depth_multiplier=2),
            L.DepthwiseConv2D(3, padding="valid", depth_multiplier=2, activation="relu"),
            L.MaxPooling2D((2, 1)),
            L.AveragePooling2D((1, 2)),
            L.Conv2D(8, 2, dilation_rate=1, groups=2, padding="same", use_bias=False),
            L.ReLU(),
            L.Flatten(),
            L.Dense(7, activation="tanh", kernel_regularizer="l1", bias_regularizer="l2"),
            L.BatchNormalization(scale=False),
            L.Dense(CLASSES, activation="softmax", kernel_regularizer=l2),
        ]
    )


def _averaging():
    """Layers that Keras computes, and an average before the head."""
    taken = L.Input((None, None, 3))
    x = L.Rescaling(1 / 127.5, offset=-1.0)(taken)
    x = L.RandomFlip()(x)
    x = L.Conv2D(5, 3, padding="same")(x)
    x = L.LayerNormalization()(x) + 0.5 * L.PReLU(shared_axes=[1, 2])(x)
    x = L.Concatenate()([L.MaxPooling2D(2, padding="same")(x), L.AveragePooling2D(2, padding="same")(x)])
    x = L.SpatialDropout2D(0.2)(L.ZeroPadding2D(1)(x))
    x = L.Dropout(0.2)(L.GlobalAveragePooling2D()(x))
    return keras.Model(taken, L.Softmax()(L.Dense(CLASSES)(x)))


def _nested():
    """A frozen model inside another."""
    base = keras.Sequential([L.Input(SHAPE), L.Conv2D(4, 3), L.BatchNormalization()])
    base.trainable = False
    taken = L.Input(SHAPE)
    return keras.Model(taken, L.Dense(CLASSES)(L.Flatten()(base(taken, training=False))))


def _flat():
    return keras.Sequential([L.Input((360,)), L.Dense(CLASSES, activation="softmax")])


MODELS = {"cnn": _cnn, "averaging": _averaging, "nested": _nested, "flat": _flat}


def _filled(make):
    """With moving statistics and biases that are not their beginnings."""
    keras.utils.set_random_seed(1)
    model = make()
    numbers = np.random.default_rng(2)
    for weight in model.weights:
        if weight.name in ("moving_mean", "beta", "bias", "moving_variance"):
            weight.assign(numbers.uniform(0.5, 1.5, weight.shape))
    return model


def _network(model, shape=SHAPE):
    body, head, any_size = split(model, shape, CLASSES, "mine")
    channels = shape[-1]
    return Network(Normalise([0.0] * channels, [1.0] * channels), body, head, any_size=any_size)


def _images(count=6):
    return torch.from_numpy(np.random.default_rng(0).integers(0, 256, (count, *SHAPE), np.uint8))


def _fed(model, images):
    return (images.numpy().astype(np.float32) / 255).reshape(len(images), *[s or -1 for s in model.input_shape[1:]])


@pytest.mark.parametrize("name", MODELS)
def test_the_answers_are_keras_s(name):
    model, images = _filled(MODELS[name]), _images()
    network = _network(model).eval()
    with torch.no_grad():
        logits, features, cam = network.outputs(images)
    given = _fed(model, images) if name != "averaging" else images.numpy().astype(np.float32) / 255
    expected = model(given, training=False).detach().numpy()
    answer = logits if name == "nested" else torch.softmax(logits, 1)
    np.testing.assert_allclose(answer.numpy(), expected, atol=1e-5)
    assert type(network.head) is torch.nn.Linear
    assert (cam is not None) == network.has_cam == (name == "averaging") == network.any_size
    assert features.shape == (6, network.head.in_features)
    if cam is not None:
        np.testing.assert_allclose(cam.mean((2, 3)) + network.head.bias.detach(), logits, atol=1e-5)
    assert network.trainable_parameters() == model.count_params() - sum(
        int(np.prod(w.shape)) for w in model.non_trainable_weights
    )


def test_one_step_moves_the_weights_as_keras_moves_them():
    model, images = _filled(_cnn), _images(16)
    labels = torch.arange(16) % CLASSES
    network = _network(model).train()
    loss = torch.nn.functional.cross_entropy(network(images), labels) + network.penalty()
    loss.backward()
    with torch.no_grad():
        for parameter in network.parameters():
            parameter -= 0.1 * parameter.grad
    model.compile(keras.optimizers.SGD(0.1), "sparse_categorical_crossentropy")
    told = model.train_on_batch(_fed(model, images), labels.numpy())
    assert loss.item() == pytest.approx(float(told), rel=1e-5)
    expected = _network(model).state_dict()
    for key, value in network.state_dict().items():
        np.testing.assert_allclose(value, expected[key], atol=2e-5, err_msg=key)


def test_a_copy_is_a_network_of_its_own():
    network = _network(_filled(_averaging))
    twin = copy.deepcopy(network)
    before = twin(_images()).detach()  # in training mode its layers keep state, and not the other's
    assert all(a is not b for a, b in zip(network.state_dict().values(), twin.state_dict().values(), strict=True))
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.zero_()
    assert network.eval()(_images()).abs().max() == 0
    assert before.abs().max() > 0
    assert twin.eval()(_images()).abs().max() > 0


def test_layers_that_keras_computes_are_random_in_training_alone():
    network, images = _network(_filled(_averaging)), _images()
    seeds = {
        name: value.clone() for name, value in network.state_dict().items() if value.dtype in (torch.int32, torch.int64)
    }
    assert not torch.equal(network.train()(images), network(images))
    moved = network.state_dict()
    assert any(not torch.equal(seeds[name], moved[name]) for name in seeds)  # a checkpoint keeps where they stand
    assert torch.equal(network.eval()(images), network(images))


@pytest.mark.parametrize(
    ("last", "said"),
    [
        (lambda: [L.Dense(CLASSES, activation="sigmoid")], "must end in softmax or in logits.*sigmoid"),
        (
            lambda: [L.Dense(CLASSES + 1)],
            f"must give {CLASSES} numbers for an image, one for each class, got the shape .5,",
        ),
        (lambda: [L.Dense(CLASSES, activation="softmax"), L.Softmax()], "softmax twice"),
        (lambda: [keras.Sequential([L.Dense(CLASSES, activation="softmax")])], "gives probabilities"),
        (lambda: [L.Dense(CLASSES, activity_regularizer="l2")], "activity_regularizer"),
    ],
)
def test_an_end_that_is_no_logits_is_refused(last, said):
    model = keras.Sequential([L.Input(SHAPE), L.Flatten(), *last()])
    model(np.zeros((1, *SHAPE), np.float32))
    with pytest.raises(ConfigError, match=said):
        split(model, SHAPE, CLASSES, "mine")


def test_a_model_of_two_inputs_is_refused():
    one, two = L.Input(SHAPE), L.Input(SHAPE)
    with pytest.raises(ConfigError, match="must have one input and one output, got 2 and 1"):
        split(keras.Model([one, two], L.Dense(CLASSES)(L.Flatten()(one + two))), SHAPE, CLASSES, "mine")


def test_a_model_of_other_images_is_refused():
    with pytest.raises(
        ConfigError, match=r"must take images of shape \(8, 8, 3\).*\(12, 10, 3\).*image_size=\[12,10\]"
    ):
        split(_cnn(), (8, 8, 3), CLASSES, "mine")
    with pytest.raises(ConfigError, match=r"\(12, 10, 1\) or \(120,\) or \(12, 10\).*data.channels=3"):
        split(_cnn(), (12, 10, 1), CLASSES, "mine")


SUBCLASS = """
import keras

class Mine(keras.Model):
    def __init__(self, classes):
        super().__init__()
        self.flat, self.dense = keras.layers.Flatten(), keras.layers.Dense(classes)

    def call(self, x):
        return self.dense(self.flat(x))

def build(classes):
    return Mine(classes)
"""


def _built(tmp_path, source, name="build", **options):
    file = tmp_path / "mine.py"
    file.write_text(source)
    config = KerasConfig(name=f"keras:{file}:{name}", options=options)
    return build_network(config, SHAPE, CLASSES, [0.0] * 3, [1.0] * 3)


def test_a_subclass_is_a_body_whose_features_are_its_logits(tmp_path):
    network = _built(tmp_path, SUBCLASS)
    logits, features = network.logits_and_features(_images())
    assert torch.equal(logits, features)
    assert network.trainable_parameters() == 4 * 361


def test_torch_s_generator_decides_the_weights_and_python_s_is_left_alone(tmp_path):
    source = "import keras\nmodel = keras.Sequential([keras.layers.Flatten(), keras.layers.Dense(4)])\n"
    state = random.getstate()
    kernels = []
    for seed in (0, 0, 1):
        torch.manual_seed(seed)
        kernels.append(_built(tmp_path, source, "model").head.weight)
    assert torch.equal(kernels[0], kernels[1])
    assert not torch.equal(kernels[0], kernels[2])
    assert random.getstate() == state


@pytest.mark.parametrize(
    ("source", "said"),
    [
        ("from tensorflow import keras\n", "write `import keras` for `from tensorflow import keras`"),
        ("import keras\n", "defines no build"),
        ("build = 3\n", "must be or give a keras.Model, got int"),
        ("def build(): raise ValueError('no luck')\n", "ValueError in mine.py, line 1.*no luck"),
        (
            "import keras, numpy\n"
            "L = keras.layers\n"
            "build = keras.Sequential([L.Input((12, 10, 3)), L.Flatten(), L.Dense(4)])\n"
            "build.compile('sgd', 'mse')\n"
            "build.fit(numpy.zeros((2, 12, 10, 3)), numpy.zeros((2, 4)), verbose=0)\n",
            "trains the model itself",
        ),
    ],
)
def test_a_file_that_gives_no_model_is_refused(tmp_path, source, said):
    with pytest.raises(ConfigError, match=said):
        _built(tmp_path, source)


def test_a_missing_keras_and_another_backend_are_told(monkeypatch):
    monkeypatch.setitem(sys.modules, "keras", None)
    with pytest.raises(MissingExtraError, match=r'keras is not installed.*pip install "eyas\[keras\]"'):
        keras_on_torch()
    monkeypatch.setitem(sys.modules, "keras", SimpleNamespace(backend=SimpleNamespace(backend=lambda: "jax")))
    with pytest.raises(ConfigError, match="must run on its torch backend, but this process has loaded it with jax"):
        keras_on_torch()
