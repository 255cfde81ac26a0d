"""A layer at each step: the values, what training moves, masks, and what is refused."""

import numpy as np
import pytest

from epochal.layers import (
    GRU,
    BatchNormalization,
    Conv1D,
    Dense,
    Dropout,
    Embedding,
    Flatten,
    GlobalAveragePooling1D,
    Input,
    Lambda,
    Layer,
    Masking,
    Softmax,
    TimeDistributed,
)
from epochal.models import Model, Sequential, load_model

RNG = np.random.default_rng(0)
SEQUENCES = RNG.normal(size=(3, 4, 5)).astype(np.float32)
FRAMES = RNG.normal(size=(2, 4, 6, 3)).astype(np.float32)


@pytest.mark.parametrize("make", [lambda: Dense(2), lambda: Sequential([Dense(3, "tanh"), Dense(2)])])
def test_each_step_is_computed_by_the_same_layer(make):
    inner = make()
    outer = TimeDistributed(inner)
    outputs = np.asarray(outer(SEQUENCES))
    assert outputs.shape == (3, 4, 2)
    for step in range(4):
        np.testing.assert_allclose(outputs[:, step], inner(SEQUENCES[:, step]), rtol=1e-5, atol=1e-6)


def test_steps_may_be_of_any_number():
    model = Sequential([Input((None, 6, 3)), TimeDistributed(Conv1D(2, 3)), TimeDistributed(Flatten())])
    assert model.output_shape == (None, None, 8)
    for steps in (1, 3):
        assert model.predict(FRAMES[:, :steps], verbose=0).shape == (2, steps, 8)


def test_each_step_is_normalised_by_itself_in_training_and_moves_the_averages():
    model = Sequential([Input((4, 5)), TimeDistributed(BatchNormalization(momentum=0.9))])
    model.compile("sgd", "mse")
    normal = (SEQUENCES - SEQUENCES.mean(0)) / np.sqrt(SEQUENCES.var(0) + 1e-3)
    assert model.train_on_batch(SEQUENCES, np.zeros_like(SEQUENCES)) == pytest.approx(np.mean(normal**2), rel=1e-4)
    mean = np.zeros(5)
    for step in range(4):
        mean = 0.9 * mean + 0.1 * SEQUENCES[:, step].mean(0)
    np.testing.assert_allclose(model.named_weights()["time_distributed/layer/moving_mean"], mean, rtol=1e-4, atol=1e-6)


def test_each_step_has_a_dropout_of_its_own():
    dropped = np.asarray(TimeDistributed(Dropout(0.5))(np.ones((1, 3, 400), np.float32), training=True))
    assert (dropped[0, 0] != dropped[0, 1]).any()
    np.testing.assert_array_equal(TimeDistributed(Dropout(0.5))(SEQUENCES, training=False), SEQUENCES)


def test_a_mask_of_steps_passes_and_one_within_them_goes_to_the_layer():
    words = np.array([[[1, 2, 0], [3, 0, 0], [0, 0, 0]]], np.int32)
    x = Input((3, 3), dtype="int32")
    table = Embedding(4, 2, mask_zero=True)
    means = TimeDistributed(GlobalAveragePooling1D())(table(x))
    assert means.mask == (None, 3)
    model = Model(x, [means, GlobalAveragePooling1D()(means)])
    by_sentence, of_all = model.predict(words, verbose=0)
    vectors = table.get_weights()[0][words[0]]
    wanted = [vectors[0, :2].mean(0), vectors[1, 0], np.zeros(2)]
    np.testing.assert_allclose(by_sentence[0], wanted, rtol=1e-5)
    np.testing.assert_allclose(of_all[0], np.mean(wanted[:2], axis=0), rtol=1e-5)


def test_a_layer_that_takes_masks_is_not_given_those_of_steps_that_it_does_not_see():
    model = Sequential([Input((4, 6)), Masking(), TimeDistributed(Lambda(lambda x: x.reshape(len(x), 3, 2))),
                        TimeDistributed(GRU(2)), TimeDistributed(Softmax())])  # fmt: skip
    assert model.predict(np.ones((2, 4, 6)), verbose=0).shape == (2, 4, 2)


def test_freezing_it_freezes_the_layer():
    layer = TimeDistributed(Dense(2), trainable=False)
    layer(SEQUENCES)
    assert layer.trainable_weights == []
    assert layer.count_params() == 12


def test_a_loss_that_the_layer_adds_is_added_once():
    class Adding(Layer):
        def call(self, x):
            self.add_loss((x**2).mean())
            return x

    model = Sequential([Input((4, 5)), TimeDistributed(Adding())])
    model.compile("sgd", "mse")
    assert model.evaluate(SEQUENCES, SEQUENCES, verbose=0) == pytest.approx((SEQUENCES**2).mean(), rel=1e-4)


def test_files_hold_models_within_models(tmp_path):
    inner = Sequential([Input((6, 3)), TimeDistributed(Dense(2)), Flatten()])
    model = Sequential([Input((4, 6, 3)), TimeDistributed(inner), TimeDistributed(Dense(1, "tanh"))])
    model.save(tmp_path / "m.h5")
    loaded = load_model(tmp_path / "m.h5")
    np.testing.assert_array_equal(loaded.predict(FRAMES, verbose=0), model.predict(FRAMES, verbose=0))
    assert list(loaded.named_weights()) == list(model.named_weights())


def test_a_layer_that_is_also_elsewhere_would_be_two_in_a_file(tmp_path):
    dense = Dense(5)
    model = Sequential([Input((4, 5)), TimeDistributed(dense), dense])
    with pytest.raises(ValueError, match="layer 'dense' is in two models, .*read from a file, it would be two layers"):
        model.save(tmp_path / "m.h5")


@pytest.mark.parametrize(
    ("make", "error", "message"),
    [
        (lambda: TimeDistributed(np.tanh), TypeError, r"layer is an epochal\.layers\.Layer or a model; got .*Lambda"),
        (lambda: TimeDistributed(Dense), TypeError, r"layer is an epochal\.layers\.Layer or a model; got <class"),
        (lambda: TimeDistributed(Dense(2))(np.ones((2, 3))), ValueError, r"\(batch, steps, …\) .*of shape \(None, 3\)"),
        (lambda: TimeDistributed(Conv1D(2, 3))(SEQUENCES), ValueError, r"Conv1D takes \(steps, channels\); got inputs"),
        (lambda: TimeDistributed(Dense(2), axis=1), TypeError, r"TimeDistributed has no argument 'axis'"),
    ],
)
def test_what_makes_no_sense_is_refused(make, error, message):
    with pytest.raises(error, match=message):
        make()
