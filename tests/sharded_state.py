"""A state of many dtypes on a mesh, of which every process knows the numbers."""

import jax
import jax.numpy as jnp
import ml_dtypes
import numpy as np
from jax.sharding import Mesh, NamedSharding, PartitionSpec

_random = np.random.default_rng(0)
NUMBERS = {
    "params/dense/kernel": _random.normal(size=(64, 128)).astype("float32"),
    "params/dense/bias": _random.normal(size=128).astype(ml_dtypes.bfloat16),
    "opt.state/0": _random.normal(size=(8, 4, 4)).astype("float16"),
    "scaled": _random.normal(size=16).astype(ml_dtypes.float8_e4m3fn),
    "packed": _random.integers(-8, 8, size=(8, 2)).astype(ml_dtypes.int4),
    "spectrum": (_random.normal(size=(4, 4)) + 1j).astype("complex64"),
    "mask": _random.integers(0, 2, size=8).astype(bool),
    "key": np.array([7, 2**32 - 1], "uint32"),
    "step": np.array(-3, "int32"),
    "none": np.zeros((0, 4), "float32"),
}
SPECS = {
    "params/dense/kernel": ("data", "model"),
    "params/dense/bias": ("model",),
    "opt.state/0": (None, "model"),
    "scaled": (("data", "model"),),
    "packed": ("model",),
    "spectrum": (None, "data"),
    "mask": ("data",),
}


def shardings(shape, specs=SPECS, names=("data", "model")):
    """Return how the state lies on a mesh of the first devices."""
    mesh = Mesh(np.array(jax.devices()[: np.prod(shape)]).reshape(shape), names)
    return {path: NamedSharding(mesh, PartitionSpec(*specs.get(path, ()))) for path in NUMBERS}


def placed(where):
    """Return the state as it lies somewhere, in this process and all others."""
    return {
        path: jax.make_array_from_callback(numbers.shape, where[path], lambda at, numbers=numbers: numbers[at])
        for path, numbers in NUMBERS.items()
    }


@jax.jit
def _turned(array):
    return jnp.roll(array, 1, axis=0) if array.ndim else array + 1


def assert_whole(arrays):
    """Assert that this process's shards have the bits of the state, and nothing of it is missing."""
    assert arrays.keys() == NUMBERS.keys()
    for path, numbers in NUMBERS.items():
        assert (arrays[path].dtype, arrays[path].shape) == (numbers.dtype, numbers.shape), path
        for shard in arrays[path].addressable_shards:
            assert np.asarray(shard.data).tobytes() == numbers[shard.index].tobytes(), path


def train(arrays, steps=1):
    """Run steps that consume the arrays and move numbers between devices and processes; return the new ones."""
    where = {path: array.sharding for path, array in arrays.items()}
    step = jax.jit(lambda tree: jax.tree.map(_turned, tree), out_shardings=where, donate_argnums=0)
    for _ in range(steps):
        arrays = jax.block_until_ready(step(arrays))
    return arrays
