"""The random streams that new weights are drawn from."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager
from contextvars import ContextVar

from flax import nnx

from ..data.seeds import fresh_seed
from .types import Array

_RNGS: ContextVar[nnx.Rngs | None] = ContextVar("rngs", default=None)
_OUTLINED: ContextVar[bool] = ContextVar("outlined", default=False)


def current_rngs() -> nnx.Rngs:
    """Return the streams that the layer which is being built draws from; new ones if there is none."""
    return _RNGS.get() or fresh_rngs()


def fresh_rngs() -> nnx.Rngs:
    """Return new streams, from the seed that `epochal.set_random_seed` has set, if it was called."""
    streams = nnx.Rngs(fresh_seed())
    if _OUTLINED.get():
        setattr(streams, "default", _UncountedStream(streams.default.key[...], tag="default"))  # noqa: B010
    return streams


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
