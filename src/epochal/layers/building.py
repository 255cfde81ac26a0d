"""How layers get their weights: `build` in Keras's form or in ours, and the layers inside that a call reaches."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
from flax import errors, nnx
from flax.nnx import graphlib

from ..data.seeds import fresh_seed
from . import calling, masks
from .calling import Calls

OPEN_SIZES = (64, 96)
"""An axis whose size is open is tried with both of these; where results differ, theirs is open too."""

_RNGS: ContextVar[nnx.Rngs | None] = ContextVar("rngs", default=None)
_OUTLINED: ContextVar[bool] = ContextVar("outlined", default=False)


# Shapes: ours leave the batch axis out, Keras's have it in front


def shapes_of(nest: Any) -> Any:
    """Return the shapes of the arrays or tensors in a nest, without the batch axis; None for anything else."""
    if isinstance(nest, Mapping):
        return {name: shapes_of(item) for name, item in nest.items()}
    if isinstance(nest, (list, tuple)):
        return [shapes_of(item) for item in nest]
    return tuple(nest.shape[1:]) if hasattr(nest, "shape") else None


def _is_shape(nest: Any) -> bool:
    return isinstance(nest, (list, tuple)) and all(n is None or isinstance(n, int) for n in nest)


def _each_shape(change: Callable[[tuple[Any, ...]], Any], nest: Any) -> Any:
    if isinstance(nest, tuple) and _is_shape(nest):
        return change(nest)
    if isinstance(nest, Mapping):
        return {name: _each_shape(change, item) for name, item in nest.items()}
    if isinstance(nest, (list, tuple)):
        return change(tuple(nest)) if nest and _is_shape(nest) else [_each_shape(change, item) for item in nest]
    return nest


def with_batch(nest: Any) -> Any:
    """Return a nest of our shapes as Keras has them."""
    return _each_shape(lambda shape: (None, *shape), nest)


def without_batch(nest: Any) -> Any:
    """Return a nest of Keras's shapes as ours."""
    return _each_shape(lambda shape: shape[1:], nest)


# build


def rngs() -> nnx.Rngs:
    """Return the streams that the weights of the layer that is being built are drawn from."""
    return _RNGS.get() or _fresh()


def _fresh() -> nnx.Rngs:
    streams = nnx.Rngs(fresh_seed())
    if _OUTLINED.get():
        setattr(streams, "default", _Still(streams.default.key[...], tag="default"))  # noqa: B010
    return streams


class _Still(nnx.RngStream):
    """A stream that doesn't count its keys: within a trace flax would look through all of it, each time."""

    def __call__(self) -> jax.Array:
        return self.key[...]


@contextmanager
def outlined() -> Iterator[None]:
    """Let layers be built within a trace, where only the shapes of their variables count, and there are many."""
    token = _OUTLINED.set(True)
    try:
        yield
    finally:
        _OUTLINED.reset(token)


def either_way(build: Callable[..., None]) -> Callable[..., None]:
    """Return a `build` that may be called in our form, `(shape, rngs=…)`, and in Keras's, `(input_shape)`.

    Whichever form the layer's author has written, each caller may use the other one. The layer is built then.
    """
    names = [name for name in inspect.signature(build).parameters if name != "self"]
    takes_rngs = "rngs" in names

    @functools.wraps(build)
    def wrapped(self: Any, *args: Any, **kwargs: Any) -> None:
        given = kwargs.pop("rngs", None)
        if len(args) > 1 and isinstance(args[1], nnx.Rngs):
            given, args = args[1], (args[0], *args[2:])
        if takes_rngs and given is None:
            args, kwargs = _in_our_form(args, kwargs, [name for name in names if name != "rngs"])
        elif not takes_rngs and given is not None:
            args, kwargs = tuple(with_batch(shape) for shape in args), {k: with_batch(v) for k, v in kwargs.items()}
        with _drawing_from(given) as streams:
            build(self, *args, **kwargs, **({"rngs": streams} if takes_rngs else {}))
        self.built = True
        if not self.trainable:
            self.trainable = False  # also of the layers that `build` has made

    vars(wrapped)["is_default"] = build.__qualname__ == "Layer.build"
    return wrapped


def _in_our_form(args: Sequence[Any], kwargs: Mapping[str, Any], names: Sequence[str]) -> tuple[tuple[()], Any]:
    by_name = dict(zip(names, args, strict=False))
    for name, shape in kwargs.items():
        own = name.removesuffix("_shape")
        by_name[name if name in names else own if own in names else names[0]] = shape
    return (), {name: without_batch(shape) for name, shape in by_name.items()}


@contextmanager
def _drawing_from(given: nnx.Rngs | None) -> Iterator[nnx.Rngs]:
    streams = given or rngs()
    token = _RNGS.set(streams)
    try:
        yield streams
    finally:
        _RNGS.reset(token)


def is_default(layer: Any) -> bool:
    """Say whether a layer has no `build` of its own, so that only layers inside have weights."""
    return getattr(type(layer).build, "is_default", False)


def build_by_calling(layer: Any, input_shape: Any) -> None:
    """Build the layers inside a layer that a call with an input of a shape, the batch axis in front, reaches."""
    tries = [_each_shape(functools.partial(_floats, size), input_shape) for size in OPEN_SIZES]
    build_inside(layer, lambda copy, given: copy(given), tries)


def _floats(size: int, shape: Sequence[int | None]) -> jax.ShapeDtypeStruct:
    return jax.ShapeDtypeStruct((1, *(size if n is None else n for n in shape[1:])), jnp.float32)


