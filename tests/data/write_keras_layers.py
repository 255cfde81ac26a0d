"""Writes more files beside it with Keras 3.15: `KERAS_BACKEND=jax python tests/data/write_keras_layers.py`.

They are of the layers for sequences, as `write_keras_files.py` is of the others. `layers.npz` has the inputs of each
model and what Keras computes for them.
"""

from pathlib import Path

import keras
import numpy as np
from keras import layers

HERE = Path(__file__).parent
random = np.random.default_rng(0)


def sequences():
    return keras.Sequential(
        [
            layers.Input((6,), dtype="int32"),
            layers.Embedding(9, 4, mask_zero=True),
            layers.Bidirectional(layers.LSTM(3, return_sequences=True)),
            layers.GRU(4, return_sequences=True, recurrent_activation="hard_sigmoid"),
            layers.SimpleRNN(3, return_sequences=True),
            layers.GRU(3, reset_after=False, return_sequences=True),
            layers.Bidirectional(layers.LSTM(2), merge_mode="mul", backward_layer=layers.GRU(2, go_backwards=True)),
        ]
    )


def steps():
    return keras.Sequential(
        [
            layers.Input((6, 4)),
            layers.Conv1D(6, 3, padding="causal", dilation_rate=2, groups=2, activation="tanh"),
            layers.GroupNormalization(3),
            layers.MaxPooling1D(3, strides=1, padding="same"),
            layers.ZeroPadding1D((0, 2)),
            layers.AveragePooling1D(2),
            layers.UpSampling1D(2),
            layers.Permute((2, 1)),
            layers.GlobalMaxPooling1D(),
            layers.RepeatVector(6),
            layers.Reshape((6, 4, 2)),
            layers.ZeroPadding2D((1, 0)),
            layers.UpSampling2D(2),
            layers.UpSampling2D((1, 3), interpolation="bilinear"),
            layers.GlobalMaxPooling2D(),
        ]
    )


def attention():
    one, other = (layers.Input((size,), dtype="int32") for size in (5, 7))
    table = layers.Embedding(9, 4, mask_zero=True)
    itself = layers.MultiHeadAttention(2, 3, value_dim=5, dropout=0.1)(table(one), table(one), use_causal_mask=True)
    across = layers.MultiHeadAttention(2, 3, output_shape=2)(itself, table(other))
    return keras.Model([one, other], layers.GlobalAveragePooling1D()(across))


def filled(shape, dtype):
    """Return inputs; integers end in zeros, which are padding."""
    if dtype == "float32":
        return random.normal(size=(3, *shape)).astype("float32")
    numbers = random.integers(1, 9, size=(3, *shape))
    numbers[0, -2:] = numbers[1, -1:] = 0
    return numbers.astype("int32")


outputs = {}
for make in (sequences, steps, attention):
    model, name = make(), make.__name__
    model.set_weights([random.uniform(-1, 1, w.shape) for w in model.get_weights()])
    x = [filled(given.shape[1:], given.dtype) for given in model.inputs]
    if make is not attention:
        model.save(HERE / f"{name}.h5")
    model.save_weights(HERE / f"{name}.weights.h5")
    outputs |= {f"{name}_inputs_{number}": given for number, given in enumerate(x)}
    outputs[f"{name}_outputs"] = np.asarray(model.predict(x if len(x) > 1 else x[0], verbose=0))
np.savez_compressed(HERE / "layers.npz", **outputs)
