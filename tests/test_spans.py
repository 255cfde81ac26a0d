"""Spans of steps are steps, however they are cut, stopped or changed on the way, and cost a transfer each."""

import itertools
import math

import numpy as np
import optax
import pytest
from numpy_engine import Recorder
from seeded_models import CLASSES, X, Y, compiled, linear

import epochal
from epochal.callbacks import CSVLogger, EarlyStopping, LambdaCallback, ReduceLROnPlateau, TerminateOnNaN
from epochal.engines.jax import programs
from epochal.engines.jax.engine import JaxEngine
from epochal.engines.jax.programs import uses_blocks
from epochal.layers import BatchNormalization, Dense, Dropout

pytestmark = pytest.mark.usefixtures("optimized")

# Spans


@pytest.fixture(scope="module")
def noisy():
    """Return a function that runs a model with dropout and batch statistics, from the same start each time."""
    model = compiled(
        Dense(8, activation="relu", input_dim=4),
        BatchNormalization(),
        Dropout(0.5),
        Dense(3, activation="softmax"),
        optimizer="adam",
        loss="sparse_categorical_crossentropy",
        metrics=["accuracy", "ce"],
    )
    options = {"batch_size": 4, "seed": 7, "verbose": 0, "validation_data": (X[:12], CLASSES[:12])}
    model.fit(X, CLASSES, epochs=0, **options)
    start = model.trainee.runtime.engine.state_dict()

    def run():
        model.trainee.runtime.engine.load_state_dict(start)
        logs = Recorder(replay=True)
        history = model.fit(X, CLASSES, epochs=3, callbacks=[logs], **options)
        return model.trainee.runtime.engine.state_dict()["arrays"], logs.logs("on_train_batch_end"), history.history

    return run


@pytest.mark.parametrize("cut", [1, 7])
def test_a_run_cut_into_spans_is_the_same_run_bit_for_bit(spans_of, noisy, cut):
    spans_of(1000)
    state, logs, history = noisy()
    assert len(logs) == 3 * 13
    spans_of(cut)
    again = noisy()
    assert again[1:] == (logs, history)
    for path, array in state.items():
        np.testing.assert_array_equal(again[0][path], array, path)


@pytest.mark.parametrize("shuffle", [True, False])
@pytest.mark.parametrize("bad", [None, 37])
def test_a_loop_in_blocks_of_a_fixed_length_does_the_same_steps(spans_of, monkeypatch, shuffle, bad):
    """GPUs run long spans in such a loop."""
    spans_of(1000)
    x, outcomes = np.array(X, np.float32), []
    if bad is not None:
        x[bad] = np.inf
    monkeypatch.setattr(programs, "FIXED_BLOCKS", 1)
    for backend in ("cpu", "gpu"):
        monkeypatch.setattr(programs, "uses_blocks", lambda _, traced, backend=backend: uses_blocks(backend, traced))
        epochal.set_random_seed(2)
        model = compiled(Dense(4, input_dim=4), BatchNormalization(), Dropout(0.5), Dense(2), loss="mse")
        history = model.fit(
            x, Y, batch_size=1, epochs=2, verbose=0, seed=3, shuffle=shuffle, callbacks=[TerminateOnNaN()]
        )
        outcomes.append((repr(history.history), [weight.tobytes() for weight in model.get_weights()]))
    assert outcomes[0] == outcomes[1]


def test_data_copied_piece_by_piece_give_the_same_run_bit_for_bit(spans_of, monkeypatch, noisy):
    spans_of(1000)
    state, *logged = noisy()
    monkeypatch.setattr(JaxEngine, "fits", lambda engine, rows: False)
    monkeypatch.setattr("epochal.data.chunks.CHUNK_BYTES", 500)
    again = noisy()
    assert list(again[1:]) == logged
    for path, array in state.items():
        np.testing.assert_array_equal(again[0][path], array, path)


def test_one_program_for_all_span_lengths_and_another_for_the_smaller_batch(spans_of):
    model = linear()
    for cut in (1, 5, 12):
        spans_of(cut)
        model.fit(X, Y, batch_size=4, epochs=1, verbose=0)
    assert [program.traces for program in model.trainee.runtime.engine._programs] == [1, 1]


@pytest.mark.parametrize("shuffle", [True, False])
def test_the_last_smaller_batch_is_a_real_batch(shuffle):
    recorder, model = Recorder(), linear()
    weights = model.get_weights()
    model.fit(X[:10], Y[:10], batch_size=8, verbose=0, callbacks=[recorder], shuffle=shuffle, seed=1)
    order = np.random.default_rng((1, 0)).permutation(np.arange(10, dtype=np.int32)) if shuffle else np.arange(10)
    (w, b), logs = weights, recorder.logs("on_train_batch_end")
    for rows, log in zip((order[:8], order[8:]), logs, strict=True):
        residual = X[rows] @ w + b - Y[rows]
        assert (log["size"], log["loss"]) == (len(rows), pytest.approx(np.mean(residual**2), rel=1e-5))
        w, b = w - 0.01 * 2 * X[rows].T @ residual / residual.size, b - 0.01 * 2 * residual.sum(0) / residual.size
    np.testing.assert_allclose(model.get_weights()[0], w, rtol=1e-5, atol=1e-6)


