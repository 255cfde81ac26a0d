"""Keras variables that hold no value of their own while an engine is ahead of them."""

# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false

from __future__ import annotations

import functools
from typing import Any, Protocol

from ..engines.jax.trees import Array
from .types import Variable

VALUE = "_value"
"""The attribute in which a variable has its value, as everything in Keras reads and writes it."""

HOLDER = "_epochal_holder"
"""The attribute of a hidden one that says who has its value."""


class Holder(Protocol):
    """Has the value of a hidden variable."""

    def look(self) -> Array:
        """Return the value; the variable may hold it again then."""
        ...

    def write(self, value: Array) -> None:
        """Let the variable hold another value."""
        ...


def hide(variable: Variable, holder: Holder) -> None:
    """Take a variable's value; whoever reads or writes it from now on asks its holder.

    The variable becomes one of a subclass of its class, which has a property where the value was: Keras itself would
    show a new random value in the place of one that is missing.
    """
    own: dict[str, object] = vars(variable)
    own.pop(VALUE, None)
    own[HOLDER] = holder
    variable.__class__ = _hidden(type(variable))


def show(variable: Variable, value: Array) -> None:
    """Let a variable hold a value, whether it is hidden or not."""
    if HOLDER in vars(variable):
        del vars(variable)[HOLDER]
        variable.__class__ = type(variable).__mro__[1]
    vars(variable)[VALUE] = value


def holder_of(variable: Variable) -> Holder | None:
    """Return who has the value of a variable; None if it holds it itself."""
    return vars(variable).get(HOLDER)


@functools.cache
def _hidden(kind: type) -> type:
    """Return the subclass of a class of variables whose instances are hidden."""

    def read(self: Any) -> Array:
        return vars(self)[HOLDER].look()

    def write(self: Any, value: Array) -> None:
        vars(self)[HOLDER].write(value)

    def reduce(self: Any, protocol: int) -> object:
        read(self)
        if holder_of(self) is not None:
            raise TypeError("a variable of a model that is trained in another thread, or in a step, can't be copied.")
        return self.__reduce_ex__(protocol)

    members = {VALUE: property(read, write), "__reduce_ex__": reduce, "__module__": kind.__module__}
    return type(kind.__name__, (kind,), members)
