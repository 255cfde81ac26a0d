"""Settings of a Keras model, with which its steps are compiled."""

# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false

from __future__ import annotations

import functools
from collections.abc import Iterator
from types import FunctionType
from typing import Any

from ..core.user_code import package_of
from ..messages.arguments import constructor_arguments
from ..training.compiled_settings import CompiledSetting, attributes_of, is_plain, settings_of_objects, settings_read
from .identity import CHANGING, LIBRARIES
from .types import KerasModel

IN_STEPS = (
    "call", "compute_loss", "compute_metrics", "predict_step", "stateless_compute_loss", "test_step", "train_step",
)  # fmt: skip
"""Methods of models and layers that become part of a step."""

arguments_of = functools.lru_cache(1000)(constructor_arguments)
"""Returns the names of the arguments of a class's constructor."""


def settings_of(model: KerasModel) -> Iterator[CompiledSetting]:
    """Yield the numbers, texts, truth values and functions that the steps of a compiled model are made of.

    Those are what layers and the optimizer were made with; of a user's own classes, the attributes that their methods
    read. No variable is looked at.
    """
    for layer in model._flatten_layers():
        name = str(layer.name)
        if layer is not model:
            yield from _made_with(layer, name)
        if package_of(type(layer)) not in LIBRARIES:
            yield from (setting for setting in settings_read(layer, name, IN_STEPS) if setting.name not in CHANGING)
    if model.optimizer is not None:
        yield from _made_with(model.optimizer, "the optimizer")
    compiled: dict[str, Any] = dict(getattr(getattr(model, "_compile_config", None), "config", None) or {})
    yield from settings_of_objects(compiled.get("loss"), ["call", "__call__"])
    for name in ("metrics", "weighted_metrics"):
        yield from settings_of_objects(compiled.get(name), ["update_state", "result"])


def _made_with(thing: object, owner: str) -> Iterator[CompiledSetting]:
    """Yield the attributes of a thing that have the names of its constructor's arguments."""
    read = attributes_of(thing)
    for name in arguments_of(type(thing)):
        value = read(name)
        if name not in CHANGING and (is_plain(value) or isinstance(value, FunctionType)):
            yield CompiledSetting(owner, name, value, read)
