"""Arrays on the device that compiled programs consume and replace, as one flat list."""

# pyright: reportUnknownMemberType=false

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Generic, TypeVar, cast

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jax.typing import ArrayLike

from ...core.processes import THIS
from ...messages.names import first_few
from .devices import ONE_DEVICE, Devices
from .trees import Array, PyTree, Structure, by_path, copied, is_keys

LARGE = 1_000_000
"""Bytes from which on memory matters more than the time for which the device is waited for."""

T = TypeVar("T")


class DeviceState(Generic[T]):
    """The leaves of a nest of arrays; flat because flattening an `nnx.State` at each call costs more than the call.

    Others may have some of the arrays too: those are lent. `own` must be called before the leaves are donated.

    Args:
        tree: A nest of arrays, which others may have too.
        devices: Where they are to lie.

    Attributes:
        devices: The argument.
        structure: How they make up the nest.
        paths: A name for each leaf, such as `params/dense/kernel`.
        on_use: Called before anybody uses the leaves; None if nobody wants to know.
    """

    structure: Structure
    paths: list[str]
    on_use: Callable[[], None] | None = None

    def __init__(self, tree: T, devices: Devices = ONE_DEVICE) -> None:
        self.devices = devices
        self.reset(tree)

    @property
    def leaves(self) -> list[Array]:
        """The arrays; replaced at each span."""
        if self.on_use is not None:
            self.on_use()
        return self._leaves

    @leaves.setter
    def leaves(self, leaves: list[Array]) -> None:
        if self.on_use is not None:
            self.on_use()
        self._leaves = leaves

    def reset(self, tree: T) -> None:
        """Hold the arrays of another nest, of any structure, which others may have too."""
        self.paths = list(by_path(tree))
        self._at = {path: at for at, path in enumerate(self.paths)}
        leaves, self.structure = jax.tree.flatten(tree)
        self.leaves = list(map(self.devices.leaf, self.paths, leaves))
        self._lent: set[int] = set(map(id, self.leaves))  # that of an array that is gone costs a copy, and no harm

    def lend(self, tree: PyTree) -> None:
        """Note that others have the arrays of a nest too."""
        self._lent.update(map(id, jax.tree.leaves(tree)))

    def own(self) -> None:
        """Hold nothing that others may have: copies, one after the other, so that little is there twice."""
        if self._lent:
            leaves, lent = self.leaves, self._lent
            for at in range(len(leaves)):
                if id(leaves[at]) in lent:
                    leaves[at] = _copied(leaves[at])
            self._lent.clear()

    def tree(self) -> T:
        """Return the leaves in their nest; the next step consumes them."""
        return jax.tree.unflatten(self.structure, self.leaves)

    def replace(self, tree: T) -> None:
        """Hold the arrays of another nest of the same structure; nobody else may use them."""
        self.leaves = list(map(self.devices.leaf, self.paths, jax.tree.leaves(tree)))

    def __contains__(self, path: str) -> bool:
        return path in self._at

    def read(self, path: str) -> np.ndarray:
        """Return a host copy of a leaf. A view of a device buffer would silently turn off its donation."""
        return np.array(self.devices.read(self.device_value(path)))

    def device_value(self, path: str) -> Array:
        """Return a leaf as it is on the device, random keys as their numbers; the next step consumes it."""
        return storable(self.leaves[self._at[path]])

    def whole(self, paths: Iterable[str]) -> list[Array]:
        """Return leaves as `device_value` does, of which this process has all; all processes must ask."""
        return self.devices.whole([self.device_value(path) for path in paths])

    def write(self, path: str, value: ArrayLike) -> None:
        """Replace a leaf's value by a copy of an array; its dtype stays, since another would compile everything again.

        Raises:
            ValueError: If the shape is another one.
        """
        old = self.leaves[self._at[path]]
        if jnp.issubdtype(old.dtype, jax.dtypes.prng_key):
            new = device_array(np.array(value), old)
        else:
            array = np.asarray(value, old.dtype)
            if array.shape != old.shape:
                raise ValueError(f"{path} has shape {old.shape}; got an array of shape {array.shape}.")
            new = copied(array)
        self.leaves[self._at[path]] = self.devices.leaf(path, new)

    def write_from_module(self, path: str, value: ArrayLike) -> None:
        """Replace a leaf's value by an array that the module has, on the device or not.

        Raises:
            ValueError: If the shape is another one.
        """
        old, value = self.leaves[self._at[path]], jnp.asarray(value)
        if value.shape != old.shape:
            raise ValueError(f"{path} has shape {old.shape}; the module now has one of shape {value.shape}.")
        value = value if value.dtype == old.dtype else value.astype(old.dtype)
        self.leaves[self._at[path]] = new = self.devices.leaf(path, value)
        self.lend(new)

    def load_owned(self, path: str, value: np.ndarray) -> None:
        """Replace a leaf's value by an array that nobody else will use; it isn't copied if the device can hold it.

        Its shape and dtype must be the leaf's. It counts as lent: where it is the host's memory, it can't be donated.
        """
        at = self._at[path]
        self.leaves[at] = new = self.devices.leaf(path, device_array(value, self.leaves[at]))
        self.lend(new)

    def snapshot(self) -> dict[str, np.ndarray]:
        """Return read-only host copies of all leaves by path, if this is the primary; else of those in parts."""
        arrays: dict[str, np.ndarray] = {}
        for path in self.paths:
            if THIS.is_primary or not self.device_value(path).is_fully_replicated:
                arrays[path] = self.read(path)
                arrays[path].setflags(write=False)
        return arrays

    def checksum(self) -> int:
        """Return a number, less than 2**31, that follows from the leaves of which each process has all."""
        whole = [storable(leaf) for leaf in self.leaves if leaf.is_fully_replicated]
        return int(cast("Array", _checksum(whole))) & 0x7FFFFFFF

    def restore(self, arrays: Mapping[str, np.ndarray]) -> None:
        """Restore a snapshot, bit for bit.

        Raises:
            ValueError: If a name or a shape differs.
        """
        self.check_names(arrays)
        for path in self.paths:
            self.write(path, arrays[path])

    def check_names(self, names: Iterable[str]) -> None:
        """Raise a ValueError if a saved state has arrays of other names."""
        if differing := set(self.paths) ^ set(names):
            shown = first_few(sorted(differing), 6)
            raise ValueError(f"the saved state is of another model or optimizer; only one of the two has: {shown}.")

    def hold(self, path: str, array: Array) -> None:
        """Replace a leaf by an array that lies as it does and that nobody else will use; random keys by numbers."""
        at = self._at[path]
        self.leaves[at] = as_keys(array, self.leaves[at])

    def whole_bytes(self) -> int | None:
        """Return the bytes of all leaves, if a process has only its part of some; else None."""
        leaves = [storable(leaf) for leaf in self.leaves]
        in_parts = any(not (leaf.is_fully_addressable or leaf.is_fully_replicated) for leaf in leaves)
        return sum(leaf.nbytes for leaf in leaves) if in_parts else None

    def describe(self) -> dict[str, str]:
        """Return each leaf's dtype and shape by path."""
        return {path: f"{leaf.dtype}{list(leaf.shape)}" for path, leaf in zip(self.paths, self.leaves, strict=True)}

    @property
    def lost(self) -> bool:
        """Whether the arrays were consumed by a call that failed."""
        return any(leaf.is_deleted() for leaf in self._leaves)


