"""Objectives that users write: a model's own `compute_loss`, and functions as losses."""

import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx
from nnx_nets import TARGETS, Linear, Net, X, Y, compiled

from epochal.layers import Dense, Input
from epochal.models import Model
from epochal.optimizers import SGD

# An objective of one's own


class Reconstructing(Model):
    """Trained without targets."""

    def compute_loss(self, batch, training):
        x, _, _ = batch
        found = self.module(x)
        return jnp.mean((found - x[:, :1]) ** 2), found


def test_compute_loss_is_the_objective_of_training_and_evaluation():
    module = Net()
    model = Reconstructing(module)
    model.compile("adam")
    history = model.fit(X, epochs=3, batch_size=8, verbose=0, validation_data=None).history
    assert list(history) == ["loss"]
    found = model.predict(X)
    assert model.evaluate(X, verbose=0, batch_size=40) == pytest.approx(((found - X[:, :1]) ** 2).mean(), rel=1e-5)
    assert model.train_on_batch(X, None) > 0


def test_compute_loss_may_go_on_from_the_compiled_one_and_have_metrics():
    class Penalised(Model):
        def compute_loss(self, batch, training):
            loss, outputs = super().compute_loss(batch, training)
            return (loss + 0.1 * jnp.sum(self.module.kernel[...] ** 2) if training else loss), outputs

    def make(kind):
        model = kind(nnx.Linear(6, 1, rngs=nnx.Rngs(0)))
        model.compile(SGD(0.1), "mse", ["mae"])
        return model

    plain, penalised = make(Model), make(Penalised)
    assert plain.evaluate(X, Y, verbose=0) == penalised.evaluate(X, Y, verbose=0)
    kernel = np.array(penalised.module.kernel.get_value())
    a, b = (m.train_on_batch(X, Y, return_dict=True) for m in (plain, penalised))
    assert b["loss"] == pytest.approx(a["loss"] + 0.1 * (kernel**2).sum(), rel=1e-5)
    assert (a["mae"], list(b)) == (b["mae"], ["loss", "mae"])
    moved = plain.named_weights()["linear/kernel"] - penalised.named_weights()["linear/kernel"]
    np.testing.assert_allclose(moved, 0.1 * 0.2 * kernel, rtol=1e-4, atol=1e-7)


def test_what_compute_loss_must_return():
    class Wrong(Model):
        def compute_loss(self, batch, training):
            return self.module(batch[0])

    class WithoutOutputs(Model):
        def compute_loss(self, batch, training):
            return jnp.mean(self.module(batch[0]))

    model = Wrong(Net())
    model.compile("adam")
    with pytest.raises(ValueError, match=r"compute_loss must return one number, or \(number, outputs\)"):
        model.fit(X, verbose=0)
    model = WithoutOutputs(Net())
    model.compile("adam", metrics=["mae"])
    with pytest.raises(ValueError, match=r"metrics need the outputs: compute_loss must return \(loss, outputs\)"):
        model.fit(X, Y, verbose=0)


def test_a_loss_may_be_a_function():
    model = compiled(nnx.Linear(6, 1, rngs=nnx.Rngs(0)), loss=lambda y, y_pred: jnp.abs(y - y_pred).sum(1))
    assert model.evaluate(X, Y, verbose=0) == pytest.approx(np.abs(Y - model.predict(X)).sum(1).mean(), rel=1e-5)


# What a module may be, and what stays its owner's business


class ByName(Model):
    def compute_loss(self, batch, training):
        x, y, _ = batch
        made = self.module(x)
        return jnp.mean((made["a"] - y["a"]) ** 2), made


class TwoHeads(nnx.Module):
    def __init__(self):
        self.a, self.b = nnx.Linear(6, 1, rngs=nnx.Rngs(0)), nnx.Linear(6, 1, rngs=nnx.Rngs(1))

    def __call__(self, x):
        return {"b": self.b(x), "a": self.a(x)}


def test_metrics_of_an_objective_of_ones_own_find_outputs_and_targets_by_name():
    model = ByName(TwoHeads())
    model.compile("sgd", metrics={"b": "mae"})
    logs = model.evaluate(X, {"a": TARGETS, "b": 2 * TARGETS}, verbose=0, return_dict=True)
    assert logs["b_mae"] == pytest.approx(np.abs(model.predict(X)["b"] - 2).mean(), rel=1e-5)


def test_the_compiled_loss_takes_outputs_that_compute_loss_has_changed():
    class Smoothed(Model):
        def compute_loss(self, x, y, y_pred, sample_weight=None):
            return super().compute_loss(x, y, 0.5 * y_pred + 0.25, sample_weight)

    inputs = Input((6,))
    model = Smoothed(inputs, Dense(2, "softmax")(inputs))
    model.compile("sgd", "sparse_categorical_crossentropy")
    labels = (X[:, 0] > 0).astype(int)
    smoothed = 0.5 * model.predict(X) + 0.25
    expected = -np.log(smoothed[np.arange(len(X)), labels]).mean()
    assert model.evaluate(X, labels, verbose=0, batch_size=len(X)) == pytest.approx(expected, rel=1e-5)


def test_an_objective_of_ones_own_needs_a_loss_to_go_on_from():
    class Added(Model):
        def compute_loss(self, batch, training):
            return super().compute_loss(batch, training)[0]

    model = Added(Linear())
    model.compile("sgd")
    with pytest.raises(ValueError, match="no output has a loss: compile with one, or compute it in compute_loss"):
        model.fit(X, TARGETS, verbose=0)


def test_samples_alone_may_be_validated_on_by_an_objective_of_ones_own():
    class Small(Model):
        def compute_loss(self, batch, training):
            return jnp.mean(self.module(batch[0]) ** 2)

    model = Small(Linear())
    model.compile("sgd")
    assert len(model.fit(X, validation_data=X, verbose=0).history["val_loss"]) == 1
