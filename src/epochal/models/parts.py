"""Models as parts of layers and of `flax.nnx` modules, which flax then goes through like any module."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from flax.nnx import graphlib


def register(kind: type[Any]) -> None:
    """Let models of a class be parts: a copy of a module that has one gets a model of its own, with a copied module."""
    graphlib.register_graph_node_type(
        kind, flatten=_flatten, set_key=_set, pop_key=_pop, create_empty=_empty, clear=_clear, init=_init
    )


def _flatten(model: Any) -> tuple[list[tuple[str, Any]], Any]:
    if model._module is not None:
        return [("module", model._module)], model
    return [("listed", model._listed)], model


def _empty(model: Any) -> Any:
    copy = object.__new__(type(model))
    vars(copy).update(vars(model))
    _clear(copy)
    copy._is_copy = True
    return copy


def _clear(model: Any) -> None:
    model._module, model._listed, model._engine, model._optimizer_state = None, [], None, {}


def _init(model: Any, children: Iterable[tuple[Any, Any]]) -> None:
    for key, value in children:
        _set(model, key, value)


def _set(model: Any, key: Any, value: Any) -> None:
    setattr(model, f"_{key}", value)


def _pop(model: Any, key: Any) -> Any:
    raise ValueError(f"{key!r} can't be taken out of a model.")
