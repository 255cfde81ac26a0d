"""Attention."""

from __future__ import annotations

import functools
import math
import operator
from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx

from .. import initializers
from .base import Layer, Shape
from .settings import check_axes, initializer_settings, kernel_and_bias, known, positive, share

HIDDEN = -0.7 * float(np.finfo(np.float32).max)
"""The score of what a mask hides: its exponential is 0. Where everything is hidden, all count alike."""


class Projection(nnx.Module):
    """A matrix product whose kernel and bias have the heads as an axis of their own.

    Args:
        layer: Says how they start.
        inputs: The axes of the inputs that are summed over.
        outputs: The axes of the outputs that take their place.
        rngs: Where the initializers' keys come from.
    """

    def __init__(
        self, layer: MultiHeadAttention, inputs: tuple[int, ...], outputs: tuple[int, ...], rngs: nnx.Rngs
    ) -> None:
        matrix = layer.kernel_initializer(rngs.params(), (math.prod(inputs), math.prod(outputs)), jnp.float32)
        self.kernel = nnx.Param(matrix.reshape(*inputs, *outputs))
        self.bias = nnx.Param(layer.bias_initializer(rngs.params(), outputs, jnp.float32)) if layer.use_bias else None
        self.summed = len(inputs)

    def __call__(self, x: jax.Array) -> jax.Array:
        """Return the product, the bias added."""
        product = jnp.tensordot(x, self.kernel[...], self.summed)
        return product if self.bias is None else product + self.bias[...]


