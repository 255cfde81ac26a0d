"""Objects of Keras, which has no types for checkers."""

from __future__ import annotations

from typing import Any, TypeAlias

KerasModel: TypeAlias = Any
"""A `keras.Model`."""

Variable: TypeAlias = Any
"""A variable of Keras: a weight, a part of an optimizer's or a metric's state, a seed."""
