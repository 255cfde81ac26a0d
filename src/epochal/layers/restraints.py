"""Restraints of a layer's weights: their regularizers and constraints, as its settings and as the variables' metadata.

A layer's class lists in `restrained` which weights have them. The settings are named as in Keras: those of "kernel" are
`kernel_regularizer` and `kernel_constraint`. The losses and the steps read them from the variables.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypedDict

from .. import constraints, regularizers
from .types import Config, ConstraintLike, LayerOptions, RegularizerLike, Variable


class KernelRestraints(TypedDict, total=False):
    """The restraints of a kernel and a bias."""

    kernel_regularizer: RegularizerLike
    bias_regularizer: RegularizerLike
    kernel_constraint: ConstraintLike
    bias_constraint: ConstraintLike


class KernelOptions(LayerOptions, KernelRestraints, total=False):
    """The arguments by name of a layer with a kernel and a bias."""


class ScaleOptions(LayerOptions, total=False):
    """The arguments by name of a layer that normalises."""

    beta_regularizer: RegularizerLike
    gamma_regularizer: RegularizerLike
    beta_constraint: ConstraintLike
    gamma_constraint: ConstraintLike


class Restraints(TypedDict, total=False):
    """What a variable's metadata say of a weight.

    Attributes:
        regularizer: Returns what is added to the loss.
        constraint: Returns what the weight becomes after a step.
    """

    regularizer: Any
    constraint: Any


def names_of(kind: type[Any]) -> list[str]:
    """Return the settings of a class of layers that are regularizers, also of its output, or constraints."""
    of_weights = [f"{weight}_{setting}" for weight in kind.restrained for setting in ("regularizer", "constraint")]
    return ["activity_regularizer", *of_weights]


def get(name: str, identifier: Any) -> Any:
    """Return the regularizer or the constraint that an identifier stands for, as the name of the setting says."""
    return (regularizers if name.endswith("_regularizer") else constraints).get(identifier)


def keep(layer: object, arguments: Mapping[str, object]) -> None:
    """Give a layer all such settings of its class, as the arguments of its constructor say; None for none."""
    for name in names_of(type(layer)):
        setattr(layer, name, get(name, arguments.get(name)))


def given(regularizer: RegularizerLike, constraint: ConstraintLike) -> Restraints:
    """Return the metadata for a weight with these restraints; None stands for none."""
    made: Restraints = {}
    if regularizer is not None:
        made["regularizer"] = regularizers.get(regularizer)
    if constraint is not None:
        made["constraint"] = constraints.get(constraint)
    return made


def restrain(layer: Any, **weights: Variable | None) -> None:
    """Let variables have the restraints that a layer's settings say; None stands for a weight that it hasn't.

    Args:
        layer: Has the settings.
        weights: The variables by the names in `restrained`.
    """
    for name, variable in weights.items():
        if variable is not None:
            restraints = given(getattr(layer, f"{name}_regularizer"), getattr(layer, f"{name}_constraint"))
            for key, value in restraints.items():
                variable.set_metadata(key, value)


def settings_of(layer: object) -> Config:
    """Return the restraints that a layer has, as Keras's own JSON values."""
    kind: type[Any] = type(layer)
    settings = {name: getattr(layer, name, None) for name in names_of(kind)}
    return {
        name: constraints.serialize(value) if name.endswith("_constraint") else regularizers.serialize(value)
        for name, value in settings.items()
        if value is not None
    }
