"""How layers inside a module get their weights: by a call of the module, in which nothing is computed."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import jax
import jax.numpy as jnp
from flax import errors, nnx
from flax.nnx import graphlib

from .call_context import CallContext, current_context, entered
from .calling import no_weights
from .types import Buildable, DTypeLike, Nest, Path, Shape
from .untyped import eval_shape, merged_copy, split

OPEN_SIZES = (64, 96)
"""An axis whose size is open is tried with both of these; where results differ, theirs is open too."""


RunsCopy: TypeAlias = Callable[[Any, Nest], object]
"""Calls a copy of a module with an input."""


@dataclass(frozen=True)
class Outline:
    """An array's shape, the batch axis in front, None where a size is open, and its dtype."""

    shape: Shape
    dtype: DTypeLike


@dataclass(frozen=True)
class UnbuiltCall:
    """A call of a layer that has no weights.

    Attributes:
        path: Of the layer in the module.
        layer: It, in the copy of the module that was called.
        caller: The layer that calls it, None if there is none.
        arguments: `(args, kwargs)`, with outlines for arrays.
    """

    path: Path
    layer: Buildable
    caller: object
    arguments: Nest


class _Restart(BaseException):
    """A layer that has no weights was reached inside a transformation, where it can't be built."""


class _UnbuiltCalls:
    """Notes which layers without weights a call reaches, and builds them in the copy that is called."""

    def __init__(self, root: nnx.Module) -> None:
        self._root = root
        self.calls: list[UnbuiltCall] = []

    def note(self, layer: Buildable, args: tuple[Nest, ...], kwargs: dict[str, Nest]) -> None:
        """Note a layer and the arguments of its call."""
        context = current_context()
        caller = None if context is None else context.caller
        path = next((path for path, node in nnx.iter_graph(self._root) if node is layer), None)
        if path is None:
            raise no_weights(layer, caller, is_inside=False)
        self.calls.append(UnbuiltCall(path, layer, caller, jax.tree.map(_outline, (args, kwargs))))
        try:
            with entered(None):
                layer.build_for(args, kwargs)
        except errors.TraceContextError:
            raise _Restart from None


def build_inside(root: nnx.Module, run: RunsCopy, inputs: Sequence[Nest]) -> None:
    """Build the layers inside a module that a call of it reaches, each for the arguments that it gets.

    The module is called in inference mode, then, if some are left, in training mode. Nothing is computed.

    Args:
        root: The module.
        run: `(copy, x)`: call a copy of the module with one of the inputs.
        inputs: What it may be called with, shapes and dtypes in a nest. Where sizes differ that the layers inside get
            from one and from the next, an axis is open for them.
    """
    for training in (False, True):
        is_complete = False
        while not is_complete and _has_unbuilt(root):
            traces = [_traced(root, run, x, training) for x in inputs]
            is_complete = all(came_to_end for came_to_end, _ in traces)
            for calls in zip(*(calls for _, calls in traces), strict=False):
                _build_as_called(root, calls)


def _build_as_called(root: nnx.Module, calls: Sequence[UnbuiltCall]) -> None:
    """Build a layer for the calls of it that the inputs led to."""
    first = calls[0]
    layer = _at(root, first.path)
    if type(layer) is not type(first.layer):
        raise no_weights(first.layer, first.caller, is_inside=False)
    if not layer.built:
        layer.build_for(*jax.tree.map(_opened, *(call.arguments for call in calls)))


def _traced(root: nnx.Module, run: RunsCopy, x: Nest, training: bool) -> tuple[bool, list[UnbuiltCall]]:
    """Return whether a call came to its end, and the calls of layers without weights in it."""
    structure, state = split(root)
    unbuilt: list[_UnbuiltCalls] = []

    def call(state: Nest, x: Nest) -> None:
        copy = merged_copy(structure, state)
        (copy.train if training else copy.eval)()
        unbuilt.append(_UnbuiltCalls(copy))
        with entered(CallContext(note_unbuilt=unbuilt[0].note)):
            run(copy, x)

    try:
        eval_shape(call, state, x)
    except _Restart:
        return False, unbuilt[0].calls
    return True, unbuilt[0].calls


def _has_unbuilt(root: nnx.Module) -> bool:
    return any(
        getattr(node, "built", True) is False for _, node in nnx.iter_graph(root) if graphlib.is_graph_node(node)
    )


def _at(root: Any, path: Path) -> Any:
    node = root
    for key in path:
        implementation: Any = graphlib.get_node_impl(node)
        node = None if implementation is None else implementation.node_dict(node).get(key)
    return node


def sized(shape: Shape, size: int, dtype: DTypeLike = jnp.float32) -> jax.ShapeDtypeStruct:
    """Return an outline of an array of one sample, its open axes of a size; `shape` has the batch axis in front."""
    return jax.ShapeDtypeStruct((1, *(size if n is None else n for n in shape[1:])), jnp.dtype(dtype))


def _outline(leaf: Nest) -> Nest:
    return Outline(tuple(leaf.shape), leaf.dtype) if hasattr(leaf, "shape") else leaf


def _opened(first: Nest, *others: Nest) -> Nest:
    """Return an argument of a layer, open in the batch axis and in the axes in which calls differ."""
    if not isinstance(first, Outline):
        return first
    sizes = zip(first.shape, *(other.shape for other in others), strict=True)
    shape = [n if at and all(n == m for m in more) else None for at, (n, *more) in enumerate(sizes)]
    return Outline(tuple(shape), first.dtype)
