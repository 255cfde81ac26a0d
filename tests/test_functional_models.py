"""Models of layers between inputs and outputs: graphs, several inputs and outputs, shared and nested parts."""

import numpy as np
import pytest
from branches import RNG, SCORES, SIZES, TOPICS, WORDS, X4, Y1, X, Y, compiled, two_by_two
from flax import nnx

from epochal.callbacks import Callback, TensorBoard
from epochal.layers import (
    Activation,
    Add,
    Average,
    Concatenate,
    Dense,
    Dropout,
    Input,
    Lambda,
    Multiply,
    add,
    average,
    concatenate,
    multiply,
)
from epochal.models import Model, Sequential
from epochal.models.modules import layers_of
from epochal.optimizers import SGD

# What is computed


def softmax(z):
    e = np.exp(z - z.max(1, keepdims=True))
    return e / e.sum(1, keepdims=True)


def test_a_step_of_two_inputs_and_two_outputs_is_the_one_worked_out_by_hand():
    model = compiled(loss_weights={"topic": 0.5, "score": 2.0})
    w = model.named_weights()
    n, eye = len(WORDS), np.eye(3)
    h = np.concatenate([WORDS @ w["of_words/kernel"] + w["of_words/bias"], SIZES], 1)
    p, s = softmax(h @ w["topic/kernel"] + w["topic/bias"]), h @ w["score/kernel"] + w["score/bias"]
    topic_loss = -np.log(p[np.arange(n), TOPICS]).mean()
    score_loss = ((s - SCORES) ** 2).mean()
    dz, ds = 0.5 * (p - eye[TOPICS]) / n, 2.0 * 2 * (s - SCORES) / n
    dh = dz @ w["topic/kernel"].T + ds @ w["score/kernel"].T
    expected = {
        "of_words/kernel": WORDS.T @ dh[:, :2],
        "of_words/bias": dh[:, :2].sum(0),
        "topic/kernel": h.T @ dz,
        "topic/bias": dz.sum(0),
        "score/kernel": h.T @ ds,
        "score/bias": ds.sum(0),
    }
    logs = model.train_on_batch(X, Y, return_dict=True)
    assert list(logs) == ["loss", "topic_loss", "score_loss"]
    np.testing.assert_allclose(
        list(logs.values()), [0.5 * topic_loss + 2 * score_loss, topic_loss, score_loss], rtol=1e-5
    )
    for name, value in model.named_weights().items():
        np.testing.assert_allclose(value, w[name] - 0.1 * expected[name], rtol=1e-4, atol=1e-6, err_msg=name)


def test_a_shared_layer_gets_the_sum_of_its_gradients():
    a, b = Input((4,), name="a"), Input((4,), name="b")
    shared = Dense(2, name="shared")
    model = Model([a, b], add([shared(a), shared(b)]))
    model.compile(SGD(0.1), "mse")
    w = model.named_weights()
    other, target = WORDS[::-1], RNG.normal(size=(24, 2)).astype(np.float32)
    error = 2 * ((WORDS + other) @ w["shared/kernel"] + 2 * w["shared/bias"] - target) / target.size
    model.train_on_batch([WORDS, other], target)
    assert len(model.layers) == 2
    np.testing.assert_allclose(
        model.get_weights()[0], w["shared/kernel"] - 0.1 * (WORDS + other).T @ error, rtol=1e-4, atol=1e-6
    )


@pytest.mark.parametrize(
    ("layer", "function", "expected"),
    [
        (Add, add, lambda a, b, c: a + b + c),
        (Multiply, multiply, lambda a, b, c: a * b * c),
        (Average, average, lambda a, b, c: (a + b + c) / 3),
        (Concatenate, concatenate, lambda a, b, c: np.concatenate([a, b, c], -1)),
    ],
)
def test_merging_layers(layer, function, expected):
    parts = [RNG.normal(size=(5, 2)).astype(np.float32) for _ in range(3)]
    inputs = [Input((2,)) for _ in parts]
    for merged in (layer()(inputs), function(inputs)):
        np.testing.assert_allclose(Model(inputs, merged).predict(parts), expected(*parts), rtol=1e-6)


def test_concatenate_along_another_axis():
    a, b = Input((2, 3)), Input((4, 3))
    merged = Concatenate(axis=1)([a, b])
    assert merged.shape == (None, 6, 3)
    with pytest.raises(ValueError, match="axis is a whole number other than 0"):
        Concatenate(axis=0)


def test_an_open_axis_stays_open():
    steps = Input((None, 3))
    outputs = Dense(2)(steps)
    assert outputs.shape == (None, None, 2)
    model = Model(steps, outputs)
    assert [model.predict(np.ones((2, n, 3), np.float32)).shape for n in (4, 7)] == [(2, 4, 2), (2, 7, 2)]


def test_a_model_is_called_on_arrays_and_on_tensors():
    inner = Sequential([Dense(3, activation="relu"), Dense(2)], name="inner")
    x = Input((4,))
    model = Model(x, Activation("softmax")(inner(x)))
    np.testing.assert_allclose(inner(WORDS), inner.predict(WORDS), rtol=1e-6)
    np.testing.assert_allclose(model(WORDS), softmax(np.asarray(inner(WORDS))), rtol=1e-5)
    assert [name for name in model.named_weights() if name.startswith("inner/")] == [
        "inner/dense/kernel", "inner/dense/bias", "inner/dense_1/kernel", "inner/dense_1/bias"
    ]  # fmt: skip


