"""Models as settings and as new models of them; weights by name; the rest of what Keras's models are asked for."""

import json

import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from epochal import layers
from epochal.layers import Dense, Dropout, Input, Lambda
from epochal.models import Model, Sequential, clone_model, model_from_json

X = np.linspace(-1, 1, 8, dtype="float32").reshape(2, 4)


def cubed(x):
    return x**3


def stacked():
    return Sequential([Dense(3, cubed, input_dim=4, name="first"), Dropout(0.5), Dense(2, use_bias=False)], "stack")


def branched():
    """A shared layer, an operator, a nested model, a frozen layer, inputs and outputs by name."""
    a, b = Input((4,), name="a"), Input((4,), name="b")
    shared = Dense(3, trainable=False)
    inner = Sequential([Dense(3, "tanh", input_dim=3)], "inner")
    return Model({"a": a, "b": b}, {"sum": inner(shared(a)) + 2 * shared(b)}, name="branched")


def assert_same_but_new(one, other, x):
    """Both compute the same of the same weights, and the new one has others."""
    shapes = [weight.shape for weight in one.get_weights()]
    assert [weight.shape for weight in other.get_weights()] == shapes
    assert abs(one.get_weights()[0] - other.get_weights()[0]).max() > 0
    other.set_weights(one.get_weights())
    for ours, theirs in zip(_leaves(one.predict(x)), _leaves(other.predict(x)), strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-6)
    assert [layer.trainable for layer in one.layers] == [layer.trainable for layer in other.layers]
    assert type(one) is type(other)
    assert one.name == other.name


def _leaves(outputs):
    return list(outputs.values()) if isinstance(outputs, dict) else [outputs]


def test_a_model_is_cloned_with_new_weights():
    assert_same_but_new(stacked(), clone_model(stacked()), X)
    model = branched()
    clone = clone_model(model)
    assert_same_but_new(model, clone, {"a": X, "b": X})
    assert clone.count_params() == model.count_params() == 4 * 3 + 3 + 3 * 3 + 3
    assert len({id(layer) for layer in (*model.layers, *clone.layers)}) == 2 * len(model.layers)


def test_a_model_that_is_not_built_yet_is_cloned():
    clone = clone_model(Sequential([Dense(3), Sequential([Dense(2)])]))
    assert clone.predict(X).shape == (2, 2)


def test_a_clone_function_chooses_the_layers():
    model = stacked()
    clone = clone_model(model, clone_function=lambda layer: layer if layer.name == "first" else Dense(5))
    assert [type(layer).__name__ for layer in clone.layers] == ["Dense", "Dense", "Dense"]
    assert clone.layers[0] is model.layers[0]
    assert clone.output_shape == (None, 5)
    with pytest.raises(TypeError, match="clone_function must return a layer; for Dense it returned None"):
        clone_model(model, clone_function=lambda layer: None)


def test_a_clone_begins_with_inputs_that_are_given():
    tensor = Input((4,))
    assert clone_model(branched(), [tensor, Input((4,))]).count_params() == branched().count_params()
    assert clone_model(stacked(), tensor).input is not None
    with pytest.raises(ValueError, match="the model has 2 inputs; got 1 input_tensors"):
        clone_model(branched(), tensor)


def halved(w):
    return w / 2


def test_what_layers_hold_is_cloned():
    inner = Sequential([Dense(3, kernel_regularizer=lambda w: jnp.sum(w**2), input_dim=2)])
    x = Input((4, 2))
    half = layers.LSTM(2, recurrent_constraint=halved)
    y = layers.Bidirectional(half, activity_regularizer="l2")(layers.TimeDistributed(inner)(x))
    model = Model(x, Lambda(lambda y, factor: factor * y, arguments={"factor": 3})(y))
    clone = clone_model(model)
    assert_same_but_new(model, clone, np.ones((2, 4, 2), "float32"))
    assert [float(loss) for loss in clone.losses] == [float(loss) for loss in model.losses] != []
    both = clone.layers[1]
    assert both.forward_layer.recurrent_kernel.constraint is both.backward_layer.recurrent_constraint is halved


