"""The loop of every Keras model: ours instead of Keras's, for a while."""

# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import keras

from ..core.callback import Callback
from ..messages.printing import warn
from ..messages.tracebacks import shows_users_frames
from ..training.trainer import Trainer
from .running import flat, reason_against, with_trainer
from .types import KerasModel

METHODS = ("fit", "evaluate", "predict", "train_on_batch", "test_on_batch", "predict_on_batch")

_own: dict[str, Callable[..., Any]] = {}  # Keras's methods, while ours are in their places


def install() -> None:
    """Let every Keras model be trained, evaluated and asked for predictions by this package's loop.

    It holds for models that are there already, for own classes that call `super().fit`, and deep inside of libraries.
    A model that only Keras's own loop can run keeps it, with a warning that says why.

    >>> import keras, numpy as np
    >>> net = keras.Sequential([keras.Input((4,)), keras.layers.Dense(1)])
    >>> net.compile("sgd", "mse")
    >>> install()
    >>> history = net.fit(np.ones((32, 4)), np.ones(32), epochs=2, verbose=0)
    >>> uninstall()
    >>> type(history).__module__
    'epochal.callbacks.history'
    """
    if _own:
        return
    trainer = _trainer_class()
    for name in METHODS:
        _own[name] = vars(trainer)[name]
        setattr(trainer, name, _instead_of(_own[name], getattr(Trainer, name)))


def uninstall() -> None:
    """Let Keras models have Keras's own loop again."""
    trainer = _trainer_class()
    while _own:
        name, method = _own.popitem()
        setattr(trainer, name, method)


def _trainer_class() -> type:
    """Return the base of `keras.Model` that has Keras's loop on JAX."""
    return next(base for base in keras.Model.__mro__ if "fit" in vars(base))


def _instead_of(own: Callable[..., Any], ours: Callable[..., Any]) -> Callable[..., Any]:
    run = with_trainer(ours, lambda model: model)

    @shows_users_frames
    @functools.wraps(own)
    def call(self: KerasModel, *args: Any, **kwargs: Any) -> Any:
        if "_use_cached_eval_dataset" in kwargs:  # Keras's own fit evaluates
            return own(self, *args, **kwargs)
        if (reason := reason_against(self, own.__name__)) is None:
            return run(self, *args, **kwargs)
        if any(isinstance(callback, Callback) for callback in flat(kwargs.get("callbacks"))):
            raise ValueError(
                f"{self.name}: {reason}, so Keras's own loop runs it, which can't call callbacks of epochal: "
                "give it Keras's."
            )
        warn(f"{self.name}: {reason}, so Keras's own loop runs it.")
        return own(self, *args, **kwargs)

    return call
