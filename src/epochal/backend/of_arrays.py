"""What the functions of this package have in common: they take arrays, and say so where a tensor comes."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator
from typing import Any, ParamSpec, TypeAlias, TypeVar

from jax import Array

from ..layers import Tensor
from ..layers.nests import is_sequence
from ..layers.untyped import asarray
from ..messages.arguments import names_arguments

P = ParamSpec("P")
R = TypeVar("R")

Axes: TypeAlias = int | tuple[int, ...] | list[int] | None
"""One axis, several, or None for all."""

Value: TypeAlias = Any
"""An array of JAX or NumPy, a number, or a list of numbers."""


def of_arrays(function: Callable[P, R]) -> Callable[P, R]:
    """Wrap a function of arrays, so that a symbolic tensor among its arguments is an error that shows the `Lambda`."""
    checked = names_arguments(function)

    @functools.wraps(function)
    def call(*args: P.args, **kwargs: P.kwargs) -> R:
        for tensor in _tensors_among((*args, *kwargs.values())):
            name = function.__name__
            raise TypeError(
                f"{tensor!r} has no values yet, so K.{name} can't take it; in a layer it can: "
                f"Lambda(lambda t: K.{name}(t))(x)."
            )
        return checked(*args, **kwargs)

    return call


def _tensors_among(values: Any) -> Iterator[Tensor]:
    for value in values:
        if isinstance(value, Tensor):
            yield value
        elif is_sequence(value):
            yield from _tensors_among(value)


def unary(name: str, function: Callable[[Array], Array], doc: str) -> Callable[[Value], Array]:
    """Return a function of one array, with a name and a docstring."""

    def call(x: Value) -> Array:
        return function(asarray(x))

    return of_arrays(_named(call, name, doc))


def binary(name: str, function: Callable[[Array, Array], Array], doc: str) -> Callable[[Value, Value], Array]:
    """Return a function of two arrays, with a name and a docstring."""

    def call(x: Value, y: Value) -> Array:
        return function(asarray(x), asarray(y))

    return of_arrays(_named(call, name, doc))


def reduction(name: str, function: Callable[..., Array], doc: str) -> Callable[..., Array]:
    """Return a function `(x, axis=None, keepdims=False)` over an axis, several, or all, with name and docstring."""

    def call(x: Value, axis: Axes = None, keepdims: bool = False) -> Array:
        return function(asarray(x), axis=tuple(axis) if isinstance(axis, list) else axis, keepdims=keepdims)

    return of_arrays(_named(call, name, f"{doc} over an axis, several, or all if None."))


def _named(function: Callable[P, R], name: str, doc: str) -> Callable[P, R]:
    function.__name__ = function.__qualname__ = name
    function.__doc__ = doc
    return function
