"""A network that is any `flax.nnx.Module`."""

from __future__ import annotations

from collections.abc import Callable, Iterable

import jax
import jax.numpy as jnp
from flax import nnx

from ..core.layer_node import LayerNode
from ..data.nests import Nest, map_arrays
from ..engines.jax.trees import PyTree
from ..layers import Lambda
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
        trainable: Whether training changes the weights.

    Attributes:
        layer: The one layer that it is in graphs of tensors, however often it is called; it has the name, and says
            whether training changes the weights.
        inputs: None: it takes any nest.
        outputs: The names and shapes of the outputs; None before it has seen inputs.
    """

    inputs: Signature | None = None
    graph: Graph | None = None
    is_shared = True

    def __init__(self, module: nnx.Module, name: str, trainable: bool = True) -> None:
        self._module = module
        self.layer = Lambda(module, name=name, trainable=trainable)
        self.outputs: Signature | None = None
        self._input_like: PyTree = None  # the last inputs: a nest of shapes and dtypes
        self._learned: dict[str, tuple[PyTree, Signature]] = {}  # such inputs, and the outputs that they give

    @property
    def module(self) -> nnx.Module:
        """The module."""
        return self._module

    @property
    def parts(self) -> list[LayerLike]:
        """The module."""
        return [self._module]

    @property
    def name(self) -> str:
        """What errors call the model."""
        return str(self.layer.name)

    @name.setter
    def name(self, name: str) -> None:
        self.layer.name = name

    @property
    def trainable(self) -> bool:
        """Whether training changes the weights; setting it sets it for all layers within."""
        return self.layer.trainable

    @trainable.setter
    def trainable(self, value: bool) -> None:
        self.layer.trainable = value

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
        if key not in self._learned:
            likes = map_arrays(lambda array: jax.ShapeDtypeStruct(array.shape, jnp.result_type(array)), x)
            build_inside(self._module, lambda copy, given: copy(given), [likes])
            self._learned[key] = likes, signature_of_nest("output", outputs_like(self._module, likes))
        self._input_like, self.outputs = self._learned[key]

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
        return ModuleNetwork(dict(children)["module"], self.name, self.trainable)


def as_they_are(x: PyTree) -> PyTree:
    """Return inputs as they are."""
    return x
