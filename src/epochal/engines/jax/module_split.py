"""A flax NNX module taken apart: its graph in both modes, the variables that are trained, and the others."""

# pyright: reportUnknownMemberType=false

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from typing import Any, cast

from flax import nnx

from .module_state import Graph, ModuleState
from .trees import Path


@dataclass(frozen=True)
class AtPaths:
    """An nnx filter for the variables at some paths."""

    paths: frozenset[Path]

    def __call__(self, path: Path, _: object) -> bool:
        """Return whether a variable is at one of them."""
        return path in self.paths


@dataclass(frozen=True)
class SplitModule:
    """A module's parts.

    Attributes:
        training: The graph in training mode.
        inference: The graph in inference mode.
        params: The variables that are trained.
        other: All other ones.
    """

    training: Graph
    inference: Graph
    params: ModuleState
    other: ModuleState


def split_module(module: nnx.Module, is_trained: nnx.filterlib.Filter, at_rest: Collection[Path]) -> SplitModule:
    """Take a copy of a module apart. The module keeps its mode, which is its owner's business.

    Args:
        module: It loses what it has sown before, which is no part of its state.
        is_trained: An nnx filter for the variables that are trained.
        at_rest: The paths of the modules that stay in inference mode, also in training.
    """
    nnx.pop(module, nnx.Intermediate)
    copy = nnx.merge(*nnx.split(module))
    copy.eval()
    inference, _, _ = split(copy, is_trained)
    copy.train()
    for path, node in nodes_of(copy):
        if path in at_rest:
            node.eval()
    training, params, other = split(copy, is_trained)
    return SplitModule(training, inference, params, other)


def node_ids(module: nnx.Module) -> set[int]:
    """Return the ids of a module's variables, but for what it has sown, and of the modules in it."""
    kinds = (nnx.Variable, nnx.Module)
    nodes: list[object] = [node for _, node in nodes_of(module) if isinstance(node, kinds)]
    return {id(node) for node in nodes if not isinstance(node, nnx.Intermediate)}


def split(module: nnx.Module, is_trained: nnx.filterlib.Filter) -> tuple[Graph, ModuleState, ModuleState]:
    """Return a module's graph, the variables that are trained, and the others."""
    return cast("tuple[Graph, ModuleState, ModuleState]", nnx.split(module, is_trained, ...))


def nodes_of(module: nnx.Module) -> Iterator[tuple[Path, Any]]:
    """Yield everything in a module's graph, each thing once, with its path."""
    yield from cast("Iterator[tuple[Path, Any]]", nnx.iter_graph(module))


def variables_of(module: nnx.Module) -> list[tuple[Path, nnx.Variable[Any]]]:
    """Return a module's variables with their paths."""
    return [(path, node) for path, node in nodes_of(module) if isinstance(node, nnx.Variable)]
