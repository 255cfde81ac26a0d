"""bfloat16, and gradients accumulated over parts of a batch."""

import functools

import numpy as np
import pytest
from flax import nnx
from nnx_nets import X, Y, compiled

from epochal import set_random_seed
from epochal.callbacks import BackupAndRestore
from epochal.layers import BatchNormalization, Dense, Dropout
from epochal.models import Sequential
from epochal.optimizers import SGD

pytestmark = pytest.mark.usefixtures("optimized")


def layers(seed=3):
    set_random_seed(seed)
    return Sequential([Dense(16, activation="relu", input_dim=6), Dense(1)])


@functools.cache
def trained_in(parts, batch_size):
    """Return the history and the weights."""
    model = layers()
    model.compile(SGD(0.1), "mse", ["mae", "r2_score"], ["mse"], accumulate=parts)
    sample_weight = np.linspace(0.5, 2, 40, dtype=np.float32)
    fitted = model.fit(X, Y, batch_size=batch_size, epochs=2, verbose=0, seed=1, sample_weight=sample_weight)
    return fitted.history, model.get_weights()


@pytest.mark.parametrize("batch_size", [16, 10, 7, 3])
@pytest.mark.parametrize("parts", [2, 3, 4])
def test_gradients_in_parts_are_those_of_the_whole_batch(batch_size, parts):
    (whole, weights), (history, weights_in_parts) = trained_in(1, batch_size), trained_in(parts, batch_size)
    assert list(whole) == ["loss", "mae", "r2_score", "mse"]
    for name, values in whole.items():
        np.testing.assert_allclose(history[name], values, rtol=1e-4, err_msg=name)
    for a, b in zip(weights, weights_in_parts, strict=True):
        np.testing.assert_allclose(b, a, rtol=1e-4, atol=1e-6)


def test_parts_carry_statistics_and_random_streams():
    model = Sequential([Dense(4, input_dim=6), BatchNormalization(momentum=0.5), Dropout(0.5), Dense(1)])
    model.compile("sgd", "mse", accumulate=2)
    before = model.named_weights()["batch_normalization/moving_mean"]
    hidden = X @ model.named_weights()["dense/kernel"]
    model.train_on_batch(X, Y)
    halves = [hidden[::2].mean(0), hidden[1::2].mean(0)]  # of a batch dealt out over devices, both have rows of each
    expected = ((before * 0.5 + halves[0] * 0.5) * 0.5) + halves[1] * 0.5
    np.testing.assert_allclose(model.named_weights()["batch_normalization/moving_mean"], expected, rtol=1e-3, atol=1e-5)


def test_bfloat16_computes_in_it_and_keeps_weights_and_logs_in_float32():
    losses, dtypes = {}, []

    class Spy(nnx.Module):
        def __init__(self):
            self.linear = nnx.Linear(6, 1, rngs=nnx.Rngs(0))
            self.norm = nnx.BatchNorm(1, rngs=nnx.Rngs(0))

        def __call__(self, x):
            x = self.linear(x)
            dtypes.append(str(x.dtype))
            return self.norm(x)

    for dtype in (None, "bfloat16"):
        dtypes.clear()
        module = Spy()
        model = compiled(module, dtype=dtype, metrics=["mae"])
        losses[dtype] = model.fit(X, Y, epochs=3, verbose=0, seed=1).history
        assert {w.dtype for w in model.get_weights()} == {np.dtype("float32")}
        assert model.predict(X).dtype == np.float32
        assert dtypes[-1] == (dtype or "float32")
        assert model.module.norm.mean.get_value().dtype == np.float32
    for name in ("loss", "mae"):
        np.testing.assert_allclose(losses["bfloat16"][name], losses[None][name], rtol=0.05)
        assert losses["bfloat16"][name] != losses[None][name]


def test_a_run_is_not_resumed_in_another_precision(tmp_path):
    def run(epochs, **options):
        model = layers()
        model.compile("sgd", "mse", **options)
        model.fit(X, Y, epochs=epochs, verbose=0, callbacks=[BackupAndRestore(tmp_path / "run")])

    run(1)
    with pytest.raises(ValueError, match="dtype: own then, bfloat16 now"):
        run(2, dtype="bfloat16")
    with pytest.raises(ValueError, match="accumulate: 1 then, 2 now"):
        run(2, accumulate=2)
