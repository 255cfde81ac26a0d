"""Keras models of different kinds, with small data: what a user of Keras may bring."""

import os

os.environ.setdefault("KERAS_BACKEND", "jax")

import numpy as np
import pytest

keras = pytest.importorskip("keras", minversion="3.10")
layers = keras.layers

SAMPLES, BATCH = 40, 8

_rng = np.random.default_rng(3)
IMAGES = _rng.random((SAMPLES, 8, 8, 3), dtype=np.float32)
WORDS = _rng.integers(1, 12, (SAMPLES, 6))
for _row, _length in zip(WORDS, _rng.integers(2, 7, SAMPLES), strict=True):
    _row[_length:] = 0
ROWS = _rng.normal(size=(SAMPLES, 5)).astype("float32")
LABELS = _rng.integers(0, 3, SAMPLES)
TARGETS = (ROWS[:, :1] - ROWS[:, 1:2] ** 2).astype("float32")
WEIGHTS = _rng.random(SAMPLES).astype("float32")


def convolutional():
    model = keras.Sequential(
        [
            keras.Input((8, 8, 3)),
            layers.Conv2D(4, 3, activation="relu", kernel_regularizer="l2"),
            layers.BatchNormalization(),
            layers.MaxPooling2D(2),
            layers.Flatten(),
            layers.Dropout(0.2),
            layers.Dense(3, activation="softmax", kernel_constraint=keras.constraints.MaxNorm(1.0)),
        ]
    )
    rate = keras.optimizers.schedules.CosineDecay(1e-2, 30)
    top = keras.metrics.SparseTopKCategoricalAccuracy(2, name="top2")
    model.compile(
        keras.optimizers.AdamW(rate, clipnorm=1.0), "sparse_categorical_crossentropy", metrics=["accuracy", top]
    )
    return model, IMAGES[:-4], LABELS[:-4]  # the last batch has four samples


def recurrent():
    model = keras.Sequential([layers.Embedding(12, 6, mask_zero=True), layers.LSTM(5), layers.Dense(3)])
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile("rmsprop", loss, weighted_metrics=["accuracy"])
    return model, WORDS, LABELS


def attention():
    words = keras.Input((6,), dtype="int32")
    x = layers.Embedding(12, 8, mask_zero=True)(words)
    x = layers.LayerNormalization()(x + layers.MultiHeadAttention(2, 4, dropout=0.1)(x, x))
    model = keras.Model(words, layers.Dense(3, "softmax")(layers.GlobalAveragePooling1D()(x)))
    model.compile("nadam", "categorical_crossentropy", metrics=[keras.metrics.F1Score(), "auc"])
    return model, WORDS, keras.utils.to_categorical(LABELS, 3)


def several_outputs():
    first, second = keras.Input((5,), name="first"), keras.Input((8, 8, 3), name="second")
    both = layers.concatenate([layers.Dense(4, "tanh")(first), layers.GlobalAveragePooling2D()(second)])
    outputs = {"kind": layers.Dense(3, "softmax", name="kind")(both), "value": layers.Dense(1, name="value")(both)}
    model = keras.Model({"first": first, "second": second}, outputs)
    model.compile(
        "adam",
        {"kind": "sparse_categorical_crossentropy", "value": "mse"},
        metrics={"kind": ["accuracy"], "value": ["mae"]},
        loss_weights={"kind": 0.5, "value": 2.0},
    )
    return model, {"first": ROWS, "second": IMAGES}, {"kind": LABELS, "value": TARGETS}


class Penalised(layers.Layer):
    def call(self, x):
        self.add_loss(0.1 * keras.ops.mean(keras.ops.square(x)))
        return x


def added_loss():
    model = keras.Sequential(
        [keras.Input((5,)), layers.Dense(4, "relu", activity_regularizer="l1"), Penalised(), layers.Dense(1)]
    )
    model.compile(keras.optimizers.SGD(0.05, momentum=0.9, nesterov=True), "huber")
    return model, ROWS, TARGETS