class MultiHeadAttention(Layer):
    """Each step of `query` becomes a mean of `value`, weighted by how well its step's `key` fits: Vaswani et al. 2017.

    All three are `(batch, steps, features)`; `value` and `key` have the same steps. In self-attention they are one:
    `MultiHeadAttention(2, 64)(x, x)`.

    Args:
        num_heads: How many times this is done side by side.
        key_dim: The size of a head's queries and keys.
        value_dim: The size of a head's values; `key_dim` if None.
        dropout: The share of the weights of the mean that are left out in training.
        use_bias: Whether to add biases.
        output_shape: The size of the output; that of the query if None.
        kernel_initializer: Of the kernels: `(features, num_heads, key_dim)` of query, key and value, and
            `(num_heads, value_dim, output_shape)`. They are drawn as matrices, the heads' axis joined with its
            neighbour.
        bias_initializer: Of the biases.
        **kwargs: `name`.
    """

    uses_mask = keeps_mask = True

    def __init__(
        self,
        num_heads: int,
        key_dim: int,
        value_dim: int | None = None,
        dropout: float = 0.0,
        use_bias: bool = True,
        output_shape: int | Sequence[int] | None = None,
        kernel_initializer: Any = "glorot_uniform",
        bias_initializer: Any = "zeros",
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.num_heads, self.key_dim = positive("num_heads", num_heads), positive("key_dim", key_dim)
        self.value_dim = self.key_dim if value_dim is None else positive("value_dim", value_dim)
        self.dropout, self.use_bias = share("dropout", dropout), use_bias
        if isinstance(output_shape, (list, tuple)) and len(output_shape) == 1:
            output_shape = output_shape[0]
        self.output_size = None if output_shape is None else positive("output_shape", output_shape)
        self.kernel_initializer = initializers.get(kernel_initializer)
        self.bias_initializer = initializers.get(bias_initializer)

    def build(self, shape: Shape, rngs: nnx.Rngs, value: Shape | None = None, key: Shape | None = None) -> None:
        query_size, value_size, key_size = (self._size(given) for given in (shape, value, key or value))
        self.query = Projection(self, (query_size,), (self.num_heads, self.key_dim), rngs)
        self.key = Projection(self, (key_size,), (self.num_heads, self.key_dim), rngs)
        self.value = Projection(self, (value_size,), (self.num_heads, self.value_dim), rngs)
        output_size = self.output_size or query_size
        self.attention_output = Projection(self, (self.num_heads, self.value_dim), (output_size,), rngs)
        self.drop = nnx.Dropout(self.dropout, rngs=rngs) if self.dropout else None

    def _size(self, shape: Any) -> int:
        check_axes(self, shape, "steps, features")
        return known(self, shape, -1)

    def call(
        self,
        query: jax.Array,
        value: jax.Array,
        key: jax.Array | None = None,
        query_mask: jax.Array | None = None,
        value_mask: jax.Array | None = None,
        key_mask: jax.Array | None = None,
        attention_mask: jax.Array | None = None,
        return_attention_scores: bool = False,
        use_causal_mask: bool = False,
    ) -> Any:
        """Return the output, `(batch, query steps, output_shape)`.

        Args:
            query: What asks, `(batch, query steps, features)`.
            value: What the means are of, `(batch, value steps, features)`.
            key: What the query is compared with; the value if None.
            query_mask: Which steps of the query count, `(batch, query steps)`.
            value_mask: Which steps of the value count, `(batch, value steps)`.
            key_mask: The same for the key.
            attention_mask: For each step of the query which steps of the value it may use:
                `(batch, query steps, value steps)`, or with the heads as second axis.
            return_attention_scores: Whether to return a tuple: the output, and the weights of the means before
                dropout, `(batch, num_heads, query steps, value steps)`.
            use_causal_mask: Whether a step may use only those up to its own number.
        """
        asked, fitting, told = self.query(query), self.key(value if key is None else key), self.value(value)
        wide = jnp.promote_types(asked.dtype, jnp.float32)
        scores = jnp.einsum("bqhd,bvhd->bhqv", asked * self.key_dim**-0.5, fitting, preferred_element_type=wide)
        visible = _both(_by_heads(attention_mask), _row(query_mask, -1), _row(value_mask, -2), _row(key_mask, -2))
        if use_causal_mask:
            visible = _both(visible, jnp.tri(*scores.shape[-2:], dtype=bool))
        if visible is not None:
            scores = jnp.where(visible, scores, HIDDEN)
        weights = jax.nn.softmax(scores).astype(told.dtype)
        dropped = weights if self.drop is None else self.drop(weights)
        output = self.attention_output(jnp.einsum("bhqv,bvhd->bqhd", dropped, told))
        return (output, weights) if return_attention_scores else output

    def named_weights(self) -> list[tuple[str, nnx.Variable]]:
        return [
            (f"{name}/{weight}", variable)
            for name in ("query", "key", "value", "attention_output")
            for weight, variable in kernel_and_bias(getattr(self, name))
        ]

    def places(self) -> list[str]:
        parts = (name.split("/")[0].removeprefix("attention_") for name, _ in self.named_weights())
        return [f"{part}_dense" for part in parts]

    def get_config(self) -> dict[str, Any]:
        return super().get_config() | {
            "num_heads": self.num_heads,
            "key_dim": self.key_dim,
            "value_dim": self.value_dim,
            "dropout": self.dropout,
            "use_bias": self.use_bias,
            "output_shape": None if self.output_size is None else (self.output_size,),
            **initializer_settings(self),
        }


def _row(mask: jax.Array | None, axis: int) -> jax.Array | None:
    """Return a mask of steps, `(batch, steps)`, as one of scores, of which they are one axis."""
    return None if mask is None else jnp.expand_dims(mask.astype(bool), (1, axis))


def _by_heads(mask: jax.Array | None) -> jax.Array | None:
    """Return a mask of scores with an axis for the heads."""
    if mask is None or mask.ndim == 4:
        return mask
    return jnp.expand_dims(mask, -3)


def _both(*masks: jax.Array | None) -> jax.Array | None:
    """Return what all masks that there are let through."""
    there = [mask.astype(bool) for mask in masks if mask is not None]
    return functools.reduce(operator.and_, there) if there else None
