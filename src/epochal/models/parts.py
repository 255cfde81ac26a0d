"""Models as parts of layers and of `flax.nnx` modules, which flax then goes through like any module."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Protocol, TypeVar

from flax.nnx import graphlib

from .network import Child, LayerLike
from .trainee import Trainee

AnyModel = TypeVar("AnyModel", bound="ModelAsPart")


class ModelAsPart(Protocol):
    """What flax is told of a model."""

    @property
    def trainee(self) -> Trainee:
        """Has the network, whose children are what flax finds in the model."""
        ...

    def assemble_copy(self, children: Iterable[Child]) -> None:
        """Become a copy with other children, given the attributes of the copied model."""
        ...


def register(kind: type[ModelAsPart]) -> None:
    """Let models of a class be parts: a copy of a module that has one gets a model of its own, with a copied module.

    Args:
        kind: The class.
    """
    graphlib.register_graph_node_type(
        kind,
        flatten=lambda model: (model.trainee.network.children(), model),
        set_key=lambda model, key, value: model.assemble_copy([(str(key), value)]),
        pop_key=_refuse_to_pop,
        create_empty=_with_attributes_of,
        clear=lambda model: None,
        init=lambda model, children: model.assemble_copy([(str(key), value) for key, value in children]),
    )


def _with_attributes_of(model: AnyModel) -> AnyModel:
    copy: AnyModel = object.__new__(type(model))
    vars(copy).update(vars(model))
    return copy


def _refuse_to_pop(model: ModelAsPart, key: object) -> LayerLike:
    raise ValueError(f"{key!r} can't be taken out of a model.")
