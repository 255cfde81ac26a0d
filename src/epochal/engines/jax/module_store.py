"""The weights of a module that no engine has, in the module's own arrays."""

# pyright: reportUnknownMemberType=false

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Protocol, TypeAlias

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx
from jax.typing import ArrayLike, DTypeLike

from ...core.dirty import DIRTY_STORES
from ...core.logs import fetch
from .device_state import storable
from .module_split import variables_of
from .trees import Array, Path


class NestedWeight(Protocol):
    """One array of a variable that holds a nest of them."""

    @property
    def variable(self) -> nnx.Variable[Any]:
        """The variable."""
        ...

    @property
    def keys(self) -> Path:
        """Where in the nest the array is."""
        ...

    @property
    def dtype(self) -> DTypeLike:
        """The array's dtype."""
        ...

    def get_value(self) -> Any:
        """Return the array."""
        ...

    def set_value(self, value: Any) -> None:
        """Replace the array."""
        ...


Weight: TypeAlias = nnx.Variable[Any] | NestedWeight


class ModuleWeightStore:
    """Reads and writes weights in a module's own arrays.

    Args:
        module: Holds the weights.
    """

    def __init__(self, module: nnx.Module) -> None:
        self._module = module

    @property
    def variable_ids(self) -> Iterable[int]:
        """The ids of the module's variables; the module is looked through only if somebody asks for the first one."""
        for _, variable in variables_of(self._module):
            yield id(variable)

    def read(self, weights: Iterable[Weight]) -> list[np.ndarray]:
        """Return host copies of the current values of weights; random keys as their numbers."""
        return [np.array(fetch(value)) for value in self.device_values(weights)]

    def device_values(self, weights: Iterable[Weight]) -> list[Array]:
        """Return the current values of weights as they are on the device, random keys as their numbers."""
        return [storable(weight.get_value()) for weight in weights]

    def write(self, weights: Iterable[Weight], values: Iterable[ArrayLike]) -> None:
        """Replace the values of weights by copies of arrays of the same shapes."""
        for weight, value in zip(weights, values, strict=True):
            weight.set_value(jnp.asarray(value, weight.dtype))

    def load_owned(self, weights: Iterable[Weight], values: Iterable[np.ndarray]) -> None:
        """Replace the values of weights by arrays of the right shapes and dtypes that nobody else will use."""
        for weight, value in zip(weights, values, strict=True):
            weight.set_value(jax.device_put(value))

    def pull_external_writes(self) -> None:
        """Let engines that train variables of this module write back what they have."""
        DIRTY_STORES.write_back(self.variable_ids)

    def write_back(self) -> None:
        """Do nothing: the module's own arrays hold the current values."""
