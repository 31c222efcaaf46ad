"""Keras models with what is easily lost on the way: modes of inner layers, statistics, shared weights, endings."""

import re

import numpy as np
import pytest
import torch

from eyas.core.errors import ConfigError
from eyas.nn import Network, Normalise
from eyas.nn.from_keras import remarks_on, split
from eyas.nn.from_keras.library import keras_on_torch

keras = keras_on_torch()
L = keras.layers
SHAPE, CLASSES, NUMBERS = (4, 4, 3), 5, 48


def _network(model, shape=SHAPE):
    body, head, any_size = split(model, shape, CLASSES, "mine")
    return Network(Normalise([0.0] * shape[2], [1.0] * shape[2]), body, head, any_size=any_size)


def _images(count=16):
    return torch.from_numpy(np.random.default_rng(0).integers(0, 256, (count, *SHAPE), np.uint8))


def _sequential(*layers):
    return keras.Sequential([L.Input(SHAPE), *layers])


class Block(L.Layer):
    """Its call is not told whether it is training; Keras tells the layers inside."""

    def __init__(self, *layers):
        super().__init__()
        self.inner = list(layers)

    def build(self, shape):
        for layer in self.inner:
            layer.build(shape)
        self.built = True

    def call(self, x):
        for layer in self.inner:
            x = layer(x)
        return x


class Silent(keras.Model):
    def __init__(self):
        super().__init__()
        self.flat, self.dropout, self.dense = L.Flatten(), L.Dropout(0.5), L.Dense(CLASSES)

    def call(self, x):
        return self.dense(self.dropout(self.flat(x)))


class Told(Silent):
    def call(self, x, training=False):
        return super().call(x)


