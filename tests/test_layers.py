"""Layers: Keras's names, defaults, shapes and weights, and values worked out in NumPy."""

import jax.numpy as jnp
import numpy as np
import pytest
from layer_outputs import IMAGES, ROWS, SEQUENCES, assert_gives, model_of

from epochal.layers import (
    Activation,
    BatchNormalization,
    Dense,
    Dropout,
    Embedding,
    Flatten,
    GlobalAveragePooling1D,
    GroupNormalization,
    LayerNormalization,
    Masking,
    Permute,
    RepeatVector,
    Reshape,
    UpSampling1D,
    UpSampling2D,
    ZeroPadding1D,
    ZeroPadding2D,
)
from epochal.models import Sequential

# Dense and activations


def test_dense():
    assert_gives(Dense(3), ROWS, lambda w: ROWS @ w["kernel"] + w["bias"])
    assert_gives(Dense(3, use_bias=False), ROWS, lambda w: ROWS @ w["kernel"])
    assert_gives(Dense(3, "relu"), ROWS, lambda w: np.maximum(ROWS @ w["kernel"] + w["bias"], 0))
    assert_gives(Dense(3), SEQUENCES, lambda w: SEQUENCES @ w["kernel"] + w["bias"])


@pytest.mark.parametrize("activation", ["tanh", np.tanh, jnp.tanh])
def test_activation_takes_a_name_or_a_function(activation):
    if activation is np.tanh:
        activation = lambda x: jnp.tanh(x)
    assert_gives(Activation(activation), ROWS, np.tanh(ROWS))


# Shapes


def test_flatten_and_reshape():
    assert_gives(Flatten(), IMAGES, IMAGES.reshape(2, -1))
    assert_gives(Reshape((6, 28)), IMAGES, IMAGES.reshape(2, 6, 28))
    assert_gives(Reshape((-1, 4)), IMAGES, IMAGES.reshape(2, -1, 4))


def test_permute_and_repeat():
    assert_gives(Permute((3, 1, 2)), IMAGES, IMAGES.transpose(0, 3, 1, 2))
    assert_gives(RepeatVector(3), ROWS, np.stack([ROWS] * 3, 1))


@pytest.mark.parametrize(
    ("padding", "edges"),
    [(1, ((1, 1), (1, 1))), ((1, 2), ((1, 1), (2, 2))), (((1, 0), (2, 3)), ((1, 0), (2, 3)))],
)
def test_zero_padding(padding, edges):
    assert_gives(ZeroPadding2D(padding), IMAGES, np.pad(IMAGES, ((0, 0), *edges, (0, 0))))
    if not isinstance(padding, tuple) or isinstance(padding[0], int):
        sides = (padding, padding) if isinstance(padding, int) else padding
        assert_gives(ZeroPadding1D(padding), SEQUENCES, np.pad(SEQUENCES, ((0, 0), sides, (0, 0))))


def between(x, times, axis):
    """Return values between the centres of the old ones, as far as there are any."""
    places = (np.arange(x.shape[axis] * times) + 0.5) / times - 0.5
    return np.apply_along_axis(lambda line: np.interp(places, np.arange(len(line)), line), axis, x)


def test_up_sampling():
    assert_gives(UpSampling1D(3), SEQUENCES, SEQUENCES.repeat(3, 1))
    assert_gives(UpSampling2D(), IMAGES, IMAGES.repeat(2, 1).repeat(2, 2))
    assert_gives(UpSampling2D((1, 3)), IMAGES, IMAGES.repeat(3, 2))
    assert_gives(UpSampling2D((2, 3), "bilinear"), IMAGES, between(between(IMAGES, 2, 1), 3, 2))


# Normalisation


def test_batch_normalization_uses_the_moving_averages_in_inference():
    wanted = lambda w: (ROWS - w["moving_mean"]) / np.sqrt(w["moving_variance"] + 1e-3) * w["gamma"] + w["beta"]
    assert_gives(BatchNormalization(), ROWS, wanted)
    plain = lambda w: (ROWS - w["moving_mean"]) / np.sqrt(w["moving_variance"] + 1e-3)
    assert_gives(BatchNormalization(center=False, scale=False), ROWS, plain)


