"""What a process does before its first epoch: how much is compiled and loaded, and what initial weights depend on."""

import json
import os
import subprocess
import sys

import jax
import numpy as np
import pytest
from flax import nnx

import epochal
from epochal.data.seeds import fresh_seed
from epochal.layers import Conv2D, Dense, Dropout, Flatten, Input, Layer, MaxPooling2D
from epochal.models import Sequential

FIRST_STEPS = """
import json, sys
import jax, numpy as np
from epochal.layers import BatchNormalization, Conv2D, Dense, Dropout, Flatten, MaxPooling2D
from epochal.models import Sequential

compiled, counts, misses = [], {}, []

def note(event, seconds, **about):
    if event == "/jax/core/compile/backend_compile_duration":
        compiled.append(about.get("fun_name"))

def did(what):
    counts[what] = len(compiled)
    compiled.clear()

jax.monitoring.register_event_duration_secs_listener(note)
jax.monitoring.register_event_listener(lambda event, **_: misses.append(event) if "cache_miss" in event else None)
model = Sequential([
    Conv2D(4, 3, activation="relu", input_shape=(9, 9, 1)), MaxPooling2D(), Dropout(0.2), Flatten(),
    Dense(8, kernel_initializer="he_normal"), Dense(3, activation="softmax", kernel_initializer="orthogonal"),
])
model.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
did("build")
x, y = np.zeros((64, 9, 9, 1), np.float32), np.zeros(64, int)
model.fit(x, y, verbose=0)
did("fit")
model.fit(x, y, verbose=0)
did("fit again")
model.get_weights(), model.layers[0].get_weights()
did("weights")
model.evaluate(x, y, verbose=0)
did("evaluate")
model.predict(x, verbose=0)
did("predict")
libraries = {"requests", "tensorboard", "sqlite3", "starlette"}
print(json.dumps([counts, sorted(libraries & set(sys.modules)), len(misses)]))
"""


@pytest.fixture(scope="module")
def starts(tmp_path_factory):
    """Return what two processes print that have JAX's cache of compiled programs in common."""
    cache = {"JAX_COMPILATION_CACHE_DIR": str(tmp_path_factory.mktemp("cache"))}
    cache |= {"JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS": "0", "JAX_PERSISTENT_CACHE_MIN_ENTRY_SIZE_BYTES": "-1"}
    command, environment = [sys.executable, "-c", FIRST_STEPS], os.environ | cache
    environment.pop("COVERAGE_PROCESS_CONFIG", None)  # it would load libraries of its own
    return [json.loads(subprocess.check_output(command, env=environment)) for _ in range(2)]


def test_only_the_steps_are_compiled(starts):
    assert starts[0][0] == {"build": 0, "fit": 1, "fit again": 0, "weights": 0, "evaluate": 1, "predict": 1}


def test_a_fit_loads_no_library_that_it_does_not_use(starts):
    assert starts[0][1] == []


def test_a_second_process_finds_all_programs_in_the_cache_of_jax(starts):
    assert [misses for _, _, misses in starts] == [3, 0]


def net():
    return Sequential([Conv2D(4, 3, input_shape=(9, 9, 1)), MaxPooling2D(), Flatten(), Dense(8), Dense(8)])


def test_the_same_seed_makes_the_same_weights_and_another_one_others():
    def weights(seed):
        epochal.set_random_seed(seed)
        return net().get_weights()

    first, again, other = weights(1), weights(1), weights(2)
    for one, same, different in zip(first, again, other, strict=True):
        np.testing.assert_array_equal(one, same)
        assert one.ndim == 1 or not np.array_equal(one, different)  # a bias is 0


def test_layers_of_one_shape_get_different_weights():
    epochal.set_random_seed(0)
    model = Sequential([Dense(8, input_dim=8), Dense(8)])
    first, second = (layer.get_weights()[0] for layer in model.layers)
    assert abs(np.corrcoef(first.ravel(), second.ravel())[0, 1]) < 0.5


class KeepsKeys(Layer):
    """Keeps the first keys of its streams."""

    def build(self, shape, rngs):
        self.keys = nnx.data([jax.random.key_data(key) for key in (rngs.params(), rngs(), rngs.dropout.fork()())])


@pytest.mark.parametrize("kind", ["threefry2x32", "rbg"])
def test_the_streams_of_build_give_the_keys_that_flax_gives(kind):
    with jax.default_prng_impl(kind):
        epochal.set_random_seed(3)
        expected = nnx.Rngs(fresh_seed())
        epochal.set_random_seed(3)
        layer = KeepsKeys()
        layer(np.ones((1, 2)))
        for got, wanted in zip(layer.keys, (expected(), expected(), expected.fork()()), strict=True):
            np.testing.assert_array_equal(got, jax.random.key_data(wanted))


def test_initializers_of_jax_draw_as_they_did():
    epochal.set_random_seed(3)
    key = nnx.Rngs(fresh_seed()).params()
    epochal.set_random_seed(3)
    layer = Dense(5, kernel_initializer=jax.nn.initializers.he_normal(), input_dim=4)
    layer(np.ones((1, 4)))
    np.testing.assert_array_equal(layer.get_weights()[0], jax.nn.initializers.he_normal()(key, (4, 5), np.float32))


def test_dropout_goes_on_from_the_key_of_its_seed():
    def dropped():
        epochal.set_random_seed(4)
        layer = Dropout(0.5)
        return [np.asarray(layer(np.ones((1, 64)), training=True)) for _ in range(2)]

    first, second = dropped()
    assert not np.array_equal(first, second)
    np.testing.assert_array_equal([first, second], dropped())


def test_training_leaves_the_arrays_alone_that_weights_were_drawn_in():
    given = np.ones((64, 32), np.float32)
    model = Sequential([Input((64,)), Dense(32, use_bias=False, kernel_initializer=lambda key, shape, dtype: given)])
    model.compile("sgd", "mse")
    model.fit(np.ones((64, 64)), np.zeros((64, 32)), verbose=0, epochs=2)
    np.testing.assert_array_equal(given, 1)
