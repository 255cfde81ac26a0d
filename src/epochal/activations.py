"""Activations: plain functions of an array of any shape, by the names and with the defaults of Keras 3.

The formulas are those of keras/src/activations/activations.py; most are functions of `jax.nn`. A layer takes one by
name, ``Dense(64, activation="relu")``, or as a function.
"""

from __future__ import annotations

from collections.abc import Callable

from .messages.extras import needed_by
from .registry import Registry

with needed_by(__name__):
    import jax
    import jax.numpy as jnp
    from jax import Array

Activation = Callable[..., Array]

ACTIVATIONS: Registry[Activation] = Registry(
    "activation", "an activation is a name, a function or None", of_function=lambda function: function, exact=True
)


@ACTIVATIONS.register()
def linear(x: Array) -> Array:
    """Return x: what a layer without an activation has."""
    return x


@ACTIVATIONS.register()
def relu(x: Array) -> Array:
    """Return max(x, 0)."""
    return jax.nn.relu(x)


@ACTIVATIONS.register()
def relu6(x: Array) -> Array:
    """Return min(max(x, 0), 6)."""
    return jax.nn.relu6(x)


@ACTIVATIONS.register()
def leaky_relu(x: Array, negative_slope: float = 0.2) -> Array:
    """Return x where it is positive, else `negative_slope` × x. Keras 3's slope is 0.2, jax's 0.01."""
    return jax.nn.leaky_relu(x, negative_slope)


@ACTIVATIONS.register()
def elu(x: Array, alpha: float = 1.0) -> Array:
    """Return x where it is positive, else `alpha` × (exp(x) - 1)."""
    return jax.nn.elu(x, alpha)


@ACTIVATIONS.register()
def selu(x: Array) -> Array:
    """Return 1.0507 × elu(x, 1.6733), the self-normalising pair of Klambauer et al. 2017."""
    return jax.nn.selu(x)


@ACTIVATIONS.register()
def softplus(x: Array) -> Array:
    """Return log(1 + exp(x))."""
    return jax.nn.softplus(x)


@ACTIVATIONS.register()
def softsign(x: Array) -> Array:
    """Return x / (1 + |x|)."""
    return jax.nn.soft_sign(x)


@ACTIVATIONS.register()
def sigmoid(x: Array) -> Array:
    """Return 1 / (1 + exp(-x))."""
    return jax.nn.sigmoid(x)


@ACTIVATIONS.register()
def hard_sigmoid(x: Array) -> Array:
    """Return relu6(x + 3) / 6, as in Keras 3. (Keras 2 clipped 0.2x + 0.5.)"""
    return jax.nn.hard_sigmoid(x)


@ACTIVATIONS.register()
def tanh(x: Array) -> Array:
    """Return the hyperbolic tangent."""
    return jnp.tanh(x)


@ACTIVATIONS.register("swish")
def silu(x: Array) -> Array:
    """Return x × sigmoid(x), also known as swish."""
    return jax.nn.silu(x)


swish = silu


@ACTIVATIONS.register()
def gelu(x: Array, approximate: bool = False) -> Array:
    """Return x × Φ(x), Φ the normal distribution function; `approximate` takes its tanh formula (jax's default)."""
    return jax.nn.gelu(x, approximate)


@ACTIVATIONS.register()
def mish(x: Array) -> Array:
    """Return x × tanh(softplus(x))."""
    return jax.nn.mish(x)


@ACTIVATIONS.register()
def exponential(x: Array) -> Array:
    """Return exp(x)."""
    return jnp.exp(x)


@ACTIVATIONS.register()
def softmax(x: Array, axis: int = -1) -> Array:
    """Return exp(x), normalised to sum to one over `axis`."""
    return jax.nn.softmax(x, axis)


@ACTIVATIONS.register()
def log_softmax(x: Array, axis: int = -1) -> Array:
    """Return the logarithm of `softmax`, without its underflow."""
    return jax.nn.log_softmax(x, axis)


def get(identifier: str | Activation | None) -> Activation:
    """Return the activation that an identifier stands for.

    Args:
        identifier: A Keras name; None for `linear`; or a function of one array, which is returned as it came.

    Raises:
        ValueError: If the name is unknown; the nearest names are listed.
        TypeError: If it is anything else.

    Example:
        >>> from epochal import activations
        >>> activations.get("relu") is activations.relu
        True
        >>> activations.get("sofmax")
        Traceback (most recent call last):
        ValueError: unknown activation 'sofmax'. Did you mean 'softmax' or 'log_softmax'?
    """
    return linear if identifier is None else ACTIVATIONS.get(identifier)


def is_known(name: str) -> bool:
    """Return whether `get` takes a name."""
    return name in ACTIVATIONS


def name_of(function: Activation) -> str | None:
    """Return the name that Keras saves for an activation ("linear" for the identity); None for a user's function."""
    return ACTIVATIONS.name_of(function)
