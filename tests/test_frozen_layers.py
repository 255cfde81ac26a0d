"""`trainable` of layers and models, and `compile(wrt=…)` of modules: what is frozen stays, wherever it is."""

import numpy as np
import pytest
from flax import nnx

from epochal.callbacks import BackupAndRestore, LambdaCallback
from epochal.layers import BatchNormalization, Bidirectional, Dense, Dropout, Input, Layer, SimpleRNN
from epochal.models import Model, Sequential, load_model

x = np.random.default_rng(0).normal(size=(64, 4)).astype("float32")
y = x[:, :1]


def moved(model, before):
    return [bool((a != b).any()) for a, b in zip(before, model.get_weights(), strict=True)]


def fitted(model, **options):
    before = model.get_weights()
    model.fit(x, y, verbose=0, **options)
    return moved(model, before)


def nested(optimizer="adam", **compiled):
    """A model with a base of Dense, BatchNormalization and Dense, of which only the last Dense is trained."""
    base = Sequential([Dense(3, input_dim=4, name="a"), BatchNormalization(name="bn"), Dense(2, name="b")], name="base")
    base.trainable = False
    base.layers[-1].trainable = True
    inputs = Input((4,))
    model = Model(inputs, Dense(1, name="top")(base(inputs)))
    model.compile(optimizer, "mean_squared_error", **compiled)
    return model


TRAINED_OF_NESTED = [False] * 6 + [True] * 4  # a, bn with its moving averages; b, top


def test_a_frozen_layer_has_no_gradient_and_no_optimizer_state():
    model = Sequential([Dense(8, input_dim=4, trainable=False, name="still"), Dense(1, name="top")])
    model.compile("adam", "mse")
    assert fitted(model, epochs=2) == [False, False, True, True]
    assert list(model.gradients(x, y)["top"]) == ["kernel", "bias"]
    assert model.gradients(x, y)["still"] == {}
    moments = [path for path in model.trainee.runtime.optimizer_arrays() if path.endswith("kernel/value")]
    assert len(moments) == 2, "of one kernel only: its mean and its square"


def test_the_innermost_layer_decides_as_in_keras():
    model = nested()
    assert fitted(model) == TRAINED_OF_NESTED
    assert [v.shape for v in model.trainable_weights] == [(3, 2), (2,), (2, 1), (1,)]
    assert len(model.non_trainable_weights) == 6
    assert model.get_layer("base").trainable_weights == []
    model.trainable = True
    model.compile("adam", "mse")
    assert all(fitted(model))


def test_frozen_batch_normalization_trains_nothing_and_normalises_by_its_averages():
    model = Sequential([BatchNormalization(input_shape=(4,), name="bn"), Dense(1, kernel_initializer="ones")])
    gamma, beta, mean, variance = (np.full(4, value, "float32") for value in (2, 1, 0.5, 4))
    model.get_layer("bn").trainable = False
    model.compile("sgd", "mse")
    model.set_weights([gamma, beta, mean, variance, np.ones((4, 1)), np.zeros(1)])
    normalised = (x - 0.5) / np.sqrt(4 + 1e-3) * 2 + 1
    want = np.mean((normalised.sum(1) - y[:, 0]) ** 2)
    assert np.isclose(model.train_on_batch(x, y), want, rtol=1e-5)
    assert np.array_equal(model.get_weights()[2], mean)


def test_dropout_in_a_frozen_model_still_drops():
    frozen = Sequential([Dropout(0.5, input_shape=(4,))], name="frozen")
    frozen.trainable = False
    model = Sequential([Input((4,)), frozen, Dense(1, kernel_initializer="ones")])
    model.compile("sgd", "mse")
    assert not np.isclose(model.test_on_batch(x, y), model.train_on_batch(x, y))


def test_frozen_weights_keep_every_digit_when_computed_in_bfloat16():
    assert fitted(nested(dtype="bfloat16", accumulate=2), epochs=2) == TRAINED_OF_NESTED


def test_the_layers_within_a_layer_are_frozen_with_it():
    model = Sequential([Bidirectional(SimpleRNN(2), input_shape=(3, 4), name="both"), Dense(1)])
    model.get_layer("both").trainable = False
    assert not model.get_layer("both").backward_layer.trainable
    model.compile("adam", "mse")
    before = model.get_weights()
    model.fit(np.ones((8, 3, 4)), np.ones((8, 1)), verbose=0)
    assert moved(model, before) == [False] * 6 + [True] * 2


def test_layers_that_are_frozen_before_they_are_built():
    model = Sequential([Dense(3), Dense(1)])
    model.layers[0].trainable = False
    model.compile("sgd", "mse")
    model.fit(x, y, epochs=1, verbose=0)
    assert fitted(model) == [False, False, True, True]
    model = Sequential([Dense(3), Dense(1)], trainable=False)
    model.add(Dense(1))
    model.compile("sgd", "mse")
    with pytest.warns(UserWarning, match="no weights to train"):
        model.fit(x, y, verbose=0)
    assert model.trainable_weights == []


