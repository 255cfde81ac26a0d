"""The span programs: any number of steps in one compiled call, one compilation for all lengths."""

# pyright: reportUnknownMemberType=false

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any, TypeAlias, cast

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jax.extend.core import jaxpr_as_fun

from ...core.wakes import MOST_BATCHES
from .canonical import canonical, multiplications
from .logged_metrics import LoggedValues
from .placement import Layout
from .trees import Array, Structure

LEAN = {"xla_cpu_multi_thread_eigen": False, "xla_cpu_experimental_ynn_fusion_type": ""}
"""For steps of few multiplications: XLA's thread pool and its YNN kernels cost more than they bring."""

LEAN_MULTIPLICATIONS = 4_000_000

FlatStep: TypeAlias = Callable[[list[Array], list[Array], list[Array]], tuple[list[Array], LoggedValues]]
"""`(leaves, fixed, rows)`: what a batch of rows makes of the leaves, and what it logs."""

Carry: TypeAlias = tuple[Array, list[Array], Array, Array]
"""How many steps are done, the leaves, the table of logs, and whether to go on."""


class Program:
    """A compiled function that runs a span of steps.

    Args:
        step: What a batch does to the leaves that change.
        layout: Of the rows.
        columns: How many values a step logs.

    Calling it with `(leaves, fixed, control, go_on, order, arrays)` consumes `leaves` and returns the new ones,
    a float32 table `(1 + capacity, columns)`, and whether the span after this one may run. The table's corner holds the
    number of steps done, then comes a row a step. One table, so that one transfer brings everything. `control` is
    `[first row, steps, stop when a loss isn't finite]`. Nothing is done unless `go_on`: so a span can be started before
    it is known whether the one before it came to its end.

    Attributes:
        go_on: A true bool on the device.
        counts: See `LoggedValues`; known once the program is compiled.
        has_effects: Whether a step does anything outside, such as printing; known then, too.
        traces: How often it was compiled.
    """

    def __init__(self, step: FlatStep, layout: Layout, columns: int) -> None:
        self._step, self._layout, self._columns = step, layout, columns
        self._capacity = min(layout.capacity, MOST_BATCHES)
        self._compiled: Callable[..., tuple[list[Array], Array, Array]] | None = None
        self.go_on = jax.device_put(np.bool_(True))
        self.counts: tuple[int, ...] = ()
        self.has_effects = False
        self.traces = 0

    def __call__(
        self, leaves: list[Array], fixed: list[Array], control: np.ndarray, go_on: Array, order: Array | None,
        arrays: list[Array],
    ) -> tuple[list[Array], Array, Array]:  # fmt: skip
        """Run a span; compile it first if this is the first one."""
        if self._compiled is None:
            self._compiled = self._compile(leaves, fixed, arrays)
        return self._compiled(leaves, fixed, control, go_on, order, arrays)

    def _compile(
        self, leaves: list[Array], fixed: list[Array], arrays: list[Array]
    ) -> Callable[..., tuple[list[Array], Array, Array]]:
        rows = [jax.ShapeDtypeStruct((self._layout.size, *a.shape[1:]), a.dtype) for a in arrays]
        traced, shapes = jax.make_jaxpr(self._step, return_shape=True)(leaves, fixed, rows)
        self.counts, self.has_effects = shapes[1].counts, bool(traced.effects)
        structure = cast("Structure", jax.tree.structure(shapes))
        on_cpu = jax.default_backend() == "cpu"
        evaluate: Callable[..., Any] = (
            functools.partial(canonical, traced) if on_cpu else cast("Any", jaxpr_as_fun(traced))
        )

        def step(*args: list[Array]) -> tuple[list[Array], LoggedValues]:
            return jax.tree.unflatten(structure, evaluate(*jax.tree.leaves(args)))

        lean = on_cpu and multiplications(traced.jaxpr) < LEAN_MULTIPLICATIONS
        span = functools.partial(self._span, step)
        return jax.jit(span, donate_argnums=(0,), compiler_options=LEAN if lean else None)

    def _span(
        self, step: FlatStep, leaves: list[Array], fixed: list[Array], control: Array, go_on: Array,
        order: Array | None, arrays: list[Array],
    ) -> tuple[list[Array], Array, Array]:  # fmt: skip
        """Return the leaves after a span, its table of logs, and whether to go on; what is compiled."""
        self.traces += 1  # a trace is a compilation
        size, block = self._layout.size, self._layout.block
        start, count, stop_when_not_finite = control

        def is_unfinished(carry: Carry) -> Array:
            at, _, _, go_on = carry
            return (at < count) & go_on

        def one(carry: Carry, row: Array | int, arrays: list[Array]) -> Carry:
            carry, loss = _run_step(step, fixed, carry, _rows(arrays, row, size))
            return *carry[:3], jnp.isfinite(loss) | (stop_when_not_finite == 0)

        def one_in_place(carry: Carry) -> Carry:
            return one(carry, start + carry[0] * size, arrays)

        def one_block(order: Array, carry: Carry) -> Carry:
            first = carry[0]
            rows = lax.dynamic_slice_in_dim(order, start + first * size, block * size)
            gathered = lax.optimization_barrier([a.at[rows].get(mode="promise_in_bounds") for a in arrays])
            if block == 1:
                return one(carry, 0, gathered)
            stop = jnp.minimum(count, first + block)
            return lax.while_loop(
                lambda inner: is_unfinished(inner) & (inner[0] < stop),
                lambda inner: one(inner, (inner[0] - first) * size, gathered),
                carry,
            )

        table = jnp.zeros((1 + self._capacity, self._columns), jnp.float32)
        carry = (jnp.int32(0), leaves, table, go_on)
        body = one_in_place if order is None else functools.partial(one_block, order)
        done, leaves, table, go_on = lax.while_loop(is_unfinished, body, carry)
        return leaves, table.at[0, 0].set(done.astype(jnp.float32)), go_on


def _rows(arrays: list[Array], first: Array | int, size: int) -> list[Array]:
    """Return the rows of a batch. Without the barrier XLA repeats the gather in each use of the batch."""
    return lax.optimization_barrier([lax.dynamic_slice_in_dim(a, first, size) for a in arrays])


def _run_step(step: FlatStep, fixed: list[Array], carry: Carry, rows: list[Array]) -> tuple[Carry, Array]:
    """Return what comes after a step, its logs in the table, and its loss."""
    at, leaves, table, go_on = carry
    leaves, values = step(leaves, fixed, rows)
    table = lax.dynamic_update_slice(table, values.numbers[None], (at + 1, 0))
    return (at + 1, leaves, table, go_on), values.numbers[0]
