"""The engine's state: consumed and replaced by steps, apart from the module's own arrays, and freed with the engine."""

import gc
import weakref

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx
from seeded_models import X, Y, linear

from epochal.callbacks import LambdaCallback
from epochal.data.array_data import ArrayData
from epochal.engines.jax.engine import JaxEngine
from epochal.models import Model
from epochal.optimizers import SGD


def test_a_step_that_raises_says_that_the_state_is_gone_and_how_to_get_it_back():
    model = linear()
    model.fit(X, Y, verbose=0)
    engine = model.trainee.runtime.engine
    program = next(iter(engine._programs))

    def consume(leaves, *others):
        for leaf in leaves:
            leaf.delete()
        raise RuntimeError("the device is out of memory")

    program._loop = consume
    with pytest.raises(RuntimeError, match="out of memory") as caught:
        model.fit(X, Y, verbose=0)
    assert any("The training state was consumed" in note and "load_weights" in note for note in caught.value.__notes__)


def test_a_step_that_raises_before_it_begins_leaves_the_state_alone():
    model = linear()
    model.fit(X, Y, verbose=0)
    next(iter(model.trainee.runtime.engine._programs))._loop = lambda *_: 1 / 0
    before = model.get_weights()
    with pytest.raises(ZeroDivisionError, match="division by zero") as caught:
        model.fit(X, Y, verbose=0)
    assert not any("consumed" in note for note in caught.value.__notes__)
    np.testing.assert_array_equal(model.get_weights()[0], before[0])


def test_weights_read_by_a_hook_are_copies():
    model, kept = linear(), []
    model.fit(
        X,
        Y,
        batch_size=10,
        verbose=0,
        callbacks=[LambdaCallback(on_batch_end=lambda b, logs: kept.append(model.get_weights()[0]))],
    )
    first = kept[0].copy()
    model.fit(X, Y, verbose=0)
    np.testing.assert_array_equal(kept[0], first)
    assert not np.array_equal(kept[0], kept[1])


def test_the_modules_own_arrays_are_the_users_and_stay():
    module = nnx.Linear(4, 2, rngs=nnx.Rngs(0))
    held = module.kernel.get_value()
    model = Model(module)
    model.compile("sgd", "mse")
    model.fit(X, Y, verbose=0)
    assert np.isfinite(np.asarray(held)).all()
    np.testing.assert_array_equal(
        model.module.kernel.get_value(), model.get_weights()[1 if model.get_weights()[0].ndim == 1 else 0]
    )


# What an engine holds, it holds alone


class MeanSquares:
    names = ("loss",)

    def __call__(self, module, batch, training, weights):
        x, y, _ = batch
        y_pred = module(x)
        return [jnp.mean((y_pred - y) ** 2)], y_pred, None


def new_engine():
    return JaxEngine(nnx.Linear(4, 2, rngs=nnx.Rngs(0)), MeanSquares(), nnx.Linear.__call__, optimizer=SGD())


@pytest.mark.parametrize("phase", ["train", "test", "predict"])
def test_a_span_for_which_something_was_compiled_says_so(phase):
    engine, cold = new_engine(), []
    for size in (10, 10, 7):
        data = ArrayData(X, Y, batch_size=size)
        data.begin(0)
        cold.append(getattr(engine, phase)(data.span(2), False).cold)
    assert cold == [True, False, True]


def trained_engine():
    """Return an engine that has compiled programs for training, testing and predicting."""
    engine = new_engine()
    data = ArrayData(X, Y, batch_size=10)
    data.begin(0)
    for run in (engine.train, engine.test, engine.predict):
        assert run(data.span(2), False).count() == 2
    return engine


def test_dropping_an_engine_frees_its_arrays_and_its_programs():
    trained_engine()  # what JAX and flax keep for ever, such as constants, is there then
    gc.collect()
    before = {id(array) for array in jax.live_arrays()}
    engine = trained_engine()
    parts = [engine, engine.weights, engine._state, engine._steps, engine._steps.objective]
    parts += [*engine._programs, engine._programs.predict]
    dropped = [weakref.ref(part) for part in parts]
    assert len(parts) == 8
    assert {id(array) for array in jax.live_arrays()} - before
    del engine, parts
    gc.collect()
    assert [part() for part in dropped] == [None] * 8
    assert not {id(array) for array in jax.live_arrays()} - before


def test_compiled_programs_hold_no_engine():
    engine = trained_engine()
    programs = engine._programs
    dropped = weakref.ref(engine)
    del engine
    gc.collect()
    assert dropped() is None
    assert len(list(programs)) == 2