def test_functions_are_cloned_and_modules_are_not():
    assert clone_model(Sequential([Lambda(cubed, input_dim=4)])).predict(X)[0, 0] == -1
    for model in (
        Sequential([Input((4,)), nnx.Linear(4, 2, rngs=nnx.Rngs(0))]),
        Model(nnx.Linear(4, 2, rngs=nnx.Rngs(0))),
    ):
        with pytest.raises(ValueError, match="whose settings nobody knows"):
            clone_model(model)


def test_settings_make_the_model_anew():
    model = Sequential([Dense(3, "relu", input_dim=4), Dropout(0.25), Dense(2)], "stack")
    assert_same_but_new(model, Sequential.from_config(json.loads(json.dumps(model.get_config()))), X)
    assert_same_but_new(model, model_from_json(model.to_json(indent=2)), X)
    assert_same_but_new(stacked(), model_from_json(stacked().to_json(), {"cubed": cubed}), X)
    assert_same_but_new(branched(), Model.from_config(branched().get_config()), {"a": X, "b": X})
    assert_same_but_new(branched(), model_from_json(branched().to_json()), {"a": X, "b": X})


def test_settings_of_own_classes_are_found_among_the_custom_objects():
    class Half(layers.Layer):
        def call(self, x):
            return x / 2

    model = Sequential([Dense(2, input_dim=4), Half()])
    with pytest.raises(ValueError, match="unknown class 'Half'"):
        model_from_json(model.to_json())
    assert_same_but_new(model, model_from_json(model.to_json(), {"Half": Half}), X)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: model_from_json("{"), "this isn't the JSON of a model: Expecting"),
        (lambda: model_from_json("[]"), "this isn't the JSON of a model: it has no class_name and config"),
        (
            lambda: Model.from_config({"layers": jnp.sin}),
            "a config has values of JSON alone, as get_config returns them",
        ),
        (lambda: Sequential([Dense(2)]).get_config(), "isn't built: give its first layer an input shape"),
        (lambda: Sequential([Lambda(jnp.sin, input_dim=2)]).to_json(), "is a plain function, which a file can't hold"),
        (lambda: model_from_json(stacked().to_json()), r"layer 'first' \(Dense\): unknown activation 'cubed'"),
    ],
)
def test_what_cannot_be_described_is_an_error(make, message):
    with pytest.raises(ValueError, match=message):
        make()


# A Sequential that gets shorter


def test_the_last_layer_is_taken_away():
    model = stacked()
    model.compile("sgd", "mse")
    model.fit(X, np.zeros((2, 2)), verbose=0)
    kept, bias = model.get_weights()[:2]
    assert [model.pop().name, model.pop().name] == ["dense", "dropout"]
    assert model.output_shape == (None, 3)
    np.testing.assert_array_equal(model.get_weights()[0], kept)
    np.testing.assert_allclose(model.predict(X), (X @ kept + bias) ** 3, rtol=1e-4, atol=1e-6)
    model.add(Dense(1, name="first_of_all"))
    model.fit(X, np.zeros((2, 1)), verbose=0)
    assert Model(model.input, model.layers[0].output).predict(X).shape == (2, 3)


def test_an_empty_model_has_nothing_to_take_away():
    model = Sequential([Dense(3, input_dim=4, name="same")])
    model.pop()
    model.add(Dense(2, input_dim=5, name="same"))
    assert model.input_shape == (None, 5)
    unbuilt = Sequential([Dense(2)])
    unbuilt.pop()
    with pytest.raises(ValueError, match="has no layers: add one"):
        unbuilt.pop()