def build(layer: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
    """Make a layer's variables for these arguments of its `call`, arrays or tensors.

    A `build` in our form, `build(shape, rngs)`, gets the shape of the first argument; an argument of `build` that is
    called like one of `call` gets the shape of that one. One in Keras's form has one argument, which gets the shape
    of the first one of `call`, or an argument `<name>_shape` for each argument of `call`.

    Raises:
        TypeError: If an argument of `build` is called like none of `call`.
    """
    streams = _fresh()
    if is_default(layer):
        layer.built = True
        return
    given = masks.bound(layer, (args, calling.without_training(layer, kwargs)))
    first = next(iter(given))
    wanted = list(inspect.signature(layer.build).parameters)
    if "rngs" in wanted:
        more = {name: shapes_of(given[name]) for name in wanted[1:] if name in given and name != first}
        layer.build(shapes_of(given[first]), rngs=streams, **more)
        return
    shapes = {name: with_batch(shapes_of(value)) for name, value in given.items()}
    with _drawing_from(streams):
        layer.build(**({wanted[0]: shapes[first]} if len(wanted) == 1 else _by_name(layer, shapes)))


def _by_name(layer: Any, shapes: Mapping[str, Any]) -> dict[str, Any]:
    known = {f"{name}_shape": shape for name, shape in shapes.items()}
    parameters = inspect.signature(layer.build).parameters.values()
    named = [p for p in parameters if p.kind not in (p.VAR_POSITIONAL, p.VAR_KEYWORD)]
    if any(p.kind is p.VAR_KEYWORD for p in parameters):
        return known
    for parameter in named:
        if parameter.name not in known and parameter.default is parameter.empty:
            raise TypeError(
                f"{type(layer).__name__}.build takes {parameter.name!r}; an argument of build is the first input's "
                f"shape, or one of {', '.join(known)}."
            )
    return {parameter.name: known[parameter.name] for parameter in named if parameter.name in known}


# The layers inside


class _Restart(BaseException):
    """A layer that has no weights was reached inside a transformation, where it can't be built."""


class _Reached:
    """Notes which layers without weights a call reaches, and with what."""

    def __init__(self, root: Any) -> None:
        self._root, self.notes = root, list[tuple[Any, Any, Any, Any]]()

    def __call__(self, layer: Any, args: Any, kwargs: Any) -> None:
        path = next((path for path, node in nnx.iter_graph(self._root) if node is layer), None)
        if path is None:
            raise calling.no_weights(layer, _callers(), inside=False)
        self.notes.append((path, layer, _callers(), jax.tree.map(_like, (args, kwargs))))
        try:
            with calling.calls_of(None):
                layer.build_for(args, kwargs)
        except errors.TraceContextError:
            raise _Restart from None


def _callers() -> list[Any]:
    calls = calling.under_way()
    return [] if calls is None else calls.layers[-1:]


@dataclass(frozen=True)
class Outline:
    """An array's shape, the batch axis in front, None where a size is open, and its dtype."""

    shape: tuple[int | None, ...]
    dtype: Any


def _like(leaf: Any) -> Any:
    return Outline(tuple(leaf.shape), leaf.dtype) if hasattr(leaf, "shape") else leaf


def build_inside(root: Any, run: Callable[[Any, Any], Any], tries: Sequence[Any]) -> None:
    """Build the layers inside a module that a call of it reaches, each for what it is called with.

    The module is called in inference mode, then, if some are left, in training mode. Nothing is computed.

    Args:
        root: The module.
        run: `(copy, given)`: call a copy of the module with one of `tries`.
        tries: What it may be called with, shapes and dtypes in a nest. Where sizes differ that the layers inside get
            from one and from the next, an axis is open for them.
    """
    for training in (False, True):
        complete = False
        while not complete and _has_unbuilt(root):
            traced = [_traced(root, run, given, training) for given in tries]
            complete = all(done for done, _ in traced)
            listed = [notes for _, notes in traced]
            for (path, copy, callers, given), *others in zip(*listed, strict=False):
                layer = _at(root, path)
                if type(layer) is not type(copy):
                    raise calling.no_weights(copy, callers, inside=False)
                if not layer.built:
                    layer.build_for(*jax.tree.map(_opened, given, *(other for *_, other in others)))


def _traced(root: Any, run: Callable[[Any, Any], Any], given: Any, training: bool) -> tuple[bool, list[Any]]:
    """Return whether a call came to its end, and the layers without weights that it reached."""
    graph, state = nnx.split(root)
    reached: list[_Reached] = []

    def call(state: Any, given: Any) -> None:
        copy: Any = nnx.merge(graph, state, copy=True)
        (copy.train if training else copy.eval)()
        reached.append(_Reached(copy))
        with calling.calls_of(Calls(found=reached[0])):
            run(copy, given)

    try:
        jax.eval_shape(call, state, given)
    except _Restart:
        return False, reached[0].notes
    return True, reached[0].notes


def _has_unbuilt(root: Any) -> bool:
    return any(
        getattr(node, "built", True) is False for _, node in nnx.iter_graph(root) if graphlib.is_graph_node(node)
    )


def _at(root: Any, path: Sequence[Any]) -> Any:
    for key in path:
        implementation = graphlib.get_node_impl(root)
        root = None if implementation is None else implementation.node_dict(root).get(key)
    return root


def _opened(first: Any, *others: Any) -> Any:
    """Return what a layer is called with, open in the batch axis and in the axes in which calls differ."""
    if not isinstance(first, Outline):
        return first
    sizes = zip(first.shape, *(other.shape for other in others), strict=True)
    shape = [n if at and all(n == m for m in more) else None for at, (n, *more) in enumerate(sizes)]
    return Outline(tuple(shape), first.dtype)
