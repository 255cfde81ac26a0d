"""SwapEMAWeights: who sees the average of the weights, and who the weights."""

import jax
import numpy as np
import pytest
from flax import nnx

from epochal.callbacks import Callback, EarlyStopping, LambdaCallback, ModelCheckpoint, SwapEMAWeights
from epochal.layers import Dense
from epochal.models import Sequential

RNG = np.random.default_rng(0)
X = RNG.normal(size=(12, 3)).astype(np.float32)
Y = (X @ [1.0, -2.0, 3.0])[:, None].astype(np.float32)
START = np.array([[0.5], [0.5], [0.5]], np.float32)


@pytest.fixture(scope="module")
def model():
    """Return a linear model whose every batch is the whole data."""
    model = Sequential([Dense(1, use_bias=False, input_dim=3)])
    model.compile("sgd", "mse")
    model.optimizer.lr = 0.1
    return model


def by_hand(steps, decay):
    """Return the weights and their average after so many steps."""
    weights, average = START.astype(np.float64), START.astype(np.float64)
    for _ in range(steps):
        weights = weights - 0.1 * 2 * X.T @ (X @ weights - Y) / len(X)
        average = decay * average + (1 - decay) * weights
    return weights, average


def fit(model, callbacks, epochs=3, **options):
    model.set_weights([START])
    return model.fit(X, Y, epochs=epochs, verbose=0, callbacks=callbacks, **options).history


def loss_of(weights):
    return np.mean((X @ weights - Y) ** 2)


@pytest.mark.parametrize("decay", [0.0, 0.5, 0.9])
def test_a_fit_ends_with_the_average(model, decay):
    fit(model, [SwapEMAWeights(decay)])
    np.testing.assert_allclose(model.get_weights()[0], by_hand(3, decay)[1], rtol=1e-5)


def test_training_goes_on_with_the_weights_and_validation_sees_the_average(model):
    history = fit(model, [SwapEMAWeights(0.9)], validation_data=(X, Y))
    for epoch in range(3):
        assert history["loss"][epoch] == pytest.approx(loss_of(by_hand(epoch, 0.9)[0]), rel=1e-5)
        assert history["val_loss"][epoch] == pytest.approx(loss_of(by_hand(epoch + 1, 0.9)[1]), rel=1e-5)


def test_what_a_callback_reads_is_the_average(model):
    seen = []
    reads = LambdaCallback(on_epoch_end=lambda epoch, logs: seen.append((model.get_weights()[0], model.predict(X))))
    fit(model, [SwapEMAWeights(0.9), reads])
    for epoch, (weights, outputs) in enumerate(seen):
        average = by_hand(epoch + 1, 0.9)[1]
        np.testing.assert_allclose(weights, average, rtol=1e-5)
        np.testing.assert_allclose(outputs, X @ average, rtol=1e-4, atol=1e-5)


def test_after_an_error_the_model_has_the_weights(model):
    class Raises(Callback):
        def on_epoch_end(self, epoch, logs=None):
            if epoch == 1:
                raise RuntimeError("broken")

    with pytest.raises(RuntimeError, match="broken"):
        fit(model, [SwapEMAWeights(0.9), Raises()])
    np.testing.assert_allclose(model.get_weights()[0], by_hand(2, 0.9)[0], rtol=1e-5)


def test_nor_do_its_layers_keep_the_average_that_a_callback_saw_in_them(model):
    def look(epoch, logs):
        seen.append(kernel_of(model))
        raise RuntimeError("broken")

    seen = []
    with pytest.raises(RuntimeError, match="broken"):
        fit(model, [SwapEMAWeights(0.9), LambdaCallback(on_epoch_end=look)])
    raw, average = by_hand(1, 0.9)
    np.testing.assert_allclose(seen[0], average, rtol=1e-5)
    np.testing.assert_allclose(kernel_of(model), raw, rtol=1e-5)


def kernel_of(model):
    """Return the kernel as the model's module has it."""
    return np.asarray(jax.tree.leaves(nnx.state(model.module, nnx.Param))[0])


def test_checkpoints_have_the_average(model, tmp_path):
    path = tmp_path / "{epoch}.weights.h5"
    fit(model, [SwapEMAWeights(0.9), ModelCheckpoint(path, save_weights_only=True)])
    for epoch in (1, 2, 3):
        model.load_weights(tmp_path / f"{epoch}.weights.h5")
        np.testing.assert_allclose(model.get_weights()[0], by_hand(epoch, 0.9)[1], rtol=1e-5)


def test_the_next_fit_knows_nothing_of_it(model):
    fit(model, [SwapEMAWeights(0.9)])
    fit(model, [])
    np.testing.assert_allclose(model.get_weights()[0], by_hand(3, 0.9)[0], rtol=1e-5)


@pytest.mark.parametrize("order", [1, -1])
@pytest.mark.parametrize(("mode", "best"), [("min", 3), ("max", 1)])
def test_early_stopping_restores_the_best_average(model, order, mode, best):
    stopping = EarlyStopping("loss", patience=9, restore_best_weights=True, mode=mode)
    fit(model, [SwapEMAWeights(0.5), stopping][::order])
    np.testing.assert_allclose(model.get_weights()[0], by_hand(best, 0.5)[1], rtol=1e-5)


@pytest.mark.parametrize("decay", [-0.1, 1.0, 1.5, float("nan")])
def test_a_decay_out_of_range_is_refused(decay):
    with pytest.raises(ValueError, match="decay is from 0 to less than 1; got"):
        SwapEMAWeights(decay)
