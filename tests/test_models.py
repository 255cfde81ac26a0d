"""Models: compile, fit, evaluate, predict, weights."""

import numpy as np
import pytest
from flax import nnx
from numpy_engine import Recorder

from epochal import losses, metrics, optimizers, set_random_seed
from epochal.callbacks import (
    Callback,
    CSVLogger,
    EarlyStopping,
    History,
    LambdaCallback,
    LearningRateScheduler,
    ProgbarLogger,
    ReduceLROnPlateau,
    TerminateOnNaN,
)
from epochal.data.seeds import chosen_seed
from epochal.layers import Activation, Dense, Dropout, Flatten, Input
from epochal.models import Model, Sequential

RNG = np.random.default_rng(0)
X = RNG.normal(size=(30, 4)).astype(np.float32)
Y = (X @ RNG.normal(size=(4, 2))).astype(np.float32)


def linear(**kwargs):
    model = Sequential([Dense(2, input_dim=4)])
    model.compile(**{"optimizer": "sgd", "loss": "mse"} | kwargs)
    return model


@pytest.fixture(scope="module")
def model():
    """Return a compiled model for tests to which its weights don't matter."""
    return linear(metrics=["mae"])


# Making


def test_layers_may_be_added_one_by_one_and_are_named_and_numbered():
    model = Sequential()
    for layer in (Dense(3, input_dim=4), Activation("relu"), Dense(2), Dense(2, name="out")):
        model.add(layer)
    assert list(model.named_weights()) == [
        f"{name}/{part}" for name in ("dense", "dense_1", "out") for part in ("kernel", "bias")
    ]
    assert [layer.name for layer in model.layers] == ["dense", "activation", "dense_1", "out"]


@pytest.mark.parametrize(
    "layers",
    [
        [Dense(2, input_dim=4)],
        [Dense(2, input_shape=(4,))],
        [Input((4,)), Dense(2)],
        [Flatten(input_shape=(2, 2)), Dense(2)],
    ],
)
def test_an_input_shape_builds_at_once(layers):
    assert [weights.shape for weights in Sequential(layers).get_weights()] == [(4, 2), (2,)]


def test_build_or_the_first_data_build_later():
    built, fed = Sequential([Dense(2)]), Sequential([Dense(2)])
    with pytest.raises(ValueError, match="isn't built, so it has no weights yet"):
        built.get_weights()
    built.build((None, 4))
    assert fed.predict(X).shape == (30, 2)
    assert [w.shape for w in built.get_weights()] == [w.shape for w in fed.get_weights()]


def test_two_layers_of_one_name_are_refused():
    with pytest.raises(ValueError, match="two layers are named 'a'; names in a model must differ"):
        Sequential([Dense(2, name="a"), Dense(2, name="a")])


def test_an_input_comes_first():
    with pytest.raises(ValueError, match="an Input must be the first of a model's layers"):
        Sequential([Dense(2), Input((4,))])


def test_a_layer_added_to_a_trained_model_keeps_the_weights():
    model = linear()
    model.fit(X, Y, verbose=0)
    before = model.get_weights()
    model.add(Dense(3))
    for old, new in zip(before, model.get_weights(), strict=False):
        np.testing.assert_array_equal(old, new)
    assert model.predict(X).shape == (30, 3)


def test_a_summary_counts_the_weights():
    lines = []
    Sequential([Dense(3, input_dim=4), Dropout(0.5), Dense(2)]).summary(print_fn=lines.append)
    assert lines[0] == "Model sequential, input: input_layer (None, 4)"
    assert "dense (Dense)" in lines[2]
    assert "kernel (4, 3), bias (3,)" in lines[2]
    assert lines[-1] == "23 weights (92 B): 23 trainable, 0 frozen"
    with pytest.raises(ValueError, match="isn't built: give its first layer an input shape, call build, or fit it"):
        Sequential([Dense(2)]).summary()


def test_an_nnx_module_is_a_model():
    model = Model(nnx.Sequential(nnx.Linear(4, 3, rngs=nnx.Rngs(0)), nnx.relu, nnx.Linear(3, 2, rngs=nnx.Rngs(1))))
    model.compile("adam", "mse")
    loss = model.fit(X, Y, epochs=30, verbose=0).history["loss"]
    assert loss[-1] < loss[0]
    assert sorted(w.shape for w in model.get_weights()) == [(2,), (3,), (3, 2), (4, 3)]


# Weights


