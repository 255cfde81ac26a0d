"""A callback made of functions."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

from ..core.callback import HOOKS, Callback
from ..messages.names import suggest
from ..storage.generation import PlainState

Function: TypeAlias = Callable[..., object]


class LambdaCallback(Callback):
    """Calls a function at each hook that is given.

    >>> from epochal.callbacks import CallbackList
    >>> with CallbackList([LambdaCallback(on_epoch_end=lambda epoch, logs: print(epoch, logs))]) as callbacks:
    ...     logs = callbacks.on_epoch_end(0, {"loss": 0.5})
    0 {'loss': 0.5}

    Args:
        on_epoch_begin: `function(epoch, logs)`.
        on_epoch_end: `function(epoch, logs)`.
        on_batch_begin: `function(batch, logs)`.
        on_batch_end: `function(batch, logs)`.
        on_train_begin: `function(logs)`.
        on_train_end: `function(logs)`.
        **hooks: Functions for other hooks of `Callback`, with the arguments of the hook.

    Raises:
        TypeError: If a keyword is no hook, or a hook is no function.
    """

    calls_user_functions = True

    def __init__(
        self,
        on_epoch_begin: Function | None = None,
        on_epoch_end: Function | None = None,
        on_batch_begin: Function | None = None,
        on_batch_end: Function | None = None,
        on_train_begin: Function | None = None,
        on_train_end: Function | None = None,
        **hooks: Function | None,
    ) -> None:
        hooks |= {
            "on_epoch_begin": on_epoch_begin,
            "on_epoch_end": on_epoch_end,
            "on_batch_begin": on_batch_begin,
            "on_batch_end": on_batch_end,
            "on_train_begin": on_train_begin,
            "on_train_end": on_train_end,
        }
        for name, function in hooks.items():
            if name not in HOOKS:
                raise TypeError(f"{name!r} is no hook. {suggest(name, HOOKS)}")
            if function is not None:
                if not callable(function):
                    raise TypeError(f"{name} must be a function; got {function!r}.")
                setattr(self, name, function)

    def state_dict(self) -> PlainState:
        """Return an empty state: the functions look after what they remember."""
        return {}
