"""Layers that go through a sequence step by step and hand a state on."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypeAlias, Unpack

import jax
import jax.numpy as jnp
from flax import nnx

from .. import activations, initializers
from .base import Layer
from .harmless import OF_RECURRENT
from .names import snake_case
from .restraints import KernelOptions, restrain
from .settings import check_axes, checked_seed, initializer_settings, known, positive, present, share
from .streams import seeded
from .types import (
    ActivationLike,
    Array,
    Config,
    ConstraintLike,
    InitializerLike,
    Mask,
    NamedWeights,
    Nest,
    RegularizerLike,
    Shape,
)
from .untyped import asarray, ones_like, zeros

States: TypeAlias = tuple[Array, ...]


class RestraintOptions(KernelOptions, total=False):
    """The arguments by name of a recurrent layer that it hands on to the base of all layers."""

    recurrent_regularizer: RegularizerLike
    recurrent_constraint: ConstraintLike


class RecurrentOptions(RestraintOptions, total=False):
    """The arguments by name that all constructors of recurrent layers take; `Recurrent` documents them."""

    kernel_initializer: InitializerLike
    recurrent_initializer: InitializerLike
    bias_initializer: InitializerLike
    dropout: float
    recurrent_dropout: float
    return_sequences: bool
    return_state: bool
    go_backwards: bool
    zero_output_for_mask: bool
    seed: int | None
    unroll: bool
    implementation: int


class Recurrent(Layer):
    """The base of the recurrent layers: `(batch, steps, features)` to `(batch, units)`.

    The product of the inputs with the kernel is computed at once for all steps; only the part that depends on the
    state is done step by step. At a masked step the state stays as it is.

    Args:
        units: The size of the output and of each state.
        activation: A name or a function; None is the identity.
        use_bias: Whether to add a bias.
        kernel_initializer: Of the kernel, which multiplies the inputs: `(features, gates × units)`.
        recurrent_initializer: Of the recurrent kernel, which multiplies the state: `(units, gates × units)`.
        bias_initializer: Of the bias, `(gates × units,)`.
        dropout: The share of input features that are left out in training, the same ones at all steps.
        recurrent_dropout: The share of the state's units that are left out before its product with the recurrent
            kernel, the same ones at all steps and for all gates.
        return_sequences: Whether to return the outputs of all steps, `(batch, steps, units)`, not just the last;
            at a masked step that is the output of the step before.
        return_state: Whether to return a tuple: the output, and the states after the last step.
        go_backwards: Whether to start with the last step; outputs then come in that order.
        zero_output_for_mask: Whether the outputs at masked steps are 0 instead.
        seed: Of the dropouts' random numbers, as `Dropout` has it.
        **kwargs: `kernel_regularizer`, `recurrent_regularizer`, `bias_regularizer`, `activity_regularizer`,
            `kernel_constraint`, `recurrent_constraint`, `bias_constraint`, `name`, `input_shape`, `trainable`; also
            `unroll` and `implementation`, which only say how Keras computes the same values.

    Attributes:
        gates: How many times `units` columns the kernels have.
        states: The names of the states, the output first.

    Raises:
        ValueError: If `units` is no positive whole number, a dropout no share or, when built, inputs have other axes.
    """

    uses_mask = True
    restrained = ("kernel", "recurrent", "bias")
    harmless = OF_RECURRENT
    gates = 1
    states: tuple[str, ...] = ("h",)

    def __init__(
        self,
        units: int,
        activation: ActivationLike = "tanh",
        use_bias: bool = True,
        kernel_initializer: InitializerLike = "glorot_uniform",
        recurrent_initializer: InitializerLike = "orthogonal",
        bias_initializer: InitializerLike = "zeros",
        dropout: float = 0.0,
        recurrent_dropout: float = 0.0,
        return_sequences: bool = False,
        return_state: bool = False,
        go_backwards: bool = False,
        zero_output_for_mask: bool = False,
        seed: int | None = None,
        **kwargs: Unpack[RestraintOptions],
    ) -> None:
        super().__init__(**kwargs)
        self.units, self.activation, self.use_bias = positive("units", units), activations.get(activation), use_bias
        self.kernel_initializer = initializers.get(kernel_initializer)
        self.recurrent_initializer = initializers.get(recurrent_initializer)
        self.bias_initializer = initializers.get(bias_initializer)
        self.dropout, self.recurrent_dropout = share("dropout", dropout), share("recurrent_dropout", recurrent_dropout)
        self.return_sequences, self.return_state = return_sequences, return_state
        self.go_backwards, self.zero_output_for_mask = go_backwards, zero_output_for_mask
        self.seed = checked_seed(seed)

    @property
    def keeps_mask(self) -> bool:  # pyright: ignore[reportIncompatibleVariableOverride]  # it follows another setting
        """Whether the mask is also that of the output, which has the same steps."""
        return self.return_sequences

    def build(self, shape: Shape, rngs: nnx.Rngs) -> None:
        check_axes(self, shape, "steps, features")
        columns = self.gates * self.units
        self.kernel = nnx.Param(self.kernel_initializer(rngs.params(), (known(self, shape, -1), columns), jnp.float32))
        self.recurrent_kernel = nnx.Param(self.recurrent_initializer(rngs.params(), (self.units, columns), jnp.float32))
        self.bias = nnx.Param(self.first_bias(rngs)) if self.use_bias else None
        restrain(self, kernel=self.kernel, recurrent=self.recurrent_kernel, bias=self.bias)
        streams = seeded(self.seed, rngs)
        self.drop_features = nnx.Dropout(self.dropout, broadcast_dims=(1,), rngs=streams) if self.dropout else None
        self.drop_units = nnx.Dropout(self.recurrent_dropout, rngs=streams) if self.recurrent_dropout else None

    def first_bias(self, rngs: nnx.Rngs) -> Array:
        """Return the bias before training, `(gates × units,)`."""
        return self.bias_initializer(rngs.params(), (self.gates * self.units,), jnp.float32)

    def project(self, x: Array) -> Array:
        """Return the product of the inputs with the kernel, plus the bias: `(batch, steps, gates × units)`."""
        projected = x @ self.kernel[...]
        return projected if self.bias is None else projected + self.bias[...]

    def step(self, inputs: Array, states: States, kept: Array | int) -> States:
        """Return the states after a step.

        Args:
            inputs: The part of `project` for this step, `(batch, gates × units)`.
            states: The states before it, each `(batch, units)`.
            kept: The factor of the state before its product with the recurrent kernel: a dropout, or 1.
        """
        raise NotImplementedError

    def call(self, x: Array, initial_state: Sequence[Array] | Array | None = None, mask: Mask = None) -> Nest:
        """Return the output; with `return_state`, a tuple of it and the states.

        Args:
            x: The inputs, `(batch, steps, features)`.
            initial_state: The states to start with, each `(batch, units)`, in a list; a single one may come by
                itself. Zeros if None.
            mask: Which steps count, `(batch, steps)`; all if None.

        Raises:
            ValueError: If there are more or fewer initial states, or they have another shape.
        """
        inputs = self.project(x if self.drop_features is None else self.drop_features(x)).swapaxes(0, 1)
        counts = None if mask is None else mask.astype(bool).T[..., None]
        if self.go_backwards:
            inputs, counts = jnp.flip(inputs, 0), None if counts is None else jnp.flip(counts, 0)
        start = self._start(initial_state, len(x), inputs.dtype)
        states, outputs = self._run(inputs, counts, start)
        output = outputs.swapaxes(0, 1) if self.return_sequences else outputs
        return (output, *states) if self.return_state else output

    def _start(self, states: Sequence[Array] | Array | None, batch: int, dtype: Any) -> States:
        """Return the states before the first step."""
        shape, names = (batch, self.units), ", ".join(self.states)
        if states is None:
            return tuple(zeros(shape, dtype) for _ in self.states)
        listed: Sequence[Array] = states if isinstance(states, (list, tuple)) else [asarray(states)]
        if [state.shape for state in listed] != [shape] * len(self.states):
            raise ValueError(
                f"{type(self).__name__} starts with {len(self.states)} arrays of shape (batch, {self.units}): {names}; "
                f"got initial_state of {', '.join(str(state.shape) for state in listed) or 'none'}."
            )
        return tuple(state.astype(dtype) for state in listed)

    def _run(self, inputs: Array, counts: Mask, start: States) -> tuple[States, Array]:
        """Return the last states, and the last output or the outputs of all steps; steps are the first axis."""
        kept = 1 if self.drop_units is None else self.drop_units(ones_like(start[0]))

        def step(states: States, of_step: tuple[Array, Mask]) -> tuple[States, Mask]:
            projected, is_counted = of_step
            new = tuple(state.astype(inputs.dtype) for state in self.step(projected, states, kept))
            if is_counted is not None:
                new = tuple(jnp.where(is_counted, after, before) for after, before in zip(new, states, strict=True))
            return new, self._output(new, is_counted) if self.return_sequences else None

        states, outputs = jax.lax.scan(step, start, (inputs, counts))
        if outputs is None:
            return states, self._output(states, None if counts is None else counts[-1])
        return states, outputs

    def _output(self, states: States, is_counted: Mask) -> Array:
        if is_counted is None or not self.zero_output_for_mask:
            return states[0]
        return jnp.where(is_counted, states[0], 0)

    def named_weights(self) -> NamedWeights:
        named = present(kernel=self.kernel, recurrent_kernel=self.recurrent_kernel, bias=self.bias)
        return [(f"{snake_case(self)}_cell/{name}", variable) for name, variable in named]

    def places(self) -> list[str]:
        return ["cell" for _ in self.named_weights()]

    def get_config(self) -> Config:
        return super().get_config() | {
            "units": self.units,
            "activation": activations.name_of(self.activation),
            "use_bias": self.use_bias,
            **initializer_settings(self),
            "dropout": self.dropout,
            "recurrent_dropout": self.recurrent_dropout,
            "return_sequences": self.return_sequences,
            "return_state": self.return_state,
            "go_backwards": self.go_backwards,
            "zero_output_for_mask": self.zero_output_for_mask,
            "seed": self.seed,
        }


class SimpleRNN(Recurrent):
    """Fully connected recurrent layer: `h = activation(x @ kernel + h @ recurrent_kernel + bias)` at each step.

    `(batch, steps, features)` to `(batch, units)`.

        >>> SimpleRNN(3)(np.ones((2, 5, 4))).shape
        (2, 3)
        >>> output, state = SimpleRNN(3, return_sequences=True, return_state=True)(np.ones((2, 5, 4)))
        >>> output.shape, state.shape
        ((2, 5, 3), (2, 3))

    Args:
        units: The size of the output and of the state.
        activation: A name or a function; None is the identity.
        use_bias: Whether to add a bias.
        kernel_initializer: Of the kernel, which multiplies the inputs: `(features, units)`.
        recurrent_initializer: Of the recurrent kernel, which multiplies the state: `(units, units)`.
        bias_initializer: Of the bias, `(units,)`.
        dropout: The share of input features that are left out in training, the same ones at all steps.
        recurrent_dropout: The share of the state's units that are left out before its product with the recurrent
            kernel, the same ones at all steps.
        return_sequences: Whether to return the outputs of all steps, `(batch, steps, units)`, not just the last;
            at a masked step that is the output of the step before.
        return_state: Whether to return a tuple: the output, and the states after the last step.
        go_backwards: Whether to start with the last step; outputs then come in that order.
        zero_output_for_mask: Whether the outputs at masked steps are 0 instead.
        seed: Of the dropouts' random numbers, as `Dropout` has it.
        **kwargs: `kernel_regularizer`, `recurrent_regularizer`, `bias_regularizer`, `activity_regularizer`,
            `kernel_constraint`, `recurrent_constraint`, `bias_constraint`, `name`, `input_shape`, `trainable`; also
            `unroll` and `implementation`, which only say how Keras computes the same values.

    Raises:
        ValueError: If `units` is no positive whole number, a dropout no share or, when built, inputs have other axes.
    """

    def step(self, inputs: Array, states: States, kept: Array | int) -> States:
        return (self.activation(inputs + (states[0] * kept) @ self.recurrent_kernel[...]),)
