"""Adam and its relatives: a running mean of gradients, divided by a running measure of their size."""

# pyright: reportMissingTypeStubs=false, reportUnknownMemberType=false

from __future__ import annotations

from typing import Unpack

import jax.numpy as jnp
import optax
from jax import Array

from .optimizer import OPTIMIZERS, CommonSettings, Optimizer, Rate, RateAndClipping
from .ranges import fraction, small_number
from .rules import descend, largest, scale_by_moments, scale_by_nadam, squares


class MomentsOptimizer(Optimizer):
    """The base of optimizers with two running moments of the gradient: their arguments."""

    def __init__(
        self,
        learning_rate: Rate = 0.001,
        beta_1: float = 0.9,
        beta_2: float = 0.999,
        epsilon: float | None = 1e-7,
        **common: Unpack[CommonSettings],
    ) -> None:
        super().__init__(learning_rate, **common)
        self.beta_1, self.beta_2 = fraction("beta_1", beta_1), fraction("beta_2", beta_2)
        self.epsilon = small_number(epsilon)


@OPTIMIZERS.register()
class Adam(MomentsOptimizer):
    """The running mean of gradients, divided by the root of the running mean of their squares: Kingma and Ba 2014.

    Args:
        learning_rate: See `Optimizer`.
        beta_1: The part of the mean of gradients that is kept at each step.
        beta_2: The part of the mean of squares that is kept at each step.
        epsilon: Added to the root before the bias is corrected: the paper's "epsilon hat" (optax adds it after).
        amsgrad: Whether to divide by the largest mean of squares so far: Reddi et al. 2018.
        common: See `Optimizer`.

    Example:
        >>> import jax.numpy as jnp
        >>> from epochal.optimizers import Adam
        >>> transform = Adam(learning_rate=0.5).transform()
        >>> transform.update(jnp.array([1.0, -2.0]), transform.init(jnp.zeros(2)))[0].round(3)
        Array([-0.5,  0.5], dtype=float32)
    """

    def __init__(
        self,
        learning_rate: Rate = 0.001,
        beta_1: float = 0.9,
        beta_2: float = 0.999,
        epsilon: float | None = 1e-7,
        amsgrad: bool = False,
        **common: Unpack[CommonSettings],
    ) -> None:
        super().__init__(learning_rate, beta_1, beta_2, epsilon, **common)
        self.amsgrad = bool(amsgrad)

    def _rule(self, learning_rate: Array) -> optax.GradientTransformation:
        b1, b2, eps = self.beta_1, self.beta_2, self.epsilon
        if self.amsgrad:
            scale = optax.scale_by_amsgrad(b1, b2, eps, bias_correction_mu=False, bias_correction_nu=False)
        else:
            scale = scale_by_moments(b1, squares(b2), lambda nu: jnp.sqrt(nu) + eps)
        unbiased = optax.scale_by_schedule(lambda t: jnp.sqrt(1 - b2 ** (t + 1)) / (1 - b1 ** (t + 1)))
        return optax.chain(scale, unbiased, descend(learning_rate))


@OPTIMIZERS.register(name="adamw")
class AdamW(Adam):
    """Adam with weight decay apart from the gradients: Loshchilov and Hutter 2017.

    Args:
        learning_rate: See `Optimizer`.
        weight_decay: In each step every weight also loses learning rate × this part of itself.
        beta_1: See `Adam`.
        beta_2: See `Adam`.
        epsilon: See `Adam`.
        amsgrad: See `Adam`.
        common: See `Optimizer`.

    Example:
        >>> import jax.numpy as jnp
        >>> from epochal.optimizers import AdamW
        >>> transform, weights = AdamW(learning_rate=0.5, weight_decay=0.5).transform(), jnp.array([4.0])
        >>> transform.update(jnp.zeros(1), transform.init(weights), weights)[0]
        Array([-1.], dtype=float32)
    """

    def __init__(
        self,
        learning_rate: Rate = 0.001,
        weight_decay: float | None = 0.004,
        beta_1: float = 0.9,
        beta_2: float = 0.999,
        epsilon: float | None = 1e-7,
        amsgrad: bool = False,
        **common: Unpack[RateAndClipping],
    ) -> None:
        super().__init__(learning_rate, beta_1, beta_2, epsilon, amsgrad, weight_decay=weight_decay, **common)


@OPTIMIZERS.register()
class Adamax(MomentsOptimizer):
    """The running mean of gradients, divided by their running largest size: Kingma and Ba 2014, section 7.

    Args:
        learning_rate: See `Optimizer`.
        beta_1: The part of the mean that is kept at each step.
        beta_2: The part of the largest size that is kept at each step.
        epsilon: Added to the largest size where it divides (optax keeps it within).
        common: See `Optimizer`.

    Example:
        >>> import jax.numpy as jnp
        >>> from epochal.optimizers import Adamax
        >>> transform = Adamax(learning_rate=0.5).transform()
        >>> transform.update(jnp.array([1.0, -2.0]), transform.init(jnp.zeros(2)))[0].round(3)
        Array([-0.5,  0.5], dtype=float32)
    """

    def _rule(self, learning_rate: Array) -> optax.GradientTransformation:
        b1, b2, eps = self.beta_1, self.beta_2, self.epsilon
        scale = scale_by_moments(b1, largest(b2), lambda nu: nu + eps)
        unbiased = optax.scale_by_schedule(lambda t: 1 / (1 - b1 ** (t + 1)))
        return optax.chain(scale, unbiased, descend(learning_rate))


@OPTIMIZERS.register()
class Nadam(MomentsOptimizer):
    """Adam with Nesterov momentum on a schedule of its own, beta_1 × (1 - 0.96^step / 2): Dozat 2016.

    Args:
        learning_rate: See `Optimizer`.
        beta_1: The part of the mean of gradients that is kept at each step.
        beta_2: The part of the mean of squares that is kept at each step.
        epsilon: Added to the root of the unbiased mean of squares.
        common: See `Optimizer`.

    Example:
        >>> import jax.numpy as jnp
        >>> from epochal.optimizers import Nadam
        >>> transform = Nadam(learning_rate=0.5, beta_1=0.0).transform()
        >>> transform.update(jnp.array([1.0, -2.0]), transform.init(jnp.zeros(2)))[0].round(3)
        Array([-0.5,  0.5], dtype=float32)
    """

    def _rule(self, learning_rate: Array) -> optax.GradientTransformation:
        return optax.chain(scale_by_nadam(self.beta_1, self.beta_2, self.epsilon), descend(learning_rate))
