"""Optimizers whose steps are as long as the learning rate says: along the gradient, or along its signs."""

# pyright: reportMissingTypeStubs=false

from __future__ import annotations

from typing import Unpack

import optax
from jax import Array

from .optimizer import OPTIMIZERS, CommonSettings, Optimizer, Rate
from .ranges import fraction
from .rules import descend, with_momentum


@OPTIMIZERS.register()
class SGD(Optimizer):
    """Gradient descent, with momentum: velocity = momentum × velocity - learning_rate × gradient.

    Args:
        learning_rate: See `Optimizer`.
        momentum: The part of the velocity that is kept at each step, 0 to 1.
        nesterov: Whether to look ahead, one step of the velocity: Sutskever et al. 2013.
        common: See `Optimizer`.

    Example:
        >>> import jax.numpy as jnp
        >>> from epochal.optimizers import SGD
        >>> transform = SGD(learning_rate=0.5).transform()
        >>> transform.update(jnp.array([1.0, -2.0]), transform.init(jnp.zeros(2)))[0]
        Array([-0.5,  1. ], dtype=float32)
    """

    def __init__(
        self,
        learning_rate: Rate = 0.01,
        momentum: float = 0.0,
        nesterov: bool = False,
        **common: Unpack[CommonSettings],
    ) -> None:
        super().__init__(learning_rate, **common)
        self.momentum, self.nesterov = fraction("momentum", momentum, up_to_one=True), bool(nesterov)

    def _rule(self, learning_rate: Array) -> optax.GradientTransformation:
        return with_momentum(descend(learning_rate), self.momentum, self.nesterov)


@OPTIMIZERS.register()
class Lion(Optimizer):
    """The sign of a running mean of gradients: Chen et al. 2023.

    Args:
        learning_rate: See `Optimizer`; 3 to 10 times smaller than Adam's is the paper's advice.
        beta_1: The part of the mean in each step, against the gradient.
        beta_2: The part of the mean that is kept at each step.
        common: See `Optimizer`.

    Example:
        >>> import jax.numpy as jnp
        >>> from epochal.optimizers import Lion
        >>> transform = Lion(learning_rate=0.5).transform()
        >>> transform.update(jnp.array([1.0, -2.0]), transform.init(jnp.zeros(2)))[0]
        Array([-0.5,  0.5], dtype=float32)
    """

    def __init__(
        self,
        learning_rate: Rate = 0.001,
        beta_1: float = 0.9,
        beta_2: float = 0.99,
        **common: Unpack[CommonSettings],
    ) -> None:
        super().__init__(learning_rate, **common)
        self.beta_1, self.beta_2 = fraction("beta_1", beta_1), fraction("beta_2", beta_2)

    def _rule(self, learning_rate: Array) -> optax.GradientTransformation:
        return optax.chain(optax.scale_by_lion(self.beta_1, self.beta_2), descend(learning_rate))
