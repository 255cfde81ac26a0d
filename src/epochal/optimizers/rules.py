"""Transforms of gradients that optax doesn't have, or has with another place for epsilon or the learning rate."""

# pyright: reportMissingTypeStubs=false, reportUnknownMemberType=false, reportUnknownVariableType=false
# pyright: reportUnknownArgumentType=false

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple, cast

import jax
import jax.numpy as jnp
import optax
from jax import Array
from jax.typing import ArrayLike


def like(array: Array, value: ArrayLike) -> Array:
    """Return `value` in the dtype of `array`, so that a float32 rate doesn't widen the state of smaller floats."""
    return jnp.asarray(value, array.dtype)


def descend(learning_rate: Array) -> optax.GradientTransformation:
    """Return the transform to -learning_rate × gradient."""
    return _each(lambda update, _: -like(update, learning_rate) * update)


def with_momentum(
    step: optax.GradientTransformation, momentum: float, nesterov: bool = False
) -> optax.GradientTransformation:
    """Return a transform followed by momentum; the same transform if that is 0.

    Whole steps are accumulated, learning rate included, as in Keras: a changed rate leaves the velocity as it is.
    """
    return optax.chain(step, optax.trace(momentum, nesterov)) if momentum else step


def clip_each_by_norm(limit: float) -> optax.GradientTransformation:
    """Return the transform that scales the gradient of each weight down to at most a norm."""

    def clip(gradient: Array, _: Array) -> Array:
        return like(gradient, limit / jnp.maximum(optax.tree.norm(gradient), limit)) * gradient

    return _each(clip)


def shrink_weights(learning_rate: Array, weight_decay: float) -> optax.GradientTransformation:
    """Return the transform that takes learning_rate × weight_decay × weight off the update of each weight."""

    def shrink(update: Array, weight: Array) -> Array:
        return update - like(weight, learning_rate * weight_decay) * weight

    return _each(shrink)


Rule = Callable[[Array], optax.GradientTransformation]
"""A learning rate to a transform."""


class DecayState(NamedTuple):
    """The state of a rule whose rate decays: the steps so far, and the rule's own."""

    count: Array  # pyright: ignore[reportIncompatibleMethodOverride]  (of tuples, which nobody counts in)
    inner: optax.OptState


def with_decay(rule: Rule, decay: float) -> Rule:
    """Return a rule that is given rate / (1 + decay × steps so far), as in Keras 2; the same rule if `decay` is 0."""

    def decayed(learning_rate: Array) -> optax.GradientTransformation:
        def init(params: optax.Params) -> DecayState:
            return DecayState(jnp.zeros((), jnp.int32), rule(learning_rate).init(params))

        def update(
            updates: optax.Updates, state: DecayState, params: optax.Params | None = None
        ) -> tuple[optax.Updates, DecayState]:
            updates, inner = rule(learning_rate / (1 + decay * state.count)).update(updates, state.inner, params)
            return updates, DecayState(jnp.asarray(optax.safe_increment(state.count)), inner)

        return optax.GradientTransformation(init, cast("optax.TransformUpdateFn", update))

    return decayed if decay else rule


def _each(change: Callable[[Array, Array], Array]) -> optax.GradientTransformation:
    """Return the transform that changes the update of each weight; `change` gets the weight too, if there is one."""
    return optax.stateless_with_tree_map(cast("Callable[[ArrayLike, ArrayLike | None], ArrayLike]", change))


class MomentsState(NamedTuple):
    """The moments of the gradients: a mean, and a second one."""

    mu: optax.Updates
    nu: optax.Updates


SecondMoment = Callable[[optax.Updates, optax.Updates], optax.Updates]
"""Gradients and the moment so far to the next moment."""


def squares(b2: float) -> SecondMoment:
    """Return the running mean of the squares of gradients, of which a step keeps the part `b2`."""
    return lambda gradients, nu: optax.tree.update_moment(gradients, nu, b2, 2)


def largest(b2: float) -> SecondMoment:
    """Return the running largest size of gradients, of which a step keeps the part `b2`."""
    return lambda gradients, nu: optax.tree.update_infinity_moment(gradients, nu, b2, 0.0)


def scale_by_moments(
    b1: float, second: SecondMoment, divisor: Callable[[Array], Array]
) -> optax.GradientTransformation:
    """Return the transform to mean / divisor(second moment), neither corrected for the zeros that they start from.

    Args:
        b1: The part of the mean of gradients that is kept at each step.
        second: Makes the second moment: `squares` or `largest`.
        divisor: What an array of the second moment stands for as a divisor.
    """

    def init(params: optax.Params) -> MomentsState:
        return MomentsState(optax.tree.zeros_like(params), optax.tree.zeros_like(params))

    def update(
        updates: optax.Updates, state: MomentsState, params: optax.Params | None = None
    ) -> tuple[optax.Updates, MomentsState]:
        mu, nu = optax.tree.update_moment(updates, state.mu, b1, 1), second(updates, state.nu)

        def scaled(m: Array, v: Array) -> Array:
            return m / divisor(v)

        return jax.tree.map(scaled, mu, nu), MomentsState(mu, nu)

    return optax.GradientTransformation(init, cast("optax.TransformUpdateFn", update))


class NadamState(NamedTuple):
    """The state of `scale_by_nadam`: the moments, the steps so far, and the product of the momenta so far."""

    count: Array  # pyright: ignore[reportIncompatibleMethodOverride]  (of tuples, which nobody counts in)
    product: Array
    mu: optax.Updates
    nu: optax.Updates


def scale_by_nadam(b1: float, b2: float, eps: float) -> optax.GradientTransformation:
    """Return Nadam's transform, with a momentum of b1 × (1 - 0.96^step / 2): Dozat 2016.

    Source: keras/src/optimizers/nadam.py; optax's `nadam` keeps the momentum.
    """

    def init(params: optax.Params) -> NadamState:
        one = jnp.ones((), jnp.float32)
        return NadamState(jnp.zeros((), jnp.int32), one, optax.tree.zeros_like(params), optax.tree.zeros_like(params))

    def update(
        updates: optax.Updates, state: NadamState, params: optax.Params | None = None
    ) -> tuple[optax.Updates, NadamState]:
        step = jnp.asarray(optax.safe_increment(state.count))
        now, following = (b1 * (1 - 0.5 * 0.96**t) for t in (step, step + 1))
        product = (state.product * now).astype(jnp.float32)
        mu = optax.tree.update_moment(updates, state.mu, b1, 1)
        nu = optax.tree.update_moment(updates, state.nu, b2, 2)
        of_mean, of_gradient = following / (1 - product * following), (1 - now) / (1 - product)
        nu_hat = optax.tree.bias_correction(nu, b2, step)

        def scaled(m: Array, g: Array, v: Array) -> Array:
            return (like(m, of_mean) * m + like(g, of_gradient) * g) / (jnp.sqrt(v) + eps)

        return jax.tree.map(scaled, mu, updates, nu_hat), NadamState(step, product, mu, nu)

    return optax.GradientTransformation(init, cast("optax.TransformUpdateFn", update))
