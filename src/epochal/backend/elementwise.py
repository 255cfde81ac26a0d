"""Functions that work on each element."""

# pyright: reportUnknownMemberType=false, reportUnknownArgumentType=false, reportUnknownVariableType=false

from __future__ import annotations

import jax
import jax.numpy as jnp
from jax import Array

from ..layers.untyped import asarray
from .of_arrays import Value, binary, of_arrays, unary

abs = unary("abs", jnp.abs, "Return absolute values.")
cos = unary("cos", jnp.cos, "Return cosines.")
exp = unary("exp", jnp.exp, "Return exponentials.")
log = unary("log", jnp.log, "Return natural logarithms.")
round = unary("round", jnp.round, "Return the nearest whole numbers, of two the even one.")
sigmoid = unary("sigmoid", jax.nn.sigmoid, "Return 1 / (1 + exp(-x)).")
sign = unary("sign", jnp.sign, "Return -1, 0 or 1.")
sin = unary("sin", jnp.sin, "Return sines.")
softplus = unary("softplus", jax.nn.softplus, "Return log(1 + exp(x)).")
softsign = unary("softsign", jax.nn.soft_sign, "Return x / (1 + |x|).")
sqrt = unary("sqrt", lambda x: jnp.sqrt(jnp.maximum(x, 0)), "Return square roots; of what is below 0, 0.")
square = unary("square", jnp.square, "Return squares.")
stop_gradient = unary("stop_gradient", jax.lax.stop_gradient, "Return the same, as constants for gradients.")
tanh = unary("tanh", jnp.tanh, "Return hyperbolic tangents.")

hard_sigmoid = unary("hard_sigmoid", lambda x: jnp.clip(0.2 * x + 0.5, 0, 1), "Return 0.2x + 0.5, clipped to 0 and 1.")

equal = binary("equal", jnp.equal, "Return where x = y.")
greater = binary("greater", jnp.greater, "Return where x > y.")
greater_equal = binary("greater_equal", jnp.greater_equal, "Return where x ≥ y.")
less = binary("less", jnp.less, "Return where x < y.")
less_equal = binary("less_equal", jnp.less_equal, "Return where x ≤ y.")
maximum = binary("maximum", jnp.maximum, "Return the larger ones.")
minimum = binary("minimum", jnp.minimum, "Return the smaller ones.")
not_equal = binary("not_equal", jnp.not_equal, "Return where x ≠ y.")


@of_arrays
def pow(x: Value, a: Value) -> Array:
    """Return x to the power of a."""
    return jnp.power(asarray(x), a)


@of_arrays
def clip(x: Value, min_value: float | None, max_value: float | None) -> Array:
    """Return values that lie between two numbers, each None for no bound; the upper one is at least the lower one."""
    if min_value is not None and max_value is not None:
        max_value = max_value if max_value > min_value else min_value
    return jnp.clip(asarray(x), min_value, max_value)


@of_arrays
def elu(x: Value, alpha: float = 1.0) -> Array:
    """Return x, and alpha × (exp(x) - 1) where it is below 0."""
    return jax.nn.elu(asarray(x), alpha)


@of_arrays
def relu(x: Value, alpha: float = 0.0, max_value: float | None = None, threshold: float = 0.0) -> Array:
    """Return x, at most `max_value`, and alpha × (x - threshold) where it is below a threshold."""
    x = asarray(x)
    above = x if max_value is None else jnp.minimum(x, max_value)
    return jnp.where(x >= threshold, above, alpha * (x - threshold))


@of_arrays
def cast(x: Value, dtype: str) -> Array:
    """Return the values in another dtype, such as "float32"."""
    return asarray(x).astype(dtype)


@of_arrays
def switch(condition: Value, then_expression: Value, else_expression: Value) -> Array:
    """Return the first expression where a condition holds, else the second; both may be functions without arguments.

    Args:
        condition: Truth values; they may have fewer axes, at the end, than the expressions.
        then_expression: An array, or a function that returns one.
        else_expression: The same. Both are computed, whatever the condition.
    """
    then, other = (asarray(given() if callable(given) else given) for given in (then_expression, else_expression))
    where = asarray(condition).astype(bool)
    return jnp.where(where.reshape(where.shape + (1,) * (max(then.ndim, other.ndim) - where.ndim)), then, other)
