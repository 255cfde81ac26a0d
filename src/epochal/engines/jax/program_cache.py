"""The programs of an engine, each made when data of its layout first come."""

# pyright: reportUnknownMemberType=false

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Literal, NamedTuple, TypeAlias
from weakref import WeakKeyDictionary

import jax

from ...data.batches import Chunk
from .logged_metrics import LoggedValues
from .placement import Layout, Placement
from .programs import Program
from .span_loop import FlatStep
from .steps import Steps
from .trees import Array, PyTree, Structure

DataPhase: TypeAlias = Literal["train", "test"]


class Ready(NamedTuple):
    """A program, and what it runs on."""

    program: Program
    arrays: list[Array]
    order: Array | None


class Programs:
    """The compiled programs for some steps: one for each layout that chunks of training or test data have.

    They hold the steps and descriptions of their arguments, and neither an engine nor its arrays.

    Args:
        steps: What a batch does.
        state: The structure of a `TrainState`.
        metrics: The structure of the metrics' states in a test.
        columns: How many values a step logs.
        placement: Keeps the chunks' arrays on the device.
    """

    def __init__(self, steps: Steps, state: Structure, metrics: Structure, columns: int, placement: Placement) -> None:
        self._makers: dict[DataPhase, Callable[[Layout], FlatStep]] = {
            "train": lambda layout: training_step(steps, state, layout),
            "test": lambda layout: test_step(steps, state, metrics, layout),
        }
        self._columns, self._placement = columns, placement
        self._by_layout: dict[tuple[DataPhase, Layout], Program] = {}
        self._by_chunk: WeakKeyDictionary[Chunk, tuple[DataPhase, Ready]] = WeakKeyDictionary()
        self.predict = Prediction(steps, state)

    def ready(self, phase: DataPhase, chunk: Chunk) -> Ready:
        """Return the program for a chunk, and what it runs on; looked up once a chunk, for the sake of short spans."""
        if (found := self._by_chunk.get(chunk)) is None or found[0] != phase:
            layout, arrays, order = self._placement.place(chunk)
            found = self._by_chunk[chunk] = phase, Ready(self._program(phase, layout), arrays, order)
        return found[1]

    def _program(self, phase: DataPhase, layout: Layout) -> Program:
        if (program := self._by_layout.get((phase, layout))) is None:
            step = self._makers[phase](layout)
            program = self._by_layout[phase, layout] = Program(step, layout, self._columns)
        return program

    @property
    def are_pure(self) -> bool:
        """Whether none of the programs does anything outside, such as printing, that a second run would repeat."""
        return not any(program.has_effects for program in self._by_layout.values())

    def __iter__(self) -> Iterator[Program]:
        return iter(self._by_layout.values())


def training_step(steps: Steps, state: Structure, layout: Layout) -> FlatStep:
    """Return a training step; its leaves are a `TrainState`'s."""

    def train(leaves: list[Array], _fixed: list[Array], rows: list[Array]) -> tuple[list[Array], LoggedValues]:
        after, values = steps.train(jax.tree.unflatten(state, leaves), layout.decode(rows))
        return jax.tree.leaves(after), values

    return train


def test_step(steps: Steps, state: Structure, metrics: Structure, layout: Layout) -> FlatStep:
    """Return a test step; its leaves are the metrics' states, and a `TrainState`'s leaves are fixed."""

    def test(leaves: list[Array], fixed: list[Array], rows: list[Array]) -> tuple[list[Array], LoggedValues]:
        before = jax.tree.unflatten(metrics, leaves)
        after, values = steps.test(before, jax.tree.unflatten(state, fixed), layout.decode(rows))
        return jax.tree.leaves(after), values

    return test


class Prediction:
    """A compiled function of a `TrainState`'s leaves and a batch's inputs that returns the outputs.

    Args:
        steps: What a batch does.
        state: The structure of the `TrainState`.

    Attributes:
        traces: How often it was compiled.
    """

    def __init__(self, steps: Steps, state: Structure) -> None:
        self._steps, self._state = steps, state
        self._compiled: Callable[[list[Array], PyTree], PyTree] = jax.jit(self._outputs)
        self.traces = 0

    def __call__(self, leaves: list[Array], x: PyTree) -> PyTree:
        """Return a batch's outputs; compile first if its inputs have other shapes than before."""
        return self._compiled(leaves, x)

    def _outputs(self, leaves: list[Array], x: PyTree) -> PyTree:
        self.traces += 1  # a trace is a compilation
        return self._steps.outputs(jax.tree.unflatten(self._state, leaves), x)
