"""Recurrent layers whose gates decide what the state keeps."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
from flax import nnx

from .. import activations
from .recurrent import Recurrent, States


class _Gated(Recurrent):
    """A recurrent layer whose gates have an activation of their own."""

    def __init__(
        self,
        units: int,
        activation: Any = "tanh",
        recurrent_activation: Any = "sigmoid",
        use_bias: bool = True,
        **kwargs: Any,
    ) -> None:
        super().__init__(units, activation, use_bias, **kwargs)
        self.recurrent_activation = activations.get(recurrent_activation)

    def get_config(self) -> dict[str, Any]:
        return super().get_config() | {"recurrent_activation": activations.name_of(self.recurrent_activation)}


class LSTM(_Gated):
    """Long short-term memory: Hochreiter and Schmidhuber 1997, with the forget gate of Gers et al. 2000.

    The states are h, the output, and c, the memory. The kernels have four times `units` columns: of the input gate,
    the forget gate, the memory's new content and the output gate.

    Args:
        units: The size of the output and of each state.
        activation: Of the memory's content, old and new: a name or function; None is the identity.
        recurrent_activation: Of the gates.
        use_bias: Whether to add a bias.
        unit_forget_bias: Whether the forget gate's bias starts as 1: Jozefowicz et al. 2015.
        **kwargs: As in `Recurrent`, from `kernel_initializer` on.
    """

    gates = 4
    states = ("h", "c")

    def __init__(
        self,
        units: int,
        activation: Any = "tanh",
        recurrent_activation: Any = "sigmoid",
        use_bias: bool = True,
        unit_forget_bias: bool = True,
        **kwargs: Any,
    ) -> None:
        super().__init__(units, activation, recurrent_activation, use_bias, **kwargs)
        self.unit_forget_bias = unit_forget_bias

    def first_bias(self, rngs: nnx.Rngs) -> jax.Array:
        if not self.unit_forget_bias:
            return super().first_bias(rngs)
        before, after = (self.bias_initializer(rngs.params(), (n * self.units,), jnp.float32) for n in (1, 2))
        return jnp.concatenate([before, jnp.ones(self.units), after])

    def step(self, inputs: jax.Array, states: States, kept: Any) -> States:
        h, c = states
        admit, forget, content, emit = jnp.split(inputs + (h * kept) @ self.recurrent_kernel[...], 4, axis=-1)
        gate = self.recurrent_activation
        c = gate(forget) * c + gate(admit) * self.activation(content)
        return gate(emit) * self.activation(c), c

    def get_config(self) -> dict[str, Any]:
        return super().get_config() | {"unit_forget_bias": self.unit_forget_bias}


class GRU(_Gated):
    """Gated recurrent unit: Cho et al. 2014.

    The kernels have three times `units` columns: of the update gate, the reset gate and the new content.

    Args:
        units: The size of the output and of the state.
        activation: Of the new content: a name or function; None is the identity.
        recurrent_activation: Of the gates.
        use_bias: Whether to add a bias.
        reset_after: Whether the reset gate acts after the state's product with the recurrent kernel. Then there are
            two biases, `(2, 3 × units)`: one with the inputs, one with the state.
        **kwargs: As in `Recurrent`, from `kernel_initializer` on.
    """

    gates = 3

    def __init__(
        self,
        units: int,
        activation: Any = "tanh",
        recurrent_activation: Any = "sigmoid",
        use_bias: bool = True,
        reset_after: bool = True,
        **kwargs: Any,
    ) -> None:
        super().__init__(units, activation, recurrent_activation, use_bias, **kwargs)
        self.reset_after = reset_after

    def first_bias(self, rngs: nnx.Rngs) -> jax.Array:
        shape = (2, 3 * self.units) if self.reset_after else (3 * self.units,)
        return self.bias_initializer(rngs.params(), shape, jnp.float32)

    def project(self, x: jax.Array) -> jax.Array:
        if self.bias is None or not self.reset_after:
            return super().project(x)
        return x @ self.kernel[...] + self.bias[0]

    def step(self, inputs: jax.Array, states: States, kept: Any) -> States:
        (h,), kernel = states, self.recurrent_kernel[...]
        gates, content = jnp.split(inputs, [2 * self.units], axis=-1)
        if self.reset_after:
            of_state = (h * kept) @ kernel + (0 if self.bias is None else self.bias[1])
            of_gates, of_content = jnp.split(of_state, [2 * self.units], axis=-1)
            update, reset = self._opened(gates + of_gates)
            content = content + reset * of_content
        else:
            of_gates = (h * kept) @ kernel[:, : 2 * self.units]
            update, reset = self._opened(gates + of_gates)
            content = content + (reset * h * kept) @ kernel[:, 2 * self.units :]
        return (update * h + (1 - update) * self.activation(content),)

    def _opened(self, gates: jax.Array) -> list[jax.Array]:
        """Return how far the update and the reset gate are open; each by itself, since a softmax looks at all units."""
        return [self.recurrent_activation(gate) for gate in jnp.split(gates, 2, axis=-1)]

    def get_config(self) -> dict[str, Any]:
        return super().get_config() | {"reset_after": self.reset_after}
