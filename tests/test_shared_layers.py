"""Models that have layers in common, and whoever else writes into a layer, see each other's weights at any time."""

import gc
import sys
import threading

import numpy as np
import pytest

from epochal.callbacks import Callback
from epochal.layers import Dense, Input
from epochal.models import Model, Sequential
from epochal.optimizers import SGD

RNG = np.random.default_rng(0)
X = RNG.normal(size=(20, 4)).astype("float32")
Y = RNG.normal(size=(20, 1)).astype("float32")


@pytest.fixture
def pair():
    """Return two models that share a layer, compiled, and a third one that ends with it."""
    given = Input((4,))
    hidden = Dense(3, name="shared")(given)
    one, other = Model(given, Dense(1, name="a")(hidden)), Model(given, Dense(1, name="b")(hidden))
    for model in (one, other):
        model.compile(SGD(0.1), "mse")
    return one, other, Model(given, hidden)


def shared(model):
    return model.named_weights()["shared/kernel"]


def by_hand(weights, batches):
    """Train kernel and bias of the shared layer and of two heads by turns, as the models do."""
    (k, b), heads = weights
    for head, x, y in batches:
        hk, hb = heads[head]
        h = x @ k + b
        grad = 2 * (h @ hk + hb - y) / len(y)
        heads[head] = (hk - 0.1 * h.T @ grad, hb - 0.1 * grad.sum(0))
        back = grad @ hk.T
        k, b = k - 0.1 * x.T @ back, b - 0.1 * back.sum(0)
    return k


def test_training_by_turns_batch_after_batch_is_that_of_one_layer(pair):
    one, other, _ = pair
    k, b, *first = one.get_weights()
    start = (k, b), [tuple(first), tuple(other.get_weights()[2:])]
    turns = [(0, X, Y), (0, X[:5], Y[:5]), (1, X, Y), (0, X, Y), (1, X[:7], Y[:7])]
    for head, x, y in turns:
        (one, other)[head].train_on_batch(x, y)
    wanted = by_hand(start, turns)
    np.testing.assert_allclose(shared(one), wanted, rtol=1e-4, atol=1e-6)
    np.testing.assert_array_equal(shared(one), shared(other))


def test_what_a_fit_has_learnt_is_read_saved_and_predicted_with_elsewhere(pair, tmp_path):
    one, other, encoder = pair
    other.fit(X, Y, verbose=0)
    one.fit(X, Y, epochs=3, verbose=0)
    np.testing.assert_array_equal(shared(other), shared(one))
    np.testing.assert_array_equal(encoder.get_weights()[0], shared(one))
    other.save_weights(tmp_path / "w.h5")
    before = other.get_weights()
    other.load_weights(tmp_path / "w.h5")
    assert all(map(np.array_equal, before, other.get_weights()))


def test_a_model_within_the_one_that_trains_predicts_with_its_weights_of_the_moment(pair):
    one, _, encoder = pair
    seen = []

    class Looks(Callback):
        def on_epoch_end(self, epoch, logs=None):
            kernel, bias = self.model.get_weights()[:2]
            seen.append(np.abs(encoder.predict(X) - (X @ kernel + bias)).max())

    one.fit(X, Y, epochs=3, verbose=0, callbacks=[Looks()])
    assert max(seen) < 1e-5


def test_weights_that_one_model_is_given_are_the_others_too(pair):
    one, other, encoder = pair
    one.fit(X, Y, verbose=0)
    other.set_weights([np.zeros_like(w) for w in other.get_weights()])
    assert not one.get_weights()[0].any()
    assert one.get_weights()[2].any()
    np.testing.assert_allclose(one.predict(X), np.broadcast_to(one.get_weights()[3], (20, 1)))
    encoder.set_weights([np.ones((4, 3)), np.zeros(3)])
    assert (shared(one) == 1).all()


def test_a_nested_model_has_what_the_outer_one_has_learnt():
    inner = Sequential([Input((4,)), Dense(3)])
    outer = Sequential([Input((4,)), inner, Dense(1)])
    outer.compile(SGD(0.1), "mse")
    before = inner.get_weights()[0]
    outer.train_on_batch(X, Y)
    assert not np.array_equal(inner.get_weights()[0], before)
    np.testing.assert_array_equal(inner.get_weights()[0], outer.get_weights()[0])


