"""Errors about arguments that nobody takes, which name the nearest one."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Iterable
from typing import Any, ParamSpec, Self, TypeVar

from .names import suggest

P = ParamSpec("P")
R = TypeVar("R")


def unknown_argument(owner: str, name: str, known: Iterable[str]) -> TypeError:
    """Return the error for an argument that `owner` doesn't take; the caller raises it."""
    return TypeError(f"{owner} has no argument {name!r}. {suggest(name, known)}")


def names_arguments(function: Callable[P, R]) -> Callable[P, R]:
    """Wrap a function so that the error for an unknown keyword names the nearest one."""

    @functools.wraps(function)
    def call(*args: P.args, **kwargs: P.kwargs) -> R:
        try:
            return function(*args, **kwargs)
        except TypeError as error:
            if error.__traceback__ is None or error.__traceback__.tb_next is not None:  # it was raised inside
                raise
            raise _unknown_among(f"{function.__name__}()", function, kwargs) or error from None

    return call


class NamesArguments:
    """The base of classes whose constructor says which argument a misspelt one may have meant."""

    __slots__ = ()

    def __new__(cls, *args: Any, **kwargs: Any) -> Self:
        """Look at the arguments' names before `__init__` gets them."""
        if cls.__init__ is object.__init__ and (args or kwargs):  # else they would be taken and ignored
            raise TypeError(f"{cls.__name__} takes no arguments.")
        if kwargs and (error := _unknown_among(cls.__name__, cls.__init__, kwargs)):
            raise error
        return super().__new__(cls)


def keywords_of(function: Callable[..., object]) -> tuple[list[str], bool]:
    """Return the names of a function's keyword arguments, and whether it takes any other keyword too."""
    parameters = [p for p in inspect.signature(function).parameters.values() if p.name != "self"]
    kinds = (inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY)
    return [p.name for p in parameters if p.kind in kinds], any(p.kind is p.VAR_KEYWORD for p in parameters)


def constructor_arguments(cls: type) -> list[str]:
    """Return the names of a constructor's arguments, also of the base classes' to which it passes `**kwargs` on."""
    found: list[str] = []
    for base in cls.__mro__:
        if (init := vars(base).get("__init__")) is None:
            continue
        names, open_ended = keywords_of(init)
        found += names
        if not open_ended:
            break
    return found


def _unknown_among(owner: str, function: Callable[..., object], given: Iterable[str]) -> TypeError | None:
    """Return the error for the first argument that a function doesn't take; None if it takes them all."""
    names, open_ended = keywords_of(function)
    unknown = None if open_ended else next((name for name in given if name not in names), None)
    return None if unknown is None else unknown_argument(owner, unknown, names)
