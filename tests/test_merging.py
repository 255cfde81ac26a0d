"""Merging layers: axes aligned as Keras does, masks, and what a call keeps of its arguments; by NumPy."""

import re

import numpy as np
import pytest

from epochal.layers import (
    Add,
    Average,
    Concatenate,
    Dense,
    GlobalAveragePooling1D,
    Input,
    Layer,
    Masking,
    Multiply,
    add,
)
from epochal.models import Model, load_model

RNG = np.random.default_rng(0)
ELEMENTWISE = {Add: lambda p, q: p + q, Multiply: lambda p, q: p * q, Average: lambda p, q: (p + q) / 2}


@pytest.mark.parametrize("layer", ELEMENTWISE)
def test_an_input_with_fewer_axes_lacks_those_behind_the_batch(layer, tmp_path):
    steps, flat, single = Input((4, 5)), Input((5,)), Input(())
    model = Model([steps, flat, single], [layer()([flat, steps]), layer()([steps, single])])
    model.save(tmp_path / "model.h5")
    loaded = load_model(tmp_path / "model.h5")
    for samples in (2, 4, 5):  # 4 and 5 would fit another axis too
        p, q, r = (RNG.normal(size=(samples, *shape)).astype("float32") for shape in ((4, 5), (5,), ()))
        wanted = ELEMENTWISE[layer](p, q[:, None, :]), ELEMENTWISE[layer](p, r[:, None, None])
        for got in (model.predict([p, q, r], verbose=0), loaded.predict([p, q, r], verbose=0)):
            np.testing.assert_allclose(got[0], wanted[0], rtol=1e-5)
            np.testing.assert_allclose(got[1], wanted[1], rtol=1e-5)


def test_open_axes_and_axes_of_one_are_stretched():
    a, b = Input((None, 1, 3)), Input((2, 1))
    merged = add([a, b])
    assert merged.shape == (None, None, 2, 3)
    p, q = RNG.normal(size=(2, 4, 1, 3)).astype("float32"), RNG.normal(size=(2, 2, 1)).astype("float32")
    np.testing.assert_allclose(Model([a, b], merged).predict([p, q], verbose=0), p + q[:, None], rtol=1e-6)


@pytest.mark.parametrize(
    ("shapes", "message"),
    [
        ([(4, 5), (4,)], "Add can't bring inputs of shapes (4, 5), (4,) into one"),
        ([(4,), (3,)], "the same size in all of them, or 1"),
    ],
)
def test_shapes_that_do_not_fit_are_told_when_the_graph_is_drawn(shapes, message):
    with pytest.raises(ValueError, match=re.escape(message)):
        add([Input(shape) for shape in shapes])


def test_an_array_among_tensors_is_for_all_samples():
    a = Input((3,))
    x = RNG.normal(size=(3, 3)).astype("float32")
    row = np.float32([[1, 2, 3]])
    np.testing.assert_allclose(Model(a, add([a, row])).predict(x, verbose=0), x + row)
    with pytest.raises(
        ValueError, match=r"Add takes an array of shape \(3,\) beside tensors as one of so many samples"
    ):
        add([a, row[0]])


def test_one_input_in_a_list_is_that_input():
    a = Input((3,))
    x = RNG.normal(size=(2, 3)).astype("float32")
    for layer in (Add, Multiply, Average, Concatenate):
        np.testing.assert_array_equal(Model(a, layer()([a])).predict(x, verbose=0), x)


def test_a_masked_step_is_a_factor_of_one():
    a, b = Input((3, 1)), Input((3, 1))
    product = Multiply()([Masking()(a), Masking()(b)])
    model = Model([a, b], [product, GlobalAveragePooling1D()(product)])
    p, q = np.float32([[[2], [0], [0]]]), np.float32([[[3], [5], [0]]])
    steps, mean = model.predict([p, q], verbose=0)
    assert steps.ravel().tolist() == [6, 5, 0]
    assert mean.item() == 5.5


def test_masks_are_aligned_as_their_inputs_are():
    deep, steps = Input((2, 3, 1)), Input((3, 1))
    masked = Masking()(deep), Masking()(steps)
    model = Model([deep, steps], Multiply()(list(masked)))
    p, q = np.float32([[[[2], [0], [0]], [[1], [1], [1]]]]), np.float32([[[3], [5], [0]]])
    assert model.predict([p, q], verbose=0).ravel().tolist() == [6, 5, 0, 3, 5, 1]


# What a call keeps


class Weighed(Layer):
    """Adds up tensors in nests, with factors beside them."""

    def call(self, x, factors=None, more=None):
        total = sum(value * (factors or {}).get(name, 1) for name, value in x.items())
        return total if more is None else total * more["by"][0]

    def get_config(self):
        return super().get_config()


def test_a_call_keeps_what_its_arguments_held():
    a, b = Input((2,)), Input((2,))
    tensors, factors, more = {"b": b, "a": a}, {"a": 2.0}, {"by": [np.ones(2, "float32")]}
    made = Weighed()(tensors, factors=factors, more=more)
    tensors["a"], factors["a"] = b, 100.0
    more["by"][0][:] = 7
    more["by"][0] = None
    got = Model([a, b], made).predict([np.full((1, 2), 1.0), np.full((1, 2), 10.0)], verbose=0)
    assert got.tolist() == [[12, 12]]


def test_a_list_that_grows_from_layer_to_layer():
    first = Input((2,))
    found, last = [first], first
    for _ in range(3):
        last = Dense(2)(Concatenate()(found))
        found.append(last)
    model = Model(first, last)
    assert [w.shape for w in model.get_weights()[::2]] == [(2, 2), (4, 2), (6, 2)]


def test_dicts_keep_their_order():
    seen = []

    class InOrder(Layer):
        def call(self, x):
            seen.append(list(x))
            return next(iter(x.values()))

    a, b = Input((2,)), Input((2,))
    model = Model([a, b], InOrder()({"z": a, "b": b}) + b)
    model.predict([np.ones((1, 2)), np.ones((1, 2))], verbose=0)
    assert set(map(tuple, seen)) == {("z", "b")}
