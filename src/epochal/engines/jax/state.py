"""Everything that a step changes, as one flat list of arrays."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from ...core.logs import fetch
from ...messages.names import path_name


class State:
    """The leaves of a nest of arrays; flat because flattening an `nnx.State` at each call costs more than the call.

    Args:
        parts: What a step changes, by name; its arrays are copied, so that they may be donated.

    Attributes:
        leaves: The arrays; replaced at each span.
        tree: How they make up `parts`.
        paths: A name for each leaf, such as `params/dense/kernel`.
    """

    def __init__(self, parts: Mapping[str, Any]) -> None:
        with_paths, self.tree = jax.tree_util.tree_flatten_with_path(dict(parts))
        self.paths = [path_name(path) for path, _ in with_paths]
        self._at = {path: at for at, path in enumerate(self.paths)}
        self.leaves: list[jax.Array] = [jnp.copy(jnp.asarray(leaf)) for _, leaf in with_paths]

    def parts(self) -> dict[str, Any]:
        """Return the leaves in their nest."""
        return jax.tree.unflatten(self.tree, self.leaves)

    def replace(self, part: str, nest: Any) -> None:
        """Replace one part by a nest of the same structure."""
        self.leaves = jax.tree.leaves(self.parts() | {part: nest})

    def place(self, path: str) -> int | None:
        """Return the place of a leaf, None if there is no such path."""
        return self._at.get(path)

    def ending(self, *ends: str) -> list[int]:
        """Return the places of the leaves of the optimizer's state whose paths end in one of these ways."""
        return [at for at, path in enumerate(self.paths) if path.startswith("optimizer/") and path.endswith(ends)]

    def read(self, at: int) -> np.ndarray:
        """Return a host copy of a leaf. A view of a device buffer would silently turn off its donation."""
        return np.array(fetch(plain(self.leaves[at])))

    def write(self, at: int, value: Any) -> None:
        """Replace a leaf's value; its dtype stays, since another would compile everything again."""
        old = self.leaves[at]
        if jnp.issubdtype(old.dtype, jax.dtypes.prng_key):
            self.leaves[at] = jax.random.wrap_key_data(jnp.asarray(value), impl=jax.random.key_impl(old))
            return
        array = np.asarray(value, old.dtype)
        if array.shape != old.shape:
            raise ValueError(f"{self.paths[at]} has shape {old.shape}; got an array of shape {array.shape}.")
        self.leaves[at] = jnp.copy(jax.device_put(array))

    def take_up(self, at: int, value: Any) -> None:
        """Replace a leaf's value by a copy of an array on the device.

        Raises:
            ValueError: If its shape is another one.
        """
        old, value = self.leaves[at], jnp.asarray(value)
        if value.shape != old.shape:
            raise ValueError(f"{self.paths[at]} has shape {old.shape}; the module now has one of shape {value.shape}.")
        self.leaves[at] = jnp.copy(value if value.dtype == old.dtype else value.astype(old.dtype))

    def plain(self, at: int) -> jax.Array:
        """Return a leaf as it is on the device, random keys as their numbers; the next step consumes it."""
        return plain(self.leaves[at])

    def adopt(self, at: int, value: np.ndarray) -> None:
        """Replace a leaf's value by an array that nobody else will use; it isn't copied if the device can hold it.

        Its shape and dtype must be the leaf's. (An array that came from the host isn't donated: the first step copies.)
        """
        self.leaves[at] = device_array(value, self.leaves[at])

    def snapshot(self) -> dict[str, np.ndarray]:
        """Return read-only host copies of all leaves by path."""
        arrays = {path: self.read(at) for at, path in enumerate(self.paths)}
        for array in arrays.values():
            array.setflags(write=False)
        return arrays

    def restore(self, arrays: Mapping[str, np.ndarray]) -> None:
        """Take up a snapshot, bit for bit.

        Raises:
            ValueError: If a name or a shape differs.
        """
        if differing := set(self.paths) ^ set(arrays):
            raise ValueError(
                f"the saved state is of another model or optimizer; only one of the two has: {listed(differing)}."
            )
        for at, path in enumerate(self.paths):
            self.write(at, arrays[path])

    def fits(self, arrays: Mapping[str, np.ndarray], part: str) -> bool:
        """Say whether arrays have the names, shapes and dtypes of all leaves whose paths begin with `part`."""
        own = {path for path in self.paths if path.startswith(part)}
        return own == arrays.keys() and all(self._takes(path, array) for path, array in arrays.items())

    def _takes(self, path: str, array: np.ndarray) -> bool:
        if (at := self._at.get(path)) is None:
            return False
        own = self.plain(at)
        return (own.shape, own.dtype) == (array.shape, array.dtype)

    def restore_what_fits(self, arrays: Mapping[str, np.ndarray]) -> list[str]:
        """Take up the arrays that have the name, shape and dtype of a leaf; return the names of weights that don't.

        A weight may have been trained then and be frozen now, or the reverse.
        """
        places = {path: self._fitting(path, array) for path, array in arrays.items()}
        for path, place in places.items():
            if place is not None:
                self.write(self._at[place], arrays[path])
        left = {path for path, place in places.items() if place is None} | {*self.paths} - {*places.values()}
        return [path for path in left if path.startswith(("params/", "other/"))]

    def _fitting(self, path: str, array: np.ndarray) -> str | None:
        part, _, rest = path.partition("/")
        other = {"params": "other", "other": "params"}.get(part, part)
        return next((found for found in (path, f"{other}/{rest}") if self._takes(found, array)), None)

    def describe(self) -> dict[str, str]:
        """Return each leaf's dtype and shape by path."""
        return {path: f"{leaf.dtype}{list(leaf.shape)}" for path, leaf in zip(self.paths, self.leaves, strict=True)}

    @property
    def lost(self) -> bool:
        """Whether the arrays were consumed by a call that failed."""
        return any(leaf.is_deleted() for leaf in self.leaves)


def outline(parts: Mapping[str, Any]) -> dict[str, Any]:
    """Return the leaves of a nest by the paths that `State` gives them."""
    return {path_name(path): leaf for path, leaf in jax.tree_util.tree_flatten_with_path(dict(parts))[0]}


def device_array(value: np.ndarray, like: jax.Array) -> jax.Array:
    """Put numbers on the device; they become random keys where `like` is some."""
    array = jax.device_put(value)
    if jnp.issubdtype(like.dtype, jax.dtypes.prng_key):
        return jax.random.wrap_key_data(array, impl=jax.random.key_impl(like))
    return array


def plain(leaf: jax.Array) -> jax.Array:
    """Return the numbers in an array of random keys; any other array as it is."""
    return jax.random.key_data(leaf) if jnp.issubdtype(leaf.dtype, jax.dtypes.prng_key) else leaf


def listed(names: Iterable[str], most: int = 6) -> str:
    """Return names for a message, the first few in alphabetical order."""
    names = sorted(names)
    return ", ".join(names[:most]) + (f" and {len(names) - most} more" if len(names) > most else "")