def test_a_change_after_compile_is_told_and_counts_only_after_the_next():
    model = Sequential([Dense(3, input_dim=4, name="first"), Dense(1)])
    model.compile("sgd", "mse")
    model.get_layer("first").trainable = False
    for train in (fitted, lambda model: model.train_on_batch(x, y)):
        with pytest.warns(UserWarning, match="trainable of first was changed after compile"):
            train(model)
    with pytest.warns(UserWarning, match="changed after compile"):
        assert all(fitted(model))
    model.compile("sgd", "mse")
    assert fitted(model) == [False, False, True, True]


def test_a_discriminator_frozen_only_inside_the_pair_trains_by_itself():
    generator = Sequential([Dense(4, input_dim=2)])
    discriminator = Sequential([Dense(3, input_dim=4), BatchNormalization(), Dense(1)])
    discriminator.compile("sgd", "mse")
    discriminator.trainable = False
    noise = Input((2,))
    pair = Model(noise, discriminator(generator(noise)))
    pair.compile("sgd", "mse")
    before, own = pair.get_weights(), discriminator.get_weights()
    pair.train_on_batch(x[:, :2], y)
    assert moved(pair, before) == [True] * 2 + [False] * 8
    assert not any(moved(discriminator, own))
    discriminator.train_on_batch(x, y)  # without a warning: the pair has taken up that it is frozen there
    assert all(moved(discriminator, own))


@pytest.mark.parametrize("value", [0, "no", None])
def test_trainable_is_true_or_false(value):
    layer = Dense(1)
    with pytest.raises(TypeError, match="trainable is True or False"):
        layer.trainable = value
    with pytest.raises(TypeError, match="trainable is True or False"):
        Sequential([layer], trainable=value)
    layer.trainable = np.bool_(False)
    assert layer.trainable is False


def test_the_summary_counts_what_is_trained():
    lines = []
    nested().summary(print_fn=lines.append)
    assert "base (Sequential, frozen)" in lines[2]
    assert lines[-1] == "38 weights (152 B): 11 trainable, 21 frozen and 6 state of layers"


# Files


@pytest.mark.parametrize("name", ["m.h5", "m.weights.h5"])
def test_files_hold_frozen_layers_and_their_weights(tmp_path, name):
    model = nested()
    model.fit(x, y, verbose=0)
    if name == "m.h5":
        model.save(tmp_path / name)
        other = load_model(tmp_path / name)
        assert [layer.trainable for layer in other.layers[0].layers] == [False, False, True]
        for each in (model, other):
            each.fit(x, y, verbose=0, shuffle=False)
    else:
        model.save_weights(tmp_path / name)
        other = nested()
        other.load_weights(tmp_path / name)
    assert not any(moved(model, other.get_weights()))


def test_weights_load_whatever_was_frozen_when_they_were_saved(tmp_path):
    model, other = nested(), nested()
    other.trainable = True
    model.save_weights(tmp_path / "w.h5")  # whose order depends on what is trained
    other.load_weights(tmp_path / "w.h5")
    assert not any(moved(model, other.get_weights()))


class Block(Layer):
    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.inner, self.outer = Dense(4), Dense(4)

    def call(self, x):
        return self.outer(self.inner(x))


def test_files_hold_which_layers_within_an_own_layer_are_frozen(tmp_path):
    model = Sequential([Input((4,)), Block(name="block"), Dense(1)])
    model.get_layer("block").inner.trainable = False
    model.compile("sgd", "mean_squared_error")
    assert fitted(model) == [False, False, True, True, True, True]
    model.save(tmp_path / "m.h5")
    assert fitted(load_model(tmp_path / "m.h5", {"Block": Block})) == [False, False, True, True, True, True]


def test_a_killed_run_with_frozen_layers_ends_as_one_never_killed(tmp_path):
    class Killed(Exception):
        pass

    def fit(model, folder, epochs=4, kill_at=None):
        def kill(epoch, logs):
            if epoch == kill_at:
                raise Killed

        model.fit(
            x,
            y,
            epochs=epochs,
            verbose=0,
            seed=1,
            callbacks=[LambdaCallback(on_epoch_begin=kill), BackupAndRestore(folder)],
        )
        return model

    start = nested().get_weights()

    def fresh():
        model = nested()
        model.set_weights(start)
        return model

    whole = fit(fresh(), tmp_path / "whole")
    with pytest.raises(Killed):
        fit(fresh(), tmp_path / "cut", kill_at=2)
    assert not any(moved(whole, fit(fresh(), tmp_path / "cut").get_weights()))
    thawed = fresh()
    thawed.trainable = True
    thawed.compile("adam", "mean_squared_error")
    with pytest.raises(ValueError, match="params/"):
        fit(thawed, tmp_path / "cut", epochs=6)


# Modules


class Adapted(nnx.Module):
    def __init__(self, rngs):
        self.body = nnx.LoRA(4, 2, 4, base_module=nnx.Linear(4, 4, rngs=rngs), rngs=rngs)
        self.head = nnx.Linear(4, 1, rngs=rngs)

    def __call__(self, x):
        return self.head(self.body(x))