def test_models_that_share_layers_share_what_is_learnt():
    x = Input((4,))
    encoder = Model(x, Dense(2, name="code")(x), name="encoder")
    before = encoder.predict(WORDS)
    whole = Model(x, Dense(4)(encoder(x)))
    whole.compile("sgd", "mse")
    whole.fit(WORDS, WORDS, epochs=2, verbose=0)
    after = encoder.predict(WORDS)
    assert not np.allclose(before, after)
    np.testing.assert_array_equal(encoder.get_weights()[0], whole.named_weights()["encoder/code/kernel"])
    encoder.compile("sgd", "mse")
    encoder.fit(WORDS, np.zeros((24, 2), np.float32), epochs=2, verbose=0)
    kernel = encoder.get_weights()[0]
    whole.evaluate(WORDS, WORDS, verbose=0)
    np.testing.assert_array_equal(kernel, whole.named_weights()["encoder/code/kernel"])


def test_functions_and_modules_are_layers_too():
    x, y = Input((4,)), Input((4,))
    twice = Lambda(lambda a, b: a * 2 + b)(x, y)
    model = Model([x, y], Lambda(nnx.Linear(4, 2, rngs=nnx.Rngs(0)), name="linear")(twice))
    assert list(model.named_weights()) == ["linear/function/bias", "linear/function/kernel"]
    model.compile("sgd", "mse")
    before = model.get_weights()[1]
    model.fit([WORDS, WORDS], np.ones((24, 2)), verbose=0)
    assert not np.allclose(before, model.get_weights()[1])


# Open axes, one output by name, metrics


def test_steps_of_any_number_have_targets_of_as_many():
    given = Input((None, 4))
    model = Model(given, Dense(3, activation="softmax")(given))
    model.compile("sgd", "sparse_categorical_crossentropy", metrics=["acc"])
    rng = np.random.default_rng(0)
    batches = [(rng.normal(size=(8, n, 4)).astype("float32"), rng.integers(0, 3, (8, n))) for n in (5, 7, 5)]
    assert len(model.fit(batches, epochs=2, verbose=0).history["acc"]) == 2
    with pytest.raises(
        ValueError, match=r"class numbers of shape \(8, 4\) don't go with predictions of shape \(8, 5, 3\)"
    ):
        model.evaluate(batches[0][0], batches[0][1][:, :4], verbose=0)


def test_images_of_any_size_have_targets_of_that_size():
    given = Input((None, None, 1))
    model = Model(given, Dense(1, activation="sigmoid")(given))
    model.compile("sgd", "binary_crossentropy")
    assert model.fit(np.zeros((2, 6, 5, 1)), np.ones((2, 6, 5, 1)), verbose=0).history["loss"][0] > 0


def test_an_array_among_the_arguments_of_a_layer_is_no_hindrance(tmp_path):
    given = Input((4,))
    model = Model(given, Dense(1)(Add()([given, np.ones((1, 4), "float32")])))
    model.compile("sgd", "mse")
    board = TensorBoard(tmp_path, histogram_freq=1)
    model.fit(X4, Y1, validation_data=(X4, Y1), verbose=0, callbacks=[board])
    first = next(iter(model.activations(X4)))
    np.testing.assert_array_equal(first["add"], X4 + 1)


def test_get_layer():
    model = compiled()
    assert model.get_layer("topic").units == 3
    assert model.get_layer(index=-1) is model.layers[-1]
    with pytest.raises(ValueError, match="has no layer 'topc'. Did you mean 'topic'"):
        model.get_layer("topc")
    with pytest.raises(ValueError, match="has 4 layers, so there is none at 9"):
        model.get_layer(index=9)
    with pytest.raises(ValueError, match="takes a name or an index"):
        model.get_layer()


def test_the_summary_says_what_takes_what():
    lines = []
    two_by_two().summary(print_fn=lines.append)
    assert [line.split()[0] for line in lines] == ["Model", "layer", "of_words", "concatenate", "topic", "score", "34"]
    assert "of of_words, sizes" in lines[3]
    assert "(None, 3)" in lines[4]
    assert lines[-1] == "34 weights (136 B): 34 trainable, 0 frozen"


def test_a_numbered_name_gives_way_in_another_model():
    a = Input((2,))
    first = Dense(2)
    Model(a, first(a))
    assert first.name == "dense"
    other = Dense(2)
    model = Model(a, first(other(a)))
    assert [name for name, _ in layers_of(model.module)] == ["dense", "dense_1"]


def test_dropout_in_a_graph_differs_from_step_to_step():
    x = Input((50,))
    model = Model(x, Dropout(0.5)(x))
    model.compile("sgd", "mse")
    ones = np.ones((4, 50), np.float32)

    class Losses(Callback):
        def on_train_begin(self, logs=None):
            self.losses = []

        def on_train_batch_end(self, batch, logs=None):
            self.losses.append(logs["loss"])

    losses = Losses()
    model.fit(ones, 0 * ones, epochs=4, verbose=0, callbacks=[losses])
    assert len(set(losses.losses)) > 1
    np.testing.assert_array_equal(model.predict(ones), ones)
