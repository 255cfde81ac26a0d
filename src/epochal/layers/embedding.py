"""A vector for each integer."""

from __future__ import annotations

from typing import Unpack

import jax.numpy as jnp
from flax import nnx

from .. import initializers
from .base import Layer
from .restraints import restrain
from .settings import initializer_settings, positive
from .types import (
    Array,
    CommonOptions,
    Config,
    ConstraintLike,
    InitializerLike,
    Mask,
    NamedWeights,
    Nest,
    RegularizerLike,
    Shape,
)


class TableOptions(CommonOptions, total=False):
    """The arguments by name of an embedding."""

    embeddings_regularizer: RegularizerLike
    embeddings_constraint: ConstraintLike


class Embedding(Layer):
    """Looks a learned vector up for each integer: `(batch, …)` to `(batch, …, output_dim)`.

        >>> Embedding(10, 4)(np.array([[1, 2, 3]])).shape
        (1, 3, 4)

    Args:
        input_dim: How many integers there are, from 0.
        output_dim: The size of a vector.
        embeddings_initializer: Of the table, `(input_dim, output_dim)`.
        mask_zero: Whether 0 is padding: then layers that take notice of masks, such as `LSTM`, leave it out.
        input_length: The length of the sequences, in steps, for a model's first layer.
        **kwargs: `embeddings_regularizer`, `activity_regularizer`, `embeddings_constraint`, `name`, `input_shape`,
            `trainable`.

    Raises:
        ValueError: If a size is no positive whole number.
    """

    restrained = ("embeddings",)

    def __init__(
        self,
        input_dim: int,
        output_dim: int,
        embeddings_initializer: InitializerLike = "uniform",
        mask_zero: bool = False,
        input_length: int | None = None,
        **kwargs: Unpack[TableOptions],
    ) -> None:
        if input_length is not None:
            kwargs.setdefault("input_shape", (positive("input_length", input_length),))
        super().__init__(**kwargs)
        self.input_dim, self.output_dim = positive("input_dim", input_dim), positive("output_dim", output_dim)
        self.mask_zero = mask_zero
        self.embeddings_initializer = initializers.get(embeddings_initializer)

    def build(self, shape: Shape, rngs: nnx.Rngs) -> None:
        self.table = nnx.Embed(self.input_dim, self.output_dim, embedding_init=self.embeddings_initializer, rngs=rngs)
        restrain(self, embeddings=self.table.embedding)

    def call(self, x: Array) -> Array:
        return self.table(x.astype(jnp.int32))

    def output_mask(self, x: Array, mask: Nest) -> Mask:
        """Return which integers are no padding, `(batch, …)`."""
        return x != 0 if self.mask_zero else None

    def named_weights(self) -> NamedWeights:
        return [("embeddings", self.table.embedding)]

    def get_config(self) -> Config:
        settings = {"input_dim": self.input_dim, "output_dim": self.output_dim, "mask_zero": self.mask_zero}
        return super().get_config() | settings | initializer_settings(self)
