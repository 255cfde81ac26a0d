"""The layers of Python's operators between tensors: `a + b`, `2 * a`, `-a`, `a @ kernel`, `a[:, 0]`.

Source: keras/src/backend/common/keras_tensor.py and keras/src/ops/numpy.py of Keras 3.15. As there, an operation has a
name in the graph, but is none of the model's `layers`; and masks end there.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Sequence
from typing import Any, TypeGuard, Unpack

import jax
import jax.numpy as jnp
import numpy as np

from .base import Layer
from .nests import is_sequence
from .tensors import Tensor, connect, tensors_in
from .types import Array, CommonOptions, DTypeLike, Nest, NumpyArray, Shape
from .untyped import asarray

FUNCTIONS: dict[str, Callable[..., Any]] = {
    kind: getattr(operator, name)
    for kind, name in {
        "Add": "add",
        "Subtract": "sub",
        "Multiply": "mul",
        "TrueDivide": "truediv",
        "FloorDivide": "floordiv",
        "Mod": "mod",
        "Power": "pow",
        "Matmul": "matmul",
        "Negative": "neg",
        "Absolute": "abs",
        "Less": "lt",
        "LessEqual": "le",
        "Greater": "gt",
        "GreaterEqual": "ge",
        "GetItem": "getitem",
    }.items()
}
"""The function of each operation, by Keras's names."""

UNARY = ("Negative", "Absolute")


class Operation(Layer):
    """An operator between tensors, arrays and numbers, or an index into a tensor.

    Args:
        kind: One of `FUNCTIONS`.
        **kwargs: `name`.
    """

    def __init__(self, kind: str, **kwargs: Unpack[CommonOptions]) -> None:
        super().__init__(**kwargs)
        self.keras_class = kind

    def build_for(self, args: tuple[Nest, ...], kwargs: dict[str, Nest]) -> None:
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

    def call(self, *args: Nest) -> Array:
        """Return the operator's value for arrays and numbers."""
        if self.keras_class == "GetItem":
            return args[0][tuple(_within_bounds(*args))]
        dtypes = [arg.dtype for arg in args if isinstance(arg, jax.Array)]
        return FUNCTIONS[self.keras_class](*(_promoted(arg, dtypes) for arg in args))


def operate(kind: str, *args: Nest) -> Nest:
    """Return the tensor for an operation on arguments with a tensor among them; NotImplemented if one is no operand."""
    if kind == "GetItem":
        args = (args[0], _index_parts(*args))
    elif not all(_is_operand(arg) for arg in args):
        return NotImplemented
    return connect(Operation(kind), args, {})


def _is_operand(value: object) -> bool:
    if _is_array(value):
        return value.dtype.kind in "biufV"
    return isinstance(value, (Tensor, int, float, np.number, np.bool_))


def _is_array(value: object) -> TypeGuard[NumpyArray]:
    return isinstance(value, (np.ndarray, jax.Array))


def _promoted(value: Nest, dtypes: Sequence[DTypeLike]) -> Nest:
    """Return a number or an array in a dtype with which arrays of floats beside it keep theirs."""
    floats = [dtype for dtype in dtypes if jnp.issubdtype(dtype, jnp.floating)]
    if isinstance(value, jax.Array) or (isinstance(value, int) and abs(value) < 2**31):
        return value
    return asarray(value, floats[0]) if floats else value


def _check_batches(*args: Nest) -> None:
    """Raise a ValueError unless the batch axes of operands meet one another, and nothing else."""
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


def _check_product(one: Nest, other: Nest) -> None:
    left, right = len(_shape(one)), len(_shape(other))
    if (isinstance(one, Tensor) and left < 2) or (isinstance(other, Tensor) and right < 3):
        raise ValueError(
            f"{_shape(one)} @ {_shape(other)} would add up over the batch axis: a tensor on the left has at least "
            "2 axes, one on the right 3. An array of weights stands on the right: tensor @ weights."
        )
    if right > 2:
        _check_batches(*(arg for arg in (one, other) if isinstance(arg, Tensor) or len(_shape(arg)) > 2))


def _shape(value: Nest) -> Shape:
    return value.shape if isinstance(value, Tensor) else np.shape(value)


def _index_parts(array: Nest, index: Nest) -> list[Nest]:
    """Return an index as a list, one part an axis, with a slice for each axis that `...` stands for."""
    parts: list[Nest] = list(index) if is_sequence(index) else [index]
    at = [number for number, part in enumerate(parts) if part is Ellipsis]
    more = len(array.shape) - sum(part is not None and part is not Ellipsis for part in parts)
    if len(at) > 1 or more < 0:
        raise IndexError(f"{array!r} has {len(array.shape)} axes; got the index {_shown(parts)}.")
    return [*parts[: at[0]], *(slice(None),) * more, *parts[at[0] + 1 :]] if at else parts


def _check_index(tensor: Nest, index: Nest) -> None:
    parts = _index_parts(tensor, index)
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


def _within_bounds(array: Nest, index: Nest) -> list[Nest]:
    """Return the parts of an index whose numbers lie within the array; XLA would take the nearest element."""
    sizes, parts = iter(array.shape), _index_parts(array, index)
    for part in parts:
        size = None if part is None else next(sizes)
        if size is not None and not isinstance(part, slice) and not -size <= part < size:
            raise IndexError(f"there is no {part} on an axis of {size}: {_shown(parts)}.")
    return parts


def _shown(parts: Sequence[object]) -> str:
    return f"[{', '.join(map(_shown_part, parts))}]"


def _shown_part(part: object) -> str:
    if not _is_slice(part):
        return "..." if part is Ellipsis else str(part)
    ends = ["" if end is None else str(end) for end in (part.start, part.stop)]
    return ":".join(ends if part.step is None else [*ends, str(part.step)])


def _is_slice(part: object) -> TypeGuard[slice[Any, Any, Any]]:
    return isinstance(part, slice)
