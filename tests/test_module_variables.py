"""Plain `flax.nnx` modules: what they write while they compute, variables that hold nests, and names."""

import warnings

import h5py
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from flax import nnx
from regression import X, Y

from epochal.callbacks import BackupAndRestore
from epochal.layers import Input, Layer
from epochal.messages.names import path_name
from epochal.models import Model


def compiled(module, **settings):
    model = Model(module)
    model.compile(**{"optimizer": "sgd", "loss": "mse"} | settings)
    return model


class Writes(nnx.Module):
    """Moves a parameter to the mean of what it gets, in training or always."""

    def __init__(self, always=False, gradient=False):
        self.dense = nnx.Linear(4, 1, rngs=nnx.Rngs(0))
        self.centre, self.always, self.gradient = nnx.Param(jnp.zeros(())), always, gradient
        self.drop = nnx.Dropout(0.0)

    def __call__(self, x):
        centre = self.centre.get_value()
        if self.always or not self.drop.deterministic:
            self.centre.set_value(jax.lax.stop_gradient(0.5 * centre + 1))
        return self.dense(x) + (centre if self.gradient else 0)


def by_hand(module, optimizer, steps):
    """Train in the loop of flax's own pages."""
    module.train()
    state = nnx.Optimizer(module, optimizer, wrt=nnx.Param)
    for _ in range(steps):
        gradients = nnx.grad(lambda module: jnp.mean((module(X) - Y) ** 2))(module)
        state.update(module, gradients)
    return float(module.centre.get_value())


@pytest.mark.parametrize("gradient", [False, True])
@pytest.mark.parametrize("accumulate", [1, 2])
def test_what_the_forward_pass_writes_into_a_parameter_is_kept_and_then_updated(gradient, accumulate):
    model = compiled(Writes(gradient=gradient), optimizer=optax.adamw(0.01), accumulate=accumulate)
    for _ in range(3):
        model.train_on_batch(X, Y)
    found = float(model.module.centre.get_value())
    if accumulate == 1:
        assert found == pytest.approx(by_hand(Writes(gradient=gradient), optax.adamw(0.01), 3), abs=1e-5)
    elif not gradient:  # twice a step, once a part
        want = 0.0
        for _ in range(3):
            want = (0.25 * want + 1.5) * (1 - 0.01 * 1e-4)
        assert found == pytest.approx(want, abs=1e-5)


def test_what_is_written_in_evaluation_is_not_kept_which_is_said():
    model = compiled(Writes(always=True))
    with pytest.warns(UserWarning, match="what is written into .*centre in evaluation and prediction isn't kept"):
        model.evaluate(X, Y, verbose=0)
    with pytest.warns(UserWarning, match="centre"):
        model.predict(X)
    assert model.module.centre.get_value() == 0


def test_random_numbers_in_inference_mode_are_the_same_ones_which_is_said():
    class Noisy(nnx.Module):
        def __init__(self):
            self.dense, self.rngs = nnx.Linear(4, 1, rngs=nnx.Rngs(0)), nnx.Rngs(noise=0)

        def __call__(self, x):
            return self.dense(x) + jax.random.normal(self.rngs.noise(), (len(x), 1))

    with pytest.warns(UserWarning, match="random numbers are drawn in inference mode .*noise/count"):
        compiled(Noisy()).predict(X)


def test_variables_made_in_the_forward_pass_are_refused():
    class Makes(nnx.Module):
        def __init__(self):
            self.dense = nnx.Linear(4, 1, rngs=nnx.Rngs(0))

        def __call__(self, x):
            self.last = nnx.Variable(x.mean())
            return self.dense(x)

    with pytest.raises(ValueError, match="changes which variables the module has .*last.*make them in the constructor"):
        compiled(Makes()).fit(X, Y, verbose=0)


