"""The programs of an engine, each made when data of its layout first come."""

# pyright: reportUnknownMemberType=false

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import nullcontext
from typing import Literal, NamedTuple, TypeAlias
from weakref import WeakKeyDictionary, WeakSet

import numpy as np

from ...data.batches import Chunk, HostArrays, Span
from ...data.nests import Batch, map_arrays
from ...messages.progress import compiling
from .devices import Devices
from .eager import EagerProgram
from .placement import Layout, Placement, check_width
from .programs import Program
from .results import PredictionResult, SpanResult
from .span_loop import FlatStep
from .state_part import Leaves
from .trees import Array, PyTree

DataPhase: TypeAlias = Literal["train", "test"]

Outputs: TypeAlias = Callable[[list[Array], PyTree], PyTree]
"""`(leaves, x)`: the outputs for a batch's inputs."""


class Step(NamedTuple):
    """What a batch does.

    Attributes:
        make: Returns the step for rows of a layout.
        columns: How many values it logs.
    """

    make: Callable[[Layout], FlatStep]
    columns: int


class Ready(NamedTuple):
    """A program, and what it runs on."""

    program: Program | EagerProgram
    arrays: list[Array]
    order: Array | None


class Programs:
    """The compiled programs for some steps: one for each layout that chunks of training or test data have.

    They hold the steps and descriptions of their arguments, and neither an engine nor its arrays.

    Args:
        steps: What a batch does, in training and in a test.
        outputs: What a batch's outputs are.
        devices: Where the leaves lie, and the rows are to lie.
        compiled: Whether steps are compiled; else Python runs them, one after the other.
    """

    def __init__(
        self, steps: Mapping[DataPhase, Step], outputs: Outputs, devices: Devices, compiled: bool = True
    ) -> None:
        self._steps, self._devices, self._compiled = steps, devices, compiled
        self._placement = Placement(devices)
        self._by_layout: dict[tuple[DataPhase, Layout], Program | EagerProgram] = {}
        self._by_chunk: WeakKeyDictionary[Chunk, tuple[DataPhase, Ready]] = WeakKeyDictionary()
        self._checked: WeakSet[HostArrays[Batch]] = WeakSet()  # data to predict on
        self.predict = Prediction(outputs, devices, compiled)

    def run(
        self, phase: DataPhase, span: Span, stop_when_not_finite: bool, behind: SpanResult | None, changing: Leaves,
        fixed: list[Array],
    ) -> SpanResult:  # fmt: skip
        """Start a span of steps, and store what they make of the leaves that change.

        Args:
            phase: Which steps.
            span: The batches.
            stop_when_not_finite: Whether a loss that isn't finite is the last one.
            behind: The result of the span before; see `core.engine.Engine.train`.
            changing: The leaves that the steps change, which are consumed.
            fixed: Those that they only read.
        """
        program, arrays, order = self._ready(phase, span.chunk)
        control = np.array([span.start, span.count, stop_when_not_finite], np.int32)
        go_on = program.go_on if behind is None else behind.go_on
        traces = program.traces
        changing.leaves, table, go_on = program(changing.leaves, fixed, control, go_on, order, arrays)
        return SpanResult(table, go_on, program.counts, span.chunk.size, program.traces > traces)

    def run_predictions(self, span: Span, outputs_of: Callable[[PyTree], PyTree]) -> PredictionResult:
        """Start the prediction of a span of batches.

        Args:
            span: The batches.
            outputs_of: Returns the outputs for a batch's inputs, by `predict`.
        """
        chunk = span.chunk
        if chunk.rows not in self._checked:
            check_width(chunk.rows.arrays[0])
            self._checked.add(chunk.rows)
        size, start = chunk.size // chunk.parts, span.start // chunk.parts
        starts = range(start, start + span.count * size, size)
        batches = [
            self._devices.batch(map_arrays(lambda a, at=at: a[at : at + size], chunk.rows.arrays[0]), chunk.parts)
            for at in starts
        ]
        traces = self.predict.traces
        with nullcontext() if traces else compiling():
            outputs = [outputs_of(batch) for batch in batches]
        return PredictionResult(outputs, self.predict.traces > traces)

    def _ready(self, phase: DataPhase, chunk: Chunk) -> Ready:
        """Return the program for a chunk, and what it runs on; looked up once a chunk, for the sake of short spans."""
        if (found := self._by_chunk.get(chunk)) is None or found[0] != phase:
            layout, arrays, order = self._placement.place(chunk)
            found = self._by_chunk[chunk] = phase, Ready(self._program(phase, layout), arrays, order)
        return found[1]

    def _program(self, phase: DataPhase, layout: Layout) -> Program | EagerProgram:
        if (program := self._by_layout.get((phase, layout))) is None:
            make, columns = self._steps[phase]
            kind = Program if self._compiled else EagerProgram
            program = self._by_layout[phase, layout] = kind(make(layout), layout, columns, self._devices)
        return program

    @property
    def are_pure(self) -> bool:
        """Whether none of the programs does anything outside, such as printing, that a second run would repeat."""
        return not any(program.has_effects for program in self._by_layout.values())

    def __iter__(self) -> Iterator[Program | EagerProgram]:
        return iter(self._by_layout.values())


class Prediction:
    """A function of a state's leaves and a batch's inputs that returns the outputs.

    Args:
        outputs: What is compiled.
        devices: Where the leaves and the inputs lie.
        compiled: Whether it is; else Python runs it.

    Attributes:
        traces: How often it was compiled.
    """

    def __init__(self, outputs: Outputs, devices: Devices, compiled: bool = True) -> None:
        self._outputs = outputs
        self._run: Outputs = devices.jit_outputs(self._counted) if compiled else outputs
        self.traces = 0

    def __call__(self, leaves: list[Array], x: PyTree) -> PyTree:
        """Return a batch's outputs; compile first if its inputs have other shapes than before."""
        return self._run(leaves, x)

    def _counted(self, leaves: list[Array], x: PyTree) -> PyTree:
        self.traces += 1  # a trace is a compilation
        return self._outputs(leaves, x)
