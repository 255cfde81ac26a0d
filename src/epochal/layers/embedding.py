"""A vector for each integer."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
from flax import nnx

from .. import initializers
from .base import Layer, Shape
from .settings import initializer_settings, positive


class Embedding(Layer):
    """A learned vector for each integer: `(batch, …)` to `(batch, …, output_dim)`.

    Args:
        input_dim: How many integers there are, from 0.
        output_dim: The size of a vector.
        embeddings_initializer: Of the table, `(input_dim, output_dim)`.
        mask_zero: Whether 0 is padding: then layers that take notice of masks, such as `LSTM`, leave it out.
        input_length: The length of the sequences, for a model's first layer.
    """

    def __init__(
        self,
        input_dim: int,
        output_dim: int,
        embeddings_initializer: Any = "uniform",
        mask_zero: bool = False,
        input_length: int | None = None,
        **kwargs: Any,
    ) -> None:
        if input_length is not None:
            kwargs.setdefault("input_shape", (positive("input_length", input_length),))
        super().__init__(**kwargs)
        self.input_dim, self.output_dim = positive("input_dim", input_dim), positive("output_dim", output_dim)
        self.mask_zero = mask_zero
        self.embeddings_initializer = initializers.get(embeddings_initializer)

    def build(self, shape: Shape, rngs: nnx.Rngs) -> None:
        self.table = nnx.Embed(self.input_dim, self.output_dim, embedding_init=self.embeddings_initializer, rngs=rngs)

    def call(self, x: jax.Array) -> jax.Array:
        return self.table(x.astype(jnp.int32))

    def output_mask(self, x: jax.Array, mask: Any) -> jax.Array | None:
        """Return which integers are no padding."""
        return x != 0 if self.mask_zero else None

    def named_weights(self) -> list[tuple[str, nnx.Variable]]:
        return [("embeddings", self.table.embedding)]

    def get_config(self) -> dict[str, Any]:
        settings = {"input_dim": self.input_dim, "output_dim": self.output_dim, "mask_zero": self.mask_zero}
        return super().get_config() | settings | initializer_settings(self)
