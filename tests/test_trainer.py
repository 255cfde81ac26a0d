"""One trainer for every kind of model and engine: here a model of a few lines on the NumPy engine."""

import numpy as np
import pytest
from numpy_engine import Linear, X, Y

from epochal.callbacks import BackupAndRestore, EarlyStopping, LambdaCallback, LearningRateScheduler


def by_hand(epochs, lr=0.1):
    """Return the weights after epochs of batches of four, in the order of the rows."""
    weights = np.zeros(2)
    for _ in range(epochs):
        for x, y in ((X[at : at + 4], Y[at : at + 4]) for at in (0, 4, 8)):
            weights -= lr * 2 * x.T @ (x @ weights - y) / len(x)
    return weights


def test_fit_evaluate_and_predict_compute_what_a_loop_by_hand_does():
    model = Linear()
    history = model.fit(X, Y, batch_size=4, epochs=3, shuffle=False, verbose=0)
    np.testing.assert_allclose(model.weights, by_hand(3))
    assert history is model.history
    assert len(history.history["error"]) == 3
    residual = X @ by_hand(3) - Y
    expected = {"loss": np.mean(residual**2), "error": np.mean(abs(residual))}
    assert model.evaluate(X, Y, batch_size=4, verbose=0, return_dict=True) == pytest.approx(expected)
    np.testing.assert_allclose(model.predict(X, batch_size=4), X @ by_hand(3))


def test_sample_and_class_weights_count_in_the_loss():
    weights = np.linspace(0, 2, 10)
    model = Linear()
    logs = model.fit(X, Y, batch_size=10, shuffle=False, verbose=0, sample_weight=weights).history
    assert logs["loss"] == pytest.approx([np.mean(weights * Y**2)])
    np.testing.assert_allclose(model.weights, 0.2 * X.T @ (weights * Y) / 10)
    labels, model = (Y > 0).astype(int), Linear()
    logs = model.fit(X, labels, batch_size=10, verbose=0, class_weight={1: 3.0}).history
    assert logs["loss"] == pytest.approx([np.mean(np.where(labels, 3.0, 1.0) * labels)])


def test_single_batches_are_trained_tested_and_predicted():
    model = Linear()
    loss, error = model.train_on_batch(X[:4], Y[:4])
    assert (loss, error) == pytest.approx((np.mean(Y[:4] ** 2), np.mean(abs(Y[:4]))))
    np.testing.assert_allclose(model.weights, 0.2 * X[:4].T @ Y[:4] / 4)
    assert model.test_on_batch(X[:4], Y[:4], return_dict=True)["loss"] < loss
    np.testing.assert_allclose(model.predict_on_batch(X), X @ model.weights)


def test_callbacks_get_the_model_and_may_stop_it_change_its_rate_and_evaluate_in_between():
    model, seen = Linear(), []
    watching = LambdaCallback(on_epoch_end=lambda epoch, logs: seen.append(model.evaluate(X, Y, verbose=0)[0]))
    stopping = EarlyStopping("loss", patience=0, min_delta=1e-3)
    rates = LearningRateScheduler(lambda epoch: 0.2 / (epoch + 1))
    history = model.fit(X, Y, batch_size=4, epochs=50, seed=0, verbose=0, callbacks=[watching, stopping, rates])
    assert 1 < len(history.epoch) < 50
    assert len(seen) == len(history.epoch)
    assert model.optimizer.lr == 0.2 / len(history.epoch)


def test_a_stopped_run_is_resumed_with_the_same_bits(tmp_path):
    whole = Linear()
    whole.fit(X, Y, batch_size=4, epochs=4, seed=1, verbose=0)

    def stop(batch, logs):
        raise KeyboardInterrupt

    first = Linear()
    with pytest.raises(KeyboardInterrupt):
        first.fit(
            X, Y, batch_size=4, epochs=4, seed=1, verbose=0,
            callbacks=[BackupAndRestore(tmp_path), LambdaCallback(on_epoch_begin=lambda epoch, logs: epoch == 2 and stop(0, logs))],
        )  # fmt: skip
    second = Linear()
    second.fit(X, Y, batch_size=4, epochs=4, seed=1, verbose=0, callbacks=[BackupAndRestore(tmp_path)])
    assert second.weights.tobytes() == whole.weights.tobytes()
    assert second.history.history == whole.history.history


def test_bad_arguments_and_data_are_refused_before_anything_is_trained():
    model = Linear()
    with pytest.raises(ValueError, match="epochs must be a whole number"):
        model.fit(X, Y, epochs=1.5)
    with pytest.raises(ValueError, match="x and y must have one length; x has 10 samples, y has 9"):
        model.fit(X, Y[:9])
    with pytest.raises(TypeError, match=r"fit\(\) has no argument 'epoch'. Did you mean 'epochs'"):
        model.fit(X, Y, epoch=3)
    assert not model.weights.any()
    assert model.history is None
