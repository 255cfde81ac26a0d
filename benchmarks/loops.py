"""Whether a step is slower inside the compiled loop than alone, for layers of all kinds."""

import time

import jax
import jax.numpy as jnp
import numpy as np
import optax
from flax import nnx

from benchmarks.contest import best_of, report
from benchmarks.training import EpochTime
from epochal import layers
from epochal.models import Sequential

SAMPLES, BATCH, SHAPE = 3200, 32, (8, 8, 1)


class Sequences(nnx.Module):
    """Images as sequences of rows."""

    def __init__(self, inner):
        self.inner = inner

    def __call__(self, x):
        return self.inner(x.reshape(len(x), 8, 8))


def kinds():
    """Return layers of each kind, to be put before a softmax."""
    rngs = nnx.Rngs(0)
    first = layers.Conv2D(32, 3, padding="same", activation="relu", input_shape=SHAPE)
    attention = nnx.MultiHeadAttention(num_heads=2, in_features=8, decode=False, rngs=rngs)
    return {
        "dense": [layers.Flatten(input_shape=SHAPE), layers.Dense(1024, activation="relu")],
        "convolution": [first, layers.Conv2D(64, 3, padding="same", activation="relu")],
        "strided": [layers.Conv2D(64, 3, strides=2, activation="relu", input_shape=SHAPE)],
        "dilated": [layers.Conv2D(32, 3, dilation_rate=2, padding="same", activation="relu", input_shape=SHAPE)],
        "grouped": [layers.Conv2D(32, 3, input_shape=SHAPE), layers.Conv2D(64, 3, groups=4, activation="relu")],
        "max pooling": [layers.Conv2D(32, 3, activation="relu", input_shape=SHAPE), layers.MaxPooling2D()],
        "batch norm": [layers.Conv2D(32, 3, input_shape=SHAPE), layers.BatchNormalization()],
        "layer norm, dropout": [layers.Flatten(input_shape=SHAPE), layers.LayerNormalization(), layers.Dropout(0.5)],
        "attention": [Sequences(attention)],
        "lstm": [Sequences(nnx.RNN(nnx.LSTMCell(8, 32, rngs=rngs)))],
    }


def in_loop(stack, x, y):
    model = Sequential([*stack, layers.Flatten(), layers.Dense(10, activation="softmax")])
    model.compile(loss="sparse_categorical_crossentropy", optimizer="adam")

    def epoch():
        timer = EpochTime()
        model.fit(x, y, batch_size=BATCH, epochs=2, verbose=0, callbacks=[timer])
        return timer.seconds

    epoch()
    return epoch, model.module


def alone(module, x, y):
    """Return a contestant that calls one jitted step for each batch, on rows that are there already."""
    graph, params, other = nnx.split(module, nnx.Param, ...)
    optimizer = optax.adam(1e-3)

    @jax.jit
    def step(params, state, x, y):
        def loss(params):
            probabilities = nnx.merge(graph, params, other, copy=True)(x)
            return -jnp.log(jnp.take_along_axis(probabilities, y[:, None], 1)).mean()

        value, gradients = jax.value_and_grad(loss)(params)
        updates, state = optimizer.update(gradients, state, params)
        return optax.apply_updates(params, updates), state, value

    rows, labels = jnp.asarray(x[:BATCH]), jnp.asarray(y[:BATCH])

    def epoch():
        now, state = params, optimizer.init(params)
        start = time.perf_counter()
        for _ in range(SAMPLES // BATCH):
            now, state, value = step(now, state, rows, labels)
        jax.block_until_ready(value)
        return time.perf_counter() - start

    return epoch


def main() -> None:
    rng = np.random.default_rng(0)
    x, y = rng.random((SAMPLES, *SHAPE), dtype=np.float32), rng.integers(0, 10, SAMPLES)
    for kind, stack in kinds().items():
        loop, module = in_loop(stack, x, y)
        best = best_of({"loop": loop, "alone": alone(module, x, y)}, 5)
        report(f"{kind}: a step in the loop / alone", best["loop"] / best["alone"], 1.1)
