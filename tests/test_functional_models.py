"""Models of layers between inputs and outputs: graphs, several inputs and outputs, shared and nested parts."""

import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from epochal import set_random_seed
from epochal.callbacks import Callback, CSVLogger, EarlyStopping, TensorBoard
from epochal.layers import (
    Activation,
    Add,
    Average,
    Concatenate,
    Dense,
    Dropout,
    Flatten,
    Input,
    Lambda,
    Multiply,
    add,
    average,
    concatenate,
    multiply,
)
from epochal.models import Model, Sequential
from epochal.optimizers import SGD

RNG = np.random.default_rng(0)
WORDS = RNG.normal(size=(24, 4)).astype(np.float32)
SIZES = RNG.normal(size=(24, 3)).astype(np.float32)
TOPICS = RNG.integers(0, 3, 24)
SCORES = RNG.normal(size=(24, 1)).astype(np.float32)
X = {"words": WORDS, "sizes": SIZES}
Y = {"topic": TOPICS, "score": SCORES}


def two_by_two():
    """Return a model of two inputs and two outputs, without activations but a softmax."""
    words, sizes = Input((4,), name="words"), Input((3,), name="sizes")
    together = concatenate([Dense(2, name="of_words")(words), sizes])
    topic = Dense(3, activation="softmax", name="topic")(together)
    score = Dense(1, name="score")(together)
    return Model([words, sizes], [topic, score])


def compiled(**options):
    model = two_by_two()
    settings = {"loss": {"topic": "sparse_categorical_crossentropy", "score": "mse"}, "optimizer": SGD(0.1)}
    model.compile(**(settings | options))
    return model


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


# Data by name and in lists


def test_data_may_be_lists_or_dicts():
    results = []
    for x, y in ((X, Y), ([WORDS, SIZES], [TOPICS, SCORES]), ((WORDS, SIZES), (TOPICS, SCORES))):
        set_random_seed(3)
        model = compiled(metrics={"topic": ["acc"], "score": "mae"})
        history = model.fit(x, y, epochs=2, batch_size=8, verbose=0, validation_split=0.25).history
        results.append(history)
        assert list(history) == [
            "loss", "topic_loss", "score_loss", "topic_acc", "score_mae",
            "val_loss", "val_topic_loss", "val_score_loss", "val_topic_acc", "val_score_mae",
        ]  # fmt: skip
    assert results[0] == results[1] == results[2]


def test_batches_may_be_dicts_and_lists():
    set_random_seed(3)
    whole = compiled()
    whole.fit(X, Y, batch_size=8, shuffle=False, verbose=0)
    set_random_seed(3)
    by_batch = compiled()
    rows = [slice(at, at + 8) for at in (0, 8, 16)]
    batches = [({n: a[r] for n, a in X.items()}, [TOPICS[r], SCORES[r]]) for r in rows]
    by_batch.fit(batches, verbose=0)
    for a, b in zip(whole.get_weights(), by_batch.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)


def test_predictions_come_as_the_outputs_were_given():
    model = compiled()
    topic, score = model.predict(X, batch_size=7)
    assert (topic.shape, score.shape) == ((24, 3), (24, 1))
    words = Input((4,))
    by_name = Model(words, {"double": Lambda(lambda a: a * 2)(words), "half": Lambda(lambda a: a / 2)(words)})
    found = by_name.predict(WORDS)
    np.testing.assert_array_equal(found["double"], WORDS * 2)
    assert by_name.output_names == ["double", "half"]
    np.testing.assert_array_equal(Model({"in": words}, words).predict({"in": WORDS}), WORDS)


def test_weights_of_samples_are_for_all_outputs_or_for_each():
    weights = RNG.uniform(0.5, 2, 24).astype(np.float32)
    model = compiled()
    p, s = model.predict(X)
    topic, score = -np.log(p[np.arange(24), TOPICS]), ((s - SCORES) ** 2)[:, 0]
    both = model.evaluate(X, Y, sample_weight=weights, verbose=0, batch_size=24)
    np.testing.assert_allclose(both[1:], [(weights * topic).mean(), (weights * score).mean()], rtol=1e-4)
    one = model.evaluate(X, Y, sample_weight={"score": weights}, verbose=0, batch_size=24)
    np.testing.assert_allclose(one[1:], [topic.mean(), (weights * score).mean()], rtol=1e-4)


# Losses and metrics by output


def test_an_output_without_a_loss_is_not_trained_and_needs_no_target():
    model = compiled(loss={"topic": "sparse_categorical_crossentropy"})
    before = model.named_weights()
    history = model.fit(X, {"topic": TOPICS}, verbose=0).history
    assert list(history) == ["loss", "topic_loss"]
    np.testing.assert_array_equal(before["score/kernel"], model.named_weights()["score/kernel"])
    assert history["loss"] == history["topic_loss"]


