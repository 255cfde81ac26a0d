"""Activations against their formulas, written out in NumPy from the Keras 3 documentation."""

import math

import jax.numpy as jnp
import numpy as np
import pytest

from epochal import activations

X = np.array([-7.0, -2.5, -1.0, -0.1, 0.0, 0.1, 1.0, 2.5, 7.0])
ERF = np.vectorize(math.erf)
SOFTPLUS = np.log1p(np.exp(X))

EXPECTED = {
    "linear": X,
    "relu": np.maximum(X, 0),
    "relu6": np.clip(X, 0, 6),
    "leaky_relu": np.where(X > 0, X, 0.2 * X),
    "elu": np.where(X > 0, X, np.exp(X) - 1),
    "selu": 1.0507009873554805 * np.where(X > 0, X, 1.6732632423543772 * (np.exp(X) - 1)),
    "softplus": SOFTPLUS,
    "softsign": X / (1 + np.abs(X)),
    "sigmoid": 1 / (1 + np.exp(-X)),
    "hard_sigmoid": np.clip(X + 3, 0, 6) / 6,
    "tanh": np.tanh(X),
    "silu": X / (1 + np.exp(-X)),
    "swish": X / (1 + np.exp(-X)),
    "gelu": X * (1 + ERF(X / math.sqrt(2))) / 2,
    "mish": X * np.tanh(SOFTPLUS),
    "exponential": np.exp(X),
    "softmax": np.exp(X) / np.exp(X).sum(),
    "log_softmax": X - np.log(np.exp(X).sum()),
}


@pytest.mark.parametrize("name", EXPECTED)
def test_value(name):
    np.testing.assert_allclose(activations.get(name)(jnp.asarray(X)), EXPECTED[name], rtol=2e-5, atol=1e-6)


@pytest.mark.parametrize("name", EXPECTED)
def test_the_name_is_the_public_function_and_what_is_saved(name):
    fn = activations.get(name)
    assert fn is getattr(activations, name)
    assert fn.__name__ == activations.name_of(fn) == {"swish": "silu"}.get(name, name)


def test_nothing_is_linear_and_callables_pass_through():
    assert activations.get(None) is activations.linear
    assert activations.get(jnp.sin) is jnp.sin
    assert activations.name_of(jnp.sin) is None


def test_gelu_can_be_approximate():
    by_tanh = X / 2 * (1 + np.tanh(math.sqrt(2 / math.pi) * (X + 0.044715 * X**3)))  # Hendrycks and Gimpel 2016
    np.testing.assert_allclose(activations.gelu(jnp.asarray(X), approximate=True), by_tanh, rtol=1e-5, atol=1e-6)


def test_an_unknown_name_is_answered_with_the_nearest():
    with pytest.raises(ValueError, match=r"unknown activation 'sofmax'\. Did you mean 'softmax'"):
        activations.get("sofmax")
    with pytest.raises(TypeError, match="an activation is a name, a function or None, not 3"):
        activations.get(3)
