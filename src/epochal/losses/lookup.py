"""Losses by their names."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from .loss import LOSSES, Loss, LossFunction


def get(identifier: str | Mapping[str, Any] | LossFunction | Loss | type[Loss]) -> Loss:
    """Return the loss that an identifier stands for.

    Args:
        identifier: A Keras name in any spelling ("mse", "MSE", "MeanSquaredError"), what Keras saves
            (``{"class_name": …, "config": {…}}``), a `Loss`, a class, which is called for its defaults, a function of
            this package, or a function ``fn(y_true, y_pred)`` of your own.

    Raises:
        ValueError: If the name is unknown; the nearest names are listed.
        TypeError: If it is anything else.

    Example:
        >>> from epochal import losses
        >>> losses.get("mse")
        MeanSquaredError(name='mean_squared_error')
        >>> losses.get({"class_name": "Huber", "config": {"delta": 0.5}}).delta
        0.5
    """
    return LOSSES.get(identifier)


def is_known(name: str) -> bool:
    """Return whether `get` takes a name, in any spelling."""
    return name in LOSSES
