"""The learning rate of a model's optimizer, of this package's and of Keras's."""

from __future__ import annotations

from .callback import Callback
from .protocols import Model


def learning_rate_of(model: Model) -> float:
    """Return the current rate.

    It is `optimizer.lr`, a float, or else `optimizer.learning_rate`, as Keras 3 has it: a variable, or a schedule's
    rate for the next step.
    """
    optimizer = model.optimizer
    return optimizer.lr if hasattr(optimizer, "lr") else float(optimizer.learning_rate)


def last_learning_rate(callback: Callback) -> float | None:
    """Return the rate of the last step, a schedule's too; None if the model of a callback doesn't tell."""
    if ask := getattr(callback.tools, "last_learning_rate", None):
        return ask()
    return getattr(getattr(callback.model, "optimizer", None), "lr", None)


def set_learning_rate(model: Model, rate: float) -> None:
    """Set the rate of the steps that follow; an optimizer whose rate nobody can set raises an error."""
    optimizer = model.optimizer
    setattr(optimizer, "lr" if hasattr(optimizer, "lr") else "learning_rate", rate)


def check_settable(model: Model) -> None:
    """Raise what `set_learning_rate` would raise: reading `lr` tells it, `learning_rate` is set to what it is."""
    rate = learning_rate_of(model)
    if not hasattr(model.optimizer, "lr"):
        set_learning_rate(model, rate)
