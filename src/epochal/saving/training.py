"""The settings of `compile` as the JSON that Keras keeps in a file, and back.

Source: keras/src/legacy/saving/saving_utils.py of Keras 3.15.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from types import ModuleType
from typing import Any, cast

import numpy as np

from .. import losses, metrics, optimizers
from ..losses.loss import FunctionLoss, LossFunction
from ..messages.arguments import keywords_of
from ..metrics.metric import LossMetric, changed
from ..optimizers import schedules
from ..per_output import map_items
from .config import SAVE_WEIGHTS
from .custom_objects import LACKING, CustomObjects, function_name, own_object, resolve
from .json_values import Json, as_list, as_object

BY_OUTPUT = ("loss", "loss_weights", "metrics", "weighted_metrics")
"""The settings that may differ from output to output."""

SAYS_NOTHING = ("dtype", "lr", "reduction")
"""Arguments of losses, metrics and optimizers that have one meaning only, or are another name of one."""


def training_config(optimizer: optimizers.Optimizer, settings: Mapping[str, Any]) -> Json:
    """Return the arguments of `compile` in the form in which they were given: a dict by output stays one.

    Raises:
        ValueError: If a filter says which variables are trained.
    """
    if settings["wrt"] is not None:
        raise ValueError(f"a file can't hold the filter of compile(wrt=…), only weights: {SAVE_WEIGHTS}")
    return {
        "loss": map_items(settings["loss"], _named),
        "loss_weights": map_items(settings["loss_weights"], float),
        "metrics": map_items(settings["metrics"], _named),
        "weighted_metrics": map_items(settings["weighted_metrics"], _named) or None,
        "dtype": None if settings["dtype"] is None else np.dtype(settings["dtype"]).name,
        "accumulate": settings["accumulate"],
        "optimizer_config": _entry(optimizers, optimizer),
    }


def keras_training_config(
    training: Json, by_output: Mapping[str, Sequence[object]], names: Sequence[str] | None
) -> Json | None:
    """Return the settings that Keras keeps as `training_config`; None if it couldn't compile with them.

    Args:
        training: What `training_config` returned.
        by_output: The settings of `BY_OUTPUT`, each a list with an item an output.
        names: The names of the outputs if they come in a dict, else None.
    """
    optimizer = as_object(training["optimizer_config"]) or {}
    if not optimizers.is_known(str(optimizer.get("class_name"))):
        return None
    if (optimizer := _optimizer_for_keras(optimizer)) is None:
        return None
    each: dict[str, list[object]] = {key: list(by_output[key]) for key in BY_OUTPUT}
    for key in ("metrics", "weighted_metrics"):
        each[key] = [_listed(item) for item in each[key]]
    if any(weight is not None for weight in each["loss_weights"]):
        each["loss_weights"] = [1.0 if weight is None else weight for weight in each["loss_weights"]]
    arranged = {key: _arranged(items, each["loss"] if "loss" in key else items, names) for key, items in each.items()}
    return {**arranged, "optimizer_config": optimizer}


def _optimizer_for_keras(entry: Json) -> Json | None:
    """Return an optimizer as Keras 3 takes it, whose rate may be one of its schedules; None if it is another one."""
    config = dict(as_object(entry.get("config")) or {})
    rate, decay = config.get("learning_rate"), cast("float", config.pop("decay", 0.0))
    schedule = as_object(rate)
    if schedule is not None and (schedule.get("module") is None or "config" not in schedule):
        return None
    if decay:  # which Keras 3 has as a schedule
        config["learning_rate"] = schedules.described(schedules.InverseTimeDecay(cast("float", rate), 1, decay))
    return {**entry, "config": config}


def _with_own_schedule(optimizer: Json, custom: CustomObjects) -> Json:
    """Return a saved optimizer with the user's schedule as its learning rate, if it has the name of one."""
    config = as_object(optimizer.get("config"))
    rate = None if config is None else as_object(config.get("learning_rate"))
    if config is None or rate is None or own_object(str(rate.get("class_name")), custom) is None:
        return optimizer
    return {**optimizer, "config": {**config, "learning_rate": resolve(rate, custom)}}


def _listed(metrics_of_output: object) -> list[object]:
    if metrics_of_output is None:
        return []
    listed = as_list(metrics_of_output)
    return [metrics_of_output] if listed is None else listed


