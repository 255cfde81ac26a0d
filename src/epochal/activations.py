"""Keras's activations: plain functions of one array, by the names and with the defaults of Keras 3."""

from __future__ import annotations

from collections.abc import Callable

from epochal.messages.extras import needed_by
from epochal.messages.names import unknown

with needed_by(__name__):
    import jax
    import jax.numpy as jnp

Activation = Callable[..., jax.Array]


def linear(x: jax.Array) -> jax.Array:
    """Return x: what a layer without an activation has."""
    return x


def relu(x: jax.Array) -> jax.Array:
    """Return max(x, 0)."""
    return jax.nn.relu(x)


def relu6(x: jax.Array) -> jax.Array:
    """Return min(max(x, 0), 6)."""
    return jax.nn.relu6(x)


def leaky_relu(x: jax.Array, negative_slope: float = 0.2) -> jax.Array:
    """Return x where it is positive, else `negative_slope` × x. Keras 3's slope is 0.2, jax's 0.01."""
    return jax.nn.leaky_relu(x, negative_slope)


def elu(x: jax.Array, alpha: float = 1.0) -> jax.Array:
    """Return x where it is positive, else `alpha` × (exp(x) - 1)."""
    return jax.nn.elu(x, alpha)


def selu(x: jax.Array) -> jax.Array:
    """Return 1.0507 × elu(x, 1.6733), the self-normalising pair of Klambauer et al. 2017."""
    return jax.nn.selu(x)


def softplus(x: jax.Array) -> jax.Array:
    """Return log(1 + exp(x))."""
    return jax.nn.softplus(x)


def softsign(x: jax.Array) -> jax.Array:
    """Return x / (1 + |x|)."""
    return jax.nn.soft_sign(x)


def sigmoid(x: jax.Array) -> jax.Array:
    """Return 1 / (1 + exp(-x))."""
    return jax.nn.sigmoid(x)


def hard_sigmoid(x: jax.Array) -> jax.Array:
    """Return relu6(x + 3) / 6, as in Keras 3. (Keras 2 clipped 0.2x + 0.5.)"""
    return jax.nn.hard_sigmoid(x)


def tanh(x: jax.Array) -> jax.Array:
    """Return the hyperbolic tangent."""
    return jnp.tanh(x)


def silu(x: jax.Array) -> jax.Array:
    """Return x × sigmoid(x), also known as swish."""
    return jax.nn.silu(x)


swish = silu


def gelu(x: jax.Array, approximate: bool = False) -> jax.Array:
    """Return x × Φ(x), Φ the normal distribution function; `approximate` takes its tanh formula (jax's default)."""
    return jax.nn.gelu(x, approximate)


def mish(x: jax.Array) -> jax.Array:
    """Return x × tanh(softplus(x))."""
    return jax.nn.mish(x)


def exponential(x: jax.Array) -> jax.Array:
    """Return exp(x)."""
    return jnp.exp(x)


def softmax(x: jax.Array, axis: int = -1) -> jax.Array:
    """Return exp(x), normalised to sum to one over `axis`."""
    return jax.nn.softmax(x, axis)


def log_softmax(x: jax.Array, axis: int = -1) -> jax.Array:
    """Return the logarithm of `softmax`, without its underflow."""
    return jax.nn.log_softmax(x, axis)


_ALL = (
    *(linear, relu, relu6, leaky_relu, elu, selu, softplus, softsign, sigmoid, hard_sigmoid),
    *(tanh, silu, gelu, mish, exponential, softmax, log_softmax),
)
_BY_NAME: dict[str, Activation] = {fn.__name__: fn for fn in _ALL} | {"swish": swish}


def get(identifier: str | Activation | None) -> Activation:
    """Return the activation for a Keras name; None means `linear`, and a callable is returned as it came.

    Raises ValueError for a name nobody knows, TypeError for anything else.
    """
    if identifier is None:
        return linear
    if callable(identifier):
        return identifier
    if not isinstance(identifier, str):
        raise TypeError(f"an activation is a name, a function or None, not {identifier!r}")
    if identifier not in _BY_NAME:
        raise unknown("activation", identifier, _BY_NAME)
    return _BY_NAME[identifier]


def known_names() -> list[str]:
    """Return the names of all activations."""
    return list(_BY_NAME)


def name_of(fn: Activation) -> str | None:
    """Return the name that Keras saves for one of this module's activations ("linear" for the identity), else None."""
    return next((known.__name__ for known in _ALL if known is fn), None)