def changed(module, before):
    return {"/".join(path) for path, v in nnx.to_flat_state(nnx.state(module)) if (v[...] != before[path]).any()}


@pytest.mark.parametrize(
    ("wrt", "trained"),
    [
        (nnx.LoRAParam, {"body/lora_a", "body/lora_b"}),
        (nnx.PathContains("head"), {"head/kernel", "head/bias"}),
        (
            nnx.All(nnx.Param, nnx.Not(nnx.PathContains("base_module"))),
            {"body/lora_a", "body/lora_b", "head/kernel", "head/bias"},
        ),
    ],
)
def test_a_filter_says_which_variables_of_a_module_are_trained(wrt, trained):
    module = Adapted(nnx.Rngs(0))
    model = Model(module)
    model.compile("adam", "mse", wrt=wrt)
    before = {path: np.array(v[...]) for path, v in nnx.to_flat_state(nnx.state(module))}
    model.fit(x, y, epochs=2, verbose=0)
    assert changed(module, before) == trained


def test_trainable_of_a_plain_module_counts_too():
    module = Adapted(nnx.Rngs(0))
    module.body.trainable = False
    model = Model(module)
    model.compile("adam", "mse")
    before = {path: np.array(v[...]) for path, v in nnx.to_flat_state(nnx.state(module))}
    model.fit(x, y, verbose=0)
    assert changed(module, before) == {"head/kernel", "head/bias"}


def test_a_filter_that_selects_nothing_or_what_has_no_gradient():
    module = nnx.Sequential(nnx.Linear(4, 1, rngs=nnx.Rngs(0)), nnx.Dropout(0.1, rngs=nnx.Rngs(0)))
    with pytest.raises(ValueError, match="selects nothing: the module has variables of Param, RngCount, RngKey"):
        Model(module).compile("sgd", "mse", wrt=nnx.LoRAParam)
    with pytest.raises(ValueError, match=r"selects 'layers/1/rngs/.*' \(Rng.*has no gradient"):
        Model(module).compile("sgd", "mse", wrt=nnx.RngState)
    with pytest.raises(TypeError, match="wrt is an nnx filter"):
        Model(module).compile("sgd", "mse", wrt=3)
    layers = Sequential([Dense(1, input_dim=4)])
    layers.compile("sgd", "mse", wrt=nnx.PathContains("bias"))
    with pytest.raises(ValueError, match=r"wrt.*save_weights"):
        layers.save("never.h5")


class Normalised(Layer):
    """As in Keras: it asks for training, and passes it on."""

    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.bn = BatchNormalization()
        self.dense = Dense(3)

    def call(self, x, training=None):
        return self.dense(self.bn(x, training=training))


@pytest.mark.parametrize("within", [False, True])
def test_frozen_batch_normalization_rests_within_an_own_layer_and_when_told_to_train(within):
    block = Normalised(name="block")
    model = Sequential([Input((4,)), block, Dense(1)])
    (block if within else block.bn).trainable = False
    model.compile("sgd", "mse")
    before = model.get_weights()
    model.fit(x, y, verbose=0)
    assert moved(model, before) == ([False] * 6 if within else [False] * 4 + [True] * 2) + [True] * 2


def test_a_frozen_base_called_in_inference_mode_within_a_model():
    base = Sequential([Dense(4, input_dim=4), BatchNormalization(), Dropout(0.9)])
    inputs = Input((4,))
    model = Model(inputs, Dense(1)(base(inputs, training=False)))
    model.compile("sgd", "mse")
    before = model.get_weights()
    assert np.isclose(model.test_on_batch(x, y), model.train_on_batch(x, y), rtol=1e-5)
    assert moved(model, before) == [True] * 4 + [False] * 2 + [True] * 2, "all but the moving averages"


def test_one_weight_alone_is_frozen_by_its_own_trainable():
    class Line(Layer):
        def build(self, input_shape):
            self.kernel = self.add_weight(shape=(input_shape[-1], 1))
            self.bias = self.add_weight(shape=(1,))
            self.count = self.add_weight(trainable=False)

        def call(self, inputs):
            return inputs @ self.kernel + self.bias

    line = Line(input_shape=(4,))
    model = Sequential([line])
    line.kernel.trainable = False
    model.compile("adam", "mse")
    assert fitted(model) == [False, True, False]
    assert [weight.trainable for weight in line.weights] == [False, True, False]
    assert len(model.trainable_weights) == 1
    with pytest.raises(ValueError, match="make it with trainable=True"):
        line.count.trainable = True
    line.kernel.trainable = True
    with pytest.warns(UserWarning, match="was changed after compile"):
        model.fit(x, y, verbose=0)
    module = nnx.Linear(4, 1, rngs=nnx.Rngs(0))
    module.kernel.set_metadata("trainable", False)
    assert [v.shape for v in Model(module).trainable_weights] == [(1,)]
