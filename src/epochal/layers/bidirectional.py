"""A recurrent layer that goes through the sequence in both directions."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Unpack

import jax.numpy as jnp
from flax import nnx

from .base import Layer
from .call_context import penalize_output
from .gated import GRU, LSTM
from .names import snake_case
from .nests import is_mapping
from .recurrent import Recurrent, SimpleRNN
from .settings import one_of
from .types import Array, Config, LayerOptions, Mask, NamedWeights, Nest, Shape

MERGES: dict[str, Callable[[Array, Array], Array]] = {
    "concat": lambda one, other: jnp.concatenate([one, other], axis=-1),
    "sum": lambda one, other: one + other,
    "mul": lambda one, other: one * other,
    "ave": lambda one, other: (one + other) / 2,
}


class Bidirectional(Layer):
    """Runs a recurrent layer forward and another one backward through the sequence, and merges their outputs.

    `(batch, steps, features)` to `(batch, 2 × units)`, or `(batch, units)` where `merge_mode` isn't "concat".

        >>> from epochal.layers import LSTM
        >>> Bidirectional(LSTM(3))(np.ones((2, 5, 4))).shape
        (2, 6)

    With `return_sequences` both outputs are in the order in which `layer` goes, and 0 at masked steps; without, they
    are those of the last steps that count. As in Keras, `zero_output_for_mask` of the layers changes neither.

    Args:
        layer: An `LSTM`, `GRU` or `SimpleRNN` that hasn't been called; a copy of it is taken.
        merge_mode: How the two outputs become one: "concat", "sum", "mul" or "ave"; None returns a tuple of them.
        backward_layer: What goes the other way; a copy of `layer`, with weights of its own, if None.
        **kwargs: `name`, `input_shape`, `trainable`.

    Raises:
        TypeError: If a layer isn't recurrent.
        ValueError: If it has been called, or if the two go the same way or don't return the same things.
    """

    uses_mask = True

    def __init__(
        self,
        layer: Recurrent,
        merge_mode: str | None = "concat",
        backward_layer: Recurrent | None = None,
        **kwargs: Unpack[LayerOptions],
    ) -> None:
        super().__init__(**kwargs)
        self.merge_mode = one_of("merge_mode", merge_mode, (*MERGES, None))
        self.forward_layer = _copy_of(layer, "layer", "forward")
        if backward_layer is None:
            self.backward_layer = _copy_of(layer, "layer", "backward")
            self.backward_layer.go_backwards = not layer.go_backwards
        else:
            self.backward_layer = _copy_of(backward_layer, "backward_layer")
        _check_alike(self.forward_layer, self.backward_layer)

    @property
    def return_sequences(self) -> bool:
        """Whether the outputs of all steps are returned, as the layers say."""
        return self.forward_layer.return_sequences

    @property
    def return_state(self) -> bool:
        """Whether the states are returned too, as the layers say."""
        return self.forward_layer.return_state

    @property
    def keeps_mask(self) -> int:  # pyright: ignore[reportIncompatibleVariableOverride]  # it follows other settings
        """Of how many outputs the mask is also the mask."""
        return (2 if self.merge_mode is None else 1) if self.return_sequences else 0

    def build(self, shape: Shape, rngs: nnx.Rngs) -> None:
        for layer in (self.forward_layer, self.backward_layer):
            # Without sequences a 0 would stand for the last state, which a masked last step leaves as it was.
            layer.zero_output_for_mask = self.return_sequences
            layer.build(shape, rngs)

    def call(self, x: Array, initial_state: Sequence[Array] | None = None, mask: Mask = None) -> Nest:
        """Return the merged output; with `return_state` a tuple of it, the states forward, and those backward.

        Args:
            x: The inputs, `(batch, steps, features)`.
            initial_state: A list of the states to start with: of the forward layer, then of the other one. Zeros if
                None.
            mask: Which steps count, `(batch, steps)`; all if None.
        """
        middle = len(self.forward_layer.states)
        starts = (None, None) if initial_state is None else (initial_state[:middle], initial_state[middle:])
        layers = (self.forward_layer, self.backward_layer)
        returned = [layer.call(x, start, mask) for layer, start in zip(layers, starts, strict=True)]
        for layer, output in zip(layers, returned, strict=True):
            penalize_output(layer, output)
        (one, *states), (other, *more) = returned if self.return_state else [[output] for output in returned]
        if self.return_sequences:
            other = jnp.flip(other, axis=1)
        merged = (one, other) if self.merge_mode is None else (MERGES[self.merge_mode](one, other),)
        outputs = (*merged, *states, *more)
        return outputs if len(outputs) > 1 else merged[0]

    def named_weights(self) -> NamedWeights:
        return [
            (f"{layer.name}/{name}", variable)
            for layer in (self.forward_layer, self.backward_layer)
            for name, variable in layer.named_weights()
        ]

    def places(self) -> list[str]:
        layers = {"forward_layer": self.forward_layer, "backward_layer": self.backward_layer}
        return [f"{group}/{place}" for group, layer in layers.items() for place in layer.places()]

    def get_config(self) -> Config:
        return super().get_config() | {
            "merge_mode": self.merge_mode,
            "layer": _entry(self.forward_layer),
            "backward_layer": _entry(self.backward_layer),
        }

    @classmethod
    def from_config(cls, config: Config) -> Any:
        """Return a new layer with the settings that `get_config` returned, and new layers in it."""
        parts = {name: config[name] for name in ("layer", "backward_layer") if is_mapping(config.get(name))}
        return super().from_config(config | {name: _made_of(entry) for name, entry in parts.items()})


def _copy_of(layer: object, argument: str, direction: str | None = None) -> Recurrent:
    """Return a copy of a layer, named as Keras does for a direction."""
    if not isinstance(layer, Recurrent):
        raise TypeError(f"{argument} is an LSTM, a GRU or a SimpleRNN; got {layer!r}.")
    if layer.built:
        raise ValueError(f"{argument} has been called, so it has weights already: give a new {type(layer).__name__}.")
    copied = nnx.clone(layer)
    name = layer.name or snake_case(layer)
    copied.name = f"{direction}_{name.removeprefix('forward_')}" if direction else name
    return copied


def _check_alike(forward: Recurrent, backward: Recurrent) -> None:
    if forward.go_backwards == backward.go_backwards:
        raise ValueError(f"layer and backward_layer both have go_backwards={forward.go_backwards}: they must differ.")
    for name in ("return_sequences", "return_state"):
        if getattr(forward, name) != getattr(backward, name):
            raise ValueError(
                f"layer has {name}={getattr(forward, name)}, backward_layer {name}={getattr(backward, name)}: "
                "they must be the same."
            )


def _entry(layer: Recurrent) -> Config:
    """Return a layer's entry in the configuration of another one, as Keras saves it."""
    return {"module": "keras.layers", "class_name": type(layer).__name__, "config": layer.get_config()}


def _made_of(entry: Config) -> Recurrent:
    """Return a new layer by its entry in the configuration of another one."""
    if (kind := _KINDS.get(entry["class_name"])) is None:
        raise ValueError(
            f"from_config makes {', '.join(_KINDS)} again, and no {entry['class_name']}: make the Bidirectional anew."
        )
    return kind.from_config(entry["config"])


_KINDS: dict[str, type[Recurrent]] = {kind.__name__: kind for kind in (LSTM, GRU, SimpleRNN)}