def test_weights_are_set_and_read_in_order():
    model = linear()
    kernel, bias = np.arange(8.0).reshape(4, 2), np.array([5.0, 7.0])
    model.set_weights([kernel, bias])
    np.testing.assert_allclose(model.predict(X), X @ kernel + bias, rtol=1e-5)
    model.fit(X, Y, verbose=0)
    model.set_weights([kernel, bias])
    np.testing.assert_array_equal(model.get_weights()[0], kernel)
    np.testing.assert_allclose(model.predict(X), X @ kernel + bias, rtol=1e-5)
    np.testing.assert_array_equal(model.layers[0].affine.kernel.get_value(), kernel)


@pytest.mark.parametrize(
    ("weights", "message"),
    [
        ([np.zeros((4, 2))], r"has 2 weights; got 1"),
        ([np.zeros((4, 2)), np.zeros(3)], r"dense/bias has shape \(2,\); got an array of shape \(3,\)"),
    ],
)
def test_weights_that_do_not_fit_change_nothing(model, weights, message):
    before = model.get_weights()
    with pytest.raises(ValueError, match=message):
        model.set_weights(weights)
    np.testing.assert_array_equal(model.get_weights()[0], before[0])


def test_compile_keeps_the_weights():
    model = linear()
    model.fit(X, Y, epochs=2, verbose=0)
    before = model.get_weights()
    model.compile("adam", "mae")
    np.testing.assert_array_equal(model.get_weights()[0], before[0])


# Compiling


@pytest.mark.parametrize(
    ("optimizer", "loss", "metric", "name"),
    [
        ("sgd", "mse", "mae", "mae"),
        ("Adam", "MeanSquaredError", "MeanAbsoluteError", "MeanAbsoluteError"),
        (optimizers.RMSprop(0.01), losses.MeanSquaredError(), metrics.MeanAbsoluteError(), "mean_absolute_error"),
        (optimizers.SGD(lr=0.1), lambda y, p: (y - p) ** 2, lambda y, p: abs(y - p).mean(-1), "<lambda>"),
        ("sgd", "mse", metrics.MeanAbsoluteError(name="mine"), "mine"),
    ],
)
def test_compile_takes_names_objects_and_functions(optimizer, loss, metric, name):
    model = linear(optimizer=optimizer, loss=loss, metrics=[metric])
    before = model.predict(X)
    values = model.test_on_batch(X, Y, return_dict=True)
    assert list(values) == ["loss", name]
    assert values["loss"] == pytest.approx(np.mean((before - Y) ** 2), rel=1e-5)
    assert values[name] == pytest.approx(np.mean(abs(before - Y)), rel=1e-5)
    assert len(model.fit(X, Y, verbose=0).history[name]) == 1


@pytest.mark.parametrize(
    ("units", "activation", "loss", "targets", "wanted"),
    [
        (1, "sigmoid", "binary_crossentropy", lambda c: (c > 0)[:, None], lambda p, c: (p[:, 0] > 0.5) == (c > 0)),
        (3, "softmax", "categorical_crossentropy", lambda c: np.eye(3)[c], lambda p, c: p.argmax(1) == c),
        (3, "softmax", "sparse_categorical_crossentropy", lambda c: c, lambda p, c: p.argmax(1) == c),
    ],
)
def test_accuracy_is_chosen_by_the_loss_and_logged_as_it_was_named(units, activation, loss, targets, wanted):
    classes = np.arange(30) % 3
    model = Sequential([Dense(units, activation, input_dim=4)])
    model.compile("sgd", loss, metrics=["acc"])
    values = model.evaluate(X, targets(classes), verbose=0, return_dict=True)
    assert list(values) == ["loss", "acc"]
    assert values["acc"] == pytest.approx(wanted(model.predict(X), classes).mean(), abs=1e-6)


def test_a_cross_entropy_after_its_softmax_comes_from_the_logits():
    model = Sequential([Dense(2, input_dim=1, use_bias=False), Activation("softmax")])
    model.compile("sgd", "sparse_categorical_crossentropy")
    model.set_weights([np.array([[200.0, -200.0]])])
    assert model.test_on_batch(np.ones((1, 1)), np.array([1])) == pytest.approx(400.0)


# Fit


def test_each_fit_returns_a_new_history_which_is_the_models(model):
    first, second = model.fit(X, Y, verbose=0), model.fit(X, Y, verbose=0)
    assert first is not second
    assert model.history is second
    assert type(first) is History


def test_an_explicit_history_or_bar_replaces_the_automatic_one(model, capsys):
    mine, bar = History(), ProgbarLogger("steps")
    assert model.fit(X, Y, callbacks=[mine, bar]) is mine
    assert capsys.readouterr().out.count("\n") == 1


def test_history_and_the_bar_run_last(model, tmp_path):
    order = Recorder()
    order.is_sink = True
    seen = []
    order.on_epoch_end = lambda epoch, logs: seen.append(list(model.history.epoch))
    model.fit(X, Y, verbose=0, epochs=2, callbacks=[order, CSVLogger(tmp_path / "log.csv")])
    assert seen == [[], [0]]


