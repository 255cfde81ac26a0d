"""Spans of steps that Python runs, for steps that can't be compiled or mustn't be."""

# pyright: reportUnknownMemberType=false

from __future__ import annotations

import math

import jax.numpy as jnp
import numpy as np

from .devices import Devices
from .placement import Layout
from .span_loop import FlatStep
from .trees import Array


class EagerProgram:
    """Runs a span of steps one after the other, each as Python code; has the interface of `Program`.

    Each step does outside what it does, such as printing, so no step is run twice, and none ahead of a hook.

    Args:
        step: What a batch does to the leaves that change.
        layout: Of the rows.
        columns: How many values a step logs.
        devices: Where the leaves and the rows lie.

    Attributes:
        go_on: A true bool.
        counts: No column is a sum.
        has_effects: Always, as far as anybody knows.
        traces: Nothing is ever compiled.
    """

    def __init__(self, step: FlatStep, layout: Layout, columns: int, devices: Devices) -> None:
        self._step, self._layout, self._columns, self._devices = step, layout, columns, devices
        self.go_on: Array = devices.everywhere(np.bool_(True))
        self.counts: tuple[int, ...] = (0,) * columns
        self.has_effects = True
        self.traces = 0

    def __call__(
        self, leaves: list[Array], fixed: list[Array], control: np.ndarray, go_on: Array, order: Array | None,
        arrays: list[Array],
    ) -> tuple[list[Array], Array, Array]:  # fmt: skip
        """Run a span; see `Program`."""
        start, steps, stop_when_not_finite = (int(value) for value in control)
        table = [np.zeros(self._columns, np.float32)]
        goes_on = bool(go_on)
        while goes_on and len(table) <= steps:
            leaves, values = self._step(leaves, fixed, self._rows(arrays, order, start + (len(table) - 1) * self._size))
            table.append(np.asarray(values.numbers, np.float32))
            goes_on = math.isfinite(table[-1][0]) or not stop_when_not_finite
        table[0][0] = len(table) - 1
        return leaves, jnp.asarray(np.stack(table)), self._devices.everywhere(np.bool_(goes_on))

    @property
    def _size(self) -> int:
        return self._layout.size

    def _rows(self, arrays: list[Array], order: Array | None, start: int) -> list[Array]:
        rows = slice(start, start + self._size)
        if self._layout.by_batch:
            return [array[start // self._size] for array in arrays]
        return [array[rows] if order is None else array[order[rows]] for array in arrays]