class OwnStep(keras.Model):
    """Trains by a step of its own, which logs a value of its own."""

    def __init__(self):
        super().__init__()
        self.inner, self.outer = layers.Dense(4, "relu"), layers.Dense(1)

    def call(self, x, training=False):
        return self.outer(self.inner(x))

    def loss_and_updates(self, trainable, other, x, y):
        y_pred, other = self.stateless_call(trainable, other, x, training=True)
        return keras.ops.mean(keras.ops.abs(y - y_pred)), other

    def train_step(self, state, data):
        import jax

        trainable, other, optimizer, metrics = state
        x, y = data
        gradient = jax.value_and_grad(self.loss_and_updates, has_aux=True)
        (loss, other), gradients = gradient(trainable, other, x, y)
        trainable, optimizer = self.optimizer.stateless_apply(optimizer, gradients, trainable)
        norm = sum(keras.ops.sum(g * g) for g in gradients)
        return {"loss": loss, "norm": norm}, (trainable, other, optimizer, metrics)

    def test_step(self, state, data):
        trainable, other, metrics = state
        loss, other = self.loss_and_updates(trainable, other, *data)
        return {"distance": loss}, (trainable, other, metrics)


def own_step():
    model = OwnStep()
    model.compile("adam", "mse")
    return model, ROWS, TARGETS


def mixed_precision():
    policy = keras.mixed_precision.DTypePolicy("mixed_float16")
    model = keras.Sequential(
        [keras.Input((5,)), layers.Dense(6, "relu", dtype=policy), layers.Dense(1, dtype="float32")]
    )
    optimizer = keras.optimizers.LossScaleOptimizer(keras.optimizers.Adam(0.01), dynamic_growth_steps=3)
    model.compile(optimizer, "mse", auto_scale_loss=False)
    return model, ROWS, TARGETS


def averaged():
    model = keras.Sequential([keras.Input((5,)), layers.Dense(4, "tanh"), layers.Dense(1)])
    model.compile(keras.optimizers.Adam(0.02, use_ema=True, ema_momentum=0.8), "mse")
    return model, ROWS, TARGETS


def accumulated():
    model = keras.Sequential([keras.Input((5,)), layers.Dense(4, "gelu"), layers.Dense(1)])
    model.compile(keras.optimizers.SGD(0.05, gradient_accumulation_steps=2), "mse", metrics=["mae", "r2_score"])
    return model, ROWS, TARGETS


def augmented():
    model = keras.Sequential(
        [
            keras.Input((8, 8, 3)),
            layers.RandomFlip("horizontal", seed=1),
            layers.GaussianNoise(0.1, seed=2),
            layers.SeparableConv2D(4, 3),
            layers.SpatialDropout2D(0.3, seed=3),
            layers.GlobalMaxPooling2D(),
            layers.Dense(3, "softmax"),
        ]
    )
    model.compile("adamax", "sparse_categorical_crossentropy", metrics=["accuracy"])
    return model, IMAGES, LABELS


class Residual(keras.Model):
    """A model of an own class, with layers in a list, that looks at `training`."""

    def __init__(self):
        super().__init__(name="residual")
        self.blocks = [layers.Dense(5, "relu") for _ in range(2)]
        self.drop, self.head = layers.Dropout(0.1), layers.Dense(1)
        self.calls = self.add_weight(shape=(), initializer="zeros", trainable=False, name="calls")

    def call(self, x, training=False):
        for block in self.blocks:
            x = x + block(x)
        if training:
            self.calls.assign_add(1.0)
        return self.head(self.drop(x, training=training))

    def compute_loss(self, x=None, y=None, y_pred=None, sample_weight=None, training=True):
        return super().compute_loss(x, y, y_pred, sample_weight, training) + 0.01 * keras.ops.mean(y_pred**2)


def subclassed():
    model = Residual()
    model.compile("lion", "mse", metrics=["mae"])
    return model, ROWS, TARGETS


def nested():
    part = keras.Sequential([layers.Dense(4, "relu"), layers.BatchNormalization()], name="part")
    part.trainable = True
    frozen = layers.Dense(5, trainable=False)
    inputs = keras.Input((5,))
    outputs = layers.Dense(1)(layers.add([part(frozen(inputs)), part(inputs)]))
    model = keras.Model(inputs, outputs)
    model.compile(keras.optimizers.Adam(0.01, global_clipnorm=0.5, weight_decay=0.01), keras.losses.LogCosh())
    return model, ROWS, TARGETS


KINDS = (
    convolutional, recurrent, attention, several_outputs, added_loss, own_step, mixed_precision, averaged, accumulated,
    augmented, subclassed, nested,
)  # fmt: skip


VALIDATED = (several_outputs, own_step)
"""Those that are validated, too."""


def made(kind):
    """Return a model of a kind, the same each time, and its data."""
    keras.backend.clear_session()
    keras.utils.set_random_seed(5)
    return kind()
