"""Settings of a Keras model, with which its steps are compiled."""

# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from ..core.user_code import package_of
from ..training.compiled_settings import CompiledSetting, is_plain, settings_of_objects, settings_read
from .identity import CHANGING, LIBRARIES, config_of
from .optimizer import settings_of as settings_of_optimizer
from .types import KerasModel

IN_STEPS = (
    "call", "compute_loss", "compute_metrics", "predict_step", "stateless_compute_loss", "test_step", "train_step",
)  # fmt: skip
"""Methods of models and layers that become part of a step."""


def settings_of(model: KerasModel) -> Iterator[CompiledSetting]:
    """Yield the numbers, texts and truth values that the steps of a compiled model are made of.

    Of Keras's own layers these are their configurations; of a user's own, the attributes that their methods read.
    """
    for at, layer in enumerate(model._flatten_layers()):
        name, kind = str(layer.name), type(layer)
        if layer is not model:
            found = config_of(layer)
            yield from _plain(found, name, ("layer", at))
        if package_of(kind) not in LIBRARIES:
            yield from (item for item in settings_read(layer, name, IN_STEPS, ("own", at)) if _stays(item.key[-1]))
    yield from _plain(settings_of_optimizer(getattr(model, "optimizer", None)) or {}, "the optimizer", "optimizer")
    compiled: dict[str, Any] = dict(getattr(getattr(model, "_compile_config", None), "config", None) or {})
    yield from settings_of_objects(compiled.get("loss"), ["call", "__call__"], "loss")
    for name in ("metrics", "weighted_metrics"):
        yield from settings_of_objects(compiled.get(name), ["update_state", "result"], name)


def _plain(config: dict[str, object], owner: str, key: object) -> Iterator[CompiledSetting]:
    for name, value in config.items():
        if is_plain(value) and _stays(name):
            yield CompiledSetting((key, name), owner, value)


def _stays(name: object) -> bool:
    return name not in CHANGING
