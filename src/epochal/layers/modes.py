"""Training and inference mode of layers and of flax's modules."""

from __future__ import annotations

import inspect
from collections.abc import Generator
from contextlib import contextmanager

from flax import nnx

from .call_context import CallContext
from .masks import accepted
from .types import CallableLayer

AVERAGES_FLAG = "use_running_average"
FLAGS = ("deterministic", AVERAGES_FLAG)
"""The attributes by which flax's modules, and the layers here, know whether they are in inference mode."""

_MISSING = object()


def mode_of_call(layer: CallableLayer, training: object, context: CallContext) -> bool | None:
    """Return whether a call is for training: what the caller says, else what the layer was told, else as around it.

    Where nobody says, a layer that asks is in inference mode, as in Keras; None for another, which is as flax made it.

    Args:
        layer: The layer that is called.
        training: What the caller says, None if nothing.
        context: Of the call.
    """
    if training is not None:
        return bool(training)
    if layer.deterministic is not None:
        return not layer.deterministic
    if context.training is not None:
        return context.training
    if "training" not in accepted(type(layer).call):
        return None
    default = inspect.signature(layer.call).parameters["training"].default
    return default if isinstance(default, bool) else False


def is_frozen(module: object) -> bool:
    """Return whether a module says that it isn't trainable."""
    return getattr(module, "trainable", True) is False


@contextmanager
def in_mode(layer: object, training: bool | None) -> Generator[None]:
    """Let a layer, and all that is inside, be in training or in inference mode for a while; None: as they are."""
    if training is None or getattr(layer, "deterministic", None) is (not training):
        yield
        return
    before = [(module, flag, vars(module).get(flag, _MISSING)) for module, flag in _flagged(layer, training)]
    try:
        for module, flag, _ in before:
            object.__setattr__(module, flag, not training)
        yield
    finally:
        for module, flag, value in before:
            object.__delattr__(module, flag) if value is _MISSING else object.__setattr__(module, flag, value)


def _flagged(layer: object, training: bool) -> list[tuple[nnx.Module, str]]:
    """Return the modules in a layer with the flags that a mode sets; frozen ones keep to their moving averages."""
    modules = [module for _, module in nnx.iter_graph(layer) if isinstance(module, nnx.Module)]
    at_rest = {id(node) for module in modules if is_frozen(module) for _, node in nnx.iter_graph(module)}
    return [
        (module, flag)
        for module in modules
        for flag in FLAGS
        if hasattr(module, flag) and not (training and flag == AVERAGES_FLAG and id(module) in at_rest)
    ]
