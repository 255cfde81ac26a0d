"""Pickled and deep-copied models, histories and callbacks: whole, and apart from what they were copied from."""

import copy
import gc
import pickle
import weakref

import jax
import numpy as np
import pytest
from flax import nnx
from regression import X, Y

from epochal.callbacks import EarlyStopping, LambdaCallback, ModelCheckpoint
from epochal.layers import Add, BatchNormalization, Dense, Dropout, Input
from epochal.models import Model, Sequential


def sequential():
    return Sequential([Dense(6, "relu", input_dim=4, name="inner"), BatchNormalization(), Dropout(0.5), Dense(1)])


def functional():
    inputs = Input((4,), name="x")
    shared = Dense(4, name="inner")
    inner = Model(inputs, Add()([shared(inputs), inputs]), name="nested")
    return Model(inputs, Dense(1)(inner(shared(inputs))))


def compiled(model):
    model.compile("adam", "mse", metrics=["mae"])
    return model


def fit(model, **options):
    return model.fit(X, Y, batch_size=8, verbose=0, shuffle=False, **options)


def test_what_is_read_of_a_model_is_counted(fetches):
    model = compiled(Sequential([Dense(2, input_dim=4), Dense(1)]))
    for read in (model.get_weights, model.layers[0].get_weights):
        fetches.clear()
        read()
        assert fetches
    fit(model)
    fetches.clear()
    copy.deepcopy(model)
    assert len(fetches) >= 8  # Adam's two averages of each weight


def assert_same_weights(one, other):
    for a, b in zip(one.get_weights(), other.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)


COPIES = {"pickle": lambda thing: pickle.loads(pickle.dumps(thing)), "deepcopy": copy.deepcopy}


@pytest.mark.parametrize("copied", COPIES.values(), ids=COPIES)
@pytest.mark.parametrize("make", [sequential, functional])
def test_a_copy_trains_on_as_the_model_itself_and_by_itself(make, copied):
    model = compiled(make())
    fit(model)
    model.optimizer.lr = 0.01
    other = copied(model)
    assert (other.optimizer.iterations, other.optimizer.lr, other.metrics_names) == (4, 0.01, ["loss", "mae"])
    assert_same_weights(model, other)
    before = model.get_weights()
    history = fit(other)
    np.testing.assert_array_equal(before[0], model.get_weights()[0])  # they share nothing
    assert fit(model).history == history.history  # moments and drop-out's random numbers go on
    assert_same_weights(model, other)


def test_a_copy_can_be_taken_before_compile_before_build_and_within_a_fit():
    assert pickle.loads(pickle.dumps(functional())).count_params() == functional().count_params()
    unbuilt = pickle.loads(pickle.dumps(Sequential([Dense(1)])))
    unbuilt.add(Dense(2))
    assert unbuilt.predict(X).shape == (32, 2)
    model, taken = compiled(sequential()), []
    fit(
        model, epochs=2, callbacks=[LambdaCallback(on_epoch_end=lambda epoch, logs: taken.append(copy.deepcopy(model)))]
    )
    assert_same_weights(taken[1], model)
    assert abs(taken[0].get_weights()[0] - model.get_weights()[0]).max() > 0
    fit(taken[0])
    assert taken[0].optimizer.iterations == 8


def test_layers_of_a_copy_have_their_symbolic_outputs_and_may_get_more_layers():
    model = compiled(sequential())
    fit(model)
    other = pickle.loads(pickle.dumps(model))
    features = Model(other.input, other.get_layer("inner").output)
    expected = Model(model.input, model.get_layer("inner").output).predict(X)
    np.testing.assert_array_equal(features.predict(X), expected)
    other.add(Dense(3))
    assert other.predict(X).shape == (32, 3)
    assert model.predict(X).shape == (32, 1)


def test_histories_and_callbacks_are_copied_without_their_fit(tmp_path):
    stopping, saving = EarlyStopping("loss", patience=3), ModelCheckpoint(tmp_path / "m.h5", "loss")
    history = fit(compiled(sequential()), epochs=2, callbacks=[stopping, saving])
    again = pickle.loads(pickle.dumps(history))
    assert again.history == history.history
    assert again.epoch == [0, 1]
    for callback in (stopping, saving, history):
        other = copy.deepcopy(callback)
        assert other.model is None
        assert (other.params["epochs"], callback.params["epochs"]) == (2, 2)
    fit(compiled(sequential()), callbacks=[pickle.loads(pickle.dumps(saving))])


class OfBatches(Model):
    def compute_loss(self, batch, training):
        found = self.module(batch[0])
        return ((found - batch[1]) ** 2).mean(), found


class OfOutputs(Model):
    def compute_loss(self, x, y, y_pred):
        return super().compute_loss(x, y, y_pred)


KINDS = {
    "functional": functional,
    "sequential": sequential,
    "module": lambda: Model(nnx.Linear(4, 1, rngs=nnx.Rngs(0))),
    "own loss of a batch": lambda: OfBatches(nnx.Linear(4, 1, rngs=nnx.Rngs(0))),
    "own loss of outputs": lambda: OfOutputs(x := Input((4,)), Dense(1)(x)),
}


@pytest.mark.parametrize("make", KINDS.values(), ids=KINDS)
def test_a_dropped_model_of_any_kind_leaves_nothing_whatever_it_was_used_for(make):
    def use(model):
        fit(compiled(model), validation_data=(X, Y))
        model.evaluate(X, Y, verbose=0)
        model.predict(X)
        list(model.activations(X))
        model.gradients(X, Y)
        return [weakref.ref(part) for part in (model, model.module, model.trainee, model.trainee.runtime.engine,
                                               model.trainee.own_loss)]  # fmt: skip

    use(make())  # constants of JAX are made once
    gc.collect()
    before = {id(array) for array in jax.live_arrays()}
    parts = use(make())
    gc.collect()
    assert [part() for part in parts] == [None] * 5
    assert not {id(array) for array in jax.live_arrays()} - before


def test_the_optimizer_of_a_dropped_model_is_left_without_it():
    model = compiled(functional())
    callback = EarlyStopping("loss")
    fit(model, callbacks=[callback])
    kernel = weakref.ref(model.layers[0].weights[0].get_value())
    engine, dropped = weakref.ref(model.trainee.runtime.engine), weakref.ref(model)
    optimizer = model.optimizer
    del model, callback
    gc.collect()
    assert (engine(), dropped(), kernel()) == (None, None, None)
    assert optimizer.iterations == 0
