"""The source's network and settings in Keras on TensorFlow, for a given time: python keras_source.py DATA.npz MINUTES.

Adam at 0.001, batch 128, early stopping with patience 10, the rate lowered on a plateau, the best weights kept, no
augmentation: as the source's listing has it. Prints JSON.
"""

import json
import sys
import time

import keras
import numpy as np
from keras_networks import cnn


class StopAt(keras.callbacks.Callback):
    """End the fit at the first step after the deadline."""

    def on_train_batch_end(self, batch, logs=None):
        if time.perf_counter() > start + seconds:
            self.model.stop_training = True


file, seconds = sys.argv[1], 60 * float(sys.argv[2])
keras.utils.set_random_seed(0)
data = np.load(file)
arrays = {split: (data[f"x_{split}"].astype("float32") / 255, data[f"y_{split}"]) for split in ("train", "val", "test")}
x, y = arrays["train"]
model = cnn(x.shape[1:], int(y.max()) + 1)
model.compile(optimizer="adam", loss="sparse_categorical_crossentropy", metrics=["accuracy"])
callbacks = [
    StopAt(),
    keras.callbacks.EarlyStopping(patience=10, restore_best_weights=True),
    keras.callbacks.ReduceLROnPlateau(factor=0.5, patience=5),
]
start = time.perf_counter()
history = model.fit(
    x, y, batch_size=128, epochs=10_000, validation_data=arrays["val"], callbacks=callbacks, verbose=0
).history
minutes = (time.perf_counter() - start) / 60
print(
    json.dumps(
        {
            "minutes": minutes,
            "epochs": len(history["loss"]),
            "parameters": int(sum(np.prod(w.shape) for w in model.trainable_weights)),
            "val_accuracy": float(model.evaluate(*arrays["val"], verbose=0)[1]),
            "test_accuracy": float(model.evaluate(*arrays["test"], verbose=0)[1]),
        }
    )
)
