"""The span programs: any number of steps in one compiled call, one compilation for all lengths."""

# pyright: reportUnknownMemberType=false

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any, TypeAlias, cast

import jax
import jax.numpy as jnp
import numpy as np
from jax.extend.core import ClosedJaxpr, jaxpr_as_fun

from ...core.wakes import MOST_BATCHES
from ...messages.progress import compiling
from .canonical import canonical, multiplications
from .devices import Devices
from .logged_metrics import LoggedValues
from .placement import Layout
from .span_loop import FIXED_BLOCK, FIXED_BLOCKS, Carry, Control, FlatStep, SpanLoop
from .trees import Array, Structure

LEAN = {"xla_cpu_multi_thread_eigen": False, "xla_cpu_experimental_ynn_fusion_type": ""}
"""For steps of few multiplications: XLA's thread pool and its YNN kernels cost more than they bring."""

LEAN_MULTIPLICATIONS = 4_000_000

Compiled: TypeAlias = Callable[..., tuple[list[Array], Array, Array]]


class Program:
    """A compiled function that runs a span of steps.

    Args:
        step: What a batch does to the leaves that change.
        layout: Of the rows.
        columns: How many values a step logs.
        devices: Where the leaves and the rows lie.

    Calling it with `(leaves, fixed, control, go_on, order, arrays)` consumes `leaves` and returns the new ones,
    a float32 table `(2 + capacity, columns)`, and whether the span after this one may run. The table's corner holds the
    number of steps done, then comes a row a step, and one without a meaning. One table, so that one transfer brings
    everything. `control` is `[first row, steps, stop when a loss isn't finite]`. Nothing is done unless `go_on`: so a
    span can be started before it is known whether the one before it came to its end.

    Attributes:
        go_on: A true bool on the device.
        counts: See `LoggedValues`; known once the program is compiled.
        has_effects: Whether a step does anything outside, such as printing; known then, too.
        traces: How often it was compiled.
    """

    def __init__(self, step: FlatStep, layout: Layout, columns: int, devices: Devices) -> None:
        self._step, self._layout, self._columns, self._devices = step, layout, columns, devices
        self._capacity = min(layout.capacity, MOST_BATCHES)
        self._loop: Compiled | None = None
        self._in_blocks: Compiled | None = None
        self._compiled: set[Compiled] = set()
        self.go_on = devices.everywhere(np.bool_(True))
        self.counts: tuple[int, ...] = ()
        self.has_effects = False
        self.traces = 0

    def __call__(
        self, leaves: list[Array], fixed: list[Array], control: np.ndarray, go_on: Array, order: Array | None,
        arrays: list[Array],
    ) -> tuple[list[Array], Array, Array]:  # fmt: skip
        """Run a span; compile it first if this is the first one."""
        if self._loop is None:
            with compiling():
                self._loop, self._in_blocks = self._compile(leaves, fixed, arrays)
        run = self._loop
        if self._in_blocks is not None and control[1] >= FIXED_BLOCKS * FIXED_BLOCK:
            run = self._in_blocks
        if run in self._compiled:
            return run(leaves, fixed, control, go_on, order, arrays)
        with compiling():
            self._compiled.add(run)
            return run(leaves, fixed, control, go_on, order, arrays)

    def _compile(
        self, leaves: list[Array], fixed: list[Array], arrays: list[Array]
    ) -> tuple[Compiled, Compiled | None]:
        """Return the span program, and one in blocks of a fixed length where there is a use for it."""
        before = 2 if self._layout.by_batch else 1
        rows = [jax.ShapeDtypeStruct((self._layout.size, *a.shape[before:]), a.dtype) for a in arrays]
        traced, shapes = jax.make_jaxpr(self._step, return_shape=True)(leaves, fixed, rows)
        self.counts, self.has_effects = shapes[1].counts, bool(traced.effects)
        structure = cast("Structure", jax.tree.structure(shapes))
        backend = jax.default_backend()
        evaluate: Callable[..., Any] = (
            functools.partial(canonical, traced) if backend == "cpu" else cast("Any", jaxpr_as_fun(traced))
        )

        def step(*args: list[Array]) -> tuple[list[Array], LoggedValues]:
            return jax.tree.unflatten(structure, evaluate(*jax.tree.leaves(args)))

        lean = backend == "cpu" and multiplications(traced.jaxpr) < LEAN_MULTIPLICATIONS

        def jit(in_blocks: bool) -> Compiled:
            span, options = functools.partial(self._span, step, in_blocks), LEAN if lean else None
            return self._devices.jit(span, leaves, donate_argnums=(0,), compiler_options=options)

        return jit(False), jit(True) if uses_blocks(backend, traced) else None

    def _span(
        self, step: FlatStep, in_blocks: bool, leaves: list[Array], fixed: list[Array], control: Array, go_on: Array,
        order: Array | None, arrays: list[Array],
    ) -> tuple[list[Array], Array, Array]:  # fmt: skip
        """Return the leaves after a span, its table of logs, and whether to go on; what is compiled."""
        self.traces += 1  # a trace is a compilation
        layout, dealt = self._layout, self._devices.dealt
        loop = SpanLoop(step, fixed, Control(*control), arrays, order, layout.size, layout.by_batch, dealt)
        table = jnp.zeros((2 + self._capacity, self._columns), jnp.float32)
        carry = Carry(jnp.int32(0), leaves, table, go_on)
        if in_blocks:
            done, leaves, table, go_on = loop.run_in_fixed_blocks(carry, FIXED_BLOCK)
        else:
            done, leaves, table, go_on = loop.run(carry, self._layout.block)
        return leaves, table.at[0, 0].set(done.astype(jnp.float32)), go_on


def uses_blocks(backend: str, traced: ClosedJaxpr) -> bool:
    """Return whether blocks of a fixed length may pay: on GPUs, for steps that do nothing outside."""
    return backend == "gpu" and not traced.effects
