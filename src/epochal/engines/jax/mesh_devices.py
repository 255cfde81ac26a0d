"""Where arrays lie: on the devices of a mesh, in one process or in several."""

# pyright: reportUnknownMemberType=false, reportUnknownArgumentType=false

from __future__ import annotations

from collections.abc import Callable
from typing import Any, cast

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jax.experimental import multihost_utils
from jax.sharding import Mesh, NamedSharding, PartitionSpec
from jax.typing import ArrayLike

from ...core.accord import together
from ...core.logs import fetch
from ...core.processes import THIS
from ...data.batches import Chunk
from .devices import Compiled, Devices
from .trees import Array, PyTree, is_keys, map_leaves

SpecOf = Callable[[str, tuple[int, ...]], PartitionSpec]
"""`(path, shape)`: how a leaf of a state lies on the mesh."""


class LeastOf:
    """Finds the least of each of some int32 numbers over all processes, on their devices.

    Args:
        mesh: The devices.
    """

    def __init__(self, mesh: Mesh) -> None:
        self._rows = NamedSharding(mesh, PartitionSpec(mesh.axis_names))
        self._size, self._devices = mesh.size, [d for d in mesh.devices.flat if d.process_index == jax.process_index()]
        self._least = jax.jit(_least, out_shardings=NamedSharding(mesh, PartitionSpec()))

    def __call__(self, numbers: np.ndarray) -> np.ndarray:
        """Return the least numbers; every process must call it with as many."""
        own = [jax.device_put(numbers[None], device) for device in self._devices]
        rows = jax.make_array_from_single_device_arrays((self._size, len(numbers)), self._rows, own)
        return np.asarray(self._least(rows))


