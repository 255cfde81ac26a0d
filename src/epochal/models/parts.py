"""Models as parts of layers and of `flax.nnx` modules, which flax then goes through like any module."""

from __future__ import annotations

from typing import Any

from flax.nnx import graphlib


def register(kind: type[Any]) -> None:
    """Let models of a class be parts: a copy of a module that has one gets a model of its own, with a copied module.

    Args:
        kind: The class: has `trainee`, and `assemble_copy(children)` that makes a copy of an object without parts.
    """
    graphlib.register_graph_node_type(
        kind,
        flatten=lambda model: (model.trainee.network.children(), model),
        set_key=lambda model, key, value: model.assemble_copy([(key, value)]),
        pop_key=_refuse_to_pop,
        create_empty=_with_attributes_of,
        clear=lambda model: None,
        init=lambda model, children: model.assemble_copy(children),
    )


def _with_attributes_of(model: Any) -> Any:
    copy = object.__new__(type(model))
    vars(copy).update(vars(model))
    return copy


def _refuse_to_pop(model: Any, key: Any) -> Any:
    raise ValueError(f"{key!r} can't be taken out of a model.")
