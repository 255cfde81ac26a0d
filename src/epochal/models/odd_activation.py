"""Activations that don't go with a loss."""

from __future__ import annotations

from .. import losses


def odd_activation(loss: losses.Loss, activation: str, width: int | None) -> str:
    """Return why an output's activation doesn't go with its loss, and what does; "" if it does.

    Args:
        loss: Of the output.
        activation: Its last activation's name.
        width: The size of its last axis, None if that is open.
    """
    if activation == "softmax" and width == 1:
        return "a softmax over one unit is always 1; use activation='sigmoid' for two classes, or none for a number"
    kinds = (losses.CategoricalCrossentropy, losses.SparseCategoricalCrossentropy)
    if not isinstance(loss, (*kinds, losses.BinaryCrossentropy)):
        return ""
    if loss.from_logits:
        if activation not in ("softmax", "sigmoid"):
            return ""
        return f"with from_logits=True {loss.name} takes what comes before a {activation}; leave out one of the two"
    if activation == "sigmoid" and isinstance(loss, kinds):
        return (
            f"{loss.name} takes probabilities that sum to 1, those of a sigmoid don't; use activation='softmax', or "
            "loss='binary_crossentropy' where a sample may have several classes"
        )
    if activation in ("linear", "relu"):
        wanted = f"activation={loss.activation!r} in the last layer, or from_logits=True"
        return f"{loss.name} takes probabilities; use {wanted}"
    return ""
