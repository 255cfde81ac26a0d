"""Any flax.nnx module as a model: its state, its own objective, exact resume, errors that name the layer."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx
from interrupted import Fails, Stop
from nnx_nets import RNG, Net, X, Y, compiled

from epochal import set_random_seed
from epochal.callbacks import (
    BackupAndRestore,
    Callback,
    EarlyStopping,
    ModelCheckpoint,
    SwapEMAWeights,
)
from epochal.layers import Dense, Input
from epochal.models import Model, Sequential
from epochal.optimizers import Adam


class Counter(nnx.Variable):
    """A collection of the user's own."""


class Normalised(nnx.Module):
    """Keeps how many batches it saw, and the largest value, in collections of its own."""

    def __init__(self):
        self.seen, self.largest = Counter(jnp.zeros((), jnp.int32)), nnx.BatchStat(jnp.zeros(()))
        self.linear = nnx.Linear(6, 1, rngs=nnx.Rngs(0))

    def __call__(self, x):
        self.seen[...] += 1
        self.largest[...] = jnp.maximum(self.largest[...], x.max())
        return self.linear(x)


class Attending(nnx.Module):
    def __init__(self):
        rngs = nnx.Rngs(0)
        self.attention = nnx.MultiHeadAttention(2, in_features=8, decode=False, rngs=rngs)
        self.norm, self.out = nnx.LayerNorm(8, rngs=rngs), nnx.Linear(8, 1, rngs=rngs)

    def __call__(self, x):
        return self.out(self.norm(x + self.attention(x)).mean(1))


class Recurrent(nnx.Module):
    def __init__(self):
        rngs = nnx.Rngs(0)
        self.rnn = nnx.RNN(nnx.GRUCell(8, 5, rngs=rngs), rngs=rngs)
        self.out = nnx.Linear(5, 1, rngs=rngs)

    def __call__(self, x):
        return self.out(self.rnn(x)[:, -1])


# Training


@pytest.mark.parametrize("make", [Attending, Recurrent])
def test_attention_and_recurrent_cells_train(make):
    x = RNG.normal(size=(64, 5, 8)).astype(np.float32)
    y = x[:, -1, :1]
    history = compiled(make(), optimizer=Adam(0.01)).fit(x, y, epochs=30, batch_size=16, verbose=0).history
    assert history["loss"][-1] < 0.6 * history["loss"][0]


def test_collections_of_ones_own_are_carried_from_step_to_step():
    module = Normalised()
    model = compiled(module)
    model.fit(X, Y, epochs=3, batch_size=10, verbose=0)
    assert module.seen.get_value() == 12
    assert module.largest.get_value() == X.max()
    assert list(model.named_weights()) == [
        "normalised/linear/bias", "normalised/linear/kernel", "normalised/largest", "normalised/seen"
    ]  # fmt: skip


def test_the_users_module_holds_the_weights_when_an_epochs_hook_looks_and_after_the_fit():
    module, seen = Net(), []

    class Looks(Callback):
        def on_epoch_end(self, epoch, logs=None):
            seen.append((np.array(module.out.kernel.get_value()), self.model.named_weights()["net/out/kernel"]))

        def on_train_batch_end(self, batch, logs=None):
            seen.append(
                (np.array(self.model.module.out.kernel.get_value()), self.model.named_weights()["net/out/kernel"])
            )

    model = compiled(module)
    model.fit(X, Y, epochs=2, verbose=0, callbacks=[Looks()])
    assert len(seen) == 6
    for in_module, in_model in seen:
        np.testing.assert_array_equal(in_module, in_model)
    assert not np.array_equal(seen[0][0], seen[-1][0])
    np.testing.assert_array_equal(module.out.kernel.get_value(), seen[-1][0])


def test_what_is_written_into_the_module_is_what_trains_and_predicts():
    module = Net()
    model = compiled(module)
    model.fit(X, Y, verbose=0)
    kept = jax.tree.map(jnp.copy, nnx.state(module))
    before = model.predict(X)
    model.fit(X, Y, epochs=3, verbose=0)
    assert not np.array_equal(before, model.predict(X))
    nnx.update(module, kept)
    np.testing.assert_array_equal(model.predict(X), before)
    module.out.kernel.set_value(jnp.zeros((7, 1)))
    with pytest.raises(ValueError, match=r"params/out/kernel/value has shape \(6, 1\); the module now has .* \(7, 1\)"):
        model.predict(X)


def test_an_nnx_module_and_the_same_sequential_learn_the_same():
    class Same(nnx.Module):
        def __init__(self):
            rngs = nnx.Rngs(0)
            self.first, self.second = nnx.Linear(6, 4, rngs=rngs), nnx.Linear(4, 1, rngs=rngs)

        def __call__(self, x):
            return self.second(nnx.relu(self.first(x)))

    module = Same()
    layers = Sequential([Dense(4, activation="relu", input_dim=6), Dense(1)])
    layers.set_weights([np.array(v.get_value()) for v in
                        (module.first.kernel, module.first.bias, module.second.kernel, module.second.bias)])  # fmt: skip
    layers.compile("adam", "mse")
    histories = [m.fit(X, Y, epochs=3, verbose=0, seed=1).history for m in (compiled(module), layers)]
    np.testing.assert_allclose(histories[0]["loss"], histories[1]["loss"], rtol=1e-5)


# Inputs and outputs in nests


class Nested(nnx.Module):
    def __init__(self):
        rngs = nnx.Rngs(0)
        self.left, self.right = nnx.Linear(6, 2, rngs=rngs), nnx.Linear(3, 2, rngs=rngs)

    def __call__(self, x):
        both = self.left(x["left"]) + self.right(x["right"])
        return {"sum": both.sum(1, keepdims=True), "both": both}