def test_of_many_variables_made_in_the_forward_pass_the_first_are_named_and_the_others_counted():
    class MakesEight(nnx.Module):
        def __init__(self):
            self.dense = nnx.Linear(4, 1, rngs=nnx.Rngs(0))

        def __call__(self, x):
            for at in range(8):
                setattr(self, f"made{at}", nnx.Variable(x.mean()))
            return self.dense(x)

    with pytest.raises(ValueError, match=r"made4, made5 and 2 more\), but a compiled step"):
        compiled(MakesEight()).fit(X, Y, verbose=0)


class Nested(nnx.Module):
    """Has variables that hold nests of arrays, with numbers and texts as keys."""

    def __init__(self):
        self.p = nnx.Param({"w": jnp.ones((4, 1)), "deep": (jnp.zeros(1), {"a/b": jnp.zeros(1)})})
        self.seen = nnx.BatchStat({"count": jnp.zeros((), jnp.int32)})
        self.drop = nnx.Dropout(0.0)

    def __call__(self, x):
        p = self.p.get_value()
        if not self.drop.deterministic:
            self.seen.set_value({"count": self.seen.get_value()["count"] + 1})
        return x @ p["w"] + p["deep"][0] + p["deep"][1]["a/b"]


def test_a_variable_that_holds_a_nest_is_as_many_weights():
    model = compiled(module := Nested(), optimizer="adam")
    names = ["deep/0", "deep/1/a%2Fb", "w"]
    assert list(model.named_weights()) == [*(f"nested/p/{name}" for name in names), "nested/seen/count"]
    model.fit(X, Y, batch_size=8, verbose=0)
    assert module.seen.get_value()["count"] == 4
    weights = model.get_weights()
    assert all((weight != first).any() for weight, first in zip(weights[:3], (0, 0, 1), strict=True))
    module.p.set_value({"w": jnp.zeros((4, 1)), "deep": (jnp.full(1, 3.0), {"a/b": jnp.full(1, 4.0)})})
    assert np.allclose(model.predict(X), 7)
    model.set_weights(weights)
    assert np.array_equal(module.p.get_value()["w"], weights[2])
    assert list(model.gradients(X, Y)["nested"]) == [f"p/{name}" for name in names]
    lines = []
    model.summary(print_fn=lines.append)
    assert lines[-1] == "7 weights (28 B): 6 trainable, 0 frozen and 1 state of layers"


def test_a_subclass_of_a_layer_that_lists_a_nest_lists_it_once():
    class Backwards(Layer):
        def __init__(self):
            super().__init__()
            self.pair = nnx.Param({"a": jnp.zeros(1), "b": jnp.ones(1)})

        def named_weights(self):
            return super().named_weights()[::-1]

        def places(self):
            return [""] * len(self.named_weights())

    class More(Backwards):
        def __init__(self):
            super().__init__()
            self.more = self.add_weight((1,), "ones")

        def call(self, x):
            return x * self.more + self.pair.get_value()["b"]

    layer = More()
    model = Model(x := Input((1,)), layer(x))
    assert [weight.tolist() for weight in layer.get_weights()] == [[1], [0], [1]]
    model.set_weights([[4], [3], [2]])
    assert model.predict(np.ones((1, 1))).tolist() == [[6]]


@pytest.mark.parametrize("name", ["w.h5", "w.weights.h5"])
def test_nests_are_saved_and_resumed(tmp_path, name):
    def fit(epochs):
        model = compiled(Nested(), optimizer="adam")
        model.fit(X, Y, batch_size=8, epochs=epochs, seed=0, verbose=0, callbacks=[BackupAndRestore(tmp_path / "run")])
        return model

    model = fit(1)
    model.save_weights(tmp_path / name)
    other = compiled(Nested())
    other.load_weights(tmp_path / name)
    assert all(np.array_equal(a, b) for a, b in zip(model.get_weights(), other.get_weights(), strict=True))
    resumed, whole = fit(3), compiled(Nested(), optimizer="adam")
    whole.fit(X, Y, batch_size=8, epochs=3, seed=0, verbose=0)
    assert all(np.array_equal(a, b) for a, b in zip(resumed.get_weights(), whole.get_weights(), strict=True))


