"""Flask behind gunicorn with Keras on TensorFlow, as courses have it: by `model.predict`, or by a `tf.function`.

The same architectures with random weights: for their speed alone.
"""

from __future__ import annotations

import json
import os

import keras
import numpy as np
import tensorflow as tf
from flask import Flask, jsonify, request

tf.config.threading.set_intra_op_parallelism_threads(1)
tf.config.threading.set_inter_op_parallelism_threads(1)
SHAPE = tuple(json.loads(os.environ["SHAPE"]))
layers = keras.layers


def resnet20(inputs: keras.KerasTensor) -> keras.KerasTensor:
    x = layers.ReLU()(conv(inputs, 16))
    for width in (16, 32, 64):
        for index in range(3):
            stride = 2 if index == 0 and width != 16 else 1
            shortcut = x if x.shape[-1] == width else layers.Conv2D(width, 1, stride, use_bias=False)(x)
            inner = conv(layers.ReLU()(conv(x, width, stride)), width)
            x = layers.ReLU()(layers.add([shortcut, inner]))
    return layers.GlobalAveragePooling2D()(x)


def conv(x: keras.KerasTensor, width: int, stride: int = 1) -> keras.KerasTensor:
    return layers.BatchNormalization()(layers.Conv2D(width, 3, stride, padding="same", use_bias=False)(x))


def tiny(inputs: keras.KerasTensor) -> keras.KerasTensor:
    return layers.Dense(64, activation="relu")(layers.Flatten()(inputs))


def build() -> keras.Model:
    inputs = keras.Input(SHAPE)
    body = {"resnet20": resnet20, "tiny": tiny}[os.environ["NETWORK"]]
    features = body(layers.Rescaling(1 / 255)(inputs))
    return keras.Model(inputs, layers.Dense(int(os.environ["CLASSES"]), activation="softmax")(features))


app = Flask(__name__)
model = build()
compiled = tf.function(
    lambda images: model(images, training=False), input_signature=[tf.TensorSpec((None, *SHAPE), tf.float32)]
)


@app.post("/predict")
def predict() -> object:
    images = np.asarray([request.get_json()["data"]], np.float32)
    if os.environ["CALL"] == "predict":
        probabilities = model.predict(images, verbose=0)
    else:
        probabilities = compiled(tf.constant(images)).numpy()
    return jsonify(predictions=probabilities.argmax(axis=1).tolist(), probabilities=probabilities.tolist())
