"""Models with layers that users write: saved, loaded, copied, resumed, shared, and used by every method."""

import copy
import pickle

import h5py
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx
from killed_runs import outcome
from regression import X, Y

from epochal import layers
from epochal.callbacks import EarlyStopping
from epochal.layers import BatchNormalization, Dense, Dropout, Input
from epochal.models import Model, Sequential, load_model


class Block(layers.Layer):
    def __init__(self, units=3, rate=0.1, **kwargs):
        super().__init__(**kwargs)
        self.units, self.rate = units, rate
        self.denses = [Dense(units, activation="relu"), Dense(units)]
        self.named = {"stack": Sequential([Dense(units), BatchNormalization()]), "drop": Dropout(rate)}

    def build(self, input_shape):
        self.scale = self.add_weight(shape=(input_shape[-1],), initializer="ones", name="scale")
        self.count = self.add_weight(shape=(), initializer="zeros", trainable=False, name="count")

    def call(self, x, training=None):
        if training:
            self.count.assign_add(1)
        self.add_loss(0.1 * jnp.mean(self.scale**2))
        x = x * self.scale
        for dense in self.denses:
            x = dense(x)
        return self.named["drop"](self.named["stack"](x), training=training)

    def get_config(self):
        return {**super().get_config(), "units": self.units, "rate": self.rate}


def new():
    model = Sequential([Input((4,)), Block(name="block"), Dense(1)])
    model.compile("adam", "mse")
    return model


@pytest.fixture(scope="module")
def trained():
    model = new()
    model.fit(X, Y, batch_size=8, epochs=2, seed=0, verbose=0)
    return model


def assert_equal(one, other):
    assert list(one.named_weights()) == list(other.named_weights())
    assert all(np.array_equal(a, b) for a, b in zip(one.get_weights(), other.get_weights(), strict=True))


@pytest.mark.parametrize("name", ["w.h5", "w.weights.h5"])
def test_weights_are_saved_and_loaded(tmp_path, trained, name):
    trained.save_weights(tmp_path / name)
    other = new()
    other.load_weights(tmp_path / name)
    assert_equal(trained, other)


def test_weights_lie_where_keras_looks_for_them(tmp_path, trained):
    trained.save_weights(tmp_path / "w.weights.h5")
    found = {}
    with h5py.File(tmp_path / "w.weights.h5") as file:
        file["layers/block"].visititems(lambda n, item: found.update({n: item.shape} if hasattr(item, "shape") else {}))
    stack = "named/sequential/layers"
    assert found == {
        "vars/0": (4,),
        "vars/1": (),
        "denses/dense/vars/0": (4, 3),
        "denses/dense/vars/1": (3,),
        "denses/dense_1/vars/0": (3, 3),
        "denses/dense_1/vars/1": (3,),
        f"{stack}/dense/vars/0": (3, 3),
        f"{stack}/dense/vars/1": (3,),
        **{f"{stack}/batch_normalization/vars/{n}": (3,) for n in range(4)},
    }


def test_a_whole_model_goes_on_from_its_file_bit_for_bit(tmp_path):
    one, whole = new(), new()
    whole.set_weights(one.get_weights())
    one.fit(X, Y, batch_size=8, epochs=1, seed=0, verbose=0)
    one.save(tmp_path / "m.h5")
    other = load_model(tmp_path / "m.h5", custom_objects={"Block": Block})
    assert isinstance(other.layers[0], Block)
    assert_equal(one, other)
    for model in (one, other):
        model.fit(X, Y, batch_size=8, epochs=2, initial_epoch=1, seed=0, verbose=0)
    assert_equal(one, other)
    assert other.layers[0].count.value == 8
    with pytest.raises(ValueError, match="unknown class 'Block'"):
        load_model(tmp_path / "m.h5")


def test_from_config_of_ones_own_is_used(tmp_path, trained):
    class Renamed(Block):
        @classmethod
        def from_config(cls, config):
            assert config["units"] == 3
            return cls(**config)

    trained.save(tmp_path / "m.h5")
    assert isinstance(load_model(tmp_path / "m.h5", custom_objects={"Block": Renamed}).layers[0], Renamed)


@pytest.mark.parametrize("duplicate", [copy.deepcopy, lambda model: pickle.loads(pickle.dumps(model))])
def test_a_copy_is_whole_too(trained, duplicate):
    other = duplicate(trained)
    assert_equal(trained, other)
    before = trained.get_weights()
    other.train_on_batch(X, Y)
    assert all(np.array_equal(a, b) for a, b in zip(before, trained.get_weights(), strict=True))
    assert (other.get_weights()[2] != before[2]).any()


def test_the_best_weights_come_back():
    model = new()
    stopping = EarlyStopping("loss", mode="max", patience=1, restore_best_weights=True)
    model.fit(X, Y, batch_size=8, epochs=5, verbose=0, callbacks=[stopping])
    assert model.get_weights()[1] == 4 * (stopping.best_epoch + 1)


def test_a_layer_and_a_model_inside_are_shared_with_other_models():
    block = Block(name="block")
    x = Input((4,))
    both = Model(x, [Dense(1, name="one")(block(x)), Dense(1, name="other")(block(x))])
    both.compile("sgd", "mse")
    encoder = Model(x, block(x))
    inner = block.named["stack"]
    both.fit(X, [Y, Y], verbose=0)
    np.testing.assert_allclose(inner.predict(X[:, :3]), inner(X[:, :3]), rtol=1e-6)
    assert np.array_equal(inner.get_weights()[0], both.named_weights()["block/named/stack/dense/kernel"])
    shown = dict(zip(encoder.named_weights(), encoder.get_weights(), strict=True))
    assert all(np.array_equal(shown[name], both.named_weights()[name]) for name in shown)
    inner.set_weights([0 * w for w in inner.get_weights()])
    assert not encoder.predict(X).any()
    assert not both.get_layer("block").weights[6].get_value().any()


def test_frozen_inside_an_own_layer_stays_as_it_is():
    model = new()
    model.layers[0].denses[0].trainable = False
    model.layers[0].named["stack"].trainable = False
    model.compile("sgd", "mse")
    before = model.named_weights()
    model.fit(X, Y, verbose=0)
    changed = {name for name, w in model.named_weights().items() if (w != before[name]).any()}
    assert changed == {f"block/{n}" for n in ("scale", "count", "denses/1/kernel", "denses/1/bias")} | {
        "dense/kernel",
        "dense/bias",
    }


class Shaken(layers.Layer):
    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.rngs = nnx.Rngs(0)

    def call(self, x):
        return x + 0.1 * jax.random.normal(self.rngs.noise(), x.shape)


def test_a_layer_that_keeps_an_rngs_is_saved_and_its_streams_are_no_weights(tmp_path):
    model = Sequential([Input((3,)), Shaken(), Dense(1)])
    model.compile("sgd", "mse")
    model.fit(X[:, :3], Y, verbose=0)
    model.save(tmp_path / "shaken.h5")
    loaded = load_model(tmp_path / "shaken.h5", custom_objects={"Shaken": Shaken})
    assert list(loaded.named_weights()) == ["dense/kernel", "dense/bias"]
    for saved, held in zip(loaded.get_weights(), model.get_weights(), strict=True):
        assert np.array_equal(saved, held)


@pytest.mark.parametrize("death", [[9, 23], [15, 40]])
def test_killed_with_an_own_layer_it_ends_as_if_it_had_not_been(forks, golden, tmp_path, death):
    assert forks.run(tmp_path, own=True, die=death) == -death[0]
    assert forks.run(tmp_path, own=True) == 0
    assert outcome(tmp_path) == golden(own=True)
