"""Plain functions and modules of flax as layers."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Unpack, cast

import jax
from flax import nnx

from .base import Layer
from .call_context import current_context
from .calling import check_constructed
from .masks import accepted
from .shapes import is_shape, shapes_of, with_batch, without_batch
from .types import Config, LayerOptions, Mask, Nest


class Lambda(Layer):
    """A plain function, or any `flax.nnx` module, as a layer.

        >>> Lambda(lambda x: x[:, ::-1])(np.array([[1.0, 2.0, 3.0]])).tolist()
        [[3.0, 2.0, 1.0]]
        >>> Lambda(lambda x, power: x**power, arguments={"power": 2})(np.array([[1.0, 2.0, 3.0]])).tolist()
        [[1.0, 4.0, 9.0]]

    In a model a function needs no `Lambda` around it; it can't be saved whole in a file, only its model's weights.

    Args:
        function: Takes one or more arrays, the batch axis first, and returns one or more. An argument `training` gets
            whether this is a training step, one called `mask` the mask of the first array, as in a layer's `call`.
        output_shape: What the output's shape should be, for a check: that of a sample, or a function of the shape of
            the input, the batch axis in front in both. The function's own output says what it is.
        mask: The mask of the output, or a function of the input and its mask that returns it; None ends a mask.
        arguments: Further arguments of the function, by name.
        **kwargs: `name`, `input_shape`, `input_dim`, `trainable`.

    Raises:
        ValueError: When called, if the output has another shape than `output_shape`.
    """

    def __init__(
        self,
        function: Callable[..., Nest],
        output_shape: Sequence[int | None] | Callable[[Nest], Nest] | None = None,
        mask: Mask | Callable[[Nest, Nest], Mask] = None,
        arguments: Mapping[str, Nest] | None = None,
        **kwargs: Unpack[LayerOptions],
    ) -> None:
        super().__init__(**kwargs)
        self.function, self.output_shape = function, output_shape
        self.mask, self.arguments = mask, dict(arguments or {})

    @property
    def uses_mask(self) -> bool:  # pyright: ignore[reportIncompatibleVariableOverride]  # it depends on the function
        """Whether the function takes a mask."""
        return "mask" in self._names

    @property
    def _names(self) -> frozenset[str]:
        """The names of the function's arguments; none if it doesn't tell them."""
        try:
            return accepted(self.function)
        except (TypeError, ValueError):
            return frozenset()

    def call(self, *args: Nest, **kwargs: Nest) -> Nest:
        """Return the function's value."""
        given = self.arguments | kwargs
        outputs = self.function(*args, **given, **self._filled_in(args, given))
        if self.output_shape is not None:
            self._check_output(shapes_of(args[0] if args else kwargs), shapes_of(outputs))
        return outputs

    def _filled_in(self, args: tuple[Nest, ...], kwargs: Mapping[str, Nest]) -> dict[str, Nest]:
        """Return the mode and the mask, if the function takes them and isn't given them."""
        wanted = self._names & {"training", "mask"} - kwargs.keys()
        if not wanted or (context := current_context()) is None:
            return {}
        taken = inspect.signature(self.function).bind_partial(*args, **kwargs).arguments
        known = {"training": bool(context.training), "mask": jax.tree.map(context.mask_of, args[0]) if args else None}
        return {name: known[name] for name in wanted if name not in taken}

    def _check_output(self, shape: Nest, made: Nest) -> None:
        wanted: Nest = self.output_shape
        if callable(wanted):
            wanted = without_batch(wanted(with_batch(shape)))
        fits = is_shape(made) and is_shape(wanted) and len(made) == len(wanted)
        if not fits or any(n is not None and n != m for n, m in zip(wanted, made, strict=True)):
            raise ValueError(f"Lambda: output_shape says {wanted}, but the function makes samples of shape {made}.")

    def output_mask(self, x: Nest, mask: Nest) -> Nest:
        """Return the mask that the constructor was given, or what its function makes of the input's mask."""
        if not callable(self.mask):
            return self.mask
        return self.mask(*(part[0] if isinstance(part, tuple) else part for part in (x, mask)))

    @classmethod
    def from_config(cls, config: Config) -> Any:
        """Return a new layer with some settings, of which `get_config` doesn't return the function."""
        if "function" not in config:
            raise ValueError("the configuration of a Lambda doesn't have its function: make it anew, Lambda(function).")
        return super().from_config(config)


def as_layer(layer: object) -> nnx.Module:
    """Return an item of a model as a layer: itself, or a `Lambda` for a function.

    Raises:
        TypeError: If it is neither a layer, nor an `nnx.Module`, nor a function.
    """
    if isinstance(layer, Layer):
        check_constructed(layer)
    if isinstance(layer, nnx.Module):
        return layer
    if isinstance(layer, type):
        raise TypeError(f"layers must be instances; got the class {layer.__name__}. Write {layer.__name__}(…).")
    if callable(layer):
        return Lambda(cast("Callable[..., Any]", layer))
    raise TypeError(f"a layer is a Layer, a flax.nnx.Module or a function; got {layer!r}.")
