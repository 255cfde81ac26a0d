"""The table of a model's layers."""

from __future__ import annotations

from collections.abc import Callable

from flax import nnx

from ..layers.graph import Graph
from ..layers.listing import weights_of
from ..layers.names import class_name
from .modules import layers_of

TITLES = ("layer (type)", "output shape", "weights", "number")


def print_summary(module: nnx.Module, trainable: int, print_line: Callable[[str], object]) -> None:
    """Print the layers, their output shapes, their weights and, where it isn't the one above, what they take.

    Args:
        module: Has the layers.
        trainable: How many numbers are trained.
        print_line: Called with each line.
    """
    layers = layers_of(module, operations=True)
    rows = [TITLES, *_rows(module, layers)]
    widths = [max(len(row[column]) for row in rows) for column in range(4)]
    for row in rows:
        left = "  ".join(f"{cell:<{width}}" for cell, width in zip(row[:3], widths, strict=False))
        print_line(f"{left}  {row[3]:>{widths[3]}}")
    total = sum(variable.size for _, layer in layers for _, variable in weights_of(layer))
    print_line(f"{total:,} weights, {trainable:,} of them trainable")


def _rows(module: nnx.Module, layers: list[tuple[str, nnx.Module]]) -> list[tuple[str, ...]]:
    calls = {name: (shape, taken) for name, shape, taken in module.outline()} if isinstance(module, Graph) else {}
    rows: list[tuple[str, ...]] = []
    above = None
    for name, layer in layers:
        weights = weights_of(layer)
        shapes = ", ".join(f"{name} {tuple(variable.shape)}" for name, variable in weights)
        shape, taken = calls.get(name, ("", ()))
        takes = "" if not taken or taken == (above,) or above is None else f" of {', '.join(taken)}"
        kind = class_name(layer) + ("" if getattr(layer, "trainable", True) else ", frozen")
        number = sum(variable.size for _, variable in weights)
        rows.append((f"{name} ({kind}){takes}", str(shape), shapes or "-", f"{number:,}"))
        above = name
    return rows