@pytest.mark.parametrize(
    ("metrics", "names"),
    [
        (["mae"], ["a_mae", "b_mae"]),
        (["mae", "mse"], ["a_mae", "a_mse", "b_mae", "b_mse"]),
        ([["mae"], ["mse", "mae"]], ["a_mae", "b_mse", "b_mae"]),
        ([[], ["mse"]], ["b_mse"]),
        ({"b": "mse"}, ["b_mse"]),
        ({"a": ["mse", "mae"]}, ["a_mse", "a_mae"]),
    ],
)
def test_metrics_are_for_all_outputs_or_for_each(metrics, names):
    x = Input((4,))
    model = Model(x, [Dense(2, name="a")(x), Dense(2, name="b")(x)])
    model.compile("sgd", "mse", metrics)
    target = np.zeros((24, 2), np.float32)
    assert list(model.fit(WORDS, [target, target], verbose=0).history) == ["loss", "a_loss", "b_loss", *names]


def test_callbacks_watch_an_output_by_its_name(tmp_path):
    model = compiled(metrics={"topic": ["accuracy"]})
    stopping = EarlyStopping("val_topic_acc", patience=2, min_delta=2.0)
    history = model.fit(
        X, Y, epochs=10, verbose=0, validation_data=(X, Y), callbacks=[stopping, CSVLogger(tmp_path / "log.csv")]
    )
    assert len(history.epoch) == 3
    assert (tmp_path / "log.csv").read_text().startswith("epoch,loss,topic_loss,score_loss,topic_accuracy,val_loss,")


def test_a_metric_that_is_no_mean_is_the_outputs_own():
    x = Input((4,))
    model = Model(x, [Dense(1, name="a")(x), Dense(1, name="b")(x)])
    model.compile("sgd", "mse", {"b": ["r2_score"]})
    target = WORDS[:, :1]
    logs = model.evaluate(WORDS, [target * 0, target], verbose=0, return_dict=True, batch_size=7)
    b = model.predict(WORDS)[1]
    expected = 1 - ((target - b) ** 2).sum() / ((target - target.mean()) ** 2).sum()
    assert logs["b_r2_score"] == pytest.approx(expected, rel=1e-4)


# What can't be


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
    ],
)
def test_settings_that_do_not_fit(options, message):
    with pytest.raises(ValueError, match=message):
        compiled(**options)


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


def single():
    given = Input((4,), name="i")
    model = Model(given, Dense(1, name="out")(given))
    model.compile(SGD(0.0), "mse")
    return model


X4, Y1, W1 = np.ones((6, 4), "float32"), np.zeros((6, 1), "float32"), np.arange(6.0)


@pytest.mark.parametrize(
    ("x", "y", "weight"), [({"i": X4}, {"out": Y1}, {"out": W1}), ([X4], [Y1], [W1]), (X4, Y1, W1)]
)
def test_one_input_and_one_output_may_be_given_by_name_too(x, y, weight):
    model = single()
    loss = model.evaluate(x, y, sample_weight=weight, verbose=0)
    assert loss == pytest.approx(model.predict(X4)[0, 0] ** 2 * W1.mean(), rel=1e-5)
    assert model.fit(x, y, class_weight={0: 2.0}, verbose=0).history["loss"][0] > 0


def test_weighted_metrics_are_logged_beside_the_plain_ones():
    model = single()
    model.compile("sgd", "mse", metrics=["mae"], weighted_metrics=["mae"])
    weight = np.array([0, 0, 0, 0, 0, 1.0])
    logs = model.evaluate(X4 * np.arange(6.0)[:, None], Y1, sample_weight=weight, verbose=0, return_dict=True)
    assert list(logs) == ["loss", "mae", "weighted_mae"]
    assert logs["weighted_mae"] == pytest.approx(2 * logs["mae"], rel=1e-5)
    model.compile("sgd", "mse", metrics=["mae", "mae"])
    with pytest.raises(ValueError, match="two metrics would be logged as 'mae'"):
        model.fit(X4, Y1, verbose=0)


def test_a_metric_needs_the_target_of_its_output_also_without_a_loss():
    model = two_by_two()
    model.compile("sgd", loss={model.output_names[1]: "mse"}, metrics={model.output_names[0]: "mae"})
    with pytest.raises(ValueError, match=f"y lacks '{model.output_names[0]}'"):
        model.fit(X, {model.output_names[1]: np.zeros((24, 1))}, verbose=0)


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
    two_by_two().summary(lines.append)
    assert [line.split()[0] for line in lines] == ["layer", "of_words", "concatenate", "topic", "score", "34"]
    assert "of of_words, sizes" in lines[2]
    assert "(None, 3)" in lines[3]
    assert lines[-1] == "34 weights, 34 of them trainable"


def test_a_numbered_name_gives_way_in_another_model():
    a = Input((2,))
    first = Dense(2)
    Model(a, first(a))
    assert first.name == "dense"
    other = Dense(2)
    model = Model(a, first(other(a)))
    assert [name for name, _ in model._named_layers()] == ["dense", "dense_1"]


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
