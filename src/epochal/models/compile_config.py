"""How a model is to be trained, as `compile` was told."""

from __future__ import annotations

import functools
from dataclasses import dataclass, replace
from typing import TypeAlias

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx

from .. import losses, metrics, optimizers
from ..messages.numeric import is_whole, real, whole
from ..messages.printing import warn
from ..optimizers.lookup import OptimizerIdentifier
from ..per_output import PerOutput, items_in, map_items

Setting: TypeAlias = object
"""An argument of `compile` in one of its forms, before it is checked."""

Filter: TypeAlias = nnx.filterlib.Filter


@dataclass(frozen=True)
class CompileConfig:
    """What a model is trained with; see `Model.compile`.

    Attributes:
        optimizer: Changes the weights; has the learning rate.
        loss: Of the outputs.
        loss_weights: What the losses of several outputs are multiplied by.
        metrics: Names, metrics or functions, or lists of them.
        weighted_metrics: Like `metrics`, but sample weights count.
        dtype: What floats are computed in; None: as they come.
        accumulate: In how many parts a batch goes through the model.
        wrt: An nnx filter for the variables to train; None for all parameters.
        given_loss: What the user gave as the loss.
    """

    optimizer: optimizers.Optimizer
    loss: PerOutput[losses.Loss]
    loss_weights: PerOutput[float]
    metrics: Setting
    weighted_metrics: Setting
    dtype: np.dtype | None
    accumulate: int
    wrt: Filter | None
    given_loss: object

    @classmethod
    def checked(
        cls,
        optimizer: OptimizerIdentifier,
        loss: Setting,
        metrics: Setting,
        weighted_metrics: Setting,
        loss_weights: Setting,
        dtype: str | None,
        accumulate: int,
        wrt: Filter | None,
    ) -> CompileConfig:
        """Return the config for what a user gave to `compile`.

        Raises:
            ValueError: If a name is unknown, in which case the nearest are listed, or a number can't be right.
        """
        if not is_whole(accumulate, 1):
            raise ValueError(f"accumulate is a number of parts, at least 1; got {accumulate!r}.")
        config = cls(
            loss=map_items(loss, losses.get),
            loss_weights=map_items(loss_weights, functools.partial(real, "loss_weights")),
            metrics=metrics or [],
            weighted_metrics=weighted_metrics or [],
            dtype=None if dtype is None else _float_dtype(dtype),
            accumulate=whole("accumulate", accumulate),
            wrt=wrt,
            optimizer=optimizers.get(optimizer),
            given_loss=loss,
        )
        config.check_metrics()
        return config

    def check_metrics(self) -> None:
        """Raise a ValueError if the name of a metric is unknown."""
        only_loss = self.loss if isinstance(self.loss, losses.Loss) else None
        for identifier in (*items_in(self.metrics), *items_in(self.weighted_metrics)):
            metrics.get(identifier, only_loss)

    def with_optimizer(self, optimizer: OptimizerIdentifier) -> CompileConfig:
        """Return this config with another optimizer, given by a name or as an optimizer."""
        return replace(self, optimizer=optimizers.get(optimizer))


def _float_dtype(name: str) -> np.dtype:
    dtype = jnp.dtype(name)
    if not jnp.issubdtype(dtype, jnp.floating):
        raise ValueError(f"dtype is what floats are computed in, such as 'bfloat16'; got {name!r}.")
    if dtype != jax.dtypes.canonicalize_dtype(dtype):
        advice = "set jax.config.update('jax_enable_x64', True) before anything is computed, or leave dtype out"
        raise ValueError(f"dtype={name!r} would be computed in float32, as JAX is set here: {advice}.")
    if dtype == jnp.float16:
        warn("dtype='float16' loses small gradients, as no loss is scaled here: 'bfloat16' has the range of float32.")
    return dtype
