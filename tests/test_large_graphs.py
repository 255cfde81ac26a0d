"""Models of many layers: work that grows with their number, counted in calls of functions, and not with its square."""

import sys

import numpy as np
import pytest

from epochal.layers import Add, Dense, Dropout, Input, Layer
from epochal.models import Model, Sequential, load_model


class Same(Layer):
    """Does nothing, so that what is counted is the drawing of the graph."""

    def get_config(self):
        return super().get_config()


def in_a_row(number):
    model = Sequential([Input((2,))])
    for _ in range(number):
        model.add(Same())
    return model


def drawn(number):
    first = last = Input((2,))
    for _ in range(number // 2):
        last = Add()([Same()(last), last])
    return Model(first, last)


def nested(number):
    first = last = Input((2,))
    for _ in range(number // 5):
        last = in_a_row(5)(last)
    return Model(first, last)


def many_ends(number):
    inputs = [Input((2,)) for _ in range(number)]
    return Model(inputs, [Same()(one) for one in inputs])


def calls_of(function, *args):
    """Return how many functions are called when this one is."""
    number = 0

    def count(frame, event, arg):
        nonlocal number
        number += event in ("call", "c_call")

    sys.setprofile(count)
    try:
        function(*args)
    finally:
        sys.setprofile(None)
    return number


@pytest.mark.parametrize("make", [in_a_row, drawn, nested, many_ends])
def test_twice_the_layers_are_twice_the_work(make):
    def all_of_it(number):
        model = make(number)
        model.summary(print_fn=lambda line: None)
        names = [layer.name for layer in model.layers]
        assert len(set(names)) == len(names)

    all_of_it(5)
    few, many = (calls_of(all_of_it, number) for number in (50, 100))
    assert many < 2.2 * few


def test_loading_twice_the_layers_is_twice_the_work(tmp_path):
    for number in (5, 30, 60):
        model = Sequential([Dense(2, input_dim=2), *(Dense(2) for _ in range(number - 1))])
        model.save(tmp_path / f"{number}.h5")
    load_model(tmp_path / "5.h5")
    few, many = (calls_of(load_model, tmp_path / f"{number}.h5") for number in (30, 60))
    assert many < 2.2 * few


def test_a_graph_is_drawn_when_somebody_needs_it_and_again_after_a_layer_was_added():
    model = in_a_row(3)
    assert "_module" not in vars(model)
    assert [layer.name for layer in model.layers] == ["same", "same_1", "same_2"]
    first = model.trainee.network.module
    assert model.trainee.network.module is first
    model.add(Dense(4, name="top"))
    assert model.output_shape == (None, 4)
    assert [layer.name for layer in model.layers][-1] == "top"
    assert model.trainee.network.module is not first
    assert model.predict(np.ones((2, 2)), verbose=0).shape == (2, 4)


def test_names_are_told_and_refused_when_a_layer_is_added():
    model, plain = Sequential([Input((2,))]), Same()
    model.add(plain)
    assert plain.name == "same"
    model.add(Same(name="mine"))
    with pytest.raises(ValueError, match="two layers are named 'mine'"):
        model.add(Same(name="mine"))
    with pytest.raises(TypeError, match="a layer is a Layer"):
        model.add(3)
    model.add(Same(name="same"))  # the number gives way
    assert [layer.name for layer in model.layers] == ["same_1", "mine", "same"]


def test_a_layer_added_after_training_keeps_what_is_trained():
    model = Sequential([Dense(2, input_dim=2)])
    model.compile("sgd", "mse")
    model.fit(np.ones((4, 2)), np.zeros((4, 2)), verbose=0)
    weights = model.get_weights()
    model.add(Dropout(0.5))
    model.add(Dense(1))
    for one, other in zip(weights, model.get_weights(), strict=False):
        np.testing.assert_array_equal(one, other)
    model.compile("sgd", "mse")
    model.fit(np.ones((4, 2)), np.zeros((4, 1)), verbose=0)


def test_a_frozen_model_stays_frozen_when_a_layer_is_added():
    model = Sequential([Dense(2, input_dim=2)])
    model.trainable = False
    model.add(Dense(1))
    assert not model.trainable


def test_missing_attributes_are_attribute_errors():
    with pytest.raises(AttributeError, match="'Sequential' object has no attribute 'missing'"):
        in_a_row(2).missing
