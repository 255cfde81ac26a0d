"""The random streams that new weights are drawn from."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import cast

import jax
import numpy as np
from flax import nnx
from jax.core import Tracer

from ..data.seeds import fresh_seed
from .threefry import folded_in
from .types import Array
from .untyped import device_put

USUAL = "threefry2x32"
"""The kind of keys that JAX makes if nobody has chosen another one."""

_RNGS: ContextVar[nnx.Rngs | None] = ContextVar("rngs", default=None)
_OUTLINED: ContextVar[bool] = ContextVar("outlined", default=False)


def current_rngs() -> nnx.Rngs:
    """Return the streams that the layer which is being built draws from; new ones if there is none."""
    return _RNGS.get() or fresh_rngs()


def fresh_rngs() -> nnx.Rngs:
    """Return new streams, from the seed that `epochal.set_random_seed` has set, if it was called."""
    return _streams(fresh_seed())


def seeded(seed: int | None, streams: nnx.Rngs) -> nnx.Rngs:
    """Return new streams from a layer's own seed, which draw the same in any model; those given if it is None."""
    return streams if seed is None else _streams(seed)


def _streams(seed: int) -> nnx.Rngs:
    kind = _UncountedStream if _OUTLINED.get() else _HostStream
    streams = nnx.Rngs()
    setattr(streams, "default", kind(_key(seed), tag="default"))  # noqa: B010
    return streams


def _key(seed: int) -> Array:
    """Return `jax.random.key(seed)`; nothing is compiled for it if keys are of JAX's usual kind."""
    if getattr(jax.config, "jax_default_prng_impl") != USUAL:  # noqa: B009
        return jax.random.key(seed)
    return _key_of((0, seed))


def _key_of(words: tuple[int, int]) -> Array:
    return cast("Array", jax.random.wrap_key_data(device_put(np.array(words, np.uint32)), impl=USUAL))


class _HostStream(nnx.RngStream):
    """A stream that computes flax's keys on the host: a program for the device would have to be compiled first."""

    def __init__(self, key: Array, *, tag: str) -> None:
        self.tag = tag
        self.key = nnx.RngKey(key, tag=tag)
        self.count = nnx.RngCount(device_put(np.zeros(key.shape, np.uint32)), tag=tag)

    def __call__(self) -> Array:
        key, count = self.key.get_value(), self.count.get_value()
        is_usual = key.shape == () and str(jax.random.key_impl(key)) == USUAL
        numbers = jax.random.key_data(key)  # traced also where the key isn't, in a compiled function that reads it
        if not is_usual or isinstance(numbers, Tracer) or isinstance(count, Tracer):
            return super().__call__()
        words = folded_in(np.asarray(numbers).tolist(), int(count))
        self.count.set_value(device_put(np.uint32(int(count) + 1)))
        return _key_of(words)


class _UncountedStream(nnx.RngStream):
    """A stream that doesn't count its keys: within a trace flax would look through all of it, each time."""

    def __call__(self) -> Array:
        return self.key[...]


@contextmanager
def drawing_from(streams: nnx.Rngs | None) -> Generator[nnx.Rngs]:
    """Let the layers that are built meanwhile draw from these streams; from the current ones if None."""
    chosen = streams or current_rngs()
    token = _RNGS.set(chosen)
    try:
        yield chosen
    finally:
        _RNGS.reset(token)


@contextmanager
def outlined() -> Generator[None]:
    """Let layers be built within a trace, where only the shapes of their variables count, and there are many."""
    token = _OUTLINED.set(True)
    try:
        yield
    finally:
        _OUTLINED.reset(token)
