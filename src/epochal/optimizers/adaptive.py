"""Optimizers that divide gradients by the size of those so far, weight by weight."""

# pyright: reportMissingTypeStubs=false

from __future__ import annotations

from typing import Unpack

import optax
from jax import Array

from .optimizer import OPTIMIZERS, CommonSettings, Optimizer, Rate
from .ranges import fraction, not_negative, small_number
from .rules import descend, with_momentum


@OPTIMIZERS.register(name="rmsprop")
class RMSprop(Optimizer):
    """Gradients divided by the root of the running mean of their squares: Hinton 2012.

    Args:
        learning_rate: See `Optimizer`.
        rho: The part of the running mean that is kept at each step.
        momentum: 0 to 1; the steps, learning rate and all, are what it accumulates.
        epsilon: Added under the root.
        centered: Whether to divide by the running standard deviation instead.
        common: See `Optimizer`.

    Example:
        >>> import jax.numpy as jnp
        >>> from epochal.optimizers import RMSprop
        >>> transform = RMSprop(learning_rate=0.5, rho=0.75).transform()
        >>> transform.update(jnp.array([1.0, -2.0]), transform.init(jnp.zeros(2)))[0].round(3)
        Array([-1.,  1.], dtype=float32)
    """

    def __init__(
        self,
        learning_rate: Rate = 0.001,
        rho: float = 0.9,
        momentum: float = 0.0,
        epsilon: float | None = 1e-7,
        centered: bool = False,
        **common: Unpack[CommonSettings],
    ) -> None:
        super().__init__(learning_rate, **common)
        self.rho, self.momentum = fraction("rho", rho), fraction("momentum", momentum, up_to_one=True)
        self.epsilon, self.centered = small_number(epsilon), bool(centered)

    def _rule(self, learning_rate: Array) -> optax.GradientTransformation:
        scale = optax.scale_by_stddev if self.centered else optax.scale_by_rms
        step = optax.chain(scale(self.rho, self.epsilon, eps_in_sqrt=True), descend(learning_rate))
        return with_momentum(step, self.momentum)


@OPTIMIZERS.register()
class Adagrad(Optimizer):
    """Gradients divided by the root of the sum of all their squares so far: Duchi et al. 2011.

    Args:
        learning_rate: See `Optimizer`.
        initial_accumulator_value: What that sum starts from.
        epsilon: Added under the root.
        common: See `Optimizer`.

    Example:
        >>> import jax.numpy as jnp
        >>> from epochal.optimizers import Adagrad
        >>> transform = Adagrad(learning_rate=0.5, initial_accumulator_value=0.0).transform()
        >>> transform.update(jnp.array([1.0, -2.0]), transform.init(jnp.zeros(2)))[0].round(3)
        Array([-0.5,  0.5], dtype=float32)
    """

    def __init__(
        self,
        learning_rate: Rate = 0.001,
        initial_accumulator_value: float = 0.1,
        epsilon: float | None = 1e-7,
        **common: Unpack[CommonSettings],
    ) -> None:
        super().__init__(learning_rate, **common)
        self.initial_accumulator_value = not_negative("initial_accumulator_value", initial_accumulator_value)
        self.epsilon = small_number(epsilon)

    def _rule(self, learning_rate: Array) -> optax.GradientTransformation:
        return optax.chain(optax.scale_by_rss(self.initial_accumulator_value, self.epsilon), descend(learning_rate))


@OPTIMIZERS.register()
class Adadelta(Optimizer):
    """Gradients times the root mean square of past steps, divided by that of gradients: Zeiler 2012.

    Args:
        learning_rate: See `Optimizer`; 1.0 is the paper's.
        rho: The part of the running means that is kept at each step.
        epsilon: Added under both roots.
        common: See `Optimizer`.

    Example:
        >>> import jax.numpy as jnp
        >>> from epochal.optimizers import Adadelta
        >>> transform = Adadelta(learning_rate=1.0, rho=0.75, epsilon=0.25).transform()
        >>> transform.update(jnp.array([1.0]), transform.init(jnp.zeros(1)))[0].round(4)
        Array([-0.7071], dtype=float32)
    """

    def __init__(
        self,
        learning_rate: Rate = 0.001,
        rho: float = 0.95,
        epsilon: float | None = 1e-7,
        **common: Unpack[CommonSettings],
    ) -> None:
        super().__init__(learning_rate, **common)
        self.rho, self.epsilon = fraction("rho", rho), small_number(epsilon)

    def _rule(self, learning_rate: Array) -> optax.GradientTransformation:
        return optax.chain(optax.scale_by_adadelta(self.rho, self.epsilon), descend(learning_rate))