class MeshDevices(Devices):
    """The devices of a mesh: the compiler deals the steps out over them.

    Batches are dealt out over one axis of the mesh where that comes out even; else each device has all of them, so that
    what is computed is right for any batch.

    Args:
        mesh: The devices.
        batch_axis: The axis that batches are dealt out over, if the mesh has it.
        spec_of: How the leaves of a state lie.
    """

    def __init__(self, mesh: Mesh, batch_axis: str, spec_of: SpecOf) -> None:
        self._mesh, self._spec_of = mesh, spec_of
        self._batch_axis = batch_axis if batch_axis in mesh.shape else None
        self.count = int(mesh.size)
        self._shards = int(mesh.shape.get(batch_axis, 1))
        self._whole = NamedSharding(mesh, PartitionSpec())
        self._is_local = len({device.process_index for device in mesh.devices.flat}) == 1
        if not self._is_local:
            self.least = LeastOf(mesh)

    def leaf(self, path: str, value: ArrayLike) -> Array:
        """Return an array of a state as it lies on the devices; not a copy if it lies there already."""
        array = value if isinstance(value, (jax.Array, np.ndarray)) else jnp.asarray(value)
        return self._put(array, NamedSharding(self._mesh, self._spec_of(path, array.shape)))

    def everywhere(self, value: ArrayLike) -> Array:
        """Return an array that each device has all of."""
        return self._put(np.asarray(value), self._whole)

    def rows(self, arrays: list[np.ndarray]) -> list[Array]:
        """Return the rows of many batches, samples first, each of which any device may need."""
        return [self._put(array, self._whole) for array in arrays]

    def deals_batches(self, chunk: Chunk) -> bool:
        """Return whether a chunk has the rows of its batches one after the other and nothing else."""
        whole = chunk.capacity * (chunk.size // chunk.parts)
        return chunk.order is None and chunk.start == 0 and chunk.rows_count == whole

    def batches(self, arrays: list[np.ndarray], chunk: Chunk) -> list[Array]:
        """Return the rows of a chunk by batch, `(capacity, size, ...)`, each batch dealt out over the devices."""
        shaped = [array.reshape(chunk.capacity, chunk.size // chunk.parts, *array.shape[1:]) for array in arrays]
        return [self._put_samples(array, 1, chunk.parts) for array in shaped]

    def batch(self, x: PyTree, parts: int = 1) -> PyTree:
        """Return a batch to predict on, of which each of so many processes has a part."""
        return map_leaves(lambda array: self._put_samples(array, 0, parts), x)

    def _put_samples(self, array: ArrayLike, axis: int, parts: int) -> Array:
        """Return samples along an axis, dealt out over the devices where that comes out even."""
        shape = (*np.shape(array)[:axis], np.shape(array)[axis] * parts, *np.shape(array)[axis + 1 :])
        spec = PartitionSpec(*[None] * axis, self._axis_for(shape[axis]))
        sharding = NamedSharding(self._mesh, spec)
        if parts == 1:
            return self._put(array, sharding)
        host = np.asarray(array)
        host = host.astype(jax.dtypes.canonicalize_dtype(host.dtype), copy=False)
        if self._has_its_part(sharding, shape, axis, parts):
            return jax.make_array_from_process_local_data(sharding, host, shape)
        whole = np.concatenate(list(multihost_utils.process_allgather(host)), axis=axis)  # each process needs the rest
        return self._put(whole, sharding)

    def _has_its_part(self, sharding: NamedSharding, shape: tuple[int, ...], axis: int, parts: int) -> bool:
        """Return whether the devices of this process need just the samples that it has."""
        places = sharding.addressable_devices_indices_map(shape).values()
        needed = {tuple(place[axis].indices(shape[axis])[:2]) for place in places if place is not None}
        size = shape[axis] // parts
        first = jax.process_index() * size
        return min(start for start, _ in needed) == first and max(end for _, end in needed) == first + size

    def dealt(self, arrays: list[Array], axis: int = 0) -> list[Array]:
        """Return arrays in a compiled function, dealt out over the devices along the axis of their samples."""
        before = (None,) * axis
        return [
            lax.with_sharding_constraint(
                a, NamedSharding(self._mesh, PartitionSpec(*before, self._axis_for(a.shape[axis])))
            )
            for a in arrays
        ]

    def jit(self, function: Callable[..., Any], leaves: list[Array], **options: Any) -> Compiled:
        """Return a compiled function that returns new leaves, and other things of which each device has all."""
        return jax.jit(
            function, out_shardings=([leaf.sharding for leaf in leaves], self._whole, self._whole), **options
        )

    def jit_outputs(self, function: Callable[..., Any]) -> Compiled:
        """Return a compiled function whose results the host will read: in several processes each of them has all."""
        return jax.jit(function) if self._is_local else jax.jit(function, out_shardings=self._whole)

    def read(self, array: Array) -> np.ndarray:
        """Return an array on the host, and wait for it; every process must ask if it isn't whole in each."""
        return fetch(self.whole([array])[0])

    def whole(self, arrays: list[Array]) -> list[Array]:
        """Return arrays that this process has all of; every process must ask if it hasn't."""
        parts = [not (array.is_fully_addressable or array.is_fully_replicated) for array in arrays]
        if not any(parts) or self.least is None:
            return arrays
        THIS.refuse_alone("to read weights that lie in parts in several processes")
        together(self.least, "reading weights that lie in parts in several processes")
        return [_moved(array, self._whole) if part else array for array, part in zip(arrays, parts, strict=True)]

    def _axis_for(self, size: int) -> str | None:
        """Return the axis that so many samples are dealt out over; None if each device has all of them."""
        return None if size % self._shards else self._batch_axis

    def _put(self, array: ArrayLike, sharding: NamedSharding) -> Array:
        if isinstance(array, jax.Array):
            if array.sharding == sharding:
                return array
            if self._is_local:
                return cast("Array", jax.device_put(array, sharding))
            if not array.is_fully_addressable:
                return _moved(array, sharding)
            if is_keys(array):
                numbers = self._put(jax.random.key_data(array), self._whole)
                return cast("Array", jax.random.wrap_key_data(numbers, impl=jax.random.key_impl(array)))
        if self._is_local:
            return cast("Array", jax.device_put(array, sharding))
        host = np.asarray(array)
        host = host.astype(jax.dtypes.canonicalize_dtype(host.dtype), copy=False)
        return jax.make_array_from_callback(host.shape, sharding, lambda at: host[at])


def _least(rows: Array) -> Array:
    return rows.min(axis=0)


def _moved(array: Array, sharding: NamedSharding) -> Array:
    """Return an array that lies on the devices in another way; every process must take part."""
    return cast("Array", jax.jit(_same, out_shardings=sharding)(array))


def _same(array: Array) -> Array:
    return array