def test_params_and_validation_data_are_there_before_train_begin(model):
    told = []

    class Told(Callback):
        def on_train_begin(self, logs=None):
            told.append((self.params, self.validation_data))

    model.fit(X, Y, batch_size=8, epochs=0, verbose=0, callbacks=[Told()], validation_split=0.5)
    model.fit(X, Y, epochs=0, verbose=0, callbacks=[Told()], validation_data=(X[:3], Y[:3], np.ones(3)))
    model.fit(X, Y, epochs=0, verbose=0, callbacks=[Told()], validation_data=[(X[:3], Y[:3])])
    model.fit(X, Y, epochs=0, verbose=0, callbacks=[Told()])
    names = ["loss", "mae", "val_loss", "val_mae"]
    expected = {
        "verbose": 0, "batch_size": 8, "epochs": 0, "steps": 2, "samples": 15, "do_validation": True,
        "metrics": names, "validation_samples": len(X) - 15, "validation_steps": 2, "seed": chosen_seed(),
    }  # fmt: skip
    assert told[0][0] == expected
    np.testing.assert_array_equal(told[0][1][0], X[15:])
    assert [None if data is None else len(data) for _, data in told] == [3, 3, None, None]
    assert told[1][1][2].tolist() == [1.0, 1.0, 1.0]
    assert told[3][0]["metrics"] == ["loss", "mae"]


def test_a_stop_asked_for_in_train_begin_is_honoured_and_forgotten_by_the_next_fit(model):
    stop = LambdaCallback(on_train_begin=lambda logs: setattr(model, "stop_training", True))
    before = model.get_weights()
    assert model.fit(X, Y, epochs=3, verbose=0, callbacks=[stop]).epoch == []
    np.testing.assert_array_equal(model.get_weights()[0], before[0])
    assert model.fit(X, Y, epochs=3, verbose=0).epoch == [0, 1, 2]


def test_epochs_count_from_the_initial_one(model):
    assert model.fit(X, Y, epochs=8, initial_epoch=5, verbose=0).epoch == [5, 6, 7]


def test_set_random_seed_makes_weights_order_and_dropout_reproducible():
    def run(seed):
        set_random_seed(seed)
        model = Sequential([Dense(4, input_dim=4), Dropout(0.5), Dense(2)])
        model.compile("sgd", "mse")
        return model.fit(X, Y, batch_size=4, epochs=2, verbose=0).history["loss"]

    assert run(1) == run(1) != run(2)


def test_the_seed_of_a_fit_decides_the_data_order():
    runs = []
    for seed in (1, 1, 2):
        set_random_seed(0)
        model = linear()
        runs.append(model.fit(X, Y, batch_size=4, verbose=0, seed=seed).history["loss"])
    assert runs[0] == runs[1] != runs[2]


def test_arrays_jax_arrays_lists_iterables_and_generators_are_data(model):
    import jax.numpy as jnp

    start, losses = model.get_weights(), []
    batches = [(X[at : at + 10], Y[at : at + 10]) for at in (0, 10, 20)]
    for given in [(X, Y), (jnp.asarray(X), jnp.asarray(Y)), (X.tolist(), Y.tolist()), (batches,), (iter(batches),)]:
        model.set_weights(start)
        options = {"batch_size": 10, "shuffle": False} if len(given) == 2 else {"steps_per_epoch": 3}
        losses.append(model.fit(*given, verbose=0, **options).history["loss"][0])
    assert losses == [losses[0]] * 5


def test_the_callbacks_work_together(tmp_path, capsys):
    model = linear(metrics=["mae"])
    stopping = EarlyStopping(min_delta=10.0, patience=3, restore_best_weights=True, verbose=1)
    callbacks = [
        LearningRateScheduler(lambda epoch, lr: lr * 0.9),
        ReduceLROnPlateau(min_delta=10.0, patience=1),
        CSVLogger(tmp_path / "log.csv"),
        TerminateOnNaN(),
        stopping,
    ]
    history = model.fit(X, Y, epochs=20, validation_split=0.2, callbacks=callbacks)
    assert history.epoch == [0, 1, 2, 3]
    assert history.history["lr"] == pytest.approx([0.009, 0.0081, 0.000729, 0.00006561])
    assert (tmp_path / "log.csv").read_text().splitlines()[0] == "epoch,loss,mae,val_loss,val_mae,lr"
    best = model.evaluate(X[24:], Y[24:], verbose=0)[0]
    assert best == pytest.approx(history.history["val_loss"][0], rel=1e-6)
    assert "early stopping" in capsys.readouterr().out


