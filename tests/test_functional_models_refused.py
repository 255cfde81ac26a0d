"""Graphs, data and settings that can't be right are refused, and the errors say where."""

import jax.numpy as jnp
import numpy as np
import pytest
from branches import SCORES, SIZES, TOPICS, WORDS, X, Y, compiled

from epochal.layers import (
    Add,
    Dense,
    Flatten,
    Input,
    add,
    concatenate,
)
from epochal.models import Model


@pytest.mark.parametrize(
    ("x", "message"),
    [
        ({"words": WORDS}, "x lacks 'sizes'; the inputs are words, sizes"),
        (X | {"image": WORDS}, "x has 'image', which is no input"),
        ({"wrods": WORDS, "sizes": SIZES}, "x has 'wrods', which is no input. Did you mean 'words'"),
        ([WORDS], "2 inputs, so x is a list or a dict of arrays for words, sizes; got 1 of them"),
        ([WORDS, SIZES, SIZES], "got 3 of them"),
        (WORDS, r"got an array of shape \(24, 4\)"),
        ([SIZES, WORDS], r"takes inputs of shape \(None, 4\) for 'words'; got x of shape \(24, 3\)"),
        (
            {"words": WORDS, "sizes": SIZES[:5]},
            r"must have one length; x\['sizes'\] has 5 samples, x\['words'\] has 24",
        ),
        ({"words": WORDS, "sizes": ["a"] * 24}, r"x\['sizes'\] must hold numbers"),
    ],
)
def test_inputs_that_do_not_fit(x, message):
    model = compiled()
    with pytest.raises(ValueError, match=message):
        model.fit(x, Y, verbose=0)
    with pytest.raises(ValueError, match=message):
        model.predict(x)


@pytest.mark.parametrize(
    ("y", "message"),
    [
        ({"topic": TOPICS}, "y lacks 'score'; the outputs are topic, score"),
        (Y | {"more": SCORES}, "y has 'more', which is no output"),
        ([TOPICS], "the model has 2 outputs, so y is a list or a dict of arrays for topic, score; got 1 of them"),
        (TOPICS, r"got an array of shape \(24,\)"),
        ([TOPICS + 5, SCORES], "needs labels from 0 to 2"),
    ],
)
def test_targets_that_do_not_fit(y, message):
    with pytest.raises(ValueError, match=message):
        compiled().fit(X, y, verbose=0)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"loss": {"topik": "mse"}}, "loss names 'topik', which is no output. Did you mean 'topic'"),
        ({"loss": ["mse"]}, "loss has 1 items; the model has 2 outputs: topic, score"),
        ({"loss": {"topic": "msee"}}, "unknown loss 'msee'"),
        ({"loss_weights": {"x": 1.0}}, "loss_weights names 'x'"),
        ({"loss_weights": [1.0, 2.0, 3.0]}, "loss_weights has 3 items"),
        ({"metrics": {"topic": ["acurracy"]}}, "unknown metric 'acurracy'"),
        ({"accumulate": 0}, "accumulate is a number of parts, at least 1; got 0"),
        ({"dtype": "int8"}, "dtype is what floats are computed in, such as 'bfloat16'; got 'int8'"),
        ({"dtype": "float64"}, "dtype='float64' would be computed in float32, as JAX is set here: set jax.config"),
    ],
)
def test_settings_that_do_not_fit(options, message):
    with pytest.raises(ValueError, match=message):
        compiled(**options)


def test_half_floats_are_warned_of():
    with pytest.warns(UserWarning, match="dtype='float16' loses small gradients, as no loss is scaled here"):
        compiled(dtype="float16")


def test_metrics_for_an_output_that_is_not_there():
    with pytest.raises(ValueError, match="metrics names 'x', which is no output"):
        compiled(metrics={"x": ["acc"]}).fit(X, Y, verbose=0)


def test_an_input_that_is_missing_or_leads_nowhere():
    a, b = Input((2,), name="a"), Input((2,), name="b")
    both = add([a, b])
    with pytest.raises(ValueError, match="the outputs need the input b<Input.* which isn't among the model's inputs"):
        Model(a, both)
    with pytest.raises(ValueError, match="no output depends on the input 'b': leave it out"):
        Model([a, b], Dense(1)(a))
    with pytest.raises(ValueError, match="listed twice"):
        Model([a, a], Dense(1)(a))
    with pytest.raises(ValueError, match=r"a model's inputs are made by Input\(…\); got <Tensor"):
        Model(both, Dense(1)(both))


def test_a_graph_that_goes_round_in_a_circle():
    a = Input((2,))
    first = Dense(2, name="first")(a)
    second = Dense(2, name="second")(first)
    first.call.args = (second,)
    with pytest.raises(ValueError, match="the graph goes round in a circle through '(first|second)'"):
        Model(a, second)


def test_what_is_no_tensor_and_what_is_one():
    a = Input((2,), name="a")
    with pytest.raises(TypeError, match="outputs are what Input"):
        Model(a, [WORDS])
    with pytest.raises(TypeError, match=r"as Model\(module\), or of tensors, as Model\(inputs, outputs\)"):
        Model(a)
    with pytest.raises(TypeError, match="has no values yet, so no function of arrays takes it"):
        np.sum(a)
    with pytest.raises(TypeError, match="Tensor|Input"):
        jnp.sum(a)
    with pytest.raises(ValueError, match="an Input's shape is that of a sample"):
        Input(3)
    with pytest.raises(TypeError, match="is one tensor and can't be taken apart"):
        _, _ = Dense(2)(a)


def test_names_in_a_model_differ():
    a = Input((2,), name="a")
    with pytest.raises(ValueError, match="two layers are named 'same'"):
        Model(a, Dense(2, name="same")(Dense(2, name="same")(a)))
    with pytest.raises(ValueError, match="the name 'a' is used twice"):
        Model(a, Dense(2, name="a")(a))


def test_a_layer_that_can_not_take_its_inputs_says_where():
    a = Input((3, 4), name="a")
    with pytest.raises(ValueError, match="Add takes a list of inputs") as caught:
        Add()(a)
    assert caught.value.__notes__ == ["This is the layer 'add', whose inputs have shape (None, 3, 4)."]
    with pytest.raises(TypeError, match="concatenate|shape|dimension"):
        concatenate([a, Flatten()(a)])
