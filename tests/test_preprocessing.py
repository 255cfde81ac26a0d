"""Rescaling and Normalization: moments from data, given ones, files, and what is refused."""

import numpy as np
import pytest

from epochal.callbacks import LambdaCallback
from epochal.layers import Dense, Input, Normalization, Rescaling
from epochal.models import Sequential, load_model

RNG = np.random.default_rng(0)
ROWS = RNG.normal(3, 5, size=(50, 4)).astype(np.float32)
IMAGES = RNG.normal(2, 3, size=(6, 5, 4, 3)).astype(np.float32)


def normal(x, axis):
    return (x - x.mean(axis, keepdims=True)) / x.std(axis, keepdims=True)


def test_rescaling_makes_floats_of_integers():
    pixels = np.array([[[0, 255], [51, 102]]], np.uint8)
    np.testing.assert_allclose(Rescaling(1 / 255)(pixels), pixels / 255, rtol=1e-6)
    by_channel = Rescaling(np.array([1.0, 2.0]), offset=[0, -1])(pixels)
    np.testing.assert_allclose(by_channel, pixels * [1.0, 2.0] + [0, -1])


@pytest.mark.parametrize(
    ("x", "settings", "others"),
    [
        (ROWS, {}, (0,)),
        (ROWS, {"axis": None}, (0, 1)),
        (IMAGES, {}, (0, 1, 2)),
        (IMAGES, {"axis": (3, 1)}, (0, 2)),
        (IMAGES, {"axis": [-1, -2, -3]}, (0,)),
        (ROWS[:, 0], {"axis": None}, (0,)),
    ],
)
def test_adapt_takes_the_moments_of_the_data(x, settings, others):
    layer = Normalization(**settings)
    layer.adapt(x)
    np.testing.assert_allclose(layer(x), normal(x, others), rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(layer.mean, x.mean(others, keepdims=True)[:1], rtol=1e-5)
    back = Normalization(**settings, invert=True)
    back.adapt(x)
    np.testing.assert_allclose(back(layer(x)), x, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize(
    "batches",
    [
        lambda: [ROWS[:7], ROWS[7:]],
        lambda: ((rows, None) for rows in np.split(ROWS, [1, 20, 20])),
        lambda: type("Batches", (), {"__len__": lambda _: 5, "__getitem__": lambda _, at: ROWS[10 * at :][:10]})(),
    ],
)
def test_adapt_takes_batches(batches):
    layer = Normalization()
    layer.adapt(ROWS[:3] * 9)  # which doesn't count any more
    layer.adapt(batches())
    np.testing.assert_allclose(layer.mean, ROWS.mean(0, keepdims=True), rtol=1e-5)
    np.testing.assert_allclose(layer.variance, ROWS.var(0, keepdims=True), rtol=1e-5)


def test_large_offsets_leave_the_variance_exact():
    x = np.linspace(0, 1, 30_000)[:, None] + 1e6
    layer = Normalization()
    layer.adapt(x)
    assert float(layer.variance[0, 0]) == pytest.approx(x.var(), rel=1e-5)


def test_given_moments_are_broadcast_to_the_axes():
    np.testing.assert_allclose(Normalization(mean=3.0, variance=4.0)(ROWS), (ROWS - 3) / 2, rtol=1e-5, atol=1e-6)
    mean, variance = np.arange(3.0), np.arange(1.0, 4.0)
    layer = Normalization(axis=(1, -1), mean=mean, variance=variance)
    np.testing.assert_allclose(layer(IMAGES), (IMAGES - mean) / np.sqrt(variance), rtol=1e-4, atol=1e-5)
    assert layer.get_weights() == []


def test_training_leaves_the_moments_and_files_have_them(tmp_path):
    layer = Normalization()
    layer.adapt(ROWS)
    model = Sequential([Input((4,)), layer, Dense(1)])
    model.compile("sgd", "mse")
    model.fit(ROWS, ROWS[:, :1], verbose=0)
    np.testing.assert_allclose(layer.mean, ROWS.mean(0, keepdims=True), rtol=1e-5)
    assert [w.shape for w in layer.weights] == [(4,), (4,), ()]
    model.save(tmp_path / "m.h5")
    np.testing.assert_array_equal(load_model(tmp_path / "m.h5").predict(ROWS), model.predict(ROWS, verbose=0))


def test_what_is_adapted_in_a_hook_holds_from_the_next_batch_on():
    layer = Normalization()
    model = Sequential([Input((4,)), layer])
    model.compile("sgd", "mse")
    before, after = (np.mean((x - 1) ** 2) for x in (ROWS, normal(ROWS, 0)))
    adapt = LambdaCallback(on_epoch_begin=lambda epoch, logs: layer.adapt(ROWS) if epoch == 1 else None)
    history = model.fit(ROWS, np.ones_like(ROWS), epochs=2, batch_size=50, callbacks=[adapt], verbose=0)
    assert history.history["loss"] == pytest.approx([before, after], rel=1e-4)


def adapted(x, **settings):
    layer = Normalization(**settings)
    layer.adapt(x)
    return layer


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Rescaling("1"), r"scale is a number or an array of numbers; got '1'"),
        (lambda: Normalization(axis=0), r"axis is None or whole numbers other than 0, which is the batch's; got 0"),
        (lambda: Normalization(mean=1.0), r"give both mean and variance, or none of them; got 1\.0 and None"),
        (lambda: Normalization(axis=2)(ROWS), r"axis=2, .*inputs of shape \(None, 4\)\. With axis=None all"),
        (lambda: adapted(ROWS[:, 0]), r"axis=-1, which is none of those behind the batch's; got .* \(None,\)"),
        (lambda: Normalization(mean=[1, 2], variance=[1, 1])(ROWS), r"mean of shape \(2,\) doesn't fit .* \(4,\)"),
        (lambda: Sequential([Input((None,)), Normalization()]), r"Normalization needs the size of axis 1 of its input"),
        (lambda: adapted(ROWS)(ROWS[:, :1]), r"built for 2 axes with 4 along axis 1; got inputs of shape \(50, 1\)"),
        (
            lambda: adapted(ROWS).adapt(IMAGES),
            r"built for 2 axes with 4 along axis 1; got inputs of shape \(6, 5, 4, 3",
        ),
        (lambda: adapted(ROWS, mean=1, variance=1), r"was given mean and variance, so there is nothing to adapt"),
        (lambda: adapted([]), r"adapt got no data"),
    ],
)
def test_what_makes_no_sense_is_refused(make, message):
    with pytest.raises(ValueError, match=message):
        make()
