"""Masks on their way through a model; expected values come from unmasked means over the steps that count."""

import numpy as np
import pytest

from epochal.layers import (
    LSTM,
    Add,
    Concatenate,
    Conv1D,
    Dense,
    Embedding,
    GlobalAveragePooling1D,
    Input,
    Layer,
    Masking,
    Multiply,
)
from epochal.models import Model, Sequential

ONE = np.array([[3, 1, 0, 0], [2, 0, 0, 0]], "int32")
OTHER = np.array([[1, 0, 0, 0], [4, 4, 4, 0]], "int32")


def words(table, *inputs):
    return [table(tokens) for tokens in inputs]


def mean_over(values, counts):
    return (values * counts[..., None]).sum(1) / counts.sum(1, keepdims=True)


def two_inputs(merge):
    """Return a model of the mean over the steps that count after a merging layer, and the embedding of each word."""
    one, other = Input((4,), "int32", name="one"), Input((4,), "int32", name="other")
    table = Embedding(5, 3, mask_zero=True)
    model = Model([one, other], GlobalAveragePooling1D()(merge(words(table, one, other))))
    return model, model.get_weights()[0]


def test_a_step_of_a_sum_counts_if_it_counts_in_any_input():
    model, embedded = two_inputs(Add())
    wanted = mean_over(embedded[ONE] + embedded[OTHER], (ONE != 0) | (OTHER != 0))
    np.testing.assert_allclose(model.predict([ONE, OTHER]), wanted, rtol=1e-5)


def test_sequences_put_one_after_the_other_bring_their_masks():
    model, embedded = two_inputs(Concatenate(axis=1))
    both = np.concatenate([ONE, OTHER], 1)
    np.testing.assert_allclose(model.predict([ONE, OTHER]), mean_over(embedded[both], both != 0), rtol=1e-5)


def test_features_put_side_by_side_count_where_any_does():
    model, embedded = two_inputs(Concatenate())
    wanted = mean_over(np.concatenate([embedded[ONE], embedded[OTHER]], -1), (ONE != 0) | (OTHER != 0))
    np.testing.assert_allclose(model.predict([ONE, OTHER]), wanted, rtol=1e-5)


def test_a_part_without_a_mask_counts_whole():
    tokens, vectors = Input((4,), "int32"), Input((2, 3))
    table = Embedding(5, 3, mask_zero=True)
    model = Model([tokens, vectors], GlobalAveragePooling1D()(Concatenate(axis=1)([table(tokens), vectors])))
    x = np.random.default_rng(0).normal(size=(2, 2, 3)).astype("float32")
    values = np.concatenate([model.get_weights()[0][ONE], x], 1)
    counts = np.concatenate([ONE != 0, np.ones((2, 2), bool)], 1)
    np.testing.assert_allclose(model.predict([ONE, x]), mean_over(values, counts), rtol=1e-5)


def test_nested_models_take_masks_in_and_pass_them_out():
    steps = Input((4, 3))
    inner = Model(steps, LSTM(2, return_sequences=True)(Dense(3)(steps)))
    reader = Sequential([Input((4,), "int32"), Embedding(5, 3, mask_zero=True)])
    nested, flat = Input((4,), "int32"), Input((4,), "int32")
    model = Model(nested, GlobalAveragePooling1D()(inner(reader(nested))))
    table, dense, lstm = Embedding(5, 3, mask_zero=True), Dense(3), LSTM(2, return_sequences=True)
    same = Model(flat, GlobalAveragePooling1D()(lstm(dense(table(flat)))))
    same.set_weights(model.get_weights())
    np.testing.assert_allclose(model.predict(ONE), same.predict(ONE), rtol=1e-6)
    assert not np.allclose(model.predict(ONE)[0], model.predict(ONE * 0 + 1)[0])


