"""Steps that are no pure functions, which a compiled loop would run wrongly or not at all."""

# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false

from __future__ import annotations

from collections.abc import Generator, Iterator
from contextlib import contextmanager
from typing import Any

import jax
from jax.core import Tracer

from ..engines.jax.trees import PyTree
from ..messages.printing import warn
from .types import KerasModel

EAGERLY = "compile the model with run_eagerly=True, so that Python runs each step"

BRANCHES = (
    "Python can't look at the values in it (if, while, float, bool, numpy); keras.ops has cond, where and while_loop"
)

SETTING = (bool, int, float, str)


@contextmanager
def traced(model: KerasModel, what: str, state: PyTree) -> Generator[None]:
    """Watch a step of a model being traced: say in words what can't be compiled, and warn of what is done only once.

    Args:
        model: The model.
        what: The name of the step.
        state: What the step is given; where that is no trace, Python runs the step for real, and it is left alone.
    """
    if not any(isinstance(leaf, Tracer) for leaf in jax.tree.leaves(state)):
        yield
        return
    before = dict(_settings(model))
    try:
        yield
    except jax.errors.JAXTypeError as error:
        error.add_note(f"{type(model).__name__}.{what} is compiled, once for all batches: {BRANCHES}. Or {EAGERLY}.")
        raise
    _warn_of_changes(before, dict(_settings(model)), what)
    _warn_of_leaks(model, what)


def _warn_of_changes(before: dict[str, object], after: dict[str, object], what: str) -> None:
    changed = [name for name, value in after.items() if name in before and before[name] != value]
    if changed:
        warn(
            f"{changed[0]} is changed in {what}, which a compiled step does once, when it is compiled, and not at each "
            f"batch: keep it in a variable (add_weight(trainable=False)), or {EAGERLY}."
        )


def _warn_of_leaks(model: KerasModel, what: str) -> None:
    leaks = [name for name, value in _attributes(model) if _holds_tracer(value)]
    if leaks:
        warn(
            f"{leaks[0]} holds a value of {what} while it is compiled, which means nothing outside and of which no "
            f"batch has another one: return what you want to see in the step's logs, or {EAGERLY}."
        )


def _settings(model: KerasModel) -> Iterator[tuple[str, object]]:
    return ((name, value) for name, value in _attributes(model) if isinstance(value, SETTING))


def _attributes(model: KerasModel) -> Iterator[tuple[str, Any]]:
    """Yield the public attributes of a model and of the layers in it."""
    for owner in model._flatten_layers():
        where = "" if owner is model else f"{owner.name}."
        for name, value in list(vars(owner).items()):
            if not name.startswith("_") and name != "built":
                yield where + name, value


def _holds_tracer(value: object) -> bool:
    if isinstance(value, (list, tuple)):
        return any(isinstance(item, Tracer) for item in value)
    if isinstance(value, dict):
        return any(isinstance(item, Tracer) for item in value.values())
    return isinstance(value, Tracer)
