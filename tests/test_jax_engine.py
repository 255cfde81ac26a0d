"""The JAX engine: spans of steps are steps, whatever is rewritten, cut, stopped, weighted or changed on the way."""

import functools
import itertools
import math

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from flax import nnx
from jax import lax
from numpy_engine import Recorder

from epochal import metrics
from epochal.callbacks import (
    CSVLogger,
    EarlyStopping,
    LambdaCallback,
    ReduceLROnPlateau,
    TerminateOnNaN,
)
from epochal.data.seeds import set_random_seed
from epochal.engines.jax.canonical import canonical, multiplications
from epochal.engines.jax.placement import fits, one_hot_labels
from epochal.layers import BatchNormalization, Conv2D, Dense, Dropout, Flatten
from epochal.models import Model, Sequential

RNG = np.random.default_rng(0)
X = RNG.normal(size=(50, 4)).astype(np.float32)
Y = (X @ RNG.normal(size=(4, 2))).astype(np.float32)
CLASSES = RNG.integers(0, 3, 50)


def compiled(*layers, optimizer="sgd", loss="mse", **kwargs):
    set_random_seed(0)
    model = Sequential([*layers])
    model.compile(optimizer, loss, **kwargs)
    return model


def linear(**kwargs):
    return compiled(Dense(2, input_dim=4), **kwargs)


# The rewritten step


def canonical_gradients(loss, *args):
    """Return the gradients of a loss, plainly and by the rewritten program, both inside a loop as training is."""
    gradient = jax.grad(loss, argnums=tuple(range(len(args))))
    traced = jax.make_jaxpr(gradient)(*args)

    def in_loop(evaluate):
        step = lambda _, carry: tuple(evaluate(*args))
        return jax.jit(lambda: lax.fori_loop(0, 1, step, tuple(jnp.zeros_like(a) for a in args)))()

    return in_loop(gradient), in_loop(functools.partial(canonical, traced)), traced


def assert_equal_gradients(loss, *args):
    plain, rewritten, traced = canonical_gradients(loss, *args)
    for a, b in zip(plain, rewritten, strict=True):
        assert a.dtype == b.dtype
        np.testing.assert_allclose(a, b, rtol=2e-5, atol=2e-5)
    return traced


@pytest.mark.parametrize("units", [1, 3, 64, 65])
@pytest.mark.parametrize("rows", [1, 7])
def test_the_rewritten_gradients_of_a_dense_layer(units, rows):
    x, w, b = RNG.normal(size=(rows, 5)), RNG.normal(size=(5, units)), RNG.normal(size=units)
    x, w, b = (a.astype(np.float32) for a in (x, w, b))
    assert_equal_gradients(lambda x, w, b: jnp.square(x @ w + b).sum(), x, w, b)


