"""One fit in Keras on TensorFlow: python keras_fit.py DATA.npz mlp|cnn EPOCHS BATCH SEED. Prints JSON."""

import json
import resource
import statistics
import sys
import time

import keras
import numpy as np
from keras_networks import cnn, mlp


class Clock(keras.callbacks.Callback):
    def on_epoch_begin(self, epoch, logs=None):
        self.started = time.perf_counter()

    def on_epoch_end(self, epoch, logs=None):
        seconds.append(time.perf_counter() - self.started)


file, network, epochs, batch, seed = sys.argv[1], sys.argv[2], *map(int, sys.argv[3:])
keras.utils.set_random_seed(seed)
data = np.load(file)
x, y = data["x_train"].astype("float32") / 255, data["y_train"]
validation = (data["x_val"].astype("float32") / 255, data["y_val"])
model = {"mlp": mlp, "cnn": cnn}[network](x.shape[1:], int(y.max()) + 1)
model.compile(optimizer="adam", loss="sparse_categorical_crossentropy", metrics=["accuracy"])
seconds: list[float] = []
start = time.perf_counter()
history = model.fit(x, y, batch_size=batch, epochs=epochs, validation_data=validation, callbacks=[Clock()], verbose=0)
print(
    json.dumps(
        {
            "images_per_second": len(x) / statistics.median(seconds[1:]),
            "fit_seconds": time.perf_counter() - start,
            "peak_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1000,
            "val_accuracy": float(history.history["val_accuracy"][-1]),
        }
    )
)
