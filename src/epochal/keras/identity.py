"""What a Keras model and its training are made of, so that a saved run can tell whether this is its model."""

# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false

from __future__ import annotations

import json
import re
from types import FunctionType
from typing import Any

from ..core.identity import code_of, described
from ..core.user_code import is_users, package_of
from .types import KerasModel

APART = ("get_config", "from_config", "build", "fit", "summary")
"""Methods that a user's own classes may have, and that don't become part of a step."""

CHANGING = ("stop_training", "stop_evaluating", "stop_predicting", "data_wait", "built", "trainable", "name")
"""Attributes that change while a model trains, or that are told elsewhere."""

LIBRARIES = ("epochal", "keras", "builtins")


def identity_of(model: KerasModel, declared_rate: object) -> dict[str, object]:
    """Return a model's layers, losses, metrics and learning rate as JSON values.

    Names that Keras has numbered don't count: they depend on what was made before.

    Args:
        model: A compiled and built model.
        declared_rate: The learning rate that the script has chosen.
    """
    names = {layer.name: f"layer {at}" for at, layer in enumerate(model._flatten_layers())}
    config = getattr(model, "_compile_config", None)
    compiled: dict[str, Any] = dict(getattr(config, "config", None) or {})
    settings = {
        name: _described(compiled.get(name)) for name in ("loss", "loss_weights", "metrics", "weighted_metrics")
    }
    return {
        "model": {"class": type(model).__name__, **own_parts(model)},
        "layers": _renamed(
            {f"{at} {type(layer).__name__}": _of_object(layer) for at, layer in enumerate(_layers(model))}, names
        ),
        "wiring": _renamed(_wiring(model), names),
        **_renamed(settings, names),
        "learning_rate": declared_rate,
    }


def _layers(model: KerasModel) -> list[Any]:
    return model._flatten_layers(include_self=False)


def _described(value: object) -> object:
    """Return losses, metrics and weights of losses, in a nest, as JSON values."""
    if isinstance(value, dict):
        return {str(name): _described(item) for name, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_described(item) for item in value]
    if not hasattr(value, "get_config"):
        return described(value)
    found = _of_object(value)
    return found | {"name": re.sub(r"_\d+$", "", str(found.get("name")))}  # which Keras numbers


def _of_object(thing: Any) -> dict[str, object]:
    """Return the class and the settings of a layer, a loss or a metric, and the code of a user's own one."""
    own = {
        name: value
        for name, value in config_of(thing).items()
        if name not in ("layers", "input_layers", "output_layers")
    }
    arguments = {"arguments": described(thing._fn_kwargs)} if getattr(thing, "_fn_kwargs", None) else {}
    return {"class": type(thing).__name__, **described(own), **arguments, **own_parts(thing)}


def config_of(thing: Any) -> dict[str, object]:
    """Return what a thing of Keras says that it is made of; nothing if it doesn't tell."""
    try:
        return dict(thing.get_config())
    except Exception:  # of a class that takes what a config can't hold
        return {}


def own_parts(owner: object) -> dict[str, object]:
    """Return what a user has given a thing beside its config: functions; of an own class code and settings."""
    given: dict[str, Any] = dict(vars(owner))
    functions = {name: value for name, value in given.items() if isinstance(value, FunctionType) and is_users(value)}
    own = {name: described(value) for name, value in functions.items() if package_of(value) not in LIBRARIES}
    if package_of(type(owner)) in LIBRARIES:
        return own
    for name, value in given.items():
        if not name.startswith("_") and name not in CHANGING and isinstance(value, (bool, int, float, str, tuple)):
            own[name] = described(value)
    for base in reversed(type(owner).__mro__):
        if package_of(base) not in LIBRARIES:
            methods = ((name, value) for name, value in vars(base).items() if isinstance(value, FunctionType))
            own |= {f"{name}.code": code_of(value) for name, value in methods if _is_in_step(name)}
    return own


def _is_in_step(method: str) -> bool:
    return method not in APART and (method == "__call__" or not method.startswith("__"))


def _wiring(model: KerasModel) -> object:
    """Return which layer takes whose outputs, in a functional model."""
    return [
        [layer.name, [[parent.operation.name for parent in node.parent_nodes] for node in layer._inbound_nodes]]
        for layer in getattr(model, "operations", ())
    ]


def _renamed(value: object, names: dict[str, str]) -> Any:
    """Return plain values in which names of layers are replaced, wherever they stand."""
    if isinstance(value, dict):
        return {key: _renamed(item, names) for key, item in value.items()}
    if isinstance(value, list):
        return [_renamed(item, names) for item in value]
    return names.get(value, value) if isinstance(value, str) else json.loads(json.dumps(value, default=str))
