"""What a step logs: sample weights, means over an epoch, and metrics that are no means."""

import numpy as np
import pytest
from numpy_engine import Recorder
from seeded_models import CLASSES, X, Y, compiled, linear

from epochal import metrics
from epochal.layers import Dense

pytestmark = pytest.mark.usefixtures("optimized")

RNG = np.random.default_rng(0)


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
