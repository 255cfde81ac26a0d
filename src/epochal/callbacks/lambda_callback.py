"""A callback made of functions."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ..core.callback import HOOKS, Callback
from ..messages.names import suggest


class LambdaCallback(Callback):
    """Calls a function at each hook that is given.

    Args:
        on_epoch_begin: `function(epoch, logs)`.
        on_epoch_end: `function(epoch, logs)`.
        on_batch_begin: `function(batch, logs)`.
        on_batch_end: `function(batch, logs)`.
        on_train_begin: `function(logs)`.
        on_train_end: `function(logs)`.
        **hooks: Any other hook of `Callback`.

    Raises:
        TypeError: If a keyword is no hook, or a hook is no function.
    """

    calls_user_functions = True

    def __init__(
        self,
        on_epoch_begin: Callable[..., Any] | None = None,
        on_epoch_end: Callable[..., Any] | None = None,
        on_batch_begin: Callable[..., Any] | None = None,
        on_batch_end: Callable[..., Any] | None = None,
        on_train_begin: Callable[..., Any] | None = None,
        on_train_end: Callable[..., Any] | None = None,
        **hooks: Callable[..., Any] | None,
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

    def state_dict(self) -> dict[str, Any]:
        """Return nothing: what the functions remember is theirs."""
        return {}