def test_another_nest_than_at_compile_is_an_error():
    model = compiled(module := Nested())
    model.predict(X)
    module.p.set_value({"w": jnp.zeros((4, 1)), "other": jnp.zeros(1)})
    with pytest.raises(ValueError, match="p holds another nest than when the module was compiled: compile it again"):
        model.predict(X)


KEYS = ["a/b", "a", "0", "a.b", ".a", "..", "", "a%2Fb", "b c", "é"]


class Odd(nnx.Module):
    """Has layers under odd names, one beside what its name would lead to if it were a path."""

    def __init__(self):
        new = lambda: nnx.Linear(4, 4, rngs=nnx.Rngs(0))
        self.layers = nnx.Dict({key: nnx.Dict({"b": new()}) if key == "a" else new() for key in KEYS})
        self.listed = nnx.List([new()])
        self.empty, self.tied = nnx.Dict({}), new()
        self.tied.kernel = self.listed[0].kernel

    def __call__(self, x):
        for key in KEYS:
            x = jnp.tanh(self.layers[key]["b"](x) if key == "a" else self.layers[key](x))
        return self.tied(self.listed[0](x))


@pytest.mark.parametrize("name", ["w.h5", "w.weights.h5"])
def test_names_never_collide(tmp_path, name):
    model = compiled(module := Odd())
    number = 2 * len(KEYS) + 3
    for at, weight in enumerate(weights := model.get_weights()):
        weight[...] = at
    model.set_weights(weights)
    assert len(weights) == len(set(model.named_weights())) == len(model.weights_by_layer()["odd"]) == number
    model.train_on_batch(X, X)
    assert float(module.layers["a/b"].bias[0]) != float(module.layers["a"]["b"].bias[0])
    model.save_weights(tmp_path / name)
    other = compiled(Odd())
    other.load_weights(tmp_path / name)
    assert all(np.array_equal(a, b) for a, b in zip(model.get_weights(), other.get_weights(), strict=True))
    with h5py.File(tmp_path / name) as file:
        found = []
        file.visititems(lambda _, item: found.append(item) if isinstance(item, h5py.Dataset) else None)
        assert len(found) == number


def test_a_name_for_keys_is_one_for_these_keys_only():
    keys = [
        ("a", "b"),
        ("a/b",),
        ("a%2Fb",),
        (0,),
        ("0",),
        (-1,),
        ("-1",),
        ("",),
        (".",),
        ("..",),
        (True,),
        ("True",),
        (None,),
    ]
    assert len({path_name(key) for key in keys}) == len(keys)
    assert path_name(("layers", 0, "kernel")) == "layers/0/kernel"
    parts = [part for key in keys for part in path_name(key).split("/")]
    assert not {"", ".", ".."} & set(parts)


class Own(nnx.Variable):
    """A user's own kind of variable."""


class Kinds(nnx.Module):
    """Has what else nnx has."""

    def __init__(self):
        self.dense = nnx.Linear(
            4, 1, kernel_init=nnx.with_metadata(nnx.initializers.ones, my_note="x"), rngs=nnx.Rngs(0)
        )
        self.own, self.cache = Own(jnp.ones(1)), nnx.Cache(jnp.zeros((), jnp.int32))
        self.table, self.key = np.array([2.0], "float32"), jax.random.key(0)
        self.rngs, self.drop = nnx.Rngs(0), nnx.Dropout(0.5, rngs=nnx.Rngs(1))

    def __call__(self, x):
        if not self.drop.deterministic:
            self.cache.set_value(self.cache.get_value() + 1)
        return self.drop(self.dense(x)) * self.own.get_value() * self.table


def test_other_kinds_of_variables_arrays_and_streams():
    model = compiled(module := Kinds())
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        model.fit(X, Y, batch_size=8, verbose=0)
        model.predict(X)
    assert len(model.get_weights()) == 4
    assert module.cache.get_value() == 4
    assert module.own.get_value() == 1
    assert module.dense.kernel.get_metadata()["my_note"] == "x"
    assert np.asarray(module.table).tolist() == [2.0]
