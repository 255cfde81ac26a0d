"""What a model asks of its network: the module that computes outputs from inputs, and what goes in and comes out."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Protocol, TypeAlias

from flax import nnx

from ..core.layer_node import LayerNode
from ..data.nests import Nest
from ..engines.jax.trees import PyTree
from ..layers import Layer
from ..layers.graph import Graph
from ..layers.symbolic_ends import Ends
from .signature import Signature

LayerLike: TypeAlias = Any
"""A layer or another module, or a model, which has one."""

Child: TypeAlias = tuple[str, LayerLike]
"""What flax finds in a model, with its name."""

OneShape: TypeAlias = Sequence[int | None]

InputShape: TypeAlias = OneShape | Sequence[OneShape] | Mapping[str, OneShape] | None
"""The shape of the input, the batch axis in front, where None is an open size; None if nobody says it.

Of several inputs the shapes come in a list, or in a dict by name.
"""


class Network(Protocol):
    """The module of a model; it may be made only when the shape of the inputs is known."""

    @property
    def name(self) -> str:
        """The name of the model in errors and files; it may be set."""
        ...

    @name.setter
    def name(self, name: str) -> None: ...

    @property
    def module(self) -> nnx.Module | None:
        """The module; None until the layers have their variables."""
        ...

    @property
    def graph(self) -> Graph | None:
        """The module, if it is a graph of layers."""
        ...

    @property
    def layer(self) -> Layer:
        """What the model is in a graph when it is called on tensors, always the same one.

        Raises:
            ValueError: If the layers have no variables yet.
        """
        ...

    @property
    def parts(self) -> list[LayerLike]:
        """The module, or the layers and models of which there will be one."""
        ...

    @property
    def inputs(self) -> Signature | None:
        """The names and shapes of the inputs; None before they are known, and for a module, which takes any."""
        ...

    @property
    def outputs(self) -> Signature | None:
        """The names and shapes of the outputs; None where they aren't known yet."""
        ...

    @property
    def trainable(self) -> bool:
        """Whether training changes the weights; setting it sets it for all layers."""
        ...

    @trainable.setter
    def trainable(self, value: bool) -> None: ...

    @property
    def is_shared(self) -> bool:
        """Whether others may look at the module's own arrays: the user, or models that have layers in common."""
        ...

    @property
    def cast(self) -> Callable[[PyTree], PyTree]:
        """A pure function, `cast(x)`, that returns arranged inputs in the dtypes that the layers take."""
        ...

    def build(self, input_shape: InputShape) -> None:
        """Make the variables for inputs of a shape, the batch axis in front; if they are there, check the shape.

        Raises:
            ValueError: If nobody says the shape, or it is another one.
        """
        ...

    def build_for(self, x: PyTree) -> None:
        """Make the variables for inputs like these, arrays or tensors, if they aren't there."""
        ...

    def learn(self, x: PyTree) -> None:
        """Find out from inputs, an array or a nest of them, what can't be known without."""
        ...

    def arrange(self, x: Nest) -> Nest:
        """Return inputs in the network's order, with the axis of 1 that single numbers lack, in dtypes that keep them.

        Raises:
            ValueError: If it can't take them.
        """
        ...

    def ends(self) -> Ends:
        """Return the symbolic inputs and outputs.

        Raises:
            AttributeError: If there are none.
        """
        ...

    def layer_nodes(self) -> list[LayerNode]:
        """Return the inputs and the layers with their shapes, and which takes whose output.

        Raises:
            ValueError: If the shape of the input isn't known yet.
        """
        ...

    def children(self) -> list[Child]:
        """Return the children that flax finds in the model when a module that has it is copied."""
        ...

    def with_children(self, children: Iterable[Child]) -> Network:
        """Return a network like this one of other children, each by the name it has in `children`."""
        ...
