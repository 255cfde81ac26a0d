"""What a model minimises."""

from __future__ import annotations

import functools
import operator
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import jax.numpy as jnp

from ..engines.jax.precision import wide
from ..engines.jax.targets import prepared
from ..layers import calling
from .overrides import keras_arguments

Forward = tuple[list[Any], list[Any], list[Any]]
"""Outputs, what their last activations were applied to, and their masks, each in the order of the outputs."""


@dataclass(frozen=True, eq=False)
class OutputLoss:
    """The loss of one output.

    Attributes:
        name: Of the output.
        loss: Computes it.
        weight: Its share in the loss that is minimised.
        from_logits: The same loss for what the output's last activation is applied to; None if it can't be
            computed so, or isn't for that activation.
    """

    name: str
    loss: Any
    weight: float = 1.0
    from_logits: Any = None


class Objective:
    """The weighted sum of the outputs' losses; each is logged too if there are several outputs.

    Args:
        forward: `(module, x) -> (outputs, logits, masks)`, each in the order of the outputs.
        losses: One an output; None for one that isn't trained.
    """

    def __init__(self, forward: Callable[[Any, Any], Forward], losses: Sequence[OutputLoss | None]) -> None:
        self._forward, self._losses = forward, losses
        self._several = len(losses) > 1
        self.names = ["loss", *(f"{loss.name}_loss" for loss in losses if loss is not None and self._several)]

    def __call__(self, module: Any, batch: Any, training: bool) -> tuple[list[Any], Any, Any]:
        """Return the loss and those it is made of, the outputs, and their masks."""
        x, y, weight = batch
        with calling.step(module):
            made = self._forward(module, x)
            values = self.values(made, y, weight)
        outputs, _, masks = made
        if self._several:
            return values, tuple(outputs), tuple(masks)
        return values, outputs[0], masks[0]

    def values(self, made: Forward, y: Any, weight: Any) -> list[Any]:
        """Return the loss and those it is made of, for what was made of the inputs; layers may have added to it."""
        outputs, logits, masks = made
        if not any(self._losses):
            raise ValueError("no output has a loss: compile with one, or compute it in compute_loss.")
        found = [
            (of_output.weight, self._of(of_output, at, y, outputs, logits, masks, weight))
            for at, of_output in enumerate(self._losses)
            if of_output is not None
        ]
        shares = [value if share == 1 else share * value for share, value in found]
        total = functools.reduce(operator.add, [*shares, *calling.taken_losses()])
        return [total, *(value for _, value in found)] if self._several else [total]

    def _of(self, of_output: OutputLoss, at: int, y: Any, outputs: Any, logits: Any, masks: Any, weight: Any) -> Any:
        if self._several:
            y, weight = y[at], None if weight is None else weight[at]
        exact = of_output.from_logits is not None
        loss, made = (of_output.from_logits, logits[at]) if exact else (of_output.loss, outputs[at])
        mask = masks[at]
        y, made, weight = prepared(y, wide(made), weight, mask, loss.steps_are_samples)
        if mask is not None:  # the mean is over the steps that count
            weight = weight * (mask.size / jnp.maximum(mask.sum(), 1))
        return loss(y, made, weight)


class OwnObjective:
    """What a user's `compute_loss` returns: the loss, or the loss and the outputs.

    Args:
        compute_loss: `(batch, training)`, which finds the module in the model.
        within: `(module)`: a context in which the model's module is this one.
        needs_outputs: Whether there are metrics.
        output_names: The order of outputs that come in a dict.
    """

    names = ("loss",)

    def __init__(
        self,
        compute_loss: Callable[..., Any],
        within: Callable[[Any], Any],
        needs_outputs: bool,
        output_names: Sequence[str],
    ) -> None:
        self._compute_loss, self._within, self._needs_outputs = compute_loss, within, needs_outputs
        self._output_names = output_names

    def __call__(self, module: Any, batch: Any, training: bool) -> tuple[list[Any], Any, Any]:
        """Return the loss, the outputs if there are any, and no masks."""
        with self._within(module), calling.step(module):
            found: Any = self._compute_loss(batch, training)
            _check_nothing_left()
        loss: Any
        loss, outputs = found if isinstance(found, tuple) and len(found) == 2 else (found, None)
        if jnp.shape(loss) != ():
            raise ValueError(f"compute_loss must return one number, or (number, outputs); got {found!r}.")
        if outputs is None and self._needs_outputs:
            raise ValueError(
                "metrics need the outputs: compute_loss must return (loss, outputs), or compile without them."
            )
        if isinstance(outputs, Mapping):
            outputs = [outputs[name] for name in self._output_names]
            outputs = outputs[0] if len(outputs) == 1 else outputs
        return [jnp.asarray(loss, jnp.float32)], tuple(outputs) if isinstance(outputs, list) else outputs, None


class KerasObjective:
    """What a user's `compute_loss` in Keras's form returns, who gets the outputs: the loss.

    Args:
        compute_loss: `(x, y, y_pred, sample_weight, training)`, or some of them.
        within: `(module, made)`: a context in which the model's module is this one, and has made that.
        forward: As of `Objective`.
        pack: Makes of the outputs in order what the model returns.
        several: Whether there are several outputs.
    """

    names = ("loss",)

    def __init__(
        self,
        compute_loss: Callable[..., Any],
        within: Callable[[Any, Forward], Any],
        forward: Callable[[Any, Any], Forward],
        pack: Callable[[Sequence[Any]], Any],
        several: bool,
    ) -> None:
        self._compute_loss, self._within, self._forward = compute_loss, within, forward
        self._pack, self._several = pack, several

    def __call__(self, module: Any, batch: Any, training: bool) -> tuple[list[Any], Any, Any]:
        """Return the loss, the outputs, and their masks."""
        x, y, weight = batch
        with calling.step(module):
            made = outputs, _, masks = self._forward(module, x)
            values = {"x": x, "y": y, "y_pred": self._pack(outputs), "sample_weight": weight, "training": training}
            with self._within(module, made):
                loss: Any = self._compute_loss(**keras_arguments(self._compute_loss, values))
            _check_nothing_left()
        if jnp.shape(loss) != ():
            raise ValueError(f"compute_loss must return one number; got {loss!r}.")
        loss = jnp.asarray(loss, jnp.float32)
        return ([loss], tuple(outputs), tuple(masks)) if self._several else ([loss], outputs[0], masks[0])


def _check_nothing_left() -> None:
    """Raise a ValueError if layers have added to the loss what a `compute_loss` leaves out."""
    if calling.taken_losses():
        raise ValueError(
            "a layer calls add_loss, and compute_loss leaves that out: it must return a loss that began as "
            "super().compute_loss(…), or the layer must not add one."
        )