def test_callbacks_may_ask_the_model_in_a_batch_hook():
    model, seen = linear(), []

    def ask(batch, logs):
        seen.append((model.predict(X[:3]).shape, model.evaluate(X, Y, verbose=0), len(model.layers)))

    model.fit(X, Y, batch_size=10, verbose=0, callbacks=[LambdaCallback(on_batch_end=ask)])
    assert [shape for shape, _, _ in seen] == [(3, 2)] * 3
    assert seen[-1][1] == model.evaluate(X, Y, verbose=0) < seen[0][1]


# Evaluate, predict, single batches


def test_evaluate_returns_a_number_a_list_or_a_dict(model):
    residual = model.predict(X) - Y
    wanted = [pytest.approx(np.mean(residual**2), rel=1e-5), pytest.approx(np.mean(abs(residual)), rel=1e-5)]
    assert model.evaluate(X, Y, batch_size=7, verbose=0) == wanted
    assert model.evaluate(X, Y, verbose=0, return_dict=True) == dict(zip(["loss", "mae"], wanted, strict=True))
    assert type(linear().evaluate(X, Y, verbose=0)) is float


def test_evaluate_takes_weights_batches_and_steps(model):
    residual = model.predict(X) - Y
    weight = np.arange(30.0)
    weighted = model.evaluate(X, Y, verbose=0, sample_weight=weight)
    assert weighted[0] == pytest.approx(np.mean(weight * (residual**2).mean(1)), rel=1e-5)
    batches = [(X[:10], Y[:10]), (X[10:], Y[10:])]
    assert model.evaluate(batches, verbose=0) == pytest.approx(model.evaluate(X, Y, verbose=0), rel=1e-6)
    assert model.evaluate(X, Y, batch_size=10, steps=1, verbose=0)[0] == pytest.approx(
        np.mean(residual[:10] ** 2), rel=1e-5
    )


def test_predict_gives_numpy_arrays_in_order(model):
    kernel, bias = model.get_weights()
    for outputs in (model.predict(X), model.predict(X, batch_size=7), model.predict([(X[:3],), (X[3:],)])):
        assert type(outputs) is np.ndarray
        np.testing.assert_allclose(outputs, X @ kernel + bias, rtol=1e-5, atol=1e-6)
    np.testing.assert_array_equal(model.predict_on_batch(X), model.predict(X, batch_size=30))


def test_the_test_and_predict_hooks_are_called(model):
    recorder = Recorder()
    model.evaluate(X, Y, batch_size=16, verbose=0, callbacks=[recorder])
    model.predict(X, batch_size=16, callbacks=[recorder])
    batches = lambda phase: [f"on_{phase}_batch_begin", f"on_{phase}_batch_end"] * 2
    assert recorder.names() == [f"on_{p}_{m}" if m else name for p in ("test", "predict")
                                for m, name in [("begin", ""), *[("", b) for b in batches(p)], ("end", "")]]  # fmt: skip


def test_training_on_single_batches_is_a_fit():
    fitted, stepped = linear(), linear()
    stepped.set_weights(fitted.get_weights())
    loss = fitted.fit(X, Y, batch_size=30, verbose=0, shuffle=False).history["loss"][0]
    assert stepped.train_on_batch(X, Y) == loss
    np.testing.assert_allclose(stepped.get_weights()[0], fitted.get_weights()[0], rtol=1e-6)
    assert stepped.test_on_batch(X, Y) < loss


def test_a_metric_says_which_way_is_better(model):
    judge = linear(metrics=[metrics.R2Score(name="quality"), "mae"])
    judge.fit(X, Y, epochs=0, verbose=0)
    assert [judge.direction(name) for name in ("quality", "val_quality", "mae", "other")] == ["max", "max", "min", None]
    stopping = EarlyStopping("quality", patience=9)
    judge.fit(X, Y, epochs=2, verbose=0, callbacks=[stopping])
    assert stopping.monitor.direction == "max"


def test_a_model_that_is_renamed_is_called_so_by_every_error():
    for model in (Sequential([Dense(1, input_dim=2)]), Model(nnx.Linear(2, 1, rngs=nnx.Rngs(0)))):
        model.predict(np.ones((1, 2)))
        model.name = "renamed"
        with pytest.raises(ValueError, match="^renamed has 2 weights; got 0"):
            model.set_weights([])
        with pytest.raises(ValueError, match="^renamed isn't compiled"):
            model.fit(np.ones((1, 2)), np.ones(1))
    model = Sequential([Dense(1, input_dim=2)])
    model.name = "new"
    with pytest.raises(ValueError, match=r"^new takes inputs of shape \(None, 2\)"):
        model.predict(np.ones((1, 3)))
