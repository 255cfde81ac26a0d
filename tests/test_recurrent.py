"""Recurrent layers against loops in NumPy, with masks, states, dropout and in training."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

import epochal
from epochal.layers import (
    GRU,
    LSTM,
    BatchNormalization,
    Bidirectional,
    Dense,
    Embedding,
    GlobalAveragePooling1D,
    Input,
    Lambda,
    LayerNormalization,
    Masking,
    SimpleRNN,
)
from epochal.models import Model, Sequential

RNG = np.random.default_rng(0)
X = RNG.normal(size=(3, 5, 4)).astype("float32")
MASK = np.array([[1, 1, 1, 1, 1], [1, 0, 1, 1, 0], [0, 1, 1, 0, 0]], bool)


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def simple_step(w, x, h):
    return (np.tanh(x @ w["kernel"] + w["bias"] + h @ w["recurrent_kernel"]),)


def lstm_step(w, x, h, c):
    i, f, new, o = np.split(x @ w["kernel"] + w["bias"] + h @ w["recurrent_kernel"], 4, -1)
    c = sigmoid(f) * c + sigmoid(i) * np.tanh(new)
    return sigmoid(o) * np.tanh(c), c


def gru_step(w, x, h):
    a = np.split(x @ w["kernel"] + w["bias"][0], 3, -1)
    b = np.split(h @ w["recurrent_kernel"] + w["bias"][1], 3, -1)
    z, r = sigmoid(a[0] + b[0]), sigmoid(a[1] + b[1])
    return (z * h + (1 - z) * np.tanh(a[2] + r * b[2]),)


def gru_before_step(w, x, h):
    a, of = np.split(x @ w["kernel"] + w["bias"], 3, -1), np.split(w["recurrent_kernel"], 3, -1)
    z, r = sigmoid(a[0] + h @ of[0]), sigmoid(a[1] + h @ of[1])
    return (z * h + (1 - z) * np.tanh(a[2] + (r * h) @ of[2]),)


CASES = {
    "simple": (SimpleRNN, {}, simple_step, 1),
    "lstm": (LSTM, {}, lstm_step, 2),
    "gru": (GRU, {}, gru_step, 1),
    "gru, reset before": (GRU, {"reset_after": False}, gru_before_step, 1),
}
every_kind = pytest.mark.parametrize("case", CASES.values(), ids=CASES)


def made(case, x=X, **settings):
    """Return a layer with random weights, and these by name."""
    layer = case[0](3, return_sequences=True, return_state=True, **case[1], **settings)
    layer(x)
    for _, variable in layer.named_weights():
        variable.set_value(jnp.asarray(RNG.normal(size=variable.shape), jnp.float32))
    return layer, {name.split("/")[1]: np.asarray(v.get_value()) for name, v in layer.named_weights()}


def looped(case, weights, x=X, mask=None, states=None):
    """Return outputs, one step at a time, and the last states."""
    states = states or [np.zeros((len(x), 3))] * case[3]
    outputs = []
    for t in range(x.shape[1]):
        new = case[2](weights, x[:, t], *states)
        keep = np.ones((len(x), 1), bool) if mask is None else mask[:, t, None]
        states = [np.where(keep, a, b) for a, b in zip(new, states, strict=True)]
        outputs.append(states[0])
    return [np.stack(outputs, 1), *states]


def assert_close(found, wanted):
    assert len(found) == len(wanted)
    for a, b in zip(found, wanted, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-5)


@every_kind
@pytest.mark.parametrize("mask", [None, MASK], ids=["all", "masked"])
def test_outputs_and_states_are_those_of_a_loop(case, mask):
    layer, weights = made(case)
    assert_close(layer(X, mask=mask), looped(case, weights, mask=mask))


@every_kind
def test_going_backwards_is_going_through_the_reversed_sequence(case):
    layer, weights = made(case, go_backwards=True)
    assert_close(layer(X, mask=MASK), looped(case, weights, X[:, ::-1], MASK[:, ::-1]))


@every_kind
def test_a_layer_starts_with_the_states_it_is_given(case):
    layer, weights = made(case)
    states = [RNG.normal(size=(3, 3)).astype("float32") for _ in range(case[3])]
    assert_close(layer(X, initial_state=states), looped(case, weights, states=states))


@every_kind
def test_only_the_last_output_is_returned_by_default(case):
    layer, weights = made(case)
    layer.return_sequences = layer.return_state = False
    np.testing.assert_allclose(layer(X, mask=MASK), looped(case, weights, mask=MASK)[1], rtol=1e-4, atol=1e-5)


def test_outputs_at_masked_steps_may_be_zero():
    layer, weights = made(CASES["lstm"], zero_output_for_mask=True)
    wanted = looped(CASES["lstm"], weights, mask=MASK)
    assert_close(layer(X, mask=MASK), [wanted[0] * MASK[..., None], *wanted[1:]])


@every_kind
def test_dropout_leaves_out_the_same_features_at_all_steps(case):
    ones = np.ones((3, 5, 4), "float32")
    layer, weights = made(case, ones, dropout=0.5)
    drawn = jnp.asarray([[[0, 2, 0, 2]]] * 3, jnp.float32)
    layer.drop_features = lambda x: x * drawn  # what it draws is nnx's; that it is of one step is shown below
    assert_close(layer(ones), looped(case, weights, np.broadcast_to(drawn, ones.shape)))
    layer, _ = made(case, ones, dropout=0.5)
    dropped = np.asarray(layer.drop_features(ones))
    assert set(np.unique(dropped)) == {0, 2}
    assert (dropped == dropped[:, :1]).all()


@every_kind
def test_dropout_of_units_and_features_happens_in_training_only(case):
    layer, weights = made(case, dropout=0.5, recurrent_dropout=0.5)
    assert not np.allclose(layer(X)[0], layer(X)[0])
    layer.eval()
    assert_close(layer(X), looped(case, weights))


@every_kind
def test_gradients_are_finite_also_where_everything_is_masked(case):
    layer, _ = made(case)
    graph, state = nnx.split(layer)
    mask = np.array([[False] * 5, [True] * 5, [True, False] * 2 + [True]])

    def total(state, x):
        return (nnx.merge(graph, state)(x, mask=mask)[0] ** 2).sum()

    of_weights, of_inputs = jax.grad(total, (0, 1))(state, X)
    assert all(np.isfinite(leaf).all() and leaf.any() for leaf in jax.tree.leaves(of_weights))
    assert not of_inputs[~mask].any()
    assert of_inputs[mask].any()


def test_the_forget_gate_starts_open():
    layer = LSTM(3)
    layer(X)
    assert layer.bias[...].tolist() == [0] * 3 + [1] * 3 + [0] * 6
    layer = LSTM(3, unit_forget_bias=False)
    layer(X)
    assert not layer.bias[...].any()


@every_kind
def test_the_recurrent_kernel_starts_orthogonal(case):
    layer = case[0](3, **case[1])
    layer(X)
    np.testing.assert_allclose(layer.recurrent_kernel[...] @ layer.recurrent_kernel[...].T, np.eye(3), atol=1e-5)


# Both ways


@pytest.mark.parametrize(
    ("mode", "merged"),
    [
        ("concat", lambda a, b: np.concatenate([a, b], -1)),
        ("sum", np.add),
        ("mul", np.multiply),
        ("ave", lambda a, b: (a + b) / 2),
    ],
)
@pytest.mark.parametrize("sequences", [True, False])
def test_bidirectional_merges_a_layer_and_its_reverse(mode, merged, sequences):
    layer = Bidirectional(GRU(3, return_sequences=sequences), mode)
    found = layer(X, mask=MASK)
    one, other = (part.call(X, mask=jnp.asarray(MASK)) for part in (layer.forward_layer, layer.backward_layer))
    wanted = merged(one, other[:, ::-1] if sequences else other)
    np.testing.assert_allclose(found, wanted, rtol=1e-5)
    assert not np.allclose(one, other)
    if sequences:
        assert not np.asarray(found)[~MASK].any()


def test_bidirectional_returns_and_takes_the_states_of_both():
    layer = Bidirectional(LSTM(3, return_state=True), merge_mode=None)
    forward, backward, *states = layer(X)
    assert [state.shape for state in states] == [(3, 3)] * 4
    assert np.array_equal(forward, states[0])
    assert np.array_equal(backward, states[2])
    again = layer(X, initial_state=states)
    assert_close(again[:1], layer.forward_layer.call(X, states[:2])[:1])


def test_bidirectional_names_its_weights_as_keras_does():
    model = Sequential([Input((5, 4)), Bidirectional(LSTM(3), backward_layer=GRU(2, go_backwards=True))])
    names = [name.removeprefix("bidirectional/") for name in model.named_weights()]
    parts = ("kernel", "recurrent_kernel", "bias")
    assert names == [f"forward_lstm/lstm_cell/{p}" for p in parts] + [f"gru/gru_cell/{p}" for p in parts]


# In models


def test_a_decoder_starts_with_the_states_of_an_encoder():
    source, target = Input((5, 4)), Input((2, 4))
    encoded, *states = LSTM(3, return_state=True)(source)
    model = Model([source, target], [encoded, LSTM(3, return_sequences=True)(target, initial_state=states)])
    one, other = model.predict([X, X[:, :2]])[1], model.predict([X * 0, X[:, :2]])[1]
    assert one.shape == (3, 2, 3)
    assert not np.allclose(one, other)


def test_padding_at_the_end_changes_nothing():
    short = np.array([[3, 1, 2], [4, 4, 1]], "int32")
    layers = [Embedding(6, 4, mask_zero=True), LSTM(4, return_sequences=True), BatchNormalization(), Dense(3)]
    model = Sequential([Input((None,), "int32"), *layers, Bidirectional(GRU(3, return_sequences=True))])
    model.add(GlobalAveragePooling1D())
    padded = np.pad(short, ((0, 0), (0, 4)))
    np.testing.assert_allclose(model.predict(short), model.predict(padded), rtol=1e-4, atol=1e-6)
    assert not model.predict(padded * 0).any()  # the mean of no steps


@pytest.mark.parametrize("make", [lambda **kw: GRU(2, **kw), lambda **kw: Bidirectional(GRU(1, **kw))])
def test_sequences_that_are_asked_for_later_leave_masked_steps_out_too(make):
    def results(layer):
        model = Sequential([Input((5, 4)), Masking(), layer])
        model.compile("sgd", "mse")
        model.set_weights([np.ones_like(weight) for weight in model.get_weights()])
        x = X * MASK[..., None]
        return model.evaluate(x, np.zeros((3, 5, 2)), verbose=0), model.predict(x).tolist()

    later = make()
    for layer in (later.forward_layer, later.backward_layer) if isinstance(later, Bidirectional) else (later,):
        layer.return_sequences = True
    assert results(later) == results(make(return_sequences=True))


def test_a_bidirectional_layer_returns_what_its_layers_do():
    layer = Bidirectional(LSTM(2, return_sequences=True, return_state=True))
    assert (layer.return_sequences, layer.return_state) == (True, True)
    for name in ("return_sequences", "return_state"):
        with pytest.raises(AttributeError, match=f"property '{name}' of 'Bidirectional' object has no setter"):
            setattr(layer, name, False)


def test_a_layer_whose_configuration_does_not_say_all_is_not_made_from_it():
    class Own(LSTM):
        pass

    with pytest.raises(ValueError, match="from_config makes LSTM, GRU, SimpleRNN again, and no Own"):
        Bidirectional.from_config(Bidirectional(Own(2)).get_config())
    with pytest.raises(ValueError, match=r"a Lambda doesn't have its function: make it anew, Lambda\(function\)"):
        Lambda.from_config(Lambda(jnp.tanh).get_config())
    with pytest.raises(ValueError, match="LayerNormalization normalises over the last axis; got axis=1"):
        LayerNormalization.from_config({"axis": 1})


def test_batch_normalization_leaves_masked_steps_out_of_its_averages():
    model = Sequential([Input((5, 4)), Masking(), BatchNormalization(momentum=0.0), GlobalAveragePooling1D()])
    model.compile("sgd", "mse")
    model.train_on_batch(X * MASK[..., None], np.zeros((3, 4)))
    mean = model.named_weights()["batch_normalization/moving_mean"]
    np.testing.assert_allclose(mean, X[MASK].mean(0), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("dtype", [None, "bfloat16"])
@pytest.mark.parametrize(
    "make", [lambda: SimpleRNN(16), lambda: LSTM(16), lambda: GRU(16), lambda: Bidirectional(GRU(8))]
)
def test_a_model_learns_which_half_of_a_sequence_is_larger(make, dtype):
    epochal.set_random_seed(0)
    x = RNG.normal(size=(64, 6, 1)).astype("float32")
    y = (x[:, :3].sum((1, 2)) > x[:, 3:].sum((1, 2))).astype("float32")[:, None]
    model = Sequential([Input((6, 1)), make(), Dense(1, "sigmoid")])
    model.compile(epochal.optimizers.Adam(0.02), "binary_crossentropy", dtype=dtype)
    losses = model.fit(x, y, batch_size=16, epochs=15, verbose=0).history["loss"]
    assert losses[-1] < 0.6 * losses[0]


@pytest.mark.parametrize(
    ("make", "error", "message"),
    [
        (lambda: LSTM(0), ValueError, "units must be a positive whole number; got 0"),
        (lambda: GRU(2, dropout=1.0), ValueError, r"dropout is the share .* to less than 1; got 1\.0"),
        (lambda: GRU(2, recurrent_dropout=-1), ValueError, "recurrent_dropout is the share .*; got -1"),
        (lambda: LSTM(2, activation="tanth"), ValueError, "unknown activation 'tanth'. Did you mean 'tanh'"),
        (lambda: LSTM(2, stateful=True), ValueError, "LSTM: stateful=True isn't supported"),
        (lambda: LSTM(2)(X[0]), ValueError, r"LSTM takes \(steps, features\); got inputs of shape \(4,\)"),
        (lambda: LSTM(2)(X, initial_state=X[:, 0, :2]), ValueError, r"LSTM starts with 2 arrays of shape \(batch, 2\): h, c; got initial_state of \(3, 2\)"),
        (lambda: GRU(2)(X, initial_state=[X[:, 0]]), ValueError, r"GRU starts with 1 arrays .*: h; got initial_state of \(3, 4\)"),
        (lambda: Bidirectional(Dense(2)), TypeError, "layer is an LSTM, a GRU or a SimpleRNN; got Dense"),
        (lambda: Bidirectional(LSTM(2), "max"), ValueError, "merge_mode must be 'concat' or .* or None; got 'max'"),
        (lambda: Bidirectional(LSTM(2), backward_layer=LSTM(2)), ValueError, "both have go_backwards=False: they must differ"),
        (lambda: Bidirectional(LSTM(2, return_sequences=True), backward_layer=LSTM(2, go_backwards=True)), ValueError, "layer has return_sequences=True, backward_layer return_sequences=False"),
        (lambda: Bidirectional(called(LSTM(2))), ValueError, "layer has been called, so it has weights already: give a new LSTM"),
    ],
)  # fmt: skip
def test_what_makes_no_sense_is_refused(make, error, message):
    with pytest.raises(error, match=message):
        make()


def called(layer):
    layer(X)
    return layer