@pytest.mark.parametrize("way", ["train", "set", "load", "fit"])
def test_what_a_model_has_learnt_stays_when_only_its_layers_are_kept(way, tmp_path):
    def encoder():
        given = Input((4,))
        hidden = Dense(3)(given)
        whole = Model(given, Dense(1)(hidden))
        whole.compile(SGD(0.1), "mse")
        whole.predict(X)
        before = whole.get_weights()[0]
        if way == "train":
            whole.train_on_batch(X, Y)
        elif way == "fit":
            whole.fit(X, Y, verbose=0)
        elif way == "set":
            whole.set_weights([w + 1 for w in whole.get_weights()])
        else:
            other = Sequential([Input((4,)), Dense(3), Dense(1)])
            other.save_weights(tmp_path / "w.h5")
            whole.load_weights(tmp_path / "w.h5")
        return Model(given, hidden), before, whole.get_weights()[0]

    kept, before, wanted = encoder()
    gc.collect()
    np.testing.assert_array_equal(kept.get_weights()[0], wanted)
    assert not np.array_equal(before, wanted)


@pytest.mark.parametrize("fits", [False, True])
def test_training_another_model_in_a_hook_loses_no_step(pair, fits):
    one, other, _ = pair
    other.compile(SGD(0.0), "mse")

    class TrainsTheOther(Callback):
        def on_train_batch_end(self, batch, logs=None):
            if batch == 0:
                other.fit(X, Y, verbose=0) if fits else other.train_on_batch(X, Y)

    start = one.get_weights()
    one.fit(X, Y, batch_size=4, shuffle=False, verbose=0)
    wanted = one.get_weights()
    one.compile(SGD(0.1), "mse")
    one.set_weights(start)
    one.fit(X, Y, batch_size=4, shuffle=False, verbose=0, callbacks=[TrainsTheOther()])
    for ours, theirs in zip(one.get_weights(), wanted, strict=True):
        np.testing.assert_array_equal(ours, theirs)


def test_a_fit_goes_on_from_what_another_model_has_learnt_in_its_hook(pair):
    one, other, _ = pair
    one.compile(SGD(0.0), "mse")

    class TrainsTheOther(Callback):
        def on_train_batch_end(self, batch, logs=None):
            other.train_on_batch(X, Y)

    turns = [(1, X, Y)] * 3
    k, b, *_ = one.get_weights()
    start = (k, b), [(), tuple(other.get_weights()[2:])]
    one.fit(X[:12], Y[:12], batch_size=4, verbose=0, callbacks=[TrainsTheOther()])
    np.testing.assert_allclose(shared(one), by_hand(start, turns), rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("look", ["one", "other", "compile"])
def test_a_write_into_a_shared_layer_counts_whoever_looks_first(look):
    given = Input((4,))
    layer = Dense(3, name="shared")
    one, other = Model(given, Dense(1)(layer(given))), Model(given, layer(given))
    one.compile(SGD(0.1), "mse")
    one.train_on_batch(X, Y)
    one.fit(X, Y, verbose=0)
    dict(layer.named_weights())["kernel"][...] = np.full((4, 3), 3.0, "float32")
    if look == "compile":
        one.compile("sgd", "mse")
    else:
        {"one": one, "other": other}[look].get_weights()
    assert (shared(one) == 3).all()
    assert (shared(other) == 3).all()


def test_models_in_several_threads_do_not_disturb_each_other():
    models = [Sequential([Input((2,)), Dense(1)]) for _ in range(20)]
    for model in models:
        model.predict(X[:, :2])
    own, ended, failed = models.pop(), threading.Event(), []

    def changes():
        try:
            for model in models * 5:
                model.set_weights([np.ones((2, 1)), np.zeros(1)])
                model.get_layer(index=0)
        except Exception as error:
            failed.append(error)
        ended.set()

    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-5)
    try:
        thread = threading.Thread(target=changes)
        thread.start()
        while not ended.is_set():
            own.get_weights()
        thread.join()
    finally:
        sys.setswitchinterval(interval)
    assert failed == []
