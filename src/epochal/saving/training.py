"""How a model is compiled, as the JSON that Keras keeps in a file, and back.

Source: keras/src/legacy/saving/saving_utils.py of Keras 3.15.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from .. import losses, metrics, optimizers
from ..losses.loss import FunctionLoss
from .config import SAVE_WEIGHTS
from .named import Json, found, function_name

BY_OUTPUT = ("loss", "loss_weights", "metrics", "weighted_metrics")
"""The settings that may differ from output to output."""

DEEPEST = 3  # lists or dicts: of outputs, of an output's metrics, and one that Keras may put around them


def training_config(optimizer: Any, settings: Mapping[str, Any]) -> Json:
    """Return what `compile` got, in the form in which it was given: what is by output stays so.

    Raises:
        ValueError: If a filter says which variables are trained.
    """
    if settings["wrt"] is not None:
        raise ValueError(f"a file can't hold the filter of compile(wrt=…), only weights: {SAVE_WEIGHTS}")
    return {
        "loss": _each(settings["loss"], _named),
        "loss_weights": _each(settings["loss_weights"], float),
        "metrics": _each(settings["metrics"], _named),
        "weighted_metrics": _each(settings["weighted_metrics"], _named) or None,
        "dtype": None if settings["dtype"] is None else np.dtype(settings["dtype"]).name,
        "accumulate": settings["accumulate"],
        "optimizer_config": {"class_name": type(optimizer).__name__, "config": optimizer.get_config()},
    }


def keras_training_config(
    training: Json, by_output: Mapping[str, Sequence[Any]], names: Sequence[str] | None
) -> Json | None:
    """Return what Keras keeps as `training_config`; None if it couldn't compile with these settings.

    Args:
        training: From `training_config`.
        by_output: Those settings in it that may differ, for each output.
        names: Of the outputs if they come in a dict, else None.
    """
    optimizer = training["optimizer_config"]
    if optimizer["class_name"].lower() not in optimizers.known_names():
        return None
    if isinstance(optimizer["config"].get("learning_rate"), dict):
        return None
    each = {key: list(by_output[key]) for key in BY_OUTPUT}
    for key in ("metrics", "weighted_metrics"):
        each[key] = [[] if item is None else item if isinstance(item, list) else [item] for item in each[key]]
    if any(weight is not None for weight in each["loss_weights"]):
        each["loss_weights"] = [1.0 if weight is None else weight for weight in each["loss_weights"]]
    arranged = {key: _arranged(items, each["loss"] if "loss" in key else items, names) for key, items in each.items()}
    return {**arranged, "optimizer_config": optimizer}


def _arranged(items: Sequence[Any], needed: Sequence[Any], names: Sequence[str] | None) -> Any:
    """Return a setting for each output as Keras takes it; None if there are none."""
    if not any(item not in (None, []) for item in items):
        return None
    if names is not None:
        return {name: item for name, item, own in zip(names, items, needed, strict=True) if own not in (None, [])}
    return items[0] if len(items) == 1 else list(items)


def _named(given: Any) -> Any:
    """Return a loss or metric as Keras saves it: a name, or a class with its settings."""
    if isinstance(given, (str, Mapping)):
        return given
    if isinstance(given, FunctionLoss):
        return function_name(given.function, losses.known_names())
    if isinstance(given, type):
        return {"class_name": given.__name__, "config": {}}
    if isinstance(given, (losses.Loss, metrics.Metric)):
        return {"class_name": type(given).__name__, "config": given.get_config()}
    if (name := metrics.name_of(given)) is not None:
        return name
    return function_name(given, [*losses.known_names(), *metrics.known_names()])


def compile_arguments(training: Any, custom: Mapping[str, Any]) -> Json:
    """Return the arguments of `compile` for saved settings.

    Raises:
        ValueError: If a name in them is unknown, or a file couldn't hold what was used.
        TypeError: If they are nothing that was ever saved.
    """
    if not isinstance(training, dict) or not isinstance(training.get("optimizer_config"), dict):
        raise ValueError("the settings say nothing of an optimizer")
    if not isinstance(dtype := training.get("dtype"), str | None):
        raise TypeError(f"the dtype to compute in is {dtype!r}")
    return {
        "optimizer": optimizers.get(found(training["optimizer_config"], custom)),
        "loss": _each(_only(training.get("loss")), lambda saved: losses.get(found(saved, custom))),
        "loss_weights": _each(training.get("loss_weights"), lambda weight: weight),
        "metrics": _each(training.get("metrics"), lambda saved: found(saved, custom)),
        "weighted_metrics": _each(training.get("weighted_metrics"), lambda saved: found(saved, custom)),
        "dtype": dtype,
        "accumulate": training.get("accumulate", 1),
    }


def _only(saved: Any) -> Any:
    """Return the item of a list of one."""
    return saved[0] if isinstance(saved, list) and len(saved) == 1 else saved


def _each(setting: Any, change: Callable[[Any], Any], level: int = 0) -> Any:
    """Return a setting with every item changed, in the lists and dicts by output in which it is; None stays None."""
    if level > DEEPEST:
        raise ValueError("the settings are lists in lists, deeper than any model's outputs")
    if setting is None:
        return None
    if isinstance(setting, Mapping) and "class_name" not in setting:
        return {name: _each(item, change, level + 1) for name, item in setting.items()}
    if isinstance(setting, (list, tuple)):
        return [_each(item, change, level + 1) for item in setting]
    return change(setting)
