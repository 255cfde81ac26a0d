"""The graph that calls of layers draw: symbolic tensors, and which call of a layer made which from which."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NoReturn

import jax
import jax.numpy as jnp
from flax import nnx

from ..messages.arguments import NamesArguments
from ..messages.numeric import is_whole, whole
from ..messages.printing import warn
from . import symbolic_ends
from .call_context import compiled_step
from .calling import call_with_masks
from .inner_layers import OPEN_SIZES, build_inside, sized
from .names import class_name, snake_case
from .nests import copied, map_nest
from .operators import Operators
from .types import Array, Mask, Nest, Shape
from .untyped import eval_shape, merged_copy, split, structure, unflatten


class Tensor(Operators, NamesArguments):
    """An array that a model will compute: its shape and dtype are known, its values aren't.

    Calling layers on tensors makes more of them; `Model(inputs, outputs)` makes a model of what lies between.
    Python's operators work on them as on arrays: `a + b`, `2 * a`, `a @ weights`, `a[:, 0]`.

        >>> from epochal.layers import Dense, Input
        >>> x = Input((4,))
        >>> 2 * Dense(3)(x) + 1
        <Tensor (None, 3) float32>

    Attributes:
        shape: With the batch axis in front; None where the size is open.
        dtype: Its name.
        call: The call of a layer that makes it; None for a model's input.
        mask: The shape of the mask that says which steps count, the batch axis in front; None if all do.
    """

    def __init__(self, shape: Sequence[int | None], dtype: str, call: LayerCall | None = None) -> None:
        self.shape, self.dtype, self.call = tuple(shape), dtype, call
        self.mask: Shape | None = None

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.shape} {self.dtype}>"

    def __array__(self, *_: object, **__: object) -> NoReturn:
        raise TypeError(
            f"{self!r} has no values yet, so no function of arrays takes it: wrap the function in a layer, "
            "as in Lambda(function)(tensor)."
        )

    def __iter__(self) -> NoReturn:
        raise TypeError(f"{self!r} is one tensor and can't be taken apart: a layer such as Lambda(lambda x: …) can.")

    def __bool__(self) -> bool:
        raise TypeError(f"{self!r} has no values yet, so it is neither true nor false.")


class Input(Tensor):
    """An input of a model, or the first item of a `Sequential`.

        >>> Input((28, 28, 1))
        <Input (None, 28, 28, 1) float32>

    Args:
        shape: Of a sample, such as `(64,)` or `(28, 28, 1)`; None for an axis of any size.
        dtype: Of the input; "int32" for an `Embedding`.
        name: By which data may be given; `input_layer`, numbered, if None.

    Raises:
        ValueError: If the shape isn't a list or a tuple of positive whole numbers and None.
    """

    def __init__(self, shape: Sequence[int | None], dtype: str = "float32", name: str | None = None) -> None:
        is_list = hasattr(shape, "__iter__") and not isinstance(shape, str)
        if not is_list or any(n is not None and not is_whole(n, 1) for n in shape):
            raise ValueError(f"an Input's shape is that of a sample, such as (64,); got {shape!r}.")
        super().__init__((None, *(None if n is None else whole("shape", n) for n in shape)), jnp.dtype(dtype).name)
        self.name = name


@dataclass(eq=False)
class LayerCall:
    """One call of a layer on tensors.

    Attributes:
        layer: What was called; it may be called again elsewhere, with the same weights.
        args: The arguments: nests of tensors and plain values.
        kwargs: The arguments given by name.
        outputs: The tensors that it makes.
    """

    layer: nnx.Module
    args: tuple[Nest, ...]
    kwargs: dict[str, Nest]
    outputs: tuple[Tensor, ...] = ()

    @property
    def inputs(self) -> list[Tensor]:
        """The tensors among the arguments, in order."""
        return tensors_in((self.args, self.kwargs))


def tensors_in(nest: Nest) -> list[Tensor]:
    """Return the tensors in a nest, in order."""
    return [leaf for leaf in jax.tree.leaves(nest) if isinstance(leaf, Tensor)]


def connect(layer: nnx.Module, args: tuple[Nest, ...], kwargs: dict[str, Nest]) -> Nest:
    """Return the outputs of a call of a layer on tensors: a tensor, or a nest of them as the layer returns it.

    Raises:
        Exception: What the layer raises for such inputs, with a note that names the layer and their shapes.
    """
    call = LayerCall(layer, copied(args), copied(kwargs))
    inputs = call.inputs
    try:
        outlines, masks = _output_outlines(call, inputs)
    except Exception as error:
        name = getattr(layer, "name", None) or snake_case(layer)
        shapes = ", ".join(str(tensor.shape) for tensor in inputs)
        error.add_note(f"This is the layer {name!r}, whose inputs have shape {shapes}.")
        raise
    leaves: list[_OutputOutline] = jax.tree.leaves(outlines)
    call.outputs = tuple(Tensor(outline.shape, outline.dtype, call) for outline in leaves)
    symbolic_ends.remember(call)
    for output, mask in zip(call.outputs, masks, strict=True):
        output.mask = None if mask is None else mask.shape
    if any(tensor.mask for tensor in inputs) and not any(masks) and not getattr(layer, "uses_mask", False):
        warn(f"{class_name(layer)} passes no mask on: after it, masked steps count like all others.")
    return unflatten(structure(outlines), call.outputs)


@dataclass(frozen=True)
class _OutputOutline:
    """The shape and the dtype of an output, the batch axis in front."""

    shape: Shape
    dtype: str


def _output_outlines(call: LayerCall, inputs: Sequence[Tensor]) -> tuple[Nest, list[_OutputOutline | None]]:
    """Return outlines of the outputs of a call, in the nest in which the layer returns them, and of their masks."""
    layer = call.layer
    build_for: Any = getattr(layer, "build_for", None)
    if build_for is not None:
        build_for(call.args, call.kwargs)
    sizes = OPEN_SIZES if any(None in tensor.shape[1:] for tensor in inputs) else OPEN_SIZES[:1]
    arrays = [_stand_ins(inputs, size) for size in sizes]
    build_inside(layer, lambda copy, x: _run(copy, call, *x), arrays)
    definition, state = split(layer)

    def run(values: Nest, masks: Nest) -> Nest:
        copy = merged_copy(definition, state)
        copy.eval()
        with compiled_step(copy):
            return _run(copy, call, values, masks)

    outputs = [eval_shape(run, *stand_ins) for stand_ins in arrays]
    return jax.tree.map(_common_outline, outputs[0], outputs[-1])


def _run(layer: Any, call: LayerCall, values: Sequence[Array], masks: Sequence[Mask]) -> Nest:
    """Return the outputs and masks of a call, given arrays and masks for its tensors."""
    ids = [id(tensor) for tensor in call.inputs]
    value_of = dict(zip(ids, values, strict=True))
    mask_of = dict(zip(ids, masks, strict=True))
    nest = (call.args, call.kwargs)
    return call_with_masks(
        layer,
        map_nest(lambda leaf: value_of.get(id(leaf), leaf), nest),
        map_nest(lambda leaf: mask_of.get(id(leaf)), nest),
    )


def _stand_ins(inputs: Sequence[Tensor], size: int) -> tuple[list[Nest], list[Nest]]:
    """Return shapes and dtypes for inputs, and for their masks, where open axes have a size."""
    values = [sized(tensor.shape, size, tensor.dtype) for tensor in inputs]
    return values, [None if tensor.mask is None else sized(tensor.mask, size, bool) for tensor in inputs]


def _common_outline(first: Nest, second: Nest) -> _OutputOutline:
    """Return the outline of an output whose open axes have one size in the first, another one in the second."""
    if not first.shape:
        raise ValueError("a layer must keep the batch axis in front; it returned a single value.")
    sizes = zip(first.shape[1:], second.shape[1:], strict=True)
    return _OutputOutline((None, *(n if n == m else None for n, m in sizes)), first.dtype.name)
