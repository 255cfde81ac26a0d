"""Keras models on this package's loop."""

# pyright: reportUnknownMemberType=false

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Concatenate, ParamSpec, TypeVar

import keras

from ..messages.arguments import NamesArguments
from ..messages.printing import warn
from ..messages.tracebacks import shows_users_frames
from ..training.trainer import Trainer
from .running import overrides, trainer_of, with_trainer
from .types import KerasModel

P = ParamSpec("P")
R = TypeVar("R")


def _on_loop(method: Callable[Concatenate[Trainer, P], R]) -> Callable[Concatenate[Model, P], R]:
    name = method.__name__

    def model_of(wrapper: Model) -> KerasModel:
        if overrides(wrapper.model, name):
            kind = type(wrapper.model).__name__
            warn(f"{kind} has its own {name}, which isn't called here: call that one, after install().")
        return wrapper.model

    return shows_users_frames(with_trainer(method, model_of))


class Model(NamesArguments):
    """A Keras 3 model that this package trains: by its own steps, with its own layers, losses, metrics and files.

    `fit`, `evaluate`, `predict` and the methods for single batches take Keras's arguments. Logs are Keras's: running
    means under its names. Everything else that is asked of it is asked of the Keras model, which is the `self.model`
    of callbacks, and which holds the state after the very batch whose hook is called.

    Args:
        model: Sequential, functional or of an own class; compiled before it is trained or evaluated.

    Attributes:
        model: The Keras model.

    Raises:
        TypeError: If it is no Keras model.

    Example:
        >>> import keras, numpy as np
        >>> net = keras.Sequential([keras.Input((4,)), keras.layers.Dense(1)])
        >>> net.compile("adam", "mse", metrics=["mae"])
        >>> history = Model(net).fit(np.ones((32, 4)), np.ones(32), epochs=2, verbose=0)
        >>> sorted(history.history)
        ['loss', 'mae']
    """

    model: KerasModel

    def __init__(self, model: KerasModel) -> None:
        if not isinstance(model, keras.Model):
            raise TypeError(
                f"epochal.keras.Model is made of a keras.Model; got {type(model).__name__}. "
                "Models of epochal's own layers are in epochal.models."
            )
        trainer_of(model)
        object.__setattr__(self, "model", model)

    def __getattr__(self, name: str) -> Any:
        if name == "model":  # a copy that isn't made yet
            raise AttributeError(name)
        return getattr(self.model, name)

    def __reduce__(self) -> tuple[type[Model], tuple[KerasModel]]:
        return Model, (self.model,)

    def __setattr__(self, name: str, value: object) -> None:
        setattr(self.model, name, value)

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Return what the Keras model returns."""
        return self.model(*args, **kwargs)

    fit = _on_loop(Trainer.fit)
    evaluate = _on_loop(Trainer.evaluate)
    predict = _on_loop(Trainer.predict)
    train_on_batch = _on_loop(Trainer.train_on_batch)
    test_on_batch = _on_loop(Trainer.test_on_batch)
    predict_on_batch = _on_loop(Trainer.predict_on_batch)
