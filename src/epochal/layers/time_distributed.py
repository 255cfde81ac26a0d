"""A layer or a model that is applied to each step of a sequence."""

from __future__ import annotations

from typing import Any, Unpack

import jax
import jax.numpy as jnp
from flax import nnx

from .base import Layer
from .calling import call_with_masks
from .members import is_model, module_in
from .names import class_name, snake_case
from .nests import is_mapping
from .shapes import is_shape
from .types import Array, CommonOptions, Config, Mask, Nest
from .untyped import asarray, is_variable

MODULES = {"Sequential": "keras", "Functional": "keras.src.models.functional"}
"""Where Keras has the classes of models."""


class TimeDistributed(Layer):
    """Applies a layer, or a model, to each step: `(batch, steps, …)` to `(batch, steps, …)`.

        >>> from epochal.layers import Conv2D
        >>> TimeDistributed(Conv2D(4, 3))(np.ones((2, 10, 8, 8, 1))).shape
        (2, 10, 6, 6, 4)

    All steps are computed at once, as if they were samples. Only in training, and only for a layer that keeps something
    from call to call, such as `BatchNormalization`, one is computed after the other, as Keras does; so each step is
    normalised by itself. What the layer adds to the loss (`add_loss`) it adds once, for all steps.

    Args:
        layer: The layer or the model; its weights are the same at all steps.
        **kwargs: `name`, `input_shape`, `trainable`.

    Raises:
        TypeError: If `layer` is neither.
        ValueError: When built, if samples don't have steps and at least one more axis.
    """

    def __init__(self, layer: Nest, **kwargs: Unpack[CommonOptions]) -> None:
        super().__init__(**kwargs)
        if not isinstance(layer, Layer) and not is_model(layer):
            raise TypeError(f"layer is an epochal.layers.Layer or a model; got {layer!r}. Of a function make a Lambda.")
        self.layer = layer

    def build(self, input_shape: Nest) -> None:
        if not is_shape(input_shape) or len(input_shape) < 3:
            raise ValueError(
                f"TimeDistributed takes one input, (batch, steps, …) with at least one axis behind the steps; got one "
                f"of shape {input_shape}."
            )
        if not self.layer.built:
            self.layer.build((None, *input_shape[2:]))

    def call(self, x: Array, mask: Mask = None) -> Nest:
        """Return the layer's outputs at all steps.

        Args:
            x: The inputs, `(batch, steps, …)`.
            mask: Which steps count, `(batch, steps)`; with more axes also which steps within each. The layer gets its
                part of the mask if that has all axes of the layer's input but the last.
        """
        x = asarray(x)
        batch, steps = x.shape[:2]
        if self.deterministic is not True and self._keeps_something():
            each = [self._called(x[:, at], None if mask is None else mask[:, at]) for at in range(steps)]
            return jax.tree.map(lambda *outputs: jnp.stack(outputs, axis=1), *each)

        def joined(array: Array) -> Array:
            return array.reshape(batch * steps, *array.shape[2:])

        def parted(array: Array) -> Array:
            return array.reshape(batch, steps, *array.shape[1:])

        return jax.tree.map(parted, self._called(joined(x), None if mask is None else joined(mask)))

    def _keeps_something(self) -> bool:
        """Return whether the layer has variables, beside parameters and random streams, that calls may change."""
        variables = (node for _, node in nnx.iter_graph(self.layer) if is_variable(node))
        return any(not isinstance(variable, (nnx.Param, nnx.RngState)) for variable in variables)

    def _called(self, x: Array, mask: Mask) -> Nest:
        fits = mask is not None and mask.ndim == x.ndim - 1
        return call_with_masks(self.layer, ((x,), {}), ((mask if fits else None,), {}))[0]

    def output_mask(self, x: Array, mask: Mask) -> Mask:
        """Return the mask; where the layer ends masks, a step counts if any step within it does."""
        keeps = getattr(self.layer, "keeps_mask", False) or getattr(self.layer, "supports_masking", False)
        if mask is None or mask.ndim == 2 or keeps:
            return mask
        return mask.any(axis=tuple(range(2, mask.ndim)))

    def get_config(self) -> Config:
        part = module_in(self.layer)
        if part is None:
            raise ValueError(
                "the model in a TimeDistributed has no settings before it has its weights: build it first."
            )
        settings = part.get_config() | {"name": part.name or snake_case(part)}
        kind = class_name(part)
        entry = {"module": MODULES.get(kind, "keras.layers"), "class_name": kind, "config": settings}
        return super().get_config() | {"layer": entry}

    @classmethod
    def from_config(cls, config: Config) -> Any:
        """Return a new layer with the settings that `get_config` returned, and a new layer in it."""
        part = config["layer"]
        return super().from_config(config | {"layer": _made_of(part) if is_mapping(part) else part})


def _made_of(entry: Any) -> Layer:
    """Return a new layer of this package by its entry in the configuration of another one."""
    kinds = [kind for kind in _kinds_of(Layer) if kind.__name__ == entry["class_name"]]
    if not kinds:
        raise ValueError(
            f"from_config makes the layers of epochal.layers again, and no {entry['class_name']}: make the "
            "TimeDistributed anew."
        )
    return kinds[0].from_config(entry["config"])


def _kinds_of(kind: type[Layer]) -> list[type[Layer]]:
    """Return the classes of this package that are derived from one."""
    here = __name__.rpartition(".")[0]
    derived = [more for one in kind.__subclasses__() for more in (one, *_kinds_of(one))]
    return [one for one in derived if one.__module__.startswith(f"{here}.") and not one.__name__.startswith("_")]