@jax.jit
def _checksum(arrays: list[Array]) -> Array:
    """Return the sum, modulo 2**32, of all bytes, each times a number that follows from its place in its array."""
    total = jnp.uint32(0)
    for array in arrays:
        if array.size:
            by_byte = lax.bitcast_convert_type(array.astype(jnp.uint8) if array.dtype == bool else array, jnp.uint8)
            flat = by_byte.ravel().astype(jnp.uint32)
            total = total * jnp.uint32(31) + jnp.sum(
                flat * (jnp.arange(flat.size, dtype=jnp.uint32) * jnp.uint32(2654435761) + 1)
            )
    return total


def _copied(array: Array) -> Array:
    """Return a copy of an array, finished, if it is large, so that the memory of what it replaces is free."""
    copy = copied(array)
    return copy.block_until_ready() if copy.nbytes > LARGE else copy


def device_array(value: np.ndarray, like: Array) -> Array:
    """Put numbers on the device; they become random keys where `like` is some."""
    return as_keys(jax.device_put(value), like)


def as_keys(array: Array, like: Array) -> Array:
    """Return an array as random keys whose numbers it has, where `like` is some; else the array."""
    if is_keys(like):
        return cast("Array", jax.random.wrap_key_data(array, impl=jax.random.key_impl(like)))
    return array


def storable(array: Array) -> Array:
    """Return an array as files hold it: random keys as their numbers, any other array, or number, as it is."""
    is_keys = jnp.issubdtype(getattr(array, "dtype", np.float32), jax.dtypes.prng_key)
    return jax.random.key_data(array) if is_keys else array