def _arranged(items: Sequence[object], needed: Sequence[object], names: Sequence[str] | None) -> object:
    """Return a setting for each output as Keras takes it; None if there are none."""
    if not any(item not in (None, []) for item in items):
        return None
    if names is not None:
        return {name: item for name, item, own in zip(names, items, needed, strict=True) if own not in (None, [])}
    return items[0] if len(items) == 1 else list(items)


def _named(given: object) -> object:
    """Return a loss or metric as Keras saves it: a name, or a class with its settings."""
    if isinstance(given, (str, Mapping)):
        return cast(object, given)
    if isinstance(given, FunctionLoss):
        return function_name(given.function, losses.is_known)
    if isinstance(given, type):
        kind = cast("type[object]", given)
        return {"class_name": _class_name(losses if issubclass(kind, losses.Loss) else metrics, kind), "config": {}}
    if isinstance(given, LossMetric) and type(given) is LossMetric:
        return _named(changed(given.loss, name=given.name))
    if isinstance(given, losses.Loss):
        return _entry(losses, given)
    if isinstance(given, metrics.Metric):
        return _entry(metrics, given)
    if (name := metrics.name_of(given)) is not None:
        return name
    return function_name(given, metrics.is_known)


def _entry(room: ModuleType, made: losses.Loss | metrics.Metric | optimizers.Optimizer) -> Json:
    """Return an object's class and settings; of a user's class also which argument they lack, if they do."""
    kind = type(made)
    entry: Json = {"class_name": _class_name(room, kind), "config": made.get_config()}
    if type(made) is metrics.MeanMetric:
        return {**entry, "config": made.get_config() | {"fn": function_name(made.fn, metrics.is_known)}}
    if getattr(room, kind.__name__, None) is kind:
        return entry
    settings = {name: value for name, value in made.get_config().items() if _is_json(value)}
    arguments, _ = keywords_of(kind.__init__)
    lacking = [name for name in arguments if name not in settings and name not in SAYS_NOTHING]
    return {**entry, "config": settings, **({LACKING: lacking[0]} if lacking else {})}


def _is_json(value: object) -> bool:
    try:
        json.dumps(value)
    except (TypeError, ValueError):
        return False
    return True


def _class_name(room: ModuleType, kind: type[object]) -> str:
    """Return a class's name, in angle brackets if a user's class has a name that is also one of epochal's own."""
    is_own = getattr(room, kind.__name__, None) is kind
    return kind.__name__ if is_own else function_name(kind, room.is_known)


def compile_arguments(training: object, custom: CustomObjects) -> dict[str, Any]:
    """Return the arguments of `compile` for saved settings.

    Args:
        training: What `training_config` or Keras has put into a file.
        custom: The user's classes and functions by the names in the file.

    Raises:
        ValueError: If a name in them is unknown, or a file couldn't hold what was used.
        TypeError: If they are nothing that was ever saved.
    """
    saved = as_object(training)
    if saved is None or (optimizer := as_object(saved.get("optimizer_config"))) is None:
        raise ValueError("the settings say nothing of an optimizer")
    if not isinstance(dtype := saved.get("dtype"), str | None):
        raise TypeError(f"the dtype to compute in is {dtype!r}")
    return {
        "optimizer": optimizers.get(resolve(_with_own_schedule(optimizer, custom), custom)),
        "loss": map_items(_only(saved.get("loss")), lambda loss: losses.get(resolve(loss, custom))),
        "loss_weights": saved.get("loss_weights"),
        "metrics": map_items(saved.get("metrics"), lambda metric: _metric(metric, custom)),
        "weighted_metrics": map_items(saved.get("weighted_metrics"), lambda metric: _metric(metric, custom)),
        "dtype": dtype,
        "accumulate": saved.get("accumulate", 1),
    }


def _metric(saved: object, custom: CustomObjects) -> Any:
    """Return a metric, or what a file has for it; a `MeanMetric` gets its function back."""
    found = resolve(saved, custom)
    entry = as_object(found)
    if entry is None or entry.get("class_name") != metrics.MeanMetric.__name__:
        return found
    config = cast("dict[str, Any]", as_object(entry.get("config")) or {})
    function = resolve(config.get("fn"), custom)
    if not callable(function):
        return metrics.get(function)  # nobody gave it: the error names it
    return metrics.MeanMetric(cast("LossFunction", function), config.get("name"), config.get("direction"))


def _only(saved: object) -> object:
    """Return the item of a list of one, else what is given."""
    listed = as_list(saved)
    return listed[0] if listed is not None and len(listed) == 1 else saved
