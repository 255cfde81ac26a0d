"""What all initializers share, and the registry of their names."""

# pyright: reportUnknownMemberType=false

from __future__ import annotations

from collections.abc import Callable, Generator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, fields
from typing import Any, cast

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from jax.core import Tracer
from jax.typing import DTypeLike

from ..messages.numeric import real, whole
from ..registry import Configured, Registry
from .draws import Numbers, Shape

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
class Initializer(Configured):
    """The base of all initializers. For one of your own, pass a function ``(key, shape, dtype)`` instead.

    Initializers that draw at random have a `seed`. With None they draw with the key of the call, which differs from
    layer to layer; with a number they draw from that number, so that the same seed and shape give the same values in
    every layer. NumPy draws: nothing is compiled for it, and the values are the same within a compiled function.

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
        shape, known = tuple(shape), jax.dtypes.canonicalize_dtype(dtype)
        if hasattr(self, "seed") and known.kind in "biuc":
            raise ValueError(
                f"{type(self).__name__} draws floats, not {known}: give the weight another dtype, or another "
                "initializer, such as a function (key, shape, dtype)."
            )
        if _is_traced(key):
            return self._traced(key, shape, known)
        if _ZEROS_INSTEAD.get():
            return jax.device_put(np.zeros(shape, known))
        words = None if self._is_seeded else jax.random.key_data(key)
        return jax.device_put(self._drawn(words, shape, known))

    def _traced(self, key: Array, shape: Shape, dtype: np.dtype[Any]) -> Array:
        """Return the values for a key that isn't known before a compiled function runs."""
        if _ZEROS_INSTEAD.get():
            return jnp.zeros(shape, dtype)  # nobody may ever want them made, however large

        def draw(words: object) -> Numbers:
            return self._drawn(words, shape, dtype)

        outline = jax.ShapeDtypeStruct(shape, dtype)
        return cast("Array", jax.pure_callback(draw, outline, jax.random.key_data(key), vmap_method="sequential"))

    @property
    def _is_seeded(self) -> bool:
        return getattr(self, "seed", None) is not None

    def _drawn(self, words: object, shape: Shape, dtype: np.dtype[Any]) -> Numbers:
        """Return the values for a key's numbers; for the seed, if there is one."""
        seed: int | None = getattr(self, "seed", None)
        entropy = np.asarray(words).tolist() if seed is None else seed % 2**64
        return self._values(np.random.default_rng(entropy), shape, dtype)

    def _values(self, rng: np.random.Generator, shape: Shape, dtype: np.dtype[Any]) -> Numbers:
        raise NotImplementedError


def _is_traced(key: object) -> bool:
    return isinstance(key, Tracer)


INITIALIZERS: Registry[InitializerFunction] = Registry(
    "initializer",
    "an initializer is a name, a dict with class_name, or a function",
    Initializer,
    of_function=lambda function: function,
    none_is_default=True,
)
