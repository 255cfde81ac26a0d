"""Attention."""

from __future__ import annotations

import functools
import math
from collections.abc import Sequence
from typing import Unpack

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx

from .. import initializers
from .base import Layer
from .call_context import penalize
from .restraints import KernelRestraints, restrain
from .settings import check_axes, checked_seed, initializer_settings, kernel_and_bias, known, positive, share
from .streams import seeded
from .types import Array, CommonOptions, Config, InitializerLike, Mask, NamedWeights, Nest, Shape
from .untyped import einsum

HIDDEN = -0.7 * float(np.finfo(np.float32).max)
"""The score of a step that a mask hides: its exponential is 0. Where all are hidden, all count alike."""


class AttentionOptions(CommonOptions, KernelRestraints, total=False):
    """The arguments by name of an attention."""


class Projection(nnx.Module):
    """A matrix product whose kernel and bias have the heads as an axis of their own.

    Args:
        layer: Has the initializers of both and their restraints, and says whether there is a bias.
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
        restrain(layer, kernel=self.kernel, bias=self.bias)
        self.summed = len(inputs)

    def __call__(self, x: Array) -> Array:
        """Return the product, the bias added."""
        product = jnp.tensordot(x, self.kernel[...], self.summed)
        return product if self.bias is None else product + self.bias[...]


class MultiHeadAttention(Layer):
    """Makes each step of `query` a mean of `value`, weighted by how well its step's `key` fits: Vaswani et al. 2017.

    All three are `(batch, steps, features)`, the output `(batch, query steps, output_shape)`; `value` and `key` have
    the same steps. In self-attention all are one.

        >>> x = np.ones((2, 5, 8))
        >>> MultiHeadAttention(num_heads=2, key_dim=4)(x, x).shape
        (2, 5, 8)

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
        seed: Of the dropout's random numbers, as `Dropout` has it.
        **kwargs: `kernel_regularizer`, `bias_regularizer`, `kernel_constraint` and `bias_constraint`, of all kernels
            and biases; `activity_regularizer`, of the projected queries, keys and values, and of the output; `name`,
            `trainable`.

    Raises:
        ValueError: If a size is no positive whole number, `dropout` no share or, when built, inputs have other axes.
    """

    uses_mask = keeps_mask = regularizes_inside = True
    restrained = ("kernel", "bias")

    def __init__(
        self,
        num_heads: int,
        key_dim: int,
        value_dim: int | None = None,
        dropout: float = 0.0,
        use_bias: bool = True,
        output_shape: int | Sequence[int] | None = None,
        kernel_initializer: InitializerLike = "glorot_uniform",
        bias_initializer: InitializerLike = "zeros",
        seed: int | None = None,
        **kwargs: Unpack[AttentionOptions],
    ) -> None:
        super().__init__(**kwargs)
        self.num_heads, self.key_dim = positive("num_heads", num_heads), positive("key_dim", key_dim)
        self.value_dim = self.key_dim if value_dim is None else positive("value_dim", value_dim)
        self.dropout, self.use_bias = share("dropout", dropout), use_bias
        self.seed = checked_seed(seed)
        if isinstance(output_shape, (list, tuple)) and len(output_shape) == 1:
            output_shape = output_shape[0]
        self.output_size = None if output_shape is None else positive("output_shape", output_shape)
        self.kernel_initializer = initializers.get(kernel_initializer)
        self.bias_initializer = initializers.get(bias_initializer)

    def build(self, shape: Shape, rngs: nnx.Rngs, value: Shape | None = None, key: Shape | None = None) -> None:
        query_size, value_size, key_size = (self._size(each) for each in (shape, value, key or value))
        self.query = Projection(self, (query_size,), (self.num_heads, self.key_dim), rngs)
        self.key = Projection(self, (key_size,), (self.num_heads, self.key_dim), rngs)
        self.value = Projection(self, (value_size,), (self.num_heads, self.value_dim), rngs)
        output_size = self.output_size or query_size
        self.attention_output = Projection(self, (self.num_heads, self.value_dim), (output_size,), rngs)
        self.drop = nnx.Dropout(self.dropout, rngs=seeded(self.seed, rngs)) if self.dropout else None

    def _size(self, shape: Shape | None) -> int:
        check_axes(self, shape, "steps, features")
        return known(self, shape or (), -1)

    def call(
        self,
        query: Array,
        value: Array,
        key: Array | None = None,
        query_mask: Mask = None,
        value_mask: Mask = None,
        key_mask: Mask = None,
        attention_mask: Mask = None,
        return_attention_scores: bool = False,
        use_causal_mask: bool = False,
    ) -> Nest:
        """Return the output, `(batch, query steps, output_shape)`.

        Args:
            query: One output is made for each of its steps, `(batch, query steps, features)`.
            value: The steps that the means are taken of, `(batch, value steps, features)`.
            key: The steps that the query is compared with, `(batch, value steps, features)`; the value if None.
            query_mask: Which steps of the query count, `(batch, query steps)`.
            value_mask: Which steps of the value count, `(batch, value steps)`.
            key_mask: Which steps of the key count, `(batch, value steps)`.
            attention_mask: For each step of the query which steps of the value it may use:
                `(batch, query steps, value steps)`, or with the heads as second axis.
            return_attention_scores: Whether to return a tuple: the output, and the weights of the means before
                dropout, `(batch, num_heads, query steps, value steps)`.
            use_causal_mask: Whether a step may use only those up to its own number.
        """
        q, k, v = self.query(query), self.key(value if key is None else key), self.value(value)
        wide = jnp.promote_types(q.dtype, jnp.float32)
        scores = einsum("bqhd,bvhd->bhqv", q * self.key_dim**-0.5, k, preferred_element_type=wide)
        visible = _all_of(_by_heads(attention_mask), _row(query_mask, -1), _row(value_mask, -2), _row(key_mask, -2))
        if use_causal_mask:
            visible = _all_of(visible, jnp.tri(*scores.shape[-2:], dtype=bool))
        if visible is not None:
            scores = jnp.where(visible, scores, HIDDEN)
        weights = jax.nn.softmax(scores).astype(v.dtype)
        dropped = weights if self.drop is None else self.drop(weights)
        output = self.attention_output(einsum("bhqv,bvhd->bqhd", dropped, v))
        penalize(self, (q, k, v, output))
        return (output, weights) if return_attention_scores else output

    def named_weights(self) -> NamedWeights:
        return [
            (f"{name}/{weight}", variable)
            for name in ("query", "key", "value", "attention_output")
            for weight, variable in kernel_and_bias(getattr(self, name))
        ]

    def places(self) -> list[str]:
        projections = (name.split("/")[0].removeprefix("attention_") for name, _ in self.named_weights())
        return [f"{projection}_dense" for projection in projections]

    def get_config(self) -> Config:
        return super().get_config() | {
            "num_heads": self.num_heads,
            "key_dim": self.key_dim,
            "value_dim": self.value_dim,
            "dropout": self.dropout,
            "use_bias": self.use_bias,
            "output_shape": None if self.output_size is None else (self.output_size,),
            **initializer_settings(self),
            "seed": self.seed,
        }


def _row(mask: Mask, axis: int) -> Mask:
    """Return a mask of steps, `(batch, steps)`, as one of scores, of which they are one axis."""
    return None if mask is None else jnp.expand_dims(mask.astype(bool), (1, axis))


def _by_heads(mask: Mask) -> Mask:
    """Return a mask of scores with an axis for the heads."""
    if mask is None or mask.ndim == 4:
        return mask
    return jnp.expand_dims(mask, -3)


def _all_of(*masks: Mask) -> Mask:
    """Return which scores all masks let through; None if there is no mask."""
    given = [mask.astype(bool) for mask in masks if mask is not None]
    return functools.reduce(jnp.logical_and, given) if given else None
