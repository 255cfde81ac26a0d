"""Which trainer runs a Keras model, and which models none of ours can run."""

# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Iterable
from typing import Any, Concatenate, ParamSpec, TypeVar, cast

import keras

from ..messages.printing import warn
from ..training.trainer import Trainer
from .remembered import remember
from .tools import KerasTools
from .trainee import KerasTrainee
from .types import KerasModel

P = ParamSpec("P")
R = TypeVar("R")
Owner = TypeVar("Owner")

TRAINER = "_epochal_trainer"
"""The attribute of a Keras model that holds its trainer; not one of Keras's, so that nothing saves or copies it."""

FUNCTIONS = ("make_train_function", "make_test_function", "make_predict_function")
"""Methods of a Keras model that make its own loop's functions, for which there is no use here."""


def trainer_of(model: KerasModel) -> Trainer:
    """Return the trainer of a Keras model, made at the first use."""
    found: Trainer | None = vars(model).get(TRAINER)
    if found is None:
        trainee = KerasTrainee(model)
        found = vars(model)[TRAINER] = Trainer(trainee, model, trainee.activity, KerasTools(trainee))
    return found


def reason_against(model: KerasModel, method: str) -> str | None:
    """Return why only Keras's own loop can run a method of a model; None if ours can."""
    kind = type(model)
    names = (*FUNCTIONS, "evaluate") if method == "fit" else FUNCTIONS  # with which Keras's fit validates
    own = next((name for name in names if overrides(model, name)), None)
    return None if own is None else f"{kind.__name__} overrides {own}"


def overrides(model: KerasModel, method: str) -> bool:
    """Return whether the class of a model has a method of its user's."""
    return getattr(type(model), method) is not getattr(keras.Model, method)


def with_trainer(
    method: Callable[Concatenate[Trainer, P], R], model_of: Callable[[Owner], KerasModel]
) -> Callable[Concatenate[Owner, P], R]:
    """Return a method that calls one of the trainer of a Keras model.

    Args:
        method: The trainer's.
        model_of: Returns the Keras model of the object that has the method.
    """

    @functools.wraps(method)
    def call(self: Owner, *args: P.args, **kwargs: P.kwargs) -> R:
        model = model_of(self)
        if (reason := reason_against(model, method.__name__)) is not None:
            raise ValueError(
                f"{model.name}: {reason}, which only Keras's own loop can take into account; call {model.name}."
                f"{method.__name__}() of Keras itself."
            )
        try:
            given = inspect.signature(method).bind(trainer_of(model), *args, **kwargs)
        except TypeError:
            return method(trainer_of(model), *args, **kwargs)  # whose error names the nearest argument
        if "callbacks" in given.arguments:
            given.arguments["callbacks"] = flat(given.arguments["callbacks"])
        if (most := _most_epochs()) is not None and given.arguments.get("epochs", 1) > most:
            warn(f"keras.config.max_epochs() is {most}, so the fit ends with epoch {most}.")
            given.arguments["epochs"] = most
        if getattr(model, "steps_per_execution", 1) != 1:
            warn(f"steps_per_execution={model.steps_per_execution} isn't needed: many steps run in one call, as it is.")
        return method(*given.args, **given.kwargs)

    return call


def _most_epochs() -> int | None:
    """Return how many epochs Keras's settings let a fit have; None for any number."""
    return getattr(keras.config, "max_epochs", lambda: None)()


def flat(callbacks: Any) -> list[object]:
    """Return callbacks in one list: as Keras, of lists within lists, and of a `keras.callbacks.CallbackList`."""
    if callbacks is None:
        return []
    if isinstance(callbacks, keras.callbacks.CallbackList):
        return flat(callbacks.callbacks)
    if isinstance(callbacks, (list, tuple)):
        return [callback for item in cast("Iterable[Any]", callbacks) for callback in flat(item)]
    remember(callbacks)
    return [callbacks]
