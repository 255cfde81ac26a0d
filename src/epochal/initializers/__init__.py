"""Initializers: the starting values of weights, by the names and with the defaults of Keras 3.

A layer takes one by name, ``Dense(64, kernel_initializer="he_normal")``, or as an object with options. They are frozen
values that are called with a key, a shape and a dtype, so flax's layers take them too.
"""

from typing import TYPE_CHECKING

from ..messages.extras import needed_by
from ..messages.missing import missing_names
from ..messages.names import snake_case

with needed_by(__name__):
    from .constant import Constant, Identity, Ones, Zeros
    from .initializer import Initializer, InitializerFunction, zeros_instead
    from .lookup import describe, get
    from .random import Orthogonal, RandomNormal, RandomUniform, TruncatedNormal
    from .scaled import (
        GlorotNormal,
        GlorotUniform,
        HeNormal,
        HeUniform,
        LecunNormal,
        LecunUniform,
        VarianceScaling,
    )

__all__ = [
    "Constant",
    "GlorotNormal",
    "GlorotUniform",
    "HeNormal",
    "HeUniform",
    "Identity",
    "Initializer",
    "InitializerFunction",
    "LecunNormal",
    "LecunUniform",
    "Ones",
    "Orthogonal",
    "RandomNormal",
    "RandomUniform",
    "TruncatedNormal",
    "VarianceScaling",
    "Zeros",
    "describe",
    "get",
    "zeros_instead",
]

if not TYPE_CHECKING:
    _classes = {snake_case(name): name for name in __all__ if name[0].isupper()}
    _advice = {name: f"layers take {name!r} by name, and {own} is its class" for name, own in _classes.items()}
    __getattr__ = missing_names(__name__, __all__, _advice)