def test_classes_are_the_highest_output_or_the_side_of_a_half():
    model = Sequential([Dense(3, input_dim=2, kernel_initializer="ones", bias_initializer="zeros")])
    model.set_weights([np.array([[1.0, 2, 0], [0, 0, 3]]), np.zeros(3)])
    x = np.array([[1.0, 0.0], [0.0, 1.0]])
    assert model.predict_classes(x).tolist() == [1, 2]
    np.testing.assert_array_equal(model.predict_proba(x), model.predict(x))
    single = Sequential([Dense(1, input_dim=1, kernel_initializer="ones")])
    assert single.predict_classes(np.array([[0.4], [0.6]])).tolist() == [[0], [1]]


# Weights by name


def test_weights_are_loaded_by_name(tmp_path):
    path = tmp_path / "w.h5"
    saved = Sequential([Dense(3, input_dim=4, name="body"), Dense(2, name="head")])
    saved.save_weights(path)
    model = Sequential([Dense(5, input_dim=3, name="new"), Dense(3, name="other"), Dense(4), Dense(3, name="body")])
    before = model.get_weights()
    model.load_weights(path, by_name=True)
    after = model.get_weights()
    for one, other in zip(after[-2:], saved.get_weights()[:2], strict=True):
        np.testing.assert_array_equal(one, other)
    for one, other in zip(after[:-2], before[:-2], strict=True):
        np.testing.assert_array_equal(one, other)


def test_layers_of_other_shapes_are_errors_or_left_out(tmp_path):
    path = tmp_path / "w.h5"
    Sequential([Dense(3, input_dim=4, name="body"), Dense(2, name="head")]).save_weights(path)
    model = Sequential([Dense(3, input_dim=4, name="body"), Dense(9, name="head")])
    before = model.get_weights()
    with pytest.raises(
        ValueError, match=r"layer 'head': its kernel has shape \(3, 9\); 'head' in the file has \(3, 2\)"
    ):
        model.load_weights(path, by_name=True)
    np.testing.assert_array_equal(model.get_weights()[0], before[0])
    with pytest.warns(UserWarning, match="left out: layer 'head': its kernel has shape"):
        model.load_weights(path, by_name=True, skip_mismatch=True)
    assert abs(model.get_weights()[0] - before[0]).max() > 0
    with pytest.raises(ValueError, match="skip_mismatch goes with by_name=True"):
        model.load_weights(path, skip_mismatch=True)
    with pytest.raises(
        ValueError, match="no layer has a name that is in the file: a, b in the model, body, head in the"
    ):
        Sequential([Dense(3, input_dim=4, name="a"), Dense(2, name="b")]).load_weights(path, by_name=True)
    model.save_weights(tmp_path / "m.weights.h5")
    with pytest.raises(ValueError, match="it has the layers by class and number, not by name: leave by_name out"):
        model.load_weights(tmp_path / "m.weights.h5", by_name=True)


# The table of layers, and what compile is told


def test_a_summary_shows_nested_models_on_demand():
    lines, more = [], []
    branched().summary(line_length=100, print_fn=lines.append)
    branched().summary(expand_nested=True, print_fn=more.append)
    assert {len(line) for line in lines[1:-1]} == {100}
    assert len(more) == len(lines) + 1
    assert any(line.startswith("  dense") for line in more)
    with pytest.raises(ValueError, match="positions can't be chosen"):
        branched().summary(positions=[0.5, 1.0])
    with pytest.raises(ValueError, match="line_length must be a whole number"):
        branched().summary(print)


def test_compile_takes_what_is_so_anyway_and_refuses_the_rest():
    model = stacked()
    model.compile(
        "sgd", "mse", run_eagerly=False, jit_compile=True, steps_per_execution=1, sample_weight_mode="temporal"
    )
    for name, value, advice in (
        ("run_eagerly", True, "steps are always compiled; jax.debug.print prints within them"),
        ("jit_compile", False, "steps are always compiled"),
        ("steps_per_execution", 8, "a fit runs as many steps at once as its callbacks let it"),
        ("sample_weight_mode", "samples", "sample_weight says by its shape what it weighs"),
    ):
        with pytest.raises(ValueError, match=f"{name} can't be {value!r}: {advice}"):
            model.compile("sgd", "mse", **{name: value})
