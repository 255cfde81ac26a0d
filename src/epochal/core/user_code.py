"""Code that is not this package's own."""

from __future__ import annotations

from collections.abc import Iterable

from .wakes import BatchHooks

OWN = __name__.partition(".")[0]


def package_of(thing: object) -> str:
    """Return the name of the package in which a class or a function was made; "" if it doesn't say."""
    return str(getattr(thing, "__module__", None) or "").partition(".")[0]


def is_users(thing: object) -> bool:
    """Return whether a class or a function is not one of this package's.

    What a user wrote may do anything: draw random numbers, add values to the logs, look at the model. Of this package's
    own hooks it is known that they don't. The module tells, and no attribute, since a user's subclass would inherit it.
    """
    return package_of(thing) != OWN


def is_users_own(callback: object) -> bool:
    """Return whether a callback is of a user's own class."""
    return is_users(type(callback))


def runs_user_code(callback: object) -> bool:
    """Return whether a callback is of a user's own class, or says with `calls_user_functions` that it calls others'."""
    return is_users_own(callback) or bool(getattr(callback, "calls_user_functions", False))


def are_users(watchers: Iterable[BatchHooks]) -> bool:
    """Return whether any of these batch hooks is a user's own."""
    return any(is_users(hook) for watcher in watchers for hook in (watcher.begin, watcher.end) if hook is not None)
