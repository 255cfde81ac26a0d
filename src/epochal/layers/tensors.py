"""The graph that calls of layers draw: symbolic tensors, and which layer made which from which."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
from flax import nnx

from ..messages.arguments import NamesArguments
from ..messages.numeric import is_whole, whole
from . import building, calling, calls
from .names import class_name, snake_case
from .nests import held, map_nest
from .operators import Operators


class Tensor(Operators, NamesArguments):
    """An array that a model will compute: its shape and dtype are known, its values aren't.

    Calling layers on tensors makes more of them; `Model(inputs, outputs)` makes a model of what lies between.
    Python's operators work on them as on arrays: `a + b`, `2 * a`, `a @ weights`, `a[:, 0]`.

    Attributes:
        shape: With the batch axis in front; None where the size is open.
        dtype: Its name.
        call: The call of a layer that makes it; None for a model's input.
        index: Which of the call's outputs it is.
        mask: The shape of the mask that says which steps count, the batch axis in front; None if all do.
    """

    def __init__(self, shape: Sequence[int | None], dtype: str, call: Call | None = None, index: int = 0) -> None:
        self.shape, self.dtype, self.call, self.index = tuple(shape), dtype, call, index
        self.mask: tuple[int | None, ...] | None = None

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.shape} {self.dtype}>"

    def __array__(self, *_: Any, **__: Any) -> Any:
        raise TypeError(
            f"{self!r} has no values yet, so no function of arrays takes it: wrap the function in a layer, "
            "as in Lambda(function)(tensor)."
        )

    def __iter__(self) -> Any:
        raise TypeError(f"{self!r} is one tensor and can't be taken apart: a layer such as Lambda(lambda x: …) can.")

    def __bool__(self) -> bool:
        raise TypeError(f"{self!r} has no values yet, so it is neither true nor false.")


class Input(Tensor):
    """An input of a model, or the first item of a `Sequential`.

    Args:
        shape: Of a sample, such as `(64,)` or `(28, 28, 1)`; None for an axis of any size.
        dtype: Of the input; "int32" for an `Embedding`.
        name: By which data may be given; `input_layer`, numbered, if None.
    """

    def __init__(self, shape: Sequence[int | None], dtype: str = "float32", name: str | None = None) -> None:
        if isinstance(shape, (int, str)) or any(n is not None and not is_whole(n, 1) for n in shape):
            raise ValueError(f"an Input's shape is that of a sample, such as (64,); got {shape!r}.")
        super().__init__((None, *(None if n is None else whole("shape", n) for n in shape)), jnp.dtype(dtype).name)
        self.name = name


@dataclass(eq=False)
class Call:
    """One call of a layer.

    Attributes:
        layer: What was called; it may be called again elsewhere, with the same weights.
        args: The arguments: nests of tensors and plain values.
        kwargs: Those given by name.
        outputs: What it makes.
    """

    layer: nnx.Module
    args: tuple[Any, ...]
    kwargs: dict[str, Any]
    outputs: tuple[Tensor, ...] = ()

    @property
    def inputs(self) -> list[Tensor]:
        """The tensors among the arguments, in order."""
        return tensors_in((self.args, self.kwargs))


def tensors_in(nest: Any) -> list[Tensor]:
    """Return the tensors in a nest, in order."""
    return [leaf for leaf in jax.tree.leaves(nest) if isinstance(leaf, Tensor)]


def connect(layer: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """Return what a call of a layer on tensors makes: a tensor, or a nest of them as the layer returns it.

    Raises:
        Exception: What the layer raises for such inputs, with a note that names the layer and their shapes.
    """
    call = Call(layer, held(args), held(kwargs))
    inputs = call.inputs
    try:
        found, of_outputs = _outputs(call, inputs)
    except Exception as error:
        name = getattr(layer, "name", None) or snake_case(layer)
        shapes = ", ".join(str(tensor.shape) for tensor in inputs)
        error.add_note(f"This is the layer {name!r}, whose inputs have shape {shapes}.")
        raise
    leaves, tree = jax.tree.flatten(found, is_leaf=lambda node: isinstance(node, _Like))
    call.outputs = tuple(Tensor(like.shape, like.dtype, call, index) for index, like in enumerate(leaves))
    calls.remember(call)
    for output, mask in zip(call.outputs, of_outputs, strict=True):
        output.mask = None if mask is None else mask.shape
    if any(tensor.mask for tensor in inputs) and not any(of_outputs) and not getattr(layer, "uses_mask", False):
        warnings.warn(
            f"{class_name(layer)} passes no mask on: after it, masked steps count like all others.", stacklevel=3
        )
    return jax.tree.unflatten(tree, call.outputs)


@dataclass(frozen=True)
class _Like:
    shape: tuple[int | None, ...]
    dtype: str


def _outputs(call: Call, inputs: Sequence[Tensor]) -> Any:
    """Return shapes and dtypes of what a call makes, in the nest in which the layer returns them, and of its masks."""
    if (build := getattr(call.layer, "build_for", None)) is not None:
        build(call.args, call.kwargs)
    sizes = building.OPEN_SIZES if any(None in tensor.shape[1:] for tensor in inputs) else building.OPEN_SIZES[:1]
    tries = [_arrays(inputs, size) for size in sizes]
    building.build_inside(call.layer, lambda copy, given: _run(copy, call, *given), tries)
    graph, state = nnx.split(call.layer)

    def run(arrays: Any, of_arrays: Any) -> Any:
        layer: Any = nnx.merge(graph, state, copy=True)
        layer.eval()
        with calling.step(layer):
            return _run(layer, call, arrays, of_arrays)

    found = [jax.eval_shape(run, *given) for given in tries]
    return jax.tree.map(_common, found[0], found[-1])


def _run(layer: Any, call: Call, arrays: Any, of_arrays: Any) -> Any:
    values, of_values = (
        {id(tensor): array for tensor, array in zip(call.inputs, given, strict=True)} for given in (arrays, of_arrays)
    )
    given = map_nest(lambda leaf: values.get(id(leaf), leaf), (call.args, call.kwargs))
    of_given = map_nest(lambda leaf: of_values.get(id(leaf)), (call.args, call.kwargs))
    return calling.called_with_masks(layer, given, of_given)


def _arrays(inputs: Sequence[Tensor], size: int) -> tuple[list[Any], list[Any]]:
    """Return what stands for inputs, and for their masks, where open axes have a size."""
    arrays = [_array_like(tensor.shape, tensor.dtype, size) for tensor in inputs]
    return arrays, [None if tensor.mask is None else _array_like(tensor.mask, bool, size) for tensor in inputs]


def _array_like(shape: Sequence[int | None], dtype: Any, size: int) -> jax.ShapeDtypeStruct:
    return jax.ShapeDtypeStruct((1, *(size if n is None else n for n in shape[1:])), jnp.dtype(dtype))


def _common(first: Any, second: Any) -> _Like:
    if not first.shape:
        raise ValueError("a layer must keep the batch axis in front; it returned a single value.")
    sizes = zip(first.shape[1:], second.shape[1:], strict=True)
    return _Like((None, *(n if n == m else None for n, m in sizes)), first.dtype.name)
