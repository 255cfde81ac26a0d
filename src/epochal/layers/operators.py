"""Python's operators on tensors, which make layers of their own in the graph."""

from __future__ import annotations

import numbers
from collections.abc import Callable
from typing import Any

import numpy as np

UFUNCS = {
    **{getattr(np, kind.lower()): kind for kind in ("Add", "Subtract", "Multiply", "Mod", "Power", "Matmul")},
    **{getattr(np, kind.lower()): kind for kind in ("Negative", "Absolute", "Less", "Greater")},
    np.true_divide: "TrueDivide",
    np.floor_divide: "FloorDivide",
    np.less_equal: "LessEqual",
    np.greater_equal: "GreaterEqual",
}
"""What NumPy calls when an array or one of its numbers stands on the left."""


def _operate(kind: str, *args: Any) -> Any:
    from .operations import operate  # layers are made of what is here

    return operate(kind, *args)


def _both(kind: str) -> tuple[Callable[[Any, Any], Any], Callable[[Any, Any], Any]]:
    """Return the methods for a tensor on the left, and for one on the right."""
    return lambda self, other: _operate(kind, self, other), lambda self, other: _operate(kind, other, self)


class Operators:
    """Arithmetic and comparisons between tensors, arrays and numbers, and indices that leave the batch axis whole."""

    __add__, __radd__ = _both("Add")
    __sub__, __rsub__ = _both("Subtract")
    __mul__, __rmul__ = _both("Multiply")
    __truediv__, __rtruediv__ = _both("TrueDivide")
    __floordiv__, __rfloordiv__ = _both("FloorDivide")
    __mod__, __rmod__ = _both("Mod")
    __pow__, __rpow__ = _both("Power")
    __matmul__, __rmatmul__ = _both("Matmul")
    __lt__, _ = _both("Less")
    __le__, _ = _both("LessEqual")
    __gt__, _ = _both("Greater")
    __ge__, _ = _both("GreaterEqual")
    __hash__ = object.__hash__

    def __neg__(self) -> Any:
        return _operate("Negative", self)

    def __pos__(self) -> Any:
        return self

    def __abs__(self) -> Any:
        return _operate("Absolute", self)

    def __getitem__(self, index: Any) -> Any:
        return _operate("GetItem", self, index)

    def __eq__(self, other: object) -> bool:
        if isinstance(other, (numbers.Number, np.ndarray, np.generic)):
            raise TypeError(
                f"{self!r} == … says whether two tensors are one and the same; to compare values, a function is a "
                "layer: Lambda(lambda x: x == …)."
            )
        return self is other

    def __array_ufunc__(self, ufunc: Any, method: str, *inputs: Any, **kwargs: Any) -> Any:
        made = _operate(UFUNCS[ufunc], *inputs) if method == "__call__" and ufunc in UFUNCS and not kwargs else None
        if made is None or made is NotImplemented:
            raise TypeError(
                f"{self!r} has no values yet, so no function of arrays takes it, such as numpy.{ufunc.__name__}: wrap "
                "the function in a layer, as in Lambda(function)(tensor), with jax.numpy for numpy."
            )
        return made