# What is no number


@pytest.mark.parametrize("k", [0, 5, 11])
@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_a_nan_in_batch_k_ends_the_training_right_after_it(spans_of, capsys, k, bad):
    spans_of(1000)
    x = X[:48].copy()
    x[4 * k, 0] = bad
    terminate, model, other = TerminateOnNaN(), linear(), linear()
    history = model.fit(x, Y[:48], batch_size=4, epochs=3, verbose=0, callbacks=[terminate], shuffle=False)
    assert terminate.stopped_batch == k
    assert f"batch {k + 1}: the loss is " in capsys.readouterr().out
    assert len(history.history["loss"]) == 1
    assert not math.isfinite(history.history["loss"][0])
    other.fit(x[: 4 * k + 4], Y[: 4 * k + 4], batch_size=4, verbose=0, shuffle=False)
    for a, b in zip(model.get_weights(), other.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)


def test_it_is_the_loss_that_must_be_finite_not_a_metric(spans_of):
    spans_of(1000)
    x = X[:48].copy()
    x[8, 0] = np.nan
    terminate, model = TerminateOnNaN(), linear(metrics=["binary_accuracy"])
    history = model.fit(x, Y[:48], batch_size=4, verbose=0, callbacks=[terminate], shuffle=False).history
    assert np.isfinite(history["binary_accuracy"][0])
    assert terminate.stopped_batch == 2


def test_nobody_looks_for_nan_unless_asked(spans_of):
    spans_of(1000)
    x = X[:48].copy()
    x[0] = np.nan
    logs, model = Recorder(replay=True), linear()
    model.fit(x, Y[:48], batch_size=4, verbose=0, callbacks=[logs], shuffle=False)
    assert logs.batches("on_train_batch_end") == list(range(12))


# The learning rate


def test_a_changed_learning_rate_takes_effect_at_the_next_span_and_recompiles_nothing():
    model, seen = linear(), []

    def change(batch, logs):
        seen.append([w.copy() for w in model.get_weights()])
        model.optimizer.lr = 0.0 if batch % 2 else 0.1

    model.fit(X[:48], Y[:48], batch_size=8, verbose=0, callbacks=[LambdaCallback(on_batch_end=change)])
    same = [np.array_equal(a[0], b[0]) for a, b in itertools.pairwise(seen)]
    assert same == [False, True, False, True, False]
    assert [program.traces for program in model.trainee.runtime.engine._programs] == [1]


def test_an_injected_optax_rate_is_read_and_set():
    model = linear(optimizer=optax.inject_hyperparams(optax.sgd)(learning_rate=0.5))
    rates = []
    model.fit(
        X,
        Y,
        epochs=1,
        verbose=0,
        callbacks=[LambdaCallback(on_epoch_end=lambda e, logs: rates.append(model.optimizer.lr))],
    )
    model.optimizer.lr = 0.0
    before = model.get_weights()
    model.fit(X, Y, epochs=1, verbose=0)
    assert rates == [0.5]
    np.testing.assert_array_equal(model.get_weights()[0], before[0])


def test_a_bare_optax_transform_trains_and_its_rate_is_an_error_that_shows_the_mend():
    model = linear(optimizer=optax.sgd(0.01))
    history = model.fit(X, Y, epochs=5, verbose=0).history["loss"]
    assert history[-1] < history[0]
    with pytest.raises(AttributeError, match=r"make it with optax\.inject_hyperparams"):
        model.fit(X, Y, verbose=0, callbacks=[ReduceLROnPlateau("loss")])


# Transfers


def test_the_number_of_fetches_is_bounded_by_the_number_of_spans(fetches, spans_of, tmp_path):
    spans_of(1000)
    model = linear(metrics=["mae"])
    callbacks = [
        EarlyStopping("loss", patience=99),
        ReduceLROnPlateau("loss", patience=99),
        CSVLogger(tmp_path / "log.csv"),
        TerminateOnNaN(),
    ]
    model.fit(X, Y, batch_size=1, epochs=1, verbose=0, callbacks=callbacks)
    fetches.clear()
    model.fit(X, Y, batch_size=1, epochs=10, verbose=0, callbacks=callbacks)
    assert len(fetches) <= 10  # one an epoch of 50 steps: 500 steps


@pytest.mark.parametrize("hook", [lambda b, logs: len(logs), lambda b, logs: logs["loss"]])
def test_a_hook_for_each_batch_causes_no_more_fetches_than_none(fetches, spans_of, hook):
    spans_of(1000)
    model, counted = linear(), []
    model.fit(X[:48], Y[:48], batch_size=4, verbose=0)
    for callbacks in ([], [LambdaCallback(on_batch_end=hook)]):
        fetches.clear()
        model.fit(X[:48], Y[:48], batch_size=4, verbose=0, callbacks=callbacks)
        counted.append(len(fetches))
    assert counted == [1, 1]  # the table of the only span
