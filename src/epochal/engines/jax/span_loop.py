"""The loop of a span program: steps one after the other, as many as a run-time value says."""

# pyright: reportUnknownMemberType=false

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple, TypeAlias, cast

import jax.numpy as jnp
from jax import lax

from .logged_metrics import LoggedValues
from .trees import Array, map_pairs

FIXED_BLOCK = 16
"""Steps in a block of fixed length, on GPUs."""

FIXED_BLOCKS = 16
"""From so many blocks on they pay, since of the last one some steps may be in vain."""

FlatStep: TypeAlias = Callable[[list[Array], list[Array], list[Array]], tuple[list[Array], LoggedValues]]
"""`(leaves, fixed, rows)`: what a batch of rows makes of the leaves, and what it logs."""


class Carry(NamedTuple):
    """What goes from step to step.

    Attributes:
        done: How many steps are done.
        leaves: What they change.
        table: Their logs, from the second row on; one row more than there can be steps.
        go_on: Whether the next one may be done.
    """

    done: Array
    leaves: list[Array]
    table: Array
    go_on: Array


class Control(NamedTuple):
    """What a span is told at run time.

    Attributes:
        start: The place in the order of the first row.
        steps: How many.
        stop_when_not_finite: Whether a loss that isn't finite is the last one.
    """

    start: Array
    steps: Array
    stop_when_not_finite: Array


@dataclass(frozen=True)
class SpanLoop:
    """Runs a span's steps in a compiled function.

    Attributes:
        step: What a batch does to the leaves that change.
        fixed: Leaves that it doesn't change.
        control: What to run.
        arrays: The rows of all batches.
        order: In which they are used; None as they lie.
        size: Rows a batch.
        by_batch: Whether arrays have an axis of batches before the one of their rows.
        dealt: Deals arrays out over devices along the axis of their rows, which is given.
    """

    step: FlatStep
    fixed: list[Array]
    control: Control
    arrays: list[Array]
    order: Array | None
    size: int
    by_batch: bool
    dealt: Callable[[list[Array], int], list[Array]]

    def run(self, carry: Carry, block: int) -> Carry:
        """Run the steps in a loop, of which only the running program knows how long it is.

        Args:
            carry: What goes into the first step.
            block: For how many batches rows are gathered at a time.
        """
        if (order := self.order) is None:
            return lax.while_loop(self._is_unfinished, self._one_in_place, carry)
        return lax.while_loop(self._is_unfinished, lambda carry: self._one_block(order, carry, block), carry)

    def run_in_fixed_blocks(self, carry: Carry, block: int) -> Carry:
        """Run the steps in blocks of a length that is known to the compiler; what is done in excess is dropped.

        A GPU asks the host after each step whether a loop goes on whose length isn't known, which takes as long as a
        small step; this loop asks after each block.
        """
        return lax.while_loop(self._is_unfinished, lambda carry: self._one_fixed_block(carry, block), carry)

    def _is_unfinished(self, carry: Carry) -> Array:
        return (carry.done < self.control.steps) & carry.go_on

    def _one_in_place(self, carry: Carry) -> Carry:
        start = self.control.start + carry.done * self.size
        if self.by_batch:
            return self._one(carry, self._picked(self.arrays, start // self.size))
        return self._one(carry, [lax.dynamic_slice_in_dim(a, start, self.size) for a in self.arrays])

    def _one_block(self, order: Array, carry: Carry, block: int) -> Carry:
        first, gathered = carry.done, self._gathered(order, carry.done, block)
        if block == 1:
            return self._one(carry, self._picked(gathered, 0))
        stop = jnp.minimum(self.control.steps, first + block)
        return lax.while_loop(
            lambda inner: self._is_unfinished(inner) & (inner.done < stop),
            lambda inner: self._one(inner, self._picked(gathered, inner.done - first)),
            carry,
        )

    def _one_fixed_block(self, carry: Carry, block: int) -> Carry:
        gathered = None if self.order is None else self._gathered(self.order, carry.done, block)

        def one_if_unfinished(at: Array, carry: Carry) -> Carry:
            after = self._one_in_place(carry) if gathered is None else self._one(carry, self._picked(gathered, at))
            active = self._is_unfinished(carry)
            kept: Any = map_pairs(
                lambda new, old: jnp.where(active, new, old),
                after._replace(table=None),
                carry._replace(table=None),
            )
            # In the table a row after the last step's may have anything
            return Carry(kept.done, kept.leaves, after.table, kept.go_on)

        return cast("Carry", lax.fori_loop(0, block, one_if_unfinished, carry))

    def _gathered(self, order: Array, first: Array, batches: int) -> list[Array]:
        """Return the rows of some batches in an order, which has space for a block after its end, by batch."""
        start = self.control.start + first * self.size
        ordered = lax.dynamic_slice_in_dim(order, start, batches * self.size).reshape(batches, self.size)
        [rows] = self.dealt([ordered], 1)  # each device gathers its own
        gathered = [a.at[rows].get(mode="promise_in_bounds") for a in self.arrays]
        return lax.optimization_barrier(self.dealt(gathered, 1))

    def _picked(self, batches: list[Array], at: Array | int) -> list[Array]:
        """Return the rows of one of several batches."""
        return [lax.dynamic_index_in_dim(a, at, keepdims=False) for a in batches]

    def _one(self, carry: Carry, rows: list[Array]) -> Carry:
        """Do one step on the rows of a batch."""
        rows = lax.optimization_barrier(self.dealt(rows, 0))  # or XLA repeats the gather in each use of the batch
        leaves, values = self.step(carry.leaves, self.fixed, rows)
        table = lax.dynamic_update_slice(carry.table, values.numbers[None], (carry.done + 1, 0))
        go_on = jnp.isfinite(values.numbers[0]) | (self.control.stop_when_not_finite == 0)
        return Carry(carry.done + 1, leaves, table, go_on)
