"""Equal counts give equal accuracies, whatever the batches and spans; what is no count is a mean as before."""

import jax.numpy as jnp
import numpy as np
import pytest

from epochal.callbacks import Every, LambdaCallback
from epochal.core.means import Means
from epochal.layers import Dense
from epochal.metrics import TopKCategoricalAccuracy
from epochal.models import Sequential

RNG = np.random.default_rng(0)


def judge(outputs=1, metrics=("binary_accuracy",)):
    """Return a model whose outputs are its inputs."""
    model = Sequential([Dense(outputs, input_dim=outputs, kernel_initializer="identity")])
    model.compile("sgd", "mse", metrics=list(metrics))
    return model


def own(y, p):
    return jnp.equal(y, p > 0.5)


@pytest.mark.parametrize("outputs", [1, 3])
def test_equal_counts_are_equal_whatever_the_batches(outputs):
    model, found = judge(outputs, ["binary_accuracy", own]), set()
    for size in (1, 3, 7, 50):
        hits = RNG.permutation(50 * outputs).reshape(50, outputs) < 23
        values = model.evaluate(np.where(hits, 0, 1), np.zeros((50, outputs)), batch_size=size, verbose=0)
        found.update(values[1:])
    assert found == {23 / (50 * outputs)}


def test_a_training_epoch_counts_as_exactly_and_its_batches_are_means():
    model, rows = judge(), []
    model.compile("sgd", "mse", metrics=["binary_accuracy"])
    model.optimizer.lr = 0.0
    hits = RNG.permutation(50)[:, None] < 23
    watch = LambdaCallback(on_batch_end=lambda batch, logs: rows.append((logs["size"], logs["binary_accuracy"])))
    for callbacks in ([], [watch]):
        history = model.fit(np.where(hits, 0, 1), hits * 0, batch_size=7, verbose=0, callbacks=callbacks)
        assert history.history["binary_accuracy"] == [23 / 50]
    assert sum(size * value for size, value in rows) == pytest.approx(23, abs=1e-12)
    assert all(value * size == pytest.approx(round(value * size), abs=1e-12) for size, value in rows)


def test_how_an_epoch_is_cut_into_spans_changes_no_bit():
    x = RNG.normal(size=(60, 1))
    histories = []
    for every in (None, 1, 3):
        watch = LambdaCallback(on_batch_end=lambda batch, logs: None)
        watch.cadence = Every(every or 60, "batch")
        model = judge(1, ["mae", "binary_accuracy", own])
        histories.append(
            model.fit(x, x > 0, batch_size=7, seed=1, verbose=0, callbacks=[watch] if every else []).history
        )
    assert histories[0] == histories[1] == histories[2]


def test_a_loss_as_a_metric_is_the_loss_to_the_last_bit():
    history = judge(3, ["mse", "mean_squared_error"]).fit(RNG.random((50, 3)), np.ones((50, 3)), verbose=0).history
    assert history["loss"] == history["mse"] == history["mean_squared_error"]


def test_samples_count_alike_also_where_batches_have_other_numbers_of_values():
    means = Means()
    means.add(np.array([[2.0, 3.0]]), 1, (0, 4))
    means.add(np.array([[4.0, 8.0], [0.0, 0.0]]), 2, (0, 10))
    assert means.samples == 5
    assert means.values() == [6 / 5, (3 / 4 + 8 / 10) / 5]
    other = Means()
    other.load_state_dict(means.state_dict())
    assert other.values() == means.values()


def test_nan_is_never_among_the_largest_and_takes_nobodys_place():
    outputs = jnp.array([[np.nan, 1, np.nan]] * 4 + [[np.nan] * 3] * 4)
    labels = jnp.eye(3)[jnp.array([0, 1, 2, 1] * 2)]
    for k, hits in ((1, 2), (2, 2), (3, 2)):
        metric = TopKCategoricalAccuracy(k)
        assert float(metric.result(metric.update(metric.init(), labels, outputs))) == hits / 8