def test_a_module_may_take_and_return_dicts():
    x = {"left": X, "right": X[:, :3]}
    y = {"sum": Y, "both": np.concatenate([Y, Y], 1)}
    model = compiled(Nested(), loss={"sum": "mse", "both": "mae"}, metrics={"both": ["mse"]})
    history = model.fit(x, y, epochs=2, verbose=0, validation_data=(x, y)).history
    assert list(history)[:4] == ["loss", "both_loss", "sum_loss", "both_mse"]  # jax sorts a dict's keys
    assert sorted(model.predict(x)) == ["both", "sum"]
    with pytest.raises(ValueError, match="y lacks 'both'; the outputs are"):
        model.fit(x, {"sum": Y}, verbose=0)


# Resume, files, averages


@pytest.mark.parametrize("at", [2, 4, 7, 9])
def test_a_killed_run_with_batch_statistics_and_dropout_ends_bit_for_bit_as_one_never_killed(tmp_path, at):
    def run(folder, *more):
        set_random_seed(5)
        module = Net()
        model = compiled(module, metrics=["mae"])
        callbacks = [BackupAndRestore(tmp_path / folder, save_freq=1), EarlyStopping("loss", patience=50), *more]
        history = model.fit(X, Y, epochs=3, batch_size=10, verbose=0, callbacks=callbacks).history
        return jax.tree.leaves(nnx.to_pure_dict(nnx.state(module, nnx.Not(nnx.RngKey)))), history, model.predict(X)

    with pytest.raises(Stop):
        run("run", Fails(at))
    resumed, straight = run("run"), run("other")
    assert resumed[1] == straight[1]
    np.testing.assert_array_equal(resumed[2], straight[2])
    for a, b in zip(resumed[0], straight[0], strict=True):
        np.testing.assert_array_equal(a, b)


def test_weights_files_of_modules(tmp_path):
    model = compiled(Net())
    model.fit(X, Y, verbose=0, callbacks=[ModelCheckpoint(tmp_path / "w.h5", "loss", save_weights_only=True)])
    other = compiled(Net(seed=1))
    other.load_weights(tmp_path / "w.h5")
    np.testing.assert_array_equal(other.predict(X), model.predict(X))
    with pytest.raises(
        ValueError, match="made of a module, not of layers, so a file can.t describe it: save_weights works"
    ):
        model.save(tmp_path / "m.h5")


def test_averaged_weights_of_a_module():
    model = compiled(Net())
    model.fit(X, Y, epochs=2, batch_size=20, verbose=0, callbacks=[SwapEMAWeights(0.9)])
    assert np.isfinite(model.predict(X)).all()


# Errors


def test_an_error_inside_a_module_names_the_layer_and_the_shapes():
    model = compiled(Net())
    with pytest.raises(TypeError) as caught:
        model.fit(X[:, :5], Y, verbose=0)
    assert any("'blocks/0/linear' (Linear)" in note and "(40, 5)" in note for note in caught.value.__notes__)
    model.fit(X, Y, verbose=0)
    with pytest.raises(TypeError) as caught:
        model.predict(X[:, :5])
    assert any("'blocks/0/linear' (Linear)" in note for note in caught.value.__notes__)


def test_an_error_only_in_training_names_the_layer_too():
    class Picky(nnx.Module):
        def __init__(self):
            self.norm, self.training = nnx.BatchNorm(6, rngs=nnx.Rngs(0)), True

        def __call__(self, x):
            x = self.norm(x)
            if not self.norm.use_running_average:
                raise ValueError("not like this")
            return x[:, :1]

    model = compiled(Picky())
    with pytest.raises(ValueError, match="not like this") as caught:
        model.fit(X, Y, verbose=0)
    assert any("(Picky)" in note and "(32, 6)" in note for note in caught.value.__notes__)


def test_a_model_of_a_module_is_one_layer_however_often_it_is_called():
    linear = nnx.Linear(3, 3, rngs=nnx.Rngs(0))
    inner, x = Model(linear, name="linear"), Input((3,))
    model = Model(x, inner(inner(x)))
    assert [layer.name for layer in model.layers] == ["linear"]
    given = np.ones((2, 3), np.float32)
    np.testing.assert_allclose(model.predict(given), linear(linear(given)), rtol=1e-5)
    inner.name = "renamed"
    assert [layer.name for layer in Model(x, inner(x)).layers] == ["renamed"]


def test_a_frozen_model_of_a_module_is_frozen_in_other_models_too():
    inner = Model(nnx.Linear(3, 3, rngs=nnx.Rngs(0)))
    model = Sequential([Input((3,)), inner, Dense(1)])
    assert len(model.trainable_weights) == 4
    inner.trainable = False
    assert len(model.trainable_weights) == 2
    model.trainable = True
    assert inner.trainable
    before = inner.get_weights()
    inner.trainable = False
    model.compile("sgd", "mse")
    model.fit(np.ones((8, 3)), np.ones(8), verbose=0)
    for now, then in zip(inner.get_weights(), before, strict=True):
        np.testing.assert_array_equal(now, then)


def test_the_layer_graph_shows_the_inputs_that_came_last():
    model = Model(nnx.Linear(3, 2, rngs=nnx.Rngs(0)))
    for shape in ((4, 3), (4, 5, 3), (4, 3)):
        model.predict(np.ones(shape), verbose=0)
        assert model.output_shape[1:] == (*shape[1:-1], 2)
        assert model.layer_graph()[0].output_shape[1:] == shape[1:]
