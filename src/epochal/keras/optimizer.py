"""What a run asks of an optimizer of Keras."""

from __future__ import annotations

from typing import Any

from .identity import config_of, own_parts
from .types import KerasModel

RATE = "_learning_rate"
"""How the path of a variable ends that is a learning rate."""


def settings_of(optimizer: Any) -> dict[str, object] | None:
    """Return an optimizer's settings less its learning rate, which is part of the state; None without one."""
    if optimizer is None:
        return None
    config = config_of(optimizer)
    if not isinstance(config.get("learning_rate"), dict):  # a schedule's settings
        config.pop("learning_rate", None)
    config.pop("name", None)
    return {"class": type(optimizer).__name__, **config, **own_parts(optimizer)}


def rate_of(optimizer: Any) -> float | None:
    """Return the learning rate of the next step, a schedule's too; None if the optimizer doesn't tell."""
    try:
        return float(optimizer.learning_rate)
    except (AttributeError, TypeError, ValueError):
        return None


def uses_average(optimizer: Any) -> bool:
    """Return whether an optimizer, or one within it, keeps an average of the weights by itself."""
    if optimizer is None:
        return False
    inner = [getattr(optimizer, "inner_optimizer", None), *getattr(optimizer, "optimizers", ())]
    return bool(getattr(optimizer, "use_ema", False)) or any(map(uses_average, filter(None, inner)))


def finish(model: KerasModel) -> None:
    """Let a model end a fit with the weights that its optimizer wants, such as averaged ones; Keras's fit does it."""
    if uses_average(model.optimizer):
        model.optimizer.finalize_variable_values(model.trainable_weights)
