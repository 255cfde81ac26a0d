"""What all losses share, and the registry of their names."""

# pyright: reportUnknownMemberType=false

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, fields
from typing import Any, ClassVar, cast

import jax.numpy as jnp
import numpy as np
from jax import Array

from ..data.targets import Shape
from ..registry import Named, Registry
from .labels import check_numbers, check_shapes
from .values import by_sample, weighted_shape

LossFunction = Callable[..., Array]
"""``(y_true, y_pred)`` to one number, one a sample, or one a step."""


class Loss(Named):
    """The base of all losses. For one of your own, subclass it and write `call(y_true, y_pred)`.

    A plain function ``fn(y_true, y_pred)`` serves too. Either gets labels in the dtype of the outputs (but class
    numbers as integers) and may return one number, one a sample, or one a step.

    Args:
        name: The name in errors; the class's in snake case if None.
        reduction: "sum_over_batch_size", the mean over the batch; there is no other.

    Example:
        >>> import jax.numpy as jnp
        >>> from epochal.losses import Loss, sample_means
        >>> class Quartic(Loss):
        ...     def call(self, y_true, y_pred):
        ...         return sample_means((y_pred - y_true) ** 4)
        >>> loss = Quartic()
        >>> loss.name, loss(jnp.array([[0.0]]), jnp.array([[2.0]]))
        ('quartic', Array(16., dtype=float32))
    """

    def __init__(self, name: str | None = None, reduction: str = "sum_over_batch_size") -> None:
        if reduction != "sum_over_batch_size":
            raise ValueError(f"a loss is the mean over the batch, reduction='sum_over_batch_size'; got {reduction!r}")
        super().__init__(name)

    def call(self, y_true: Array, y_pred: Array) -> Array:
        """Return one value a sample, `(batch,)`, or one number, or one a step, `(batch, steps)`."""
        raise NotImplementedError(f"{type(self).__name__} is a Loss without `call(y_true, y_pred)`: write it")

    @property
    def formula(self) -> LossFunction:
        """What a subclass has written: `call`, or in its place `per_sample`."""
        return self.call if type(self).per_sample is Loss.per_sample else self.per_sample

    def per_sample(self, y_true: Array, y_pred: Array) -> Array:
        """Return one value a sample, `(batch,)`."""
        return by_sample(self.name, self.call(y_true, y_pred), y_pred.shape[:1])

    def __call__(self, y_true: Array, y_pred: Array, sample_weight: Array | None = None) -> Array:
        """Return the loss of a batch: the mean of weight × loss, a scalar.

        Args:
            y_true: Labels, `(batch, …)`.
            y_pred: Predictions, `(batch, …)`.
            sample_weight: `(batch,)`, or `(batch, steps)` for a loss with one value a step; None means 1 for all.

        Raises:
            ValueError: If weights have another shape.
        """
        values = by_sample(self.name, self.formula(y_true, y_pred), weighted_shape(sample_weight, y_pred.shape[0]))
        return (values if sample_weight is None else values * sample_weight).mean()

    @property
    def steps_are_samples(self) -> bool:
        """Whether steps with weights or a mask may come as samples; a user's loss gets all axes."""
        return False

    @property
    def activation(self) -> str | None:
        """The activation ("softmax", "sigmoid") from whose input `with_logits()` gives the same loss, more exactly."""
        return None

    def with_logits(self) -> Loss:
        """Return this loss for predictions before `activation` is applied; a TypeError where there is none."""
        raise TypeError(f"{self.name} can't be computed from logits")

    def check(self, y_true: np.ndarray, output_shape: Shape) -> None:
        """Raise a ValueError where labels can't go with a model's output; called once, on the host, before training.

        Of a user's loss only the loss knows what shapes go together.

        Args:
            y_true: All labels, `(samples, …)`.
            output_shape: The output's shape; the first axis, the batch, isn't looked at.
        """
        check_numbers(self.name, y_true)


class BuiltinLoss(Loss):
    """The base of the losses with a function of their own, which gets their options by name."""

    fn: ClassVar[LossFunction]

    @property
    def steps_are_samples(self) -> bool:
        """Whether steps with weights or a mask may come as samples: unless a subclass has its own `call`."""
        return type(self).call is BuiltinLoss.call

    def call(self, y_true: Array, y_pred: Array) -> Array:
        """Return one value a sample, `(batch,)`."""
        options = {f.name: getattr(self, f.name) for f in fields(cast("Any", self)) if f.name != "name"}
        return type(self).fn(y_true, y_pred, **options)

    def check(self, y_true: np.ndarray, output_shape: Shape) -> None:
        """Raise a ValueError where labels aren't numbers, or can't be compared with the output one by one."""
        check_numbers(self.name, y_true)
        check_shapes(self.name, y_true, output_shape)


@dataclass(frozen=True)
class FunctionLoss(Loss):
    """A user's function as a loss.

    Args:
        function: ``(y_true, y_pred)`` to one number, one a sample, or one a step.
        name: The function's if empty.
    """

    function: LossFunction
    name: str = field(default="", kw_only=True)

    def __post_init__(self) -> None:
        named = getattr(self.function, "__name__", type(self.function).__name__)
        object.__setattr__(self, "name", self.name or named)

    def call(self, y_true: Array, y_pred: Array) -> Array:
        """Return what the function returns; it must be of floats, or there is nothing to minimise."""
        found = self.function(y_true, y_pred)
        if jnp.issubdtype(getattr(found, "dtype", float), jnp.floating):
            return found
        raise ValueError(f"{self.name} returned values of {found.dtype}: a loss is of floats, or it has no gradient")


LOSSES: Registry[Loss] = Registry(
    "loss",
    "a loss is a name, a function or a Loss",
    Loss,
    of_function=FunctionLoss,
    ignored={"reduction": "sum_over_batch_size", "axis": -1, "ignore_class": None, "dtype": None, "fn": None},
)