def test_batch_normalization_uses_the_batch_in_training_and_moves_its_averages():
    model, weights = model_of(BatchNormalization(momentum=0.9), ROWS)
    model.compile("sgd", "mse")
    mean, variance = ROWS.mean(0), ROWS.var(0)
    normal = (ROWS - mean) / np.sqrt(variance + 1e-3) * weights["gamma"] + weights["beta"]
    assert model.train_on_batch(ROWS, np.zeros_like(ROWS)) == pytest.approx(np.mean(normal**2), rel=1e-4)
    after = model.named_weights()
    for name, batch in (("moving_mean", mean), ("moving_variance", variance)):
        wanted = 0.9 * weights[name] + 0.1 * batch
        np.testing.assert_allclose(after[f"batch_normalization/{name}"], wanted, rtol=1e-4, atol=1e-6)


def test_batch_normalization_over_images_is_by_channel():
    wanted = lambda w: (IMAGES - w["moving_mean"]) / np.sqrt(w["moving_variance"] + 1e-3) * w["gamma"] + w["beta"]
    assert_gives(BatchNormalization(), IMAGES, wanted)


def test_layer_normalization():
    normal = (ROWS - ROWS.mean(1, keepdims=True)) / np.sqrt(ROWS.var(1, keepdims=True) + 1e-3)
    assert_gives(LayerNormalization(), ROWS, lambda w: normal * w["gamma"] + w["beta"])
    assert_gives(LayerNormalization(center=False, scale=False), ROWS, normal)


@pytest.mark.parametrize("groups", [1, 2, 4, -1])
def test_group_normalization(groups):
    parts = IMAGES.reshape(2, 42, abs(groups) if groups > 0 else 4, -1)
    normal = (parts - parts.mean((1, 3), keepdims=True)) / np.sqrt(parts.var((1, 3), keepdims=True) + 1e-3)
    wanted = lambda w: normal.reshape(IMAGES.shape) * w["gamma"] + w["beta"]
    assert_gives(GroupNormalization(groups), IMAGES, wanted)
    turned = lambda w: np.moveaxis(wanted(w), -1, 1)
    assert_gives(GroupNormalization(groups, axis=1), np.moveaxis(IMAGES, -1, 1).copy(), turned)


# Embedding, masks and dropout


def test_embedding():
    numbers = np.array([[0, 2], [1, 1]], np.int32)
    assert_gives(Embedding(3, 5), numbers, lambda w: w["embeddings"][numbers])
    assert Sequential([Embedding(3, 5, input_length=2)]).predict(numbers).shape == (2, 2, 5)


def test_masking_sets_masked_steps_to_zero_and_the_mean_leaves_them_out():
    x = SEQUENCES.copy()
    x[0, 2:] = x[1] = 7
    x[2, 0, 0] = 7  # one feature alone is no padding
    counts = (x != 7).any(-1, keepdims=True)
    assert_gives(Masking(7), x, x * counts)
    model = Sequential([Masking(7, input_shape=(4, 5)), GlobalAveragePooling1D()])
    wanted = (x * counts).sum(1) / np.maximum(counts.sum(1), 1)
    np.testing.assert_allclose(model.predict(x), wanted, rtol=1e-5)


def test_dropout_drops_a_share_and_scales_the_others_in_training_only():
    model = Sequential([Dropout(0.25, input_shape=(4000,))])
    model.compile("sgd", lambda y, p: (p - y).mean(-1) * 0 + (p == 0).mean(-1))
    ones = np.ones((2, 4000), np.float32)
    assert model.train_on_batch(ones, ones) == pytest.approx(0.25, abs=0.03)
    np.testing.assert_array_equal(model.predict(ones), ones)
    model.compile("sgd", lambda y, p: p.max(-1))
    assert model.train_on_batch(ones, ones) == pytest.approx(4 / 3)
