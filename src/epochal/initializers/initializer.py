"""What all initializers share, and the registry of their names."""

# pyright: reportUnknownMemberType=false

from __future__ import annotations

from collections.abc import Callable, Generator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, fields

import jax
import jax.numpy as jnp
from jax import Array
from jax.typing import DTypeLike

from ..messages.arguments import NamesArguments
from ..messages.numeric import real, whole
from ..registry import Config, Registry

Shape = tuple[int, ...]

InitializerFunction = Callable[..., Array]
"""``(key, shape, dtype)`` to an array."""

_ZEROS_INSTEAD: ContextVar[bool] = ContextVar("zeros_instead", default=False)


@contextmanager
def zeros_instead() -> Generator[None]:
    """Let initializers return zeros at once, where weights will be replaced before anybody looks at them."""
    token = _ZEROS_INSTEAD.set(True)
    try:
        yield
    finally:
        _ZEROS_INSTEAD.reset(token)


@dataclass(frozen=True)
class Initializer(NamesArguments):
    """The base of all initializers. For one of your own, pass a function ``(key, shape, dtype)`` instead.

    Initializers that draw at random have a `seed`. With None they draw with the key of the call, which differs from
    layer to layer; with a number they draw with the key of that number, so that the same seed and shape give the same
    values in every layer.

    Example:
        >>> import jax
        >>> from epochal.initializers import Initializer, Zeros
        >>> isinstance(Zeros(), Initializer), Zeros()(jax.random.key(0), (3,), "bfloat16").dtype
        (True, dtype(bfloat16))
    """

    def __post_init__(self) -> None:
        for field in fields(self):
            value = getattr(self, field.name)
            if field.type == "float":
                object.__setattr__(self, field.name, real(field.name, value))
            elif field.name == "seed" and value is not None:
                object.__setattr__(self, field.name, whole("seed", value))

    def __call__(self, key: Array, shape: Shape, dtype: DTypeLike = jnp.float32) -> Array:
        """Return an array of starting values.

        Args:
            key: A key of `jax.random`; with a `seed` it isn't used.
            shape: The weight's shape; of a kernel `(…, inputs, outputs)`.
            dtype: The weight's dtype.
        """
        if _ZEROS_INSTEAD.get():
            return jnp.zeros(tuple(shape), dtype)
        seed = getattr(self, "seed", None)
        return self._draw(key if seed is None else jax.random.key(seed), tuple(shape), dtype)

    def _draw(self, key: Array, shape: Shape, dtype: DTypeLike) -> Array:
        raise NotImplementedError

    def get_config(self) -> Config:
        """Return the constructor's arguments, as Keras saves them."""
        return {field.name: getattr(self, field.name) for field in fields(self)}


INITIALIZERS: Registry[InitializerFunction] = Registry(
    "initializer",
    "an initializer is a name, a dict with class_name, or a function",
    Initializer,
    of_function=lambda function: function,
    none_is_default=True,
)
