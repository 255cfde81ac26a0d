"""Writes `branches.*` beside it with Keras 3.15: `KERAS_BACKEND=jax python tests/data/write_keras_branches.py`.

They show that epochal loads a functional model of Keras's, where Keras isn't installed. `branches.npz` has what Keras
computes for `x` and `-x`.
"""

from pathlib import Path

import keras
import numpy as np
from keras import layers

HERE = Path(__file__).parent

a, b = layers.Input((4,), name="a"), layers.Input((4,), name="b")
start = layers.Input((3,))
normed = layers.BatchNormalization(name="inner_norm")(start)
inner = keras.Model(start, [layers.Dense(3, name="inner_dense")(normed), normed], name="inner")
stack = keras.Sequential([layers.Input((3,)), layers.Dense(3, name="s"), layers.Dropout(0.5)], name="stack")
shared = layers.Dense(3, activation="relu", name="shared")
one, other = inner(layers.Multiply()([shared(a), shared(b)]))
merged = layers.Concatenate()([stack(one), layers.Average()([other, stack(shared(a))])])
right = layers.Dense(1, activation="sigmoid", name="right")(inner(shared(b), training=False)[0])
model = keras.Model({"a": a, "b": b}, {"right": right, "left": layers.Dense(2, name="head")(merged)}, name="branches")
model.compile(
    keras.optimizers.SGD(0.125),
    {"left": keras.losses.LogCosh(), "right": keras.losses.BinaryCrossentropy()},
    loss_weights={"left": 1.0, "right": 0.5},
    metrics={"left": ["mae"], "right": ["accuracy"]},
)
x = np.random.default_rng(0).normal(size=(8, 4)).astype("float32")
model.fit({"a": x, "b": -x}, {"left": x[:, :2], "right": x[:, :1] > 0}, verbose=0)
model.save(HERE / "branches.h5")
model.save_weights(HERE / "branches.weights.h5")
np.savez_compressed(HERE / "branches.npz", x=x, **model.predict({"a": x, "b": -x}, verbose=0))
