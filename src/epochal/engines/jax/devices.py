"""Where arrays lie: on JAX's default device."""

# pyright: reportUnknownMemberType=false

from __future__ import annotations

from collections.abc import Callable
from typing import Any, cast

import jax
import jax.numpy as jnp
import numpy as np
from jax.typing import ArrayLike

from ...core.accord import Least, together
from ...core.logs import fetch
from ...data.batches import Chunk
from ...messages.printing import warn
from .trees import Array, PyTree, is_spread

Compiled = Callable[..., Any]


class Devices:
    """The one device that is used if no distribution is set; what subclasses do with several is said here, too."""

    count = 1
    """How many there are."""

    least: Least | None = None
    """Returns the least of each of some numbers over all processes whose devices these are; None in one alone."""

    def all_have(self, condition: bool, where: str) -> bool:
        """Return whether a condition holds in all processes, each of which must ask.

        Args:
            condition: Whether it holds here.
            where: In which moment this is.
        """
        return condition if self.least is None else bool(together(self.least, where, [condition])[0])

    def leaf(self, path: str, value: ArrayLike) -> Array:
        """Return an array of a state as it lies on the devices; not a copy if it lies there already."""
        array = jnp.asarray(value)
        if not is_spread(array):
            return array
        if not array.is_fully_replicated:
            warn(
                f"{path} is sharded over several devices, and is brought to one: no distribution is set "
                f"(epochal.distribution.set_distribution)."
            )
        return cast("Array", jax.device_put(array, cast("Any", jax.local_devices()[0])))

    def everywhere(self, value: ArrayLike) -> Array:
        """Return an array that each device has all of."""
        return jax.device_put(value)

    def rows(self, arrays: list[np.ndarray]) -> list[Array]:
        """Return the rows of many batches, samples first, each of which any device may need."""
        return jax.device_put(arrays)

    def deals_batches(self, chunk: Chunk) -> bool:
        """Return whether `batches` is for the rows of a chunk, and not `rows`."""
        return False

    def batches(self, arrays: list[np.ndarray], chunk: Chunk) -> list[Array]:
        """Return the rows of a chunk by batch, `(capacity, size, ...)`, each batch dealt out over the devices."""
        raise NotImplementedError("one device takes whole batches.")

    def batch(self, x: PyTree, parts: int = 1) -> PyTree:
        """Return a batch to predict on, of which each of so many processes has a part."""
        return x

    def dealt(self, arrays: list[Array], axis: int = 0) -> list[Array]:
        """Return arrays in a compiled function, dealt out over the devices along the axis of their samples."""
        return arrays

    def jit(self, function: Callable[..., Any], leaves: list[Array], **options: Any) -> Compiled:
        """Return a compiled function that returns new leaves, and other things of which each device has all.

        Args:
            function: Returns `(leaves, …)`.
            leaves: What the new leaves are laid out as.
            **options: Those of `jax.jit`.
        """
        return jax.jit(function, **options)

    def jit_outputs(self, function: Callable[..., Any]) -> Compiled:
        """Return a compiled function whose results the host will read."""
        return jax.jit(function)

    def read(self, array: Array) -> np.ndarray:
        """Return an array on the host, and wait for it."""
        return fetch(array)

    def whole(self, arrays: list[Array]) -> list[Array]:
        """Return arrays that this process has all of; every process must ask if it hasn't.

        Raises:
            RuntimeError: If not all processes ask.
        """
        return arrays

    def free_bytes(self) -> int | None:
        """Return how many bytes are free on a device, None where that is the host's own memory."""
        stats = cast("dict[str, int] | None", jax.local_devices()[0].memory_stats())
        return stats["bytes_limit"] - stats["bytes_in_use"] if stats and "bytes_limit" in stats else None


ONE_DEVICE = Devices()
