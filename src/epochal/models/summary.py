"""The table of a model's layers."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from flax import nnx

from ..layers.graph import Graph
from ..layers.listing import weights_of
from ..layers.names import class_name
from ..layers.types import Variable
from ..messages.arguments import names_arguments
from ..messages.numeric import whole
from ..messages.printing import say
from .modules import layers_of
from .trainee import Trainee


class HasTrainee(Protocol):
    """A model, as its table knows it."""

    @property
    def trainee(self) -> Trainee:
        """The network with all that it takes to train it."""
        ...

    @property
    def trainable_weights(self) -> list[Variable]:
        """The variables that training changes."""
        ...


TITLES = ("layer (type)", "output shape", "weights", "number")


@names_arguments
def summary(
    _model: HasTrainee,
    line_length: int | None = None,
    positions: None = None,
    print_fn: Callable[[str], object] | None = None,
    expand_nested: bool = False,
    show_trainable: bool = True,
) -> None:
    """Print the layers, their output shapes, their weights and, where it isn't the one above, what they take.

    Args:
        line_length: The least length of a line; None for what the table needs.
        positions: None: columns are as wide as what is in them.
        print_fn: Called with each line; None prints it.
        expand_nested: Whether the layers of models within follow these, indented.
        show_trainable: Whether frozen layers are marked; they always are.

    Raises:
        ValueError: If the layers have no variables yet, a length is no number, or `positions` are given.
    """
    length = 0 if line_length is None else whole("line_length", line_length, 1)
    if positions is not None:
        raise ValueError("positions can't be chosen: columns are as wide as what is in them. Leave it out.")
    trainee, print_line = _model.trainee, print_fn or say
    module = trainee.runtime.built_module
    rows = [TITLES, *_rows(module, expand_nested)]
    widths = [max(len(row[column]) for row in rows) for column in range(4)]
    widths[2] += max(0, length - sum(widths) - 6)
    for row in rows:
        left = "  ".join(f"{cell:<{width}}" for cell, width in zip(row[:3], widths, strict=False))
        print_line(f"{left}  {row[3]:>{widths[3]}}")
    total = sum(variable.size for _, layer in layers_of(module) for _, variable in weights_of(layer))
    trainable = sum(variable.size for variable in _model.trainable_weights)
    print_line(f"{total:,} weights, {trainable:,} of them trainable")


def _rows(module: nnx.Module, expand_nested: bool, indent: str = "") -> list[tuple[str, ...]]:
    calls = {name: (shape, taken) for name, shape, taken in module.outline()} if isinstance(module, Graph) else {}
    rows: list[tuple[str, ...]] = []
    above = None
    for name, layer in layers_of(module, operations=True):
        weights = weights_of(layer)
        shapes = ", ".join(f"{name} {tuple(variable.shape)}" for name, variable in weights)
        shape, taken = calls.get(name, ("", ()))
        takes = "" if not taken or taken == (above,) or above is None else f" of {', '.join(taken)}"
        kind = class_name(layer) + ("" if getattr(layer, "trainable", True) else ", frozen")
        number = sum(variable.size for _, variable in weights)
        rows.append((f"{indent}{name} ({kind}){takes}", str(shape), shapes or "-", f"{number:,}"))
        if expand_nested and isinstance(layer, Graph):
            rows += _rows(layer, expand_nested, f"{indent}  ")
        above = name
    return rows
