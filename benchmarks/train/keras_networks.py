"""The courses' two networks in Keras."""

import keras
from keras import layers


def mlp(shape, classes):
    stack = [
        layers.Flatten(),
        layers.Dense(512, activation="relu"),
        layers.Dropout(0.2),
        layers.Dense(classes, activation="softmax"),
    ]
    return keras.Sequential([keras.Input(shape), *stack])


def cnn(shape, classes):
    stack = []
    for filters in (32, 64, 128, 256):
        stack += [
            layers.Conv2D(filters, 3, padding="same"),
            layers.BatchNormalization(),
            layers.ReLU(),
            layers.MaxPooling2D(),
            layers.Dropout(0.25),
        ]
    stack.append(layers.Flatten())
    for units in (512, 256):
        stack += [layers.Dense(units), layers.BatchNormalization(), layers.ReLU(), layers.Dropout(0.5)]
    return keras.Sequential([keras.Input(shape), *stack, layers.Dense(classes, activation="softmax")])
