"""Callbacks that wait for a `val_…` which no epoch will have."""

from __future__ import annotations

from ..messages.printing import warn
from .callback import overridden
from .logs import is_validation_name, knows
from .run import Run, Validation
from .user_code import is_users


def check_validated(run: Run) -> None:
    """Look, before the first hook, for callbacks that await a `val_…` which nothing will log.

    A user's own callback that comes before may add the value itself: then the first epoch shows it.

    Raises:
        ValueError: If the fit has no validation; it is a warning where none of its epochs is due for it.
    """
    names = list(run.engine.names("train"))
    for at, callback in enumerate(run.hooks.callbacks):
        wanted = getattr(callback, "awaited_logs", tuple)()
        late = next((name for name in wanted if is_validation_name(name) and not knows(names, name)), None)
        if late is None or any(map(_may_add_logs, run.hooks.callbacks[:at])):
            continue
        what = f"{type(callback).__name__} needs {late!r}"
        if run.validation is None:
            raise ValueError(
                f"{what}, which only a fit with validation has: pass validation_data=(x, y) or validation_split=0.1 "
                f"to fit, or name one of {', '.join(names)}."
            )
        if not _is_ever_due(run.validation, run):
            first, last = run.epoch + 1, run.epochs
            warn(f"{what}, but validation_freq={run.validation.freq!r} validates none of the epochs {first} to {last}.")


def _is_ever_due(validation: Validation, run: Run) -> bool:
    return run.epoch >= run.epochs or any(map(validation.is_due, range(run.epoch, run.epochs)))


def _may_add_logs(callback: object) -> bool:
    """Return whether a callback has a hook of a user's at the epoch's end: this package's own add no `val_…`."""
    hook = overridden(callback, "on_epoch_end")
    return hook is not None and is_users(hook)
