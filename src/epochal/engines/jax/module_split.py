"""A flax NNX module taken apart: its graph in both modes, the variables that are trained, and the others."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from flax import nnx

from .trees import Graph, ModuleState, Path


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
    inference = nnx.split(copy, is_trained, ...)[0]
    copy.train()
    for path, node in nnx.iter_graph(copy):
        if path in at_rest:
            node.eval()
    training, params, other = nnx.split(copy, is_trained, ...)
    return SplitModule(training, inference, params, other)


def node_ids(module: nnx.Module) -> set[int]:
    """Return the ids of a module's variables, but for what it has sown, and of the modules in it."""
    nodes = (node for _, node in nnx.iter_graph(module) if isinstance(node, (nnx.Variable, nnx.Module)))
    return {id(node) for node in nodes if not isinstance(node, nnx.Intermediate)}
