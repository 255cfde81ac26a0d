"""Python's operators on tensors, which make layers of their own in the graph."""

from __future__ import annotations

import numbers
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, NoReturn

import numpy as np

if TYPE_CHECKING:
    from .tensors import Tensor

UFUNCS: dict[np.ufunc, str] = {
    **{getattr(np, kind.lower()): kind for kind in ("Add", "Subtract", "Multiply", "Mod", "Power", "Matmul")},
    **{getattr(np, kind.lower()): kind for kind in ("Negative", "Absolute", "Less", "Greater")},
    np.true_divide: "TrueDivide",
    np.floor_divide: "FloorDivide",
    np.less_equal: "LessEqual",
    np.greater_equal: "GreaterEqual",
}
"""The operations by the functions that NumPy calls when an array or one of its numbers stands on the left."""

Operator = Callable[[Any, object], "Tensor"]


def _operate(kind: str, *args: object) -> Any:
    from .operations import operate  # operations are layers, and layers are made of what is here

    return operate(kind, *args)


def _both_sides(kind: str) -> tuple[Operator, Operator]:
    """Return the methods for a tensor on the left, and for one on the right."""
    return lambda self, other: _operate(kind, self, other), lambda self, other: _operate(kind, other, self)


class Operators:
    """Arithmetic and comparisons between tensors, arrays and numbers, and indices that leave the batch axis whole."""

    __add__, __radd__ = _both_sides("Add")
    __sub__, __rsub__ = _both_sides("Subtract")
    __mul__, __rmul__ = _both_sides("Multiply")
    __truediv__, __rtruediv__ = _both_sides("TrueDivide")
    __floordiv__, __rfloordiv__ = _both_sides("FloorDivide")
    __mod__, __rmod__ = _both_sides("Mod")
    __pow__, __rpow__ = _both_sides("Power")
    __matmul__, __rmatmul__ = _both_sides("Matmul")
    __lt__, _ = _both_sides("Less")
    __le__, _ = _both_sides("LessEqual")
    __gt__, _ = _both_sides("Greater")
    __ge__, _ = _both_sides("GreaterEqual")
    __hash__ = object.__hash__

    def __neg__(self) -> Tensor:
        return _operate("Negative", self)

    def __pos__(self) -> Operators:
        return self

    def __abs__(self) -> Tensor:
        return _operate("Absolute", self)

    def __getitem__(self, index: object) -> Tensor:
        return _operate("GetItem", self, index)

    def __eq__(self, other: object) -> bool:
        if isinstance(other, (numbers.Number, np.ndarray, np.generic)):
            raise TypeError(
                f"{self!r} == … says whether two tensors are one and the same; to compare values, a function is a "
                "layer: Lambda(lambda x: x == …)."
            )
        return self is other

    def __array_ufunc__(self, ufunc: np.ufunc, method: str, *inputs: object, **kwargs: object) -> Tensor:
        is_operator = method == "__call__" and ufunc in UFUNCS and not kwargs
        output = _operate(UFUNCS[ufunc], *inputs) if is_operator else NotImplemented
        return self._refuse(ufunc) if output is NotImplemented else output

    def _refuse(self, ufunc: np.ufunc) -> NoReturn:
        raise TypeError(
            f"{self!r} has no values yet, so no function of arrays takes it, such as numpy.{ufunc.__name__}: wrap "
            "the function in a layer, as in Lambda(function)(tensor), with jax.numpy for numpy."
        )
