"""Plain functions and modules of flax as layers."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Unpack, cast

from flax import nnx

from .base import Layer
from .calling import check_constructed
from .types import Config, LayerOptions, Nest


class Lambda(Layer):
    """A plain function, or any `flax.nnx` module, as a layer.

        >>> Lambda(lambda x: x[:, ::-1])(np.array([[1.0, 2.0, 3.0]])).tolist()
        [[3.0, 2.0, 1.0]]

    In a model a function needs no `Lambda` around it; it can't be saved whole in a file, only its model's weights.

    Args:
        function: Takes one or more arrays, the batch axis first, and returns one or more.
        **kwargs: `name`, `input_shape`, `input_dim`, `trainable`.
    """

    def __init__(self, function: Callable[..., Nest], **kwargs: Unpack[LayerOptions]) -> None:
        super().__init__(**kwargs)
        self.function = function

    def call(self, *args: Nest, **kwargs: Nest) -> Nest:
        """Return the function's value."""
        return self.function(*args, **kwargs)

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
