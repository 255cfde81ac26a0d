"""How layers get their weights: `build` in Keras's form or in ours."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from flax import nnx

from .calling import without_training
from .inner_layers import OPEN_SIZES, build_inside, sized
from .masks import bound
from .shapes import map_shapes, shapes_of, with_batch, without_batch
from .streams import drawing_from, fresh_rngs
from .types import Arguments, Nest


def in_either_form(build: Callable[..., None]) -> Callable[..., None]:
    """Return a `build` that may be called in our form, `(shape, rngs=…)`, and in Keras's, `(input_shape)`.

    Whichever form the layer's author has written, each caller may use the other one. The layer is built then.
    """
    names = [name for name in inspect.signature(build).parameters if name != "self"]
    takes_rngs = "rngs" in names

    @functools.wraps(build)
    def wrapped(self: Any, *args: Any, **kwargs: Any) -> None:
        rngs: nnx.Rngs | None = kwargs.pop("rngs", None)
        if len(args) > 1 and isinstance(args[1], nnx.Rngs):
            rngs, args = args[1], (args[0], *args[2:])
        if takes_rngs and rngs is None:
            args, kwargs = _in_our_form(args, kwargs, [name for name in names if name != "rngs"])
        elif not takes_rngs and rngs is not None:
            args, kwargs = tuple(with_batch(shape) for shape in args), {k: with_batch(v) for k, v in kwargs.items()}
        with drawing_from(rngs) as streams:
            build(self, *args, **kwargs, **({"rngs": streams} if takes_rngs else {}))
        self.built = True
        if not self.trainable:
            self.trainable = False  # also of the layers that `build` has made

    return wrapped


def _in_our_form(args: Sequence[Nest], kwargs: Mapping[str, Nest], names: Sequence[str]) -> Arguments:
    shapes = dict(zip(names, args, strict=False))
    for name, shape in kwargs.items():
        own = name.removesuffix("_shape")
        shapes[name if name in names else own if own in names else names[0]] = shape
    return (), {name: without_batch(shape) for name, shape in shapes.items()}


def build_by_calling(layer: nnx.Module, input_shape: Nest) -> None:
    """Build the layers inside a layer that a call with an input of a shape, the batch axis in front, reaches."""
    inputs = [map_shapes(functools.partial(sized, size=size), input_shape) for size in OPEN_SIZES]
    build_inside(layer, lambda copy, x: copy(x), inputs)


def build(layer: Any, args: tuple[Nest, ...], kwargs: dict[str, Nest]) -> None:
    """Make a layer's variables for these arguments of its `call`, arrays or tensors.

    A `build` in our form, `build(shape, rngs)`, gets the shape of the first argument; an argument of `build` that is
    called like one of `call` gets the shape of that one. One in Keras's form has one argument, which gets the shape
    of the first one of `call`, or an argument `<name>_shape` for each argument of `call`.

    Raises:
        TypeError: If an argument of `build` is called like none of `call`.
    """
    streams = fresh_rngs()
    if layer.has_default_build():
        layer.built = True
        return
    arguments = bound(layer, (args, without_training(layer, kwargs)))
    first = next(iter(arguments))
    wanted = list(inspect.signature(layer.build).parameters)
    if "rngs" in wanted:
        more = {name: shapes_of(arguments[name]) for name in wanted[1:] if name in arguments and name != first}
        layer.build(shapes_of(arguments[first]), rngs=streams, **more)
        return
    shapes = {name: with_batch(shapes_of(value)) for name, value in arguments.items()}
    with drawing_from(streams):
        layer.build(**({wanted[0]: shapes[first]} if len(wanted) == 1 else _shapes_by_parameter(layer, shapes)))


def _shapes_by_parameter(layer: Any, shapes: Mapping[str, Nest]) -> dict[str, Nest]:
    """Return the arguments for a `build` in Keras's form that has several."""
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