def conv(spatial, channels=4, filters=6, groups=1, numbers=None, **params):
    """Return a loss of one convolution, its input and its kernel."""
    numbers = numbers or {1: ("NWC", "WIO", "NWC"), 2: ("NHWC", "HWIO", "NHWC")}[spatial]
    sizes = {"N": 2, "C": channels, "H": 9, "W": 8, "I": channels // groups, "O": filters}
    kernel_sizes = sizes | {"H": 3, "W": 2}
    x = RNG.normal(size=[sizes[c] for c in numbers[0]]).astype(np.float32)
    kernel = RNG.normal(size=[kernel_sizes[c] for c in numbers[1]]).astype(np.float32)
    options = {"window_strides": (1,) * spatial, "padding": "SAME"} | params

    def loss(x, kernel):
        out = lax.conv_general_dilated(x, kernel, dimension_numbers=numbers, feature_group_count=groups, **options)
        return jnp.sin(out).sum()

    return loss, x, kernel


@pytest.mark.parametrize("spatial", [1, 2])
@pytest.mark.parametrize("padding", ["SAME", "VALID"])
@pytest.mark.parametrize("strides", [1, 2])
@pytest.mark.parametrize("dilation", [1, 2])
@pytest.mark.parametrize("groups", [1, 2])
def test_the_rewritten_gradients_of_a_convolution(spatial, padding, strides, dilation, groups):
    loss, x, kernel = conv(
        spatial,
        groups=groups,
        padding=padding,
        window_strides=(strides,) * spatial,
        rhs_dilation=(dilation,) * spatial,
    )
    assert_equal_gradients(loss, x, kernel)


@pytest.mark.parametrize(
    ("spatial", "options"),
    [
        (2, {"padding": ((2, 0), (1, 3))}),
        (2, {"window_strides": (2, 1), "rhs_dilation": (1, 2)}),
        (2, {"lhs_dilation": (2, 2), "padding": ((1, 1), (0, 2))}),
        (2, {"numbers": ("NCHW", "OIHW", "NCHW")}),
        (2, {"numbers": ("NHWC", "OIHW", "NCHW"), "window_strides": (2, 2)}),
        (2, {"numbers": ("CNHW", "HWOI", "HWNC"), "groups": 2}),
        (1, {"numbers": ("NCW", "OIW", "NCW"), "groups": 4, "filters": 8}),
    ],
)
def test_the_rewritten_gradients_of_rarer_convolutions(spatial, options):
    assert_equal_gradients(*conv(spatial, **options))


@pytest.mark.parametrize("transform", ["jit", "custom_jvp", "scan", "cond", "remat", "vmap"])
def test_what_stands_in_other_programs_is_rewritten_or_left_alone_but_right(transform):
    dense = lambda x, w: jax.nn.relu(x @ w)
    use = {
        "jit": jax.jit(dense),
        "custom_jvp": lambda x, w: jax.nn.silu(dense(x, w)),
        "scan": lambda x, w: lax.scan(lambda h, _: (dense(h, w), None), x, None, length=3)[0],
        "cond": lambda x, w: lax.cond(x.sum() > 0, dense, lambda x, w: x @ w * 2, x, w),
        "remat": jax.checkpoint(dense),
        "vmap": jax.vmap(lambda row, w: dense(row[None], w)[0], (0, None)),
    }[transform]
    x, w = (RNG.normal(size=shape).astype(np.float32) for shape in ((6, 5), (5, 5)))
    assert_equal_gradients(lambda x, w: use(x, w).sum(), x, w)


@pytest.mark.parametrize("groups", [1, 2])
def test_a_convolution_costs_each_output_a_window(groups):
    loss, x, kernel = conv(2, groups=groups, padding="VALID")
    outputs = 2 * (9 - 3 + 1) * (8 - 2 + 1) * 6
    assert multiplications(jax.make_jaxpr(loss)(x, kernel).jaxpr) == outputs * 3 * 2 * 4 // groups


def test_a_product_costs_rows_times_columns_times_what_is_summed():
    product = jax.jit(lambda a, b: jax.nn.relu(a @ b) @ b.T)
    assert multiplications(jax.make_jaxpr(product)(jnp.ones((3, 4)), jnp.ones((4, 5))).jaxpr) == 2 * 3 * 4 * 5


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
    start = model._engine.state_dict()

    def run():
        model._engine.load_state_dict(start)
        logs = Recorder(replay=True)
        history = model.fit(X, CLASSES, epochs=3, callbacks=[logs], **options)
        return model._engine.state_dict()["arrays"], logs.logs("on_train_batch_end"), history.history

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


def test_data_copied_piece_by_piece_give_the_same_run_bit_for_bit(spans_of, monkeypatch, noisy):
    spans_of(1000)
    state, *logged = noisy()
    monkeypatch.setattr("epochal.models.model.fits", lambda rows: False)
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
    assert [program.traces for program in model._engine._programs] == [1, 1]


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
    assert [program.traces for program in model._engine._programs] == [1]


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


def test_a_hook_that_reads_nothing_fetches_nothing(fetches, spans_of):
    spans_of(1000)
    model, read = linear(), []
    model.fit(X[:48], Y[:48], batch_size=4, verbose=0)
    fetches.clear()
    model.fit(
        X[:48], Y[:48], batch_size=4, verbose=0, callbacks=[LambdaCallback(on_batch_end=lambda b, logs: read.append(b))]
    )
    quiet = len(fetches)
    fetches.clear()
    reads = LambdaCallback(on_batch_end=lambda b, logs: read.append(logs["loss"]))
    model.fit(X[:48], Y[:48], batch_size=4, verbose=0, callbacks=[reads])
    assert len(fetches) == quiet == 12  # each batch's table once, for the epoch's means


# Weights of samples, means, metrics


def weighted_fit(**weights):
    recorder, model = Recorder(), linear(metrics=["mae"], weighted_metrics=[metrics.MeanAbsoluteError("weighted")])
    kernel, bias = model.get_weights()
    model.fit(X[:6], Y[:6], batch_size=6, verbose=0, callbacks=[recorder], shuffle=False, **weights)
    residual = X[:6] @ kernel + bias - Y[:6]
    return residual, recorder.logs("on_train_batch_end")[0], recorder.logs("on_epoch_end")[0]


def test_sample_weights_weigh_the_loss_by_the_batch_size_and_weighted_metrics_by_their_sum():
    weight = np.array([0, 1, 2, 3, 0.5, 0])
    residual, batch, epoch = weighted_fit(sample_weight=weight)
    errors = abs(residual).mean(1)
    for logs in (batch, epoch):
        assert logs["loss"] == pytest.approx(np.sum(weight * (residual**2).mean(1)) / 6, rel=1e-5)
        assert logs["mae"] == pytest.approx(errors.mean(), rel=1e-5)
        assert logs["weighted"] == pytest.approx(np.average(errors, weights=weight), rel=1e-5)


def test_class_weights_are_the_sample_weights_of_their_classes():
    options = {"loss": "sparse_categorical_crossentropy", "optimizer": "sgd"}
    models = [compiled(Dense(3, activation="softmax", input_dim=4), **options) for _ in range(2)]
    by_class = {0: 1.0, 1: 5.0, 2: 0.0}
    first = models[0].fit(X, CLASSES, verbose=0, seed=0, class_weight=by_class)
    weights = np.array([by_class[c] for c in CLASSES])
    second = models[1].fit(X, CLASSES, verbose=0, seed=0, sample_weight=weights)
    assert first.history == second.history
    np.testing.assert_array_equal(models[0].get_weights()[0], models[1].get_weights()[0])


def test_validation_takes_sample_weights():
    model = linear()
    weight = np.array([0.0, 2.0, 1.0])
    history = model.fit(X, Y, verbose=0, validation_data=(X[:3], Y[:3], weight))
    kernel, bias = model.get_weights()
    losses = ((X[:3] @ kernel + bias - Y[:3]) ** 2).mean(1)
    assert history.history["val_loss"][0] == pytest.approx(np.sum(weight * losses) / 3, rel=1e-5)


def test_epoch_logs_are_means_weighted_by_size():
    recorder, model = Recorder(), linear(metrics=["mae"])
    history = model.fit(X, Y, batch_size=16, verbose=0, callbacks=[recorder])
    batches = recorder.logs("on_train_batch_end")
    sizes = [logs["size"] for logs in batches]
    assert sizes == [16, 16, 16, 2]
    for name in ("loss", "mae"):
        assert history.history[name][0] == pytest.approx(np.average([logs[name] for logs in batches], weights=sizes))


@pytest.fixture(scope="module")
def judged():
    """Return a model that gives its input back and never learns, with inputs from 0 to 1 and labels of 0 and 1."""
    names = [metrics.AUC(), "precision", "recall", metrics.F1Score(threshold=0.5)]
    model = compiled(Dense(1, "linear", kernel_initializer="ones", input_dim=1), metrics=names)
    model.optimizer.lr = 0.0
    scores = RNG.uniform(0.01, 0.99, (50, 1)).astype(np.float32)
    return model, scores, (scores + RNG.normal(size=(50, 1)) > 0.5).astype(int)


def test_metrics_that_are_no_means_are_exact_over_the_epoch(judged):
    model, scores, labels = judged
    history = model.fit(scores, labels, batch_size=25, verbose=0, validation_data=(scores, labels)).history
    y, p = labels[:, 0].astype(bool), scores[:, 0]
    pairs, found = np.sign(p[y][:, None] - p[~y][None]), p > 0.5
    precision, recall = (y & found).sum() / found.sum(), (y & found).sum() / y.sum()
    f1 = 2 * precision * recall / (precision + recall)
    wanted = {"auc": (pairs.mean() + 1) / 2, "precision": precision, "recall": recall, "f1_score": f1}
    for name, value in wanted.items():
        assert history[name] == history[f"val_{name}"]
        assert history[name][0] == pytest.approx(value, abs=0.01 if name == "auc" else 1e-5)  # 200 buckets


def test_such_metrics_begin_each_epoch_and_each_evaluation_afresh(judged):
    model, scores, labels = judged
    history = model.fit(
        scores, labels, batch_size=25, epochs=3, verbose=0, validation_data=(scores[:25], labels[:25])
    ).history
    assert history["auc"] == [history["auc"][0]] * 3
    assert history["val_auc"] == [history["val_auc"][0]] * 3 != history["auc"]
    evaluated = model.evaluate(scores[:25], labels[:25], verbose=0, batch_size=25, return_dict=True)
    assert {f"val_{name}": [value] * 3 for name, value in evaluated.items()}.items() <= history.items()


def test_a_batchs_own_value_of_such_a_metric_is_of_that_batch(judged):
    model, scores, labels = judged
    recorder = Recorder()
    model.fit(scores, labels, batch_size=25, verbose=0, callbacks=[recorder], shuffle=False)
    y, found = labels[25:, 0].astype(bool), scores[25:, 0] > 0.5
    assert recorder.logs("on_train_batch_end")[1]["precision"] == pytest.approx((y & found).sum() / found.sum())


# Donation


def test_a_step_that_raises_says_that_the_state_is_gone_and_how_to_get_it_back():
    model = linear()
    model.fit(X, Y, verbose=0)
    engine = model._engine
    program = next(iter(engine._programs))

    def consume(leaves, *others):
        for leaf in leaves:
            leaf.delete()
        raise RuntimeError("the device is out of memory")

    program._compiled = consume
    with pytest.raises(RuntimeError, match="out of memory") as caught:
        model.fit(X, Y, verbose=0)
    assert any("The training state was consumed" in note and "load_weights" in note for note in caught.value.__notes__)


def test_a_step_that_raises_before_it_begins_leaves_the_state_alone():
    model = linear()
    model.fit(X, Y, verbose=0)
    next(iter(model._engine._programs))._compiled = lambda *_: 1 / 0
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


# Modules


class Sows(nnx.Module):
    """Sows what it computes, as flax modules do to show intermediates."""

    def __init__(self):
        self.linear = nnx.Linear(4, 2, rngs=nnx.Rngs(0))

    def __call__(self, x):
        x = self.linear(x)
        self.sow(nnx.Intermediate, "hidden", x)
        return x


@pytest.mark.filterwarnings("ignore:Using 'Module.sow:DeprecationWarning")
def test_what_a_module_sows_does_not_disturb():
    model = Model(Sows())
    model.compile("sgd", "mse")
    history = model.fit(X, Y, batch_size=8, epochs=5, verbose=0, validation_split=0.2).history
    assert history["loss"][-1] < history["loss"][0]
    assert model.predict(X).shape == (50, 2)
    assert len(model.get_weights()) == 2


def test_dropout_works_in_training_only_and_differs_from_batch_to_batch():
    model = compiled(Dropout(0.5, input_dim=4), Dense(1), optimizer="sgd")
    model.optimizer.lr = 0.0
    recorder = Recorder()
    model.fit(np.ones((6, 4)), np.ones((6, 1)), batch_size=2, verbose=0, callbacks=[recorder])
    losses = [logs["loss"] for logs in recorder.logs("on_train_batch_end")]
    assert len(set(losses)) == 3
    assert len({float(value) for value in model.predict(np.ones((6, 4))).ravel()}) == 1


def test_a_convolutional_model_learns():
    set_random_seed(0)
    images = np.zeros((40, 6, 6, 1), np.float32)
    labels = np.arange(40) % 2
    images[labels == 1, 2:4] = 1
    model = compiled(Conv2D(2, 3, activation="relu", input_shape=(6, 6, 1)), Flatten(), Dense(2, activation="softmax"),
                     optimizer="adam", loss="sparse_categorical_crossentropy", metrics=["acc"])  # fmt: skip
    model.optimizer.lr = 0.05
    assert model.fit(images, labels, batch_size=8, epochs=5, verbose=0).history["acc"][-1] == 1.0


# Placement


@pytest.mark.parametrize(
    ("rows", "labels"),
    [
        (np.eye(3)[[0, 2, 1]], [0, 2, 1]),
        (np.eye(3)[[0, 2, 1]] * 2, None),
        (np.array([[0, 1], [0, 0]]), None),
        (np.array([[0.5, 0.5], [0, 1]]), None),
        (np.array([[1, 1], [0, 0]]), None),
        (np.ones((3, 1)), None),
        (np.arange(3), None),
    ],
)
def test_one_hot_rows_are_found(rows, labels):
    found = one_hot_labels(rows)
    assert found is None if labels is None else found.tolist() == labels


def test_one_hot_labels_train_as_the_user_gave_them():
    options = {"loss": "categorical_crossentropy"}
    models = [compiled(Dense(3, activation="softmax", input_dim=4), **options) for _ in range(2)]
    hot = np.eye(3, dtype=np.float32)[CLASSES]
    soft = hot.copy()
    soft[0] = hot[0] * 0.999998 + 0.000001  # so that they are no longer one-hot
    losses = [
        model.fit(X, y, verbose=0, shuffle=False).history["loss"][0]
        for model, y in zip(models, (hot, soft), strict=True)
    ]
    assert losses[0] == pytest.approx(losses[1], rel=1e-4)


def test_a_memory_mapped_file_is_not_held_on_the_device(tmp_path):
    np.save(tmp_path / "x.npy", X)
    mapped = np.load(tmp_path / "x.npy", mmap_mode="r")
    assert fits((X, Y, None))
    assert not fits((mapped, Y, None))
    models = [linear(), linear()]
    for model, x in zip(models, (X, mapped), strict=True):
        model.fit(x, Y, batch_size=8, epochs=2, verbose=0, seed=3)
    np.testing.assert_array_equal(models[0].get_weights()[0], models[1].get_weights()[0])
