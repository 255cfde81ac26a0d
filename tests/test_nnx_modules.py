"""Any flax.nnx module as a model: its state, its own objective, exact resume, errors that name the layer."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from epochal import losses, set_random_seed
from epochal.callbacks import (
    BackupAndRestore,
    Callback,
    EarlyStopping,
    LambdaCallback,
    ModelCheckpoint,
    SwapEMAWeights,
)
from epochal.layers import BatchNormalization, Dense, Dropout
from epochal.models import Model, Sequential
from epochal.optimizers import SGD, Adam

RNG = np.random.default_rng(0)
X = RNG.normal(size=(40, 6)).astype(np.float32)
Y = RNG.normal(size=(40, 1)).astype(np.float32)


class Block(nnx.Module):
    """A residual block with batch statistics and a random stream."""

    def __init__(self, width, rngs):
        self.linear = nnx.Linear(width, width, rngs=rngs)
        self.norm = nnx.BatchNorm(width, rngs=rngs)
        self.dropout = nnx.Dropout(0.3, rngs=rngs)

    def __call__(self, x):
        return x + self.dropout(nnx.relu(self.norm(self.linear(x))))


class Net(nnx.Module):
    def __init__(self, seed=0, width=6):
        rngs = nnx.Rngs(seed)
        self.blocks = nnx.List([Block(width, rngs) for _ in range(2)])
        self.out = nnx.Linear(width, 1, rngs=rngs)

    def __call__(self, x):
        for block in self.blocks:
            x = block(x)
        return self.out(x)


def compiled(module, **options):
    model = Model(module)
    model.compile(**({"optimizer": "adam", "loss": "mse"} | options))
    return model


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


# Resume, files, averages


class Fails(Callback):
    def __init__(self, at):
        self.at, self.count = at, 0

    def on_train_batch_end(self, batch, logs=None):
        self.count += 1
        if self.count == self.at:
            raise RuntimeError("killed")

    def state_dict(self):
        return {}


@pytest.mark.parametrize("at", [2, 4, 7, 9])
def test_a_killed_run_with_batch_statistics_and_dropout_ends_bit_for_bit_as_one_never_killed(tmp_path, at):
    def run(folder, *more):
        set_random_seed(5)
        module = Net()
        model = compiled(module, metrics=["mae"])
        callbacks = [BackupAndRestore(tmp_path / folder, save_freq=1), EarlyStopping("loss", patience=50), *more]
        history = model.fit(X, Y, epochs=3, batch_size=10, verbose=0, callbacks=callbacks).history
        return jax.tree.leaves(nnx.to_pure_dict(nnx.state(module, nnx.Not(nnx.RngKey)))), history, model.predict(X)

    with pytest.raises(RuntimeError, match="killed"):
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
    model.fit(X, Y, epochs=2, verbose=0, callbacks=[SwapEMAWeights(0.9)])
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


# Precision and gradients in parts


def layers(seed=3):
    set_random_seed(seed)
    return Sequential([Dense(16, activation="relu", input_dim=6), Dense(1)])


@pytest.mark.parametrize("batch_size", [16, 10, 7, 3])
@pytest.mark.parametrize("parts", [2, 3, 4])
def test_gradients_in_parts_are_those_of_the_whole_batch(batch_size, parts):
    histories, weights = [], []
    for accumulate in (1, parts):
        model = layers()
        model.compile(SGD(0.1), "mse", ["mae", "r2_score"], ["mse"], accumulate=accumulate)
        sample_weight = np.linspace(0.5, 2, 40, dtype=np.float32)
        fitted = model.fit(X, Y, batch_size=batch_size, epochs=2, verbose=0, seed=1, sample_weight=sample_weight)
        histories.append(fitted.history)
        weights.append(model.get_weights())
    assert list(histories[0]) == ["loss", "mae", "r2_score", "mse"]
    for name, values in histories[0].items():
        np.testing.assert_allclose(histories[1][name], values, rtol=1e-4, err_msg=name)
    for a, b in zip(*weights, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-6)


def test_parts_carry_statistics_and_random_streams():
    model = Sequential([Dense(4, input_dim=6), BatchNormalization(momentum=0.5), Dropout(0.5), Dense(1)])
    model.compile("sgd", "mse", accumulate=2)
    before = model.named_weights()["batch_normalization/moving_mean"]
    hidden = X @ model.named_weights()["dense/kernel"]
    model.train_on_batch(X, Y)
    halves = [hidden[:20].mean(0), hidden[20:].mean(0)]
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


# What a module may be, and what stays its owner's business


class Linear(nnx.Module):
    def __init__(self):
        self.linear = nnx.Linear(6, 1, rngs=nnx.Rngs(0))

    def __call__(self, x):
        return self.linear(x)


def linear(module=None, **options):
    model = Model(module or Linear())
    model.compile(**{"optimizer": "sgd", "loss": "mse"} | options)
    return model


TARGETS = np.ones((40, 1), "float32")


def kernel_of(model):
    return next(w for w in model.get_weights() if w.ndim == 2)


def test_the_module_holds_the_weights_in_functions_and_after_every_call():
    module = Linear()
    model = linear(module)
    first, seen = np.array(module.linear.kernel[...]), []

    def look(epoch, logs):
        seen.append(np.array_equal(module.linear.kernel[...], kernel_of(model)))

    model.fit(X, TARGETS, epochs=2, verbose=0, callbacks=[LambdaCallback(on_epoch_end=look)])
    assert seen == [True, True]
    assert not np.array_equal(module.linear.kernel[...], first)
    model.train_on_batch(X, TARGETS)
    np.testing.assert_array_equal(module.linear.kernel[...], kernel_of(model))
    model.set_weights([np.ones(1), np.zeros((6, 1))])
    assert not np.any(module.linear.kernel[...])


def test_what_is_written_into_the_module_is_read_and_saved_at_once(tmp_path):
    module = Linear()
    model = linear(module)
    model.fit(X, TARGETS, verbose=0)
    module.linear.kernel[...] = jnp.zeros((6, 1))
    assert not kernel_of(model).any()
    model.save_weights(tmp_path / "w.h5")
    other = linear()
    other.load_weights(tmp_path / "w.h5")
    assert not kernel_of(other).any()


def test_whether_the_module_is_in_training_mode_is_its_owners_business():
    module = Net()
    module.eval()
    model = compiled(module)
    model.fit(X, Y, verbose=0)
    model.predict(X)
    model(X)
    flags = [m.use_running_average for _, m in nnx.iter_graph(module) if isinstance(m, nnx.BatchNorm)]
    assert flags
    assert all(flags)


def test_a_module_with_another_layer_than_before_says_what_to_do():
    module = Linear()
    model = linear(module)
    model.fit(X, TARGETS, verbose=0)
    module.linear = nnx.Linear(6, 1, rngs=nnx.Rngs(1))
    with pytest.raises(ValueError, match="other variables than when it was compiled: compile it again"):
        model.get_weights()
    model.compile("sgd", "mse")
    model.fit(X, TARGETS, verbose=0)


class Sowing(Linear):
    def __call__(self, x):
        made = self.linear(x)
        self.sow(nnx.Intermediate, "made", made)
        return made


@pytest.mark.filterwarnings("ignore:Using 'Module.sow:DeprecationWarning")
def test_a_module_that_sows_may_have_been_called_before():
    module = Sowing()
    module(X)
    model = linear(module)
    model.fit(X, TARGETS, verbose=0)
    model(X)
    module(X)
    assert len(model.get_weights()) == 2
    model.fit(X, TARGETS, verbose=0)


class Remembering(Linear):
    def __init__(self):
        super().__init__()
        self.last, self.key = nnx.BatchStat(jnp.zeros(())), nnx.Variable(jax.random.key(0))

    def __call__(self, x):
        self.last.set_value(3.0)
        return self.linear(x)


def test_a_plain_number_and_a_random_key_may_be_a_modules_state(tmp_path):
    model = linear(Remembering())
    weights = model.get_weights()
    assert len(weights) == 3
    model.set_weights(weights)
    model.fit(X, TARGETS, verbose=0, validation_split=0.5, callbacks=[EarlyStopping(restore_best_weights=True)])
    model.save_weights(tmp_path / "w.h5")
    model.load_weights(tmp_path / "w.h5")
    assert 3.0 in [w.item() for w in model.get_weights() if w.shape == ()]


class Several(Linear):
    def __call__(self, x):
        made = self.linear(x)
        return made, {"twice": 2 * made, "pair": (made, made)}


def test_a_module_may_return_a_nest():
    first, nest = linear(Several()).predict(X)
    np.testing.assert_array_equal(nest["twice"], 2 * first)
    model = Model(Several())
    model.compile("sgd", loss={"output_1": "mse"})
    assert len(model.fit(X, {"output_1": TARGETS}, verbose=0).history["loss"]) == 1
    assert model.output_names == ["output_1", "output_2_pair_1", "output_2_pair_2", "output_2_twice"]


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


def test_steps_of_any_number_go_through_a_module():
    class Steps(nnx.Module):
        def __init__(self):
            self.linear = nnx.Linear(6, 2, rngs=nnx.Rngs(0))

        def __call__(self, x):
            return self.linear(x)

    model = Model(Steps())
    model.compile("sgd", losses.SparseCategoricalCrossentropy(from_logits=True))
    batches = [(np.zeros((4, n, 6), "float32"), np.zeros((4, n), "int32")) for n in (5, 7)]
    assert len(model.fit(batches, verbose=0).history["loss"]) == 1


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


def test_an_error_names_the_layer_whatever_its_methods_call_themselves():
    class Odd(nnx.Module):
        def __call__(me, x):
            raise ValueError("not like this")

    class Outer(nnx.Module):
        def __init__(self):
            self.odd = Odd()

        def __call__(self, x):
            return self.odd(x)

    with pytest.raises(ValueError, match="not like this") as caught:
        linear(Outer()).fit(X, TARGETS, verbose=0)
    assert any("'odd' (Odd)" in note for note in caught.value.__notes__)
