"""The programs for the steps of a module: their arguments and results as flat lists of arrays."""

# pyright: reportUnknownMemberType=false

from __future__ import annotations

import functools

import jax

from .devices import Devices
from .logged_metrics import LoggedValues
from .placement import Layout
from .program_cache import Programs, Step
from .span_loop import FlatStep
from .steps import Steps
from .trees import Array, PyTree, Structure


def programs_of(steps: Steps, state: Structure, metrics: Structure, columns: int, devices: Devices) -> Programs:
    """Return the programs for some steps.

    Args:
        steps: What a batch does.
        state: The structure of a `TrainState`.
        metrics: The structure of the metrics' states in a test.
        columns: How many values a step logs.
        devices: Where the state lies.
    """

    def outputs(leaves: list[Array], x: PyTree) -> PyTree:
        return steps.outputs(jax.tree.unflatten(state, leaves), x)

    train = Step(functools.partial(training_step, steps, state), columns)
    test = Step(functools.partial(test_step, steps, state, metrics), columns)
    return Programs({"train": train, "test": test}, outputs, devices)


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
