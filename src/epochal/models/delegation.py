"""Methods of a model that one of its parts has."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Concatenate, ParamSpec, TypeVar

P = ParamSpec("P")
R = TypeVar("R")
Part = TypeVar("Part")


def delegated(part: str, method: Callable[Concatenate[Part, P], R]) -> Callable[Concatenate[object, P], R]:
    """Return a method that calls that of a part: with its arguments, its documentation and its errors.

    Args:
        part: The attribute of the model that holds the part.
        method: Of the part's class.
    """

    @functools.wraps(method)
    def call(self: object, *args: P.args, **kwargs: P.kwargs) -> R:
        return method(getattr(self, part), *args, **kwargs)

    return call
