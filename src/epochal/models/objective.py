"""The sum of losses that a model minimises."""

from __future__ import annotations

import functools
import operator
from collections.abc import Sequence
from dataclasses import dataclass

import jax.numpy as jnp
from flax import nnx

from ..engines.jax.precision import wide
from ..engines.jax.targets import prepared
from ..engines.jax.trees import Array, DeviceBatch, PyTree
from ..layers.call_context import compiled_step, taken_losses
from ..losses import Loss
from .modules import Forward, forward, variables_in


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
    loss: Loss
    weight: float
    from_logits: Loss | None


class LossSum:
    """The weighted sum of the outputs' losses; each is logged too if there are several outputs.

    Args:
        losses: One an output; None for one that isn't trained.
    """

    def __init__(self, losses: Sequence[OutputLoss | None]) -> None:
        self._losses = losses
        self._several = len(losses) > 1
        self.names = ["loss", *(f"{loss.name}_loss" for loss in losses if loss is not None and self._several)]

    def __call__(
        self, module: nnx.Module, batch: DeviceBatch, training: bool, weights: PyTree
    ) -> tuple[list[Array], PyTree, PyTree]:
        """Return the loss and those it is made of, the outputs, and their masks."""
        x, y, weight = batch
        with compiled_step(module, variables_in(weights)):
            made = forward(module, x)
            values = self.values(made, y, weight)
        if self._several:
            return values, tuple(made.outputs), tuple(made.masks)
        return values, made.outputs[0], made.masks[0]

    def values(self, made: Forward, y: PyTree, weight: PyTree) -> list[Array]:
        """Return the loss and those it is made of, for what was made of the inputs.

        What layers have added, and the penalties of weights, count once in the loss.
        """
        if not any(self._losses):
            raise ValueError("no output has a loss: compile with one, or compute it in compute_loss.")
        found = [
            (loss.weight, self._value(loss, at, made, y, weight))
            for at, loss in enumerate(self._losses)
            if loss is not None
        ]
        shares = [value if share == 1 else share * value for share, value in found]
        total = functools.reduce(operator.add, [*shares, *taken_losses()])
        return [total, *(value for _, value in found)] if self._several else [total]

    def _value(self, output_loss: OutputLoss, at: int, made: Forward, y: PyTree, weight: PyTree) -> Array:
        if self._several:
            y, weight = y[at], None if weight is None else weight[at]
        loss, y_pred, logits = output_loss.loss, made.outputs[at], made.logits[at]
        if output_loss.from_logits is not None and logits is not None:
            loss, y_pred = output_loss.from_logits, logits
        mask = made.masks[at]
        y, y_pred, weight = prepared(y, wide(y_pred), weight, mask, loss.steps_are_samples)
        if mask is not None:  # the mean is over the steps that count
            weight = weight * (mask.size / jnp.maximum(mask.sum(), 1))
        return loss(y, y_pred, weight)
