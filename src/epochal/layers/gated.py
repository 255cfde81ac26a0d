"""Recurrent layers whose gates decide what the state keeps."""

from __future__ import annotations

from typing import Unpack

import jax.numpy as jnp
from flax import nnx

from .. import activations
from .recurrent import Recurrent, RecurrentOptions, States
from .types import ActivationLike, Array, Config
from .untyped import ones


class _Gated(Recurrent):
    """A recurrent layer whose gates have an activation of their own."""

    def __init__(
        self,
        units: int,
        activation: ActivationLike = "tanh",
        recurrent_activation: ActivationLike = "sigmoid",
        use_bias: bool = True,
        **kwargs: Unpack[RecurrentOptions],
    ) -> None:
        super().__init__(units, activation, use_bias, **kwargs)
        self.recurrent_activation = activations.get(recurrent_activation)

    def get_config(self) -> Config:
        return super().get_config() | {"recurrent_activation": activations.name_of(self.recurrent_activation)}


class LSTM(_Gated):
    """Long short-term memory: Hochreiter and Schmidhuber 1997, with the forget gate of Gers et al. 2000.

    `(batch, steps, features)` to `(batch, units)`. The states are h, the output, and c, the memory. The kernels have
    four times `units` columns: of the input gate, the forget gate, the candidate for the memory and the output gate.

        >>> LSTM(3)(np.ones((2, 5, 4))).shape
        (2, 3)
        >>> LSTM(3, return_sequences=True)(np.ones((2, 5, 4))).shape
        (2, 5, 3)

    Args:
        units: The size of the output and of each state.
        activation: Of the candidate and of the memory: a name or a function; None is the identity.
        recurrent_activation: Of the gates.
        use_bias: Whether to add a bias.
        unit_forget_bias: Whether the forget gate's bias starts as 1: Jozefowicz et al. 2015.
        **kwargs: As in `SimpleRNN`, from `kernel_initializer` on.

    Raises:
        ValueError: If `units` is no positive whole number, a dropout no share or, when built, inputs have other axes.
    """

    gates = 4
    states = ("h", "c")

    def __init__(
        self,
        units: int,
        activation: ActivationLike = "tanh",
        recurrent_activation: ActivationLike = "sigmoid",
        use_bias: bool = True,
        unit_forget_bias: bool = True,
        **kwargs: Unpack[RecurrentOptions],
    ) -> None:
        super().__init__(units, activation, recurrent_activation, use_bias, **kwargs)
        self.unit_forget_bias = unit_forget_bias

    def first_bias(self, rngs: nnx.Rngs) -> Array:
        if not self.unit_forget_bias:
            return super().first_bias(rngs)
        before, after = (self.bias_initializer(rngs.params(), (n * self.units,), jnp.float32) for n in (1, 2))
        return jnp.concatenate([before, ones(self.units), after])

    def step(self, inputs: Array, states: States, kept: Array | int) -> States:
        h, c = states
        columns = jnp.split(inputs + (h * kept) @ self.recurrent_kernel[...], 4, axis=-1)
        input_gate, forget_gate, candidate, output_gate = columns
        gate = self.recurrent_activation
        c = gate(forget_gate) * c + gate(input_gate) * self.activation(candidate)
        return gate(output_gate) * self.activation(c), c

    def get_config(self) -> Config:
        return super().get_config() | {"unit_forget_bias": self.unit_forget_bias}


class GRU(_Gated):
    """Gated recurrent unit: Cho et al. 2014.

    `(batch, steps, features)` to `(batch, units)`. The kernels have three times `units` columns: of the update gate,
    the reset gate and the candidate for the state.

        >>> GRU(3)(np.ones((2, 5, 4))).shape
        (2, 3)

    Args:
        units: The size of the output and of the state.
        activation: Of the candidate: a name or a function; None is the identity.
        recurrent_activation: Of the gates.
        use_bias: Whether to add a bias.
        reset_after: Whether the reset gate acts after the state's product with the recurrent kernel. Then there are
            two biases, `(2, 3 × units)`: one with the inputs, one with the state.
        **kwargs: As in `SimpleRNN`, from `kernel_initializer` on.

    Raises:
        ValueError: If `units` is no positive whole number, a dropout no share or, when built, inputs have other axes.
    """

    gates = 3

    def __init__(
        self,
        units: int,
        activation: ActivationLike = "tanh",
        recurrent_activation: ActivationLike = "sigmoid",
        use_bias: bool = True,
        reset_after: bool = True,
        **kwargs: Unpack[RecurrentOptions],
    ) -> None:
        super().__init__(units, activation, recurrent_activation, use_bias, **kwargs)
        self.reset_after = reset_after

    def first_bias(self, rngs: nnx.Rngs) -> Array:
        shape = (2, 3 * self.units) if self.reset_after else (3 * self.units,)
        return self.bias_initializer(rngs.params(), shape, jnp.float32)

    def project(self, x: Array) -> Array:
        if self.bias is None or not self.reset_after:
            return super().project(x)
        return x @ self.kernel[...] + self.bias[0]

    def step(self, inputs: Array, states: States, kept: Array | int) -> States:
        (h,), kernel = states, self.recurrent_kernel[...]
        gates, candidate = jnp.split(inputs, [2 * self.units], axis=-1)
        if self.reset_after:
            from_state = (h * kept) @ kernel + (0 if self.bias is None else self.bias[1])
            state_gates, state_candidate = jnp.split(from_state, [2 * self.units], axis=-1)
            update_gate, reset_gate = self._activated(gates + state_gates)
            candidate = candidate + reset_gate * state_candidate
        else:
            state_gates = (h * kept) @ kernel[:, : 2 * self.units]
            update_gate, reset_gate = self._activated(gates + state_gates)
            candidate = candidate + (reset_gate * h * kept) @ kernel[:, 2 * self.units :]
        return (update_gate * h + (1 - update_gate) * self.activation(candidate),)

    def _activated(self, gates: Array) -> list[Array]:
        """Return how far the update and the reset gate are open; each by itself, since a softmax looks at all units."""
        return [self.recurrent_activation(gate) for gate in jnp.split(gates, 2, axis=-1)]

    def get_config(self) -> Config:
        return super().get_config() | {"reset_after": self.reset_after}
