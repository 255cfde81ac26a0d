"""What Python's operators make of tensors: `a + b`, `2 * a`, `-a`, `a @ kernel`, `a[:, 0]`.

Source: keras/src/backend/common/keras_tensor.py and keras/src/ops/numpy.py of Keras 3.15. As there, an operation has a
name in the graph, but is none of the model's `layers`; and masks end there.
"""

from __future__ import annotations

import operator
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from .base import Layer
from .tensors import Tensor, connect, tensors_in

FUNCTIONS: dict[str, Callable[..., Any]] = {
    "Add": operator.add,
    "Subtract": operator.sub,
    "Multiply": operator.mul,
    "TrueDivide": operator.truediv,
    "FloorDivide": operator.floordiv,
    "Mod": operator.mod,
    "Power": operator.pow,
    "Matmul": operator.matmul,
    "Negative": operator.neg,
    "Absolute": operator.abs,
    "Less": operator.lt,
    "LessEqual": operator.le,
    "Greater": operator.gt,
    "GreaterEqual": operator.ge,
    "GetItem": operator.getitem,
}
"""What each operation computes, by Keras's names."""

UNARY = ("Negative", "Absolute")


class Operation(Layer):
    """An operator between tensors, arrays and numbers, or an index into a tensor.

    Args:
        kind: One of `FUNCTIONS`.
        **kwargs: `name`.
    """

    def __init__(self, kind: str, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.keras_class = kind

    def build_for(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        """Raise unless the batch axes of these arguments stay one axis, in front."""
        if not tensors_in(args):
            return  # which was checked when the graph was drawn
        wanted = 1 if self.keras_class in UNARY else 2
        if len(args) != wanted or kwargs:
            raise ValueError(f"{self.keras_class} takes {wanted} arguments; got {len(args) + len(kwargs)}.")
        if self.keras_class == "GetItem":
            _check_index(*args)
        elif self.keras_class == "Matmul":
            _check_product(*args)
        else:
            _check_batches(*args)
        self.built = True

    def call(self, *args: Any) -> jax.Array:
        function: Callable[..., Any] = FUNCTIONS[self.keras_class]
        if self.keras_class == "GetItem":
            return args[0][tuple(_within(*args))]
        dtypes = [a.dtype for a in args if isinstance(a, jax.Array)]
        return function(*(_constant(a, dtypes) for a in args))


def operate(kind: str, *args: Any) -> Any:
    """Return what an operation makes of arguments with a tensor among them; NotImplemented if one is no operand."""
    if kind == "GetItem":
        args = (args[0], _parts(*args))
    elif not all(_is_operand(arg) for arg in args):
        return NotImplemented
    return connect(Operation(kind), args, {})


def _is_operand(value: Any) -> bool:
    if isinstance(value, (np.ndarray, jax.Array)):
        return value.dtype.kind in "biufV"
    return isinstance(value, (Tensor, int, float, np.number, np.bool_))


def _constant(value: Any, dtypes: list[Any]) -> Any:
    """Return a number or an array beside arrays of some dtypes: those of floats stay what they are."""
    floats = [dtype for dtype in dtypes if jnp.issubdtype(dtype, jnp.floating)]
    if isinstance(value, jax.Array) or (isinstance(value, int) and abs(value) < 2**31):
        return value
    return jnp.asarray(value, floats[0]) if floats else value


def _check_batches(*args: Any) -> None:
    axes = max(len(arg.shape) for arg in args if isinstance(arg, Tensor))
    for arg in args:
        shape = _shape(arg)
        if isinstance(arg, Tensor) and len(shape) < axes:
            raise ValueError(
                f"tensors of shapes {' and '.join(str(a.shape) for a in args)} have different numbers of axes, so that "
                "samples would meet features: the layers Add, Multiply and Average bring them together, or Reshape."
            )
        if not isinstance(arg, Tensor) and len(shape) >= axes and (len(shape) > axes or shape[0] != 1):
            raise ValueError(
                f"an array of shape {shape} beside tensors of {axes} axes would meet their batch axis, which is the "
                "first: it may have fewer axes, or 1 as its first size."
            )


def _check_product(one: Any, other: Any) -> None:
    left, right = len(_shape(one)), len(_shape(other))
    if (isinstance(one, Tensor) and left < 2) or (isinstance(other, Tensor) and right < 3):
        raise ValueError(
            f"{_shape(one)} @ {_shape(other)} would add up over the batch axis: a tensor on the left has at least "
            "2 axes, one on the right 3. An array of weights stands on the right: tensor @ weights."
        )
    if right > 2:
        _check_batches(*(arg for arg in (one, other) if isinstance(arg, Tensor) or len(_shape(arg)) > 2))


def _shape(value: Any) -> tuple[int | None, ...]:
    return value.shape if isinstance(value, Tensor) else np.shape(value)


def _parts(array: Any, index: Any) -> list[Any]:
    """Return an index as a list, one part an axis, with what `...` stands for."""
    parts = list(index) if isinstance(index, (tuple, list)) else [index]
    at = [number for number, part in enumerate(parts) if part is Ellipsis]
    more = len(array.shape) - sum(part is not None and part is not Ellipsis for part in parts)
    if len(at) > 1 or more < 0:
        raise IndexError(f"{array!r} has {len(array.shape)} axes; got the index {_shown(parts)}.")
    return [*parts[: at[0]], *(slice(None),) * more, *parts[at[0] + 1 :]] if at else parts


def _check_index(tensor: Any, index: Any) -> None:
    parts = _parts(tensor, index)
    for part in parts:
        if not (isinstance(part, slice) or part is None) and type(part) is not int and not isinstance(part, np.integer):
            raise TypeError(
                f"an index into {tensor!r} is made of whole numbers, slices, None and ...; got {part!r}. For anything "
                "else a function is a layer: Lambda(lambda x: …)."
            )
    if not parts or parts[0] != slice(None):
        raise IndexError(
            f"the first axis of {tensor!r} is the batch, which stays whole: tensor[:, 0] is the first step or feature "
            f"of every sample; got {_shown(parts)}."
        )


def _within(array: Any, index: Any) -> list[Any]:
    """Return the parts of an index whose numbers lie within the array; XLA would take the nearest element."""
    sizes, parts = iter(array.shape), _parts(array, index)
    for part in parts:
        size = None if part is None else next(sizes)
        if size is not None and not isinstance(part, slice) and not -size <= part < size:
            raise IndexError(f"there is no {part} on an axis of {size}: {_shown(parts)}.")
    return parts


def _shown(parts: list[Any]) -> str:
    return f"[{', '.join(map(_shown_part, parts))}]"


def _shown_part(part: Any) -> str:
    if not isinstance(part, slice):
        return "..." if part is Ellipsis else str(part)
    ends = ["" if end is None else str(end) for end in (part.start, part.stop)]
    return ":".join(ends if part.step is None else [*ends, str(part.step)])
