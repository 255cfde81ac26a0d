"""Writes the files beside it with Keras 3.15: `KERAS_BACKEND=jax python tests/data/write_keras_files.py`.

They show that epochal loads what Keras writes, where Keras isn't installed. `outputs.npz` has what Keras
computes for `inputs`.
"""

from pathlib import Path

import keras
import numpy as np
from keras import layers

HERE = Path(__file__).parent
random = np.random.default_rng(0)


def images():
    model = keras.Sequential(
        [
            layers.Input((6, 6, 2)),
            layers.Conv2D(3, 3, strides=(1, 2), padding="same", activation="relu", dilation_rate=1),
            layers.BatchNormalization(momentum=0.5),
            layers.MaxPooling2D(2, strides=1, padding="same"),
            layers.AveragePooling2D((2, 1)),
            layers.Dropout(0.2),
            layers.Flatten(),
            layers.LayerNormalization(epsilon=0.01),
            layers.Dense(4, activation="gelu", kernel_initializer=keras.initializers.HeNormal(seed=1), name="hidden"),
            layers.Reshape((2, 2)),
            layers.GlobalAveragePooling1D(),
            layers.Dense(3, activation="softmax", use_bias=False),
        ]
    )
    metrics = ["accuracy", keras.metrics.AUC(num_thresholds=50)]
    model.compile(keras.optimizers.SGD(0.125), "categorical_crossentropy", metrics=metrics)
    x = random.normal(size=(16, 6, 6, 2)).astype("float32")
    model.fit(x, np.eye(3)[random.integers(0, 3, 16)], epochs=2, verbose=0)
    return model, x


def words():
    model = keras.Sequential(
        [
            layers.Input((5,), dtype="int32"),
            layers.Embedding(9, 3),
            layers.GlobalAveragePooling1D(),
            layers.Dense(2),
            layers.Activation("tanh"),
        ]
    )
    model.compile("adam", "mse")
    x = random.integers(0, 9, size=(4, 5)).astype("int32")
    model.fit(x, np.zeros((4, 2)), verbose=0)
    return model, x


def halves():
    model = keras.Sequential([layers.Input((5,)), layers.Dense(3, dtype="bfloat16")])
    return model, random.normal(size=(4, 5)).astype("float32")


outputs = {}
for make in (images, words, halves):
    model, x = make()
    name = make.__name__
    if make is not halves:
        model.save(HERE / f"{name}.h5")
    model.save_weights(HERE / f"{name}.weights.h5")
    outputs |= {f"{name}_inputs": x, f"{name}_outputs": np.asarray(model.predict(x, verbose=0), "float32")}
np.savez_compressed(HERE / "outputs.npz", **outputs)
