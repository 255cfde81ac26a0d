"""A network that is any `flax.nnx.Module`."""

from __future__ import annotations

from collections.abc import Callable, Iterable

import jax
import jax.numpy as jnp
from flax import nnx

from ..core.layer_node import LayerNode
from ..data.nests import Nest, map_arrays
from ..engines.jax.trees import PyTree
from ..layers import Layer
from ..layers.frozen import truth_of
from ..layers.graph import Graph
from ..layers.inner_layers import build_inside
from ..layers.symbolic_ends import Ends
from .layer_nodes import module_nodes
from .modules import outputs_like
from .network import Child, InputShape, LayerLike
from .samples import kept
from .signature import Signature, signature_of_nest


class ModuleNetwork:
    """A user's own module, which takes a nest of arrays and returns one.

    Args:
        module: What computes the outputs.
        name: What errors call it.

    Attributes:
        name: What errors call the model.
        inputs: None: it takes any nest.
        outputs: The names and shapes of the outputs; None before it has seen inputs.
    """

    inputs: Signature | None = None
    graph: Graph | None = None
    is_shared = True

    def __init__(self, module: nnx.Module, name: str) -> None:
        self._module, self.name = module, name
        self.outputs: Signature | None = None
        self._trainable = True
        self._input_like: PyTree = None  # the last inputs: a nest of shapes and dtypes
        self._outputs_by_inputs: dict[str, Signature] = {}

    @property
    def module(self) -> nnx.Module:
        """The module."""
        return self._module

    @property
    def parts(self) -> list[LayerLike]:
        """The module."""
        return [self._module]

    @property
    def trainable(self) -> bool:
        """Whether training changes the weights; setting it sets it for the module, if that is a layer."""
        return self._trainable

    @trainable.setter
    def trainable(self, value: bool) -> None:
        self._trainable = truth_of(value)
        if isinstance(self._module, Layer):
            self._module.trainable = self._trainable

    @property
    def cast(self) -> Callable[[PyTree], PyTree]:
        """`cast(x)` returns inputs as they are."""
        return as_they_are

    def build(self, input_shape: InputShape) -> None:
        """Do nothing: a module has its variables."""

    def build_for(self, x: PyTree) -> None:
        """Do nothing: a module has its variables."""

    def learn(self, x: PyTree) -> None:
        """Find out which outputs the module makes of such inputs; layers in it without variables get them."""
        key = str(map_arrays(lambda array: (array.shape[1:], array.dtype), x))
        if key not in self._outputs_by_inputs:
            likes = map_arrays(lambda array: jax.ShapeDtypeStruct(array.shape, jnp.result_type(array)), x)
            self._input_like = likes
            build_inside(self._module, lambda copy, given: copy(given), [likes])
            self._outputs_by_inputs[key] = signature_of_nest("output", outputs_like(self._module, likes))
        self.outputs = self._outputs_by_inputs[key]

    def arrange(self, x: Nest) -> Nest:
        """Return inputs in dtypes that keep them."""
        return map_arrays(lambda array: kept(array, "any", "x"), x)

    def ends(self) -> Ends:
        """Raise an AttributeError: a module draws no graph."""
        raise AttributeError(f"{self.name} has no symbolic input and output: it is made of a plain module.")

    def layer_nodes(self) -> list[LayerNode]:
        """Return the inputs and the module, once it has seen inputs."""
        if self._input_like is None:
            raise ValueError(f"{self.name} doesn't know the shape of its input yet: fit it or predict first.")
        return list(module_nodes(self._module, self._input_like))

    def children(self) -> list[Child]:
        """Return the module."""
        return [("module", self._module)]

    def with_children(self, children: Iterable[Child]) -> ModuleNetwork:
        """Return a network of another module."""
        return ModuleNetwork(dict(children)["module"], self.name)


def as_they_are(x: PyTree) -> PyTree:
    """Return inputs as they are."""
    return x
