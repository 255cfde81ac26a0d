"""Dropout and its like: what is drawn, by which seed, and together along which axes."""

import jax
import numpy as np
import pytest

import epochal
from epochal import layers
from epochal.layers import (
    GRU,
    AlphaDropout,
    Dropout,
    GaussianDropout,
    GaussianNoise,
    Input,
    MultiHeadAttention,
    SpatialDropout1D,
    SpatialDropout2D,
)
from epochal.models import Sequential

STEPS = np.ones((2, 5, 400), np.float32)
MAKE = {
    "Dropout": lambda seed: Dropout(0.5, seed=seed),
    "AlphaDropout": lambda seed: AlphaDropout(0.5, seed=seed),
    "GaussianDropout": lambda seed: GaussianDropout(0.5, seed=seed),
    "GaussianNoise": lambda seed: GaussianNoise(0.5, seed=seed),
    "SpatialDropout1D": lambda seed: SpatialDropout1D(0.5, seed=seed),
}
each = pytest.mark.parametrize("make", MAKE.values(), ids=MAKE)


@each
def test_a_seed_draws_the_same_whatever_was_drawn_before_and_something_else_at_each_step(make):
    drawn = []
    for number in range(2):
        epochal.set_random_seed(number)
        layer = make(7)
        drawn.append([np.asarray(layer(STEPS, training=True)) for _ in range(2)])
    np.testing.assert_array_equal(drawn[0], drawn[1])
    assert (drawn[0][0] != drawn[0][1]).any()
    assert (drawn[0][0] != np.asarray(make(8)(STEPS, training=True))).any()
    np.testing.assert_array_equal(layer(STEPS, training=False), STEPS)


@pytest.mark.parametrize("number", [0, 1])
def test_without_a_seed_the_seed_of_the_model_decides(number):
    first, second = [], []
    for found in (first, second):
        epochal.set_random_seed(number)
        found.append(np.asarray(Dropout(0.5)(STEPS, training=True)))
    np.testing.assert_array_equal(first, second)
    assert (first[0] != np.asarray(Dropout(0.5)(STEPS, training=True))).any()


def test_recurrent_layers_and_attention_draw_from_their_seed():
    for make in (lambda seed: GRU(8, dropout=0.5, recurrent_dropout=0.5, kernel_initializer="ones",
                                  recurrent_initializer="ones", seed=seed),
                 lambda seed: MultiHeadAttention(2, 4, dropout=0.5, kernel_initializer="ones", seed=seed)):  # fmt: skip
        x = np.linspace(-1, 1, 24, dtype=np.float32).reshape(1, 6, 4)
        args = (x,) if isinstance(make(1), GRU) else (x, x)
        one, same, other = (np.asarray(make(seed)(*args, training=True)) for seed in (3, 3, 4))
        np.testing.assert_array_equal(one, same)
        assert (one != other).any()


@pytest.mark.parametrize(
    ("layer", "axes"),
    [
        (Dropout(0.5, noise_shape=(None, 1, None)), 1),
        (Dropout(0.5, noise_shape=[1, 5, 400]), 0),
        (AlphaDropout(0.5, noise_shape=(None, 1, 400)), 1),
        (SpatialDropout1D(0.5), 1),
    ],
)
def test_values_are_dropped_together_along_axes_of_one(layer, axes):
    dropped = np.asarray(layer(STEPS, training=True))
    assert len(np.unique(dropped)) == 2
    assert (np.ptp(dropped, axis=axes) == 0).all()
    for axis in {0, 1, 2} - {axes}:
        assert np.ptp(dropped, axis=axis).any()


def test_spatial_dropout_of_images_drops_whole_channels():
    dropped = np.asarray(SpatialDropout2D(0.25)(np.ones((4, 3, 2, 500), np.float32), training=True))
    assert sorted(set(dropped.ravel().tolist())) == [0, pytest.approx(4 / 3)]
    assert (np.ptp(dropped, axis=(1, 2)) == 0).all()
    assert (dropped[:, 0, 0] == 0).mean() == pytest.approx(0.25, abs=0.05)


def test_noise_has_the_moments_that_it_says():
    x = np.random.default_rng(0).normal(size=(200, 500)).astype(np.float32)
    added = np.asarray(GaussianNoise(0.5, seed=1)(x, training=True)) - x
    factors = np.asarray(GaussianDropout(0.2, seed=1)(np.ones_like(x), training=True))
    alpha = np.asarray(AlphaDropout(0.3, seed=1)(x, training=True))
    for values, mean, deviation in ((added, 0, 0.5), (factors, 1, 0.5), (alpha, 0, 1)):
        assert values.mean() == pytest.approx(mean, abs=0.01)
        assert values.std() == pytest.approx(deviation, abs=0.01)


def test_noise_is_for_training_only():
    model = Sequential([Input((400,)), GaussianNoise(0.5), GaussianDropout(0.5), AlphaDropout(0.5)])
    model.compile("sgd", "mse")
    x = np.ones((2, 400), np.float32)
    np.testing.assert_array_equal(model.predict(x, verbose=0), x)
    assert model.evaluate(x, x, verbose=0) == 0
    assert model.train_on_batch(x, x) > 0.1


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Dropout(0.5, seed=-1), r"seed is a whole number from 0 to 2\*\*32 - 1, or None; got -1"),
        (lambda: layers.LSTM(2, seed="1"), r"seed is a whole number .*; got '1'"),
        (lambda: Dropout(0.5, noise_shape="1"), r"noise_shape has None or a positive whole number .*; got '1'"),
        (lambda: Dropout(0.5, noise_shape=(None, 0)), r"noise_shape has None or a positive .*; got \(None, 0\)"),
        (lambda: Dropout(0.5, (32, 1, 4)), r"begins with None, since batches may differ in size, or with 1; got"),
        (lambda: Dropout(0.5, (None, 1))(STEPS), r"noise_shape \(None, 1\) has .*; these have shape \(None, 5, 400\)"),
        (lambda: AlphaDropout(0.5, (None, 4, 1))(STEPS), r"noise_shape \(None, 4, 1\) has None, 1 or the size"),
        (lambda: GaussianNoise(1.5), r"stddev is a number from 0 to 1; got 1\.5"),
        (lambda: GaussianDropout(1.0), r"rate is the share of values that are dropped, .*; got 1\.0"),
        (lambda: SpatialDropout1D(0.5)(np.ones((2, 3))), r"SpatialDropout1D takes \(steps, features\); got"),
        (lambda: SpatialDropout2D(0.5)(STEPS), r"SpatialDropout2D takes \(height, width, channels\); got"),
    ],
)
def test_what_makes_no_sense_is_refused(make, message):
    with pytest.raises(ValueError, match=message):
        make()


class Jittered(layers.Layer):
    def build(self, shape, rngs):
        self.stream = rngs.params

    def call(self, x, training=None):
        noise = jax.random.normal(self.stream(), x.shape)
        return x + noise if training else x


@pytest.mark.filterwarnings("ignore:random numbers are drawn in inference mode")
def test_a_layer_may_draw_numbers_in_inference_too():
    model = Sequential([Jittered(input_shape=(3,))])
    x = np.ones((2, 3), np.float32)
    np.testing.assert_array_equal(model.predict(x, verbose=0), x)
    assert (np.asarray(model(x, training=True)) != x).all()
