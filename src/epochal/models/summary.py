"""The table of a model's layers."""

from __future__ import annotations

import html
import sys
from collections.abc import Callable, Iterable, Iterator
from typing import NamedTuple, Protocol

import numpy as np
from flax import nnx

from ..layers.graph import Graph
from ..layers.listing import weights_of
from ..layers.names import class_name
from ..layers.types import AnyWeight, Variable
from ..layers.weights import is_parameter
from ..messages.arguments import names_arguments
from ..messages.numeric import whole
from ..messages.printing import is_terminal, say
from ..screens.table import Cell, lines_of
from ..screens.terminal import columns_of
from ..screens.texts import size
from .modules import layers_of
from .trainee import Trainee


class HasTrainee(Protocol):
    """A model, as its table knows it."""

    @property
    def trainee(self) -> Trainee:
        """The network with all that it takes to train it."""
        ...

    @property
    def name(self) -> str:
        """What the model is called."""
        ...

    @property
    def built(self) -> bool:
        """Whether the layers have their variables."""
        ...

    @property
    def trainable_weights(self) -> list[Variable]:
        """The variables that training changes."""
        ...

    @property
    def non_trainable_weights(self) -> list[Variable]:
        """The others."""
        ...


class Row(NamedTuple):
    """A layer in the table.

    Attributes:
        name: With its class and, where it isn't the layer above, what it takes; in words.
        shape: Of the output; "" where it isn't known.
        weights: Each with its shape.
        number: How many numbers the weights are.
        depth: In how many models within the model it is.
    """

    name: list[str]
    shape: str
    weights: list[str]
    number: int
    depth: int

    def cells(self) -> list[Cell]:
        """Return the row as cells of a table."""
        weights = [f"{text}," for text in self.weights[:-1]] + (self.weights[-1:] or ["-"])
        return [Cell(self.name, 2 * self.depth), Cell([self.shape]), Cell(weights), Cell([f"{self.number:,}"])]


COLUMNS = 120
"""The most columns of the table, where there is no terminal."""

LEFT = " style='text-align:left'"

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

    Before them come the model's name and inputs, and behind them how many numbers the weights are, how many of these
    are trained, frozen, or state that layers keep (such as moving averages), and how much memory they take.

    Args:
        line_length: The length of a line. None for what the table needs, but for no more columns than a terminal has,
            or 120 elsewhere. Where that is too short, cells have several lines, and in the end long names are cut, with
            `…`.
        positions: None: columns are as wide as what is in them.
        print_fn: Called with each line; None prints it.
        expand_nested: Whether the layers of models within follow these, indented.
        show_trainable: Whether frozen layers are marked.

    Raises:
        ValueError: If the layers have no variables yet, a length is no number, or `positions` are given.
    """
    least = 0 if line_length is None else whole("line_length", line_length, 1)
    if positions is not None:
        raise ValueError("positions can't be chosen: columns are as wide as what is in them. Leave it out.")
    is_on_terminal = print_fn is None and is_terminal(sys.stdout)
    most = least or (columns_of(sys.stdout) - 1 if is_on_terminal else COLUMNS)
    rows = list(_rows(_model.trainee.runtime.built_module, expand_nested, show_trainable))
    table = lines_of([[Cell([title]) for title in TITLES], *(row.cells() for row in rows)], least, most, grows=2)
    for line in [*Cell(_heading(_model)).within(most), *table, *Cell(_totals(_model)).within(most)]:
        (print_fn or say)(line)


def repr_html(_model: HasTrainee) -> str | None:
    """Return the table as a notebook shows it; None, for plain text, before the layers have their variables."""
    if not _model.built:
        return None
    heads = "".join(f"<th{LEFT}>{title}</th>" for title in TITLES[:3]) + f"<th>{TITLES[3]}</th>"
    rows = "".join(_html_row(row) for row in _rows(_model.trainee.runtime.built_module, False, True))
    caption = f"<caption{LEFT}>{html.escape(' '.join(_heading(_model)))}</caption>"
    foot = f"<tfoot><tr><td colspan='4'{LEFT}>{' '.join(_totals(_model))}</td></tr></tfoot>"
    return f"<table>{caption}<thead><tr>{heads}</tr></thead><tbody>{rows}</tbody>{foot}</table>"


def _html_row(row: Row) -> str:
    texts = [" ".join(row.name), row.shape, ", ".join(row.weights) or "-"]
    cells = "".join(f"<td{LEFT}>{html.escape(text)}</td>" for text in texts)
    return f"<tr>{cells}<td>{row.number:,}</td></tr>"


def _heading(model: HasTrainee) -> list[str]:
    """Return the model's name and its inputs, in words."""
    inputs = model.trainee.network.inputs
    if inputs is None or not inputs.names:
        return ["Model", model.name]
    named = [f"{name} {shape}" for name, shape in zip(inputs.names, inputs.shapes, strict=True)]
    title = "input:" if len(named) == 1 else "inputs:"
    return ["Model", f"{model.name},", title, *(f"{each}," for each in named[:-1]), named[-1]]


def _totals(model: HasTrainee) -> list[str]:
    """Return how many numbers the weights are, in words."""
    trained, rest = model.trainable_weights, model.non_trainable_weights
    frozen, state = ([w for w in rest if is_parameter(w) is which] for which in (True, False))
    total = f"{_count(trained) + _count(rest):,} weights"
    kept = [f"{_count(frozen):,} frozen"] + ([f"and {_count(state):,} state of layers"] if state else [])
    memory = sum(weight.size * np.dtype(weight.dtype).itemsize for weight in [*trained, *rest])
    return [total, f"({size(memory)}):", f"{_count(trained):,} trainable,", *kept]


def _count(weights: Iterable[AnyWeight]) -> int:
    return sum(weight.size for weight in weights)


def _rows(module: nnx.Module, expand_nested: bool, show_trainable: bool, depth: int = 0) -> Iterator[Row]:
    calls = {name: (shape, taken) for name, shape, taken in module.outline()} if isinstance(module, Graph) else {}
    above = None
    for name, layer in layers_of(module, operations=True):
        weights = weights_of(layer)
        shape, taken = calls.get(name, ("", ()))
        takes = [] if not taken or taken == (above,) or above is None else f"of {', '.join(taken)}".split(" ")
        is_frozen = show_trainable and not getattr(layer, "trainable", True)
        kind = [f"({class_name(layer)},", "frozen)"] if is_frozen else [f"({class_name(layer)})"]
        shapes = [f"{weight} {tuple(variable.shape)}" for weight, variable in weights]
        number = sum(variable.size for _, variable in weights)
        yield Row([name, *kind, *takes], str(shape), shapes, number, depth)
        if expand_nested and isinstance(layer, Graph):
            yield from _rows(layer, expand_nested, show_trainable, depth + 1)
        above = name