def test_layers_inside_a_custom_layer_train():
    model = _sequential(Block(L.BatchNormalization(momentum=0.5)), L.Flatten(), L.Dense(CLASSES))
    network, images = _network(model).train(), _images()
    model.compile(keras.optimizers.SGD(0.0), keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    model.train_on_batch(images.numpy() / np.float32(255), np.arange(16) % CLASSES)
    network(images)
    for ours, keras_s in zip(network.state_dict().values(), _network(model).state_dict().values(), strict=True):
        np.testing.assert_allclose(ours, keras_s, atol=1e-6)

    dropping = _network(_sequential(Block(L.Dropout(0.5)), L.Flatten(), L.Dense(CLASSES)))
    assert not torch.equal(dropping.train()(images), dropping(images))
    assert torch.equal(dropping.eval()(images), dropping(images))


@pytest.mark.parametrize(("kind", "random"), [(Silent, False), (Told, True)])
def test_a_subclass_is_told_as_in_keras(kind, random):
    """Keras's own `fit` lets no dropout drop where `call` takes no `training`."""
    model = kind()
    model(np.zeros((1, *SHAPE), np.float32))
    network, images = _network(model).train(), _images()
    assert torch.equal(network(images), network(images)) != random
    assert torch.equal(network.eval()(images), network(images))


@pytest.mark.parametrize("invert", [False, True])
def test_statistics_of_a_normalization_are_saved_with_the_weights(invert):
    def make():
        return _sequential(L.Normalization(invert=invert), L.Flatten(), L.Dense(CLASSES))

    images, model = _images(), make()
    pixels = images.numpy() / np.float32(255)
    model.layers[0].adapt(pixels)
    again = _network(make())
    again.load_state_dict(_network(model).state_dict())
    with torch.no_grad():
        np.testing.assert_allclose(again.eval()(images), model(pixels).detach(), atol=1e-5)


def _shared(dense, *, head):
    """A layer inside a nested model and outside it, or once more as the head."""
    taken, inner = L.Input(SHAPE), L.Input((NUMBERS,))
    flat, nested = L.Flatten()(taken), keras.Model(inner, dense(inner))
    if head:
        return keras.Model(taken, dense(L.Dense(NUMBERS)(nested(flat))))
    return keras.Model(taken, L.Dense(CLASSES)(L.Concatenate()([dense(flat), nested(flat)])))


@pytest.mark.parametrize("head", [False, True])
def test_weights_shared_with_a_nested_model_stay_shared(head):
    model, images = _shared(L.Dense(CLASSES, kernel_regularizer="l2"), head=head), _images()
    network = _network(model).eval()
    assert network.trainable_parameters() == model.count_params()
    with torch.no_grad():
        np.testing.assert_allclose(network(images), model(images.float() / 255).detach(), atol=1e-5)
        assert float(network.penalty()) == pytest.approx(float(sum(model.losses)), rel=1e-5)


def test_weights_shared_where_eyas_does_not_see_it_are_refused():
    dense, taken = L.Dense(NUMBERS), L.Input(SHAPE)
    flat = L.Flatten()(taken)
    model = keras.Model(taken, L.Dense(CLASSES)(Block(dense)(flat) + dense(flat)))
    with pytest.raises(ConfigError, match="has 2,597 trainable weights in Keras and would have 4,949 in eyas"):
        _network(model)


@pytest.mark.parametrize(
    ("last", "said"),
    [
        (lambda: [L.Dense(CLASSES), L.Activation("sigmoid")], "ends in sigmoid"),
        (lambda: [L.Dense(CLASSES), L.ReLU()], "ends in relu"),
        (lambda: [L.Dense(CLASSES, "sigmoid"), L.Activation("linear")], "ends in sigmoid"),
        (lambda: [keras.Sequential([L.Dense(CLASSES, "hard_sigmoid")])], "ends in hardsigmoid"),
        (lambda: [keras.Sequential([L.Dense(CLASSES, "softmax")]), L.Softmax()], "ends in softmax twice"),
    ],
)
def test_an_activation_that_gives_no_logits_is_refused(last, said):
    with pytest.raises(ConfigError, match=f"must end in softmax or in logits.*{said}"):
        _network(_sequential(L.Flatten(), *last()))


@pytest.mark.parametrize(
    ("last", "softmax"),
    [
        (lambda: [L.Dense(CLASSES, "log_softmax")], False),
        (lambda: [L.Dense(CLASSES), L.Activation("linear")], False),
        (lambda: [L.Dense(CLASSES, "tanh"), L.Softmax()], True),
        (lambda: [keras.Sequential([L.Dense(CLASSES)]), L.Activation("softmax")], True),
    ],
)
def test_logits_come_in_several_forms(last, softmax):
    model, images = _sequential(L.Flatten(), *last()), _images()
    with torch.no_grad():
        logits = _network(model).eval()(images)
    answer = torch.softmax(logits, 1) if softmax else logits
    np.testing.assert_allclose(answer, model(images.float() / 255).detach(), atol=1e-5)


def test_a_regulariser_of_a_frozen_layer_counts_nothing():
    model = _sequential(L.Flatten(), L.Dense(6, kernel_regularizer="l2"), L.Dense(CLASSES))
    model.layers[1].trainable = False
    assert _network(model).penalty() == 0


def test_a_model_that_fails_on_the_images_is_told():
    taken = L.Input((None, None, 3))
    x = L.MaxPooling2D(2)(L.MaxPooling2D(2)(L.MaxPooling2D(2)(taken)))
    with pytest.raises(ConfigError, match=r"mine on images of shape \(4, 4, 3\) failed"):
        _network(keras.Model(taken, L.Dense(CLASSES)(L.GlobalAveragePooling2D()(x))))


@pytest.mark.parametrize(
    ("wanted", "hint"),
    [
        ((784,), "data.image_size=28 data.channels=1"),
        ((3072,), "data.image_size=32 data.channels=3"),
        ((4, 4), "data.channels=1"),
    ],
)
def test_the_keys_that_bring_the_images_are_named(wanted, hint):
    with pytest.raises(ConfigError, match=f"; {hint}"):
        _network(keras.Sequential([L.Input(wanted), L.Flatten(), L.Dense(CLASSES)]))


@pytest.mark.parametrize(
    ("optimizer", "told"),
    [
        (
            lambda: keras.optimizers.SGD(0.1, momentum=0.9, nesterov=True),
            "the same optimiser here: train.optimizer=sgd",
        ),
        (lambda: keras.optimizers.AdamW(), "train.learning_rate=0.001 train.weight_decay=0.004"),
        (lambda: keras.optimizers.Adam(beta_1=0.5), "the nearest here, which is not the same: train.optimizer=adam"),
        (lambda: keras.optimizers.Adam(clipnorm=1.0), "the nearest here, which is not the same: train.optimizer=adam"),
        (lambda: keras.optimizers.Adam(global_clipnorm=1.0), "the same optimiser here.*train.clip_norm=1"),
        (
            lambda: keras.optimizers.SGD(keras.optimizers.schedules.CosineDecay(0.1, 10)),
            "the nearest here, which is not the same: train.optimizer=sgd$",
        ),
        (lambda: keras.optimizers.Lion(), "uses nothing of that$"),
    ],
)
def test_the_keys_of_an_optimiser_are_called_the_same_only_where_they_are(optimizer, told):
    model = _sequential(L.Flatten(), L.Dense(CLASSES))
    model.compile(optimizer(), "mse")
    assert re.search(told, next(remarks_on(model).lines("unit")))