def test_a_layer_of_ones_own_may_say_which_steps_of_its_output_count():
    class Halved(Layer):
        def call(self, x):
            return x[:, ::2]

        def output_mask(self, x, mask):
            return None if mask is None else mask[:, ::2]

    model = Sequential([Input((4, 3)), Masking(), Halved(), GlobalAveragePooling1D()])
    x = np.arange(24, dtype="float32").reshape(2, 4, 3) + 1
    x[0, 2] = 0
    wanted = np.stack([x[0, 0], (x[1, 0] + x[1, 2]) / 2])
    np.testing.assert_allclose(model.predict(x), wanted, rtol=1e-6)


# Losses and metrics


def tagger(**settings):
    """Return a model that says something of each word, compiled."""
    model = Sequential([Input((4,), "int32"), Embedding(5, 3, mask_zero=True), Dense(2, activation="softmax")])
    model.compile("sgd", "sparse_categorical_crossentropy", **settings)
    return model


LABELS = np.array([[0, 1, 1, 0], [1, 0, 0, 1]])


def losses_of(model, tokens):
    shares = model.predict(tokens)
    return -np.log(np.take_along_axis(shares, LABELS[..., None], 2)[..., 0])


def test_masked_steps_count_in_no_loss_and_no_metric():
    model = tagger(metrics=["acc"], weighted_metrics=["acc"])
    counts = ONE != 0
    hits = model.predict(ONE).argmax(-1) == LABELS
    loss, accuracy, weighted = model.evaluate(ONE, LABELS, verbose=0, sample_weight=np.array([1.0, 3.0]))
    weights = counts * np.array([[1.0], [3.0]])
    assert loss == pytest.approx((losses_of(model, ONE) * weights).sum() / counts.sum(), rel=1e-5)
    assert accuracy == pytest.approx(hits[counts].mean())
    assert weighted == pytest.approx((hits * weights).sum() / weights.sum())


def test_a_mask_may_have_several_axes_of_steps():
    tokens = np.stack([ONE, OTHER], 1)  # (2, 2, 4)
    model = Sequential([Input((2, 4), "int32"), Embedding(5, 3, mask_zero=True), Dense(1)])
    model.compile("sgd", "mse")
    y, weight = np.ones((2, 2, 4, 1), "float32"), np.array([1.0, 2.0])
    errors = (model.predict(tokens)[..., 0] - 1) ** 2 * (tokens != 0)
    assert model.evaluate(tokens, y, verbose=0) == pytest.approx(errors.sum() / (tokens != 0).sum(), rel=1e-5)
    weighted = (errors * weight[:, None, None]).sum() / (tokens != 0).sum()
    assert model.evaluate(tokens, y, sample_weight=weight, verbose=0) == pytest.approx(weighted, rel=1e-5)


def test_an_epochs_masked_metric_is_over_all_steps_that_count():
    model = tagger(metrics=["acc"])
    hits = model.predict(OTHER).argmax(-1) == LABELS
    logs = model.evaluate(OTHER, LABELS, batch_size=1, verbose=0, return_dict=True)
    assert logs["acc"] == pytest.approx(hits[OTHER != 0].mean())


def test_what_stands_at_masked_steps_changes_no_gradient():
    models = [tagger(), tagger()]
    models[1].set_weights(models[0].get_weights())
    other = np.where(ONE == 0, 1 - LABELS, LABELS)
    for model, labels in zip(models, (LABELS, other), strict=True):
        model.fit(ONE, labels, epochs=2, shuffle=False, verbose=0)  # rows in another order round otherwise
    for a, b in zip(models[0].get_weights(), models[1].get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)


def without_a_mask():
    tokens, vectors = Input((4,), "int32"), Input((4, 3))
    Multiply()([Embedding(5, 3, mask_zero=True)(tokens), vectors])


@pytest.mark.parametrize(
    ("make", "name"),
    [
        (lambda: Sequential([Embedding(3, 5, mask_zero=True, input_length=4), Conv1D(2, 2)]), "Conv1D"),
        (lambda: Sequential([Embedding(3, 5, mask_zero=True, input_length=4), lambda x: x.sum(1)]), "Lambda"),
        (without_a_mask, "Multiply"),
    ],
)
def test_where_a_mask_is_lost_the_layer_is_named(make, name):
    with pytest.warns(UserWarning, match=f"{name} passes no mask on: after it, masked steps count"):
        make()
