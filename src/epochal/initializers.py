"""Keras's initializers: frozen values called as ``(key, shape, dtype)``, so that they serve flax layers too."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, fields
from typing import Any

from epochal.messages.arguments import NamesArguments
from epochal.messages.extras import needed_by
from epochal.messages.names import unknown
from epochal.messages.numeric import real, whole

with needed_by(__name__):
    import jax
    import jax.numpy as jnp
    from jax.nn import initializers as of_jax

Shape = tuple[int, ...]
MODES = ("fan_in", "fan_out", "fan_avg")
DISTRIBUTIONS = {"truncated_normal": "truncated_normal", "untruncated_normal": "normal", "uniform": "uniform"}

_SPARED: ContextVar[bool] = ContextVar("spared", default=False)


@contextmanager
def spared() -> Iterator[None]:
    """Let initializers return zeros at once, where weights will be replaced before anybody looks at them."""
    token = _SPARED.set(True)
    try:
        yield
    finally:
        _SPARED.reset(token)


@dataclass(frozen=True)
class Initializer(NamesArguments):
    """The starting values of a weight: call it with a key, a shape and a dtype.

    Those that draw at random have a `seed`: None takes the key of the call, a number
    takes the key of that number instead, so that the same seed and shape give the same values in every layer.
    """

    def __post_init__(self) -> None:
        for field in fields(self):
            value = getattr(self, field.name)
            if field.type == "float":
                object.__setattr__(self, field.name, real(field.name, value))
            elif field.name == "seed" and value is not None:
                object.__setattr__(self, field.name, whole("seed", value))

    def __call__(self, key: jax.Array, shape: Shape, dtype: Any = jnp.float32) -> jax.Array:
        """Return an array of `shape` and `dtype`."""
        if _SPARED.get():
            return jnp.zeros(tuple(shape), dtype)
        seed = getattr(self, "seed", None)
        return self._draw(key if seed is None else jax.random.key(seed), tuple(shape), dtype)

    def _draw(self, key: jax.Array, shape: Shape, dtype: Any) -> jax.Array:
        raise NotImplementedError

    def get_config(self) -> dict[str, Any]:
        """Return the constructor's arguments, as Keras saves them."""
        return {field.name: getattr(self, field.name) for field in fields(self)}


@dataclass(frozen=True)
class Zeros(Initializer):
    """All zeros."""

    def _draw(self, key: jax.Array, shape: Shape, dtype: Any) -> jax.Array:
        return jnp.zeros(shape, dtype)


@dataclass(frozen=True)
class Ones(Initializer):
    """All ones."""

    def _draw(self, key: jax.Array, shape: Shape, dtype: Any) -> jax.Array:
        return jnp.ones(shape, dtype)


@dataclass(frozen=True)
class Constant(Initializer):
    """`value` everywhere."""

    value: float = 0.0

    def _draw(self, key: jax.Array, shape: Shape, dtype: Any) -> jax.Array:
        return jnp.full(shape, self.value, dtype)


@dataclass(frozen=True)
class RandomNormal(Initializer):
    """Normal around `mean` with standard deviation `stddev`."""

    mean: float = 0.0
    stddev: float = 0.05
    seed: int | None = None

    def _draw(self, key: jax.Array, shape: Shape, dtype: Any) -> jax.Array:
        return of_jax.normal(self.stddev)(key, shape, dtype) + jnp.asarray(self.mean, dtype)


@dataclass(frozen=True)
class TruncatedNormal(Initializer):
    """Normal around `mean`, drawn again beyond two `stddev`; `stddev` is that before the cut, as in Keras."""

    mean: float = 0.0
    stddev: float = 0.05
    seed: int | None = None

    def _draw(self, key: jax.Array, shape: Shape, dtype: Any) -> jax.Array:
        return of_jax.truncated_normal(self.stddev)(key, shape, dtype) + jnp.asarray(self.mean, dtype)


@dataclass(frozen=True)
class RandomUniform(Initializer):
    """Uniform from `minval` up to `maxval`."""

    minval: float = -0.05
    maxval: float = 0.05
    seed: int | None = None

    def _draw(self, key: jax.Array, shape: Shape, dtype: Any) -> jax.Array:
        return jax.random.uniform(key, shape, dtype, self.minval, self.maxval)


class _Scaled(Initializer):
    """Mean 0 and variance `scale` / fan, where fan is what `mode` says of the weight's inputs and outputs.

    The fans of a kernel of shape `(*window, inputs, outputs)` are inputs and outputs times the size of the window;
    those of a vector are both its length. (Keras's `compute_fans`; jax's agree from two dimensions on.)
    """

    scale: float
    mode: str
    distribution: str

    def _draw(self, key: jax.Array, shape: Shape, dtype: Any) -> jax.Array:
        if 0 in shape:
            return jnp.zeros(shape, dtype)
        vector = len(shape) < 2
        mode, of_shape = ("fan_out", (1, math.prod(shape))) if vector else (self.mode, shape)
        values = of_jax.variance_scaling(self.scale, mode, DISTRIBUTIONS[self.distribution])  # type: ignore[arg-type]
        return values(key, of_shape, dtype).reshape(shape)


@dataclass(frozen=True)
class VarianceScaling(_Scaled):
    """Mean 0 and variance `scale` / fan.

    `mode` is "fan_in", "fan_out" or "fan_avg"; `distribution` "truncated_normal" (or "normal", Keras's other name for
    it), "untruncated_normal" or "uniform". Anything else, or a `scale` that isn't positive, is a ValueError.
    """

    scale: float = 1.0
    mode: str = "fan_in"
    distribution: str = "truncated_normal"
    seed: int | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.distribution == "normal":
            object.__setattr__(self, "distribution", "truncated_normal")
        if not 0 < self.scale < math.inf:
            raise ValueError(f"scale must be positive, not {self.scale!r}")
        if self.mode not in MODES:
            raise unknown("mode", self.mode, MODES)
        if self.distribution not in DISTRIBUTIONS:
            raise unknown("distribution", self.distribution, DISTRIBUTIONS)


@dataclass(frozen=True)
class _Named(_Scaled):
    """Variance scaling with a name of its own: only the seed is left to choose."""

    seed: int | None = None


class GlorotUniform(_Named):
    """Uniform with variance 2 / (inputs + outputs): Glorot and Bengio 2010. Keras's default for kernels."""

    scale, mode, distribution = 1.0, "fan_avg", "uniform"


class GlorotNormal(_Named):
    """Truncated normal with variance 2 / (inputs + outputs): Glorot and Bengio 2010."""

    scale, mode, distribution = 1.0, "fan_avg", "truncated_normal"


class HeUniform(_Named):
    """Uniform with variance 2 / inputs: He et al. 2015."""

    scale, mode, distribution = 2.0, "fan_in", "uniform"


class HeNormal(_Named):
    """Truncated normal with variance 2 / inputs: He et al. 2015."""

    scale, mode, distribution = 2.0, "fan_in", "truncated_normal"


class LecunUniform(_Named):
    """Uniform with variance 1 / inputs: LeCun et al. 1998."""

    scale, mode, distribution = 1.0, "fan_in", "uniform"


class LecunNormal(_Named):
    """Truncated normal with variance 1 / inputs: LeCun et al. 1998, Klambauer et al. 2017."""

    scale, mode, distribution = 1.0, "fan_in", "truncated_normal"


@dataclass(frozen=True)
class Orthogonal(Initializer):
    """`gain` times a matrix with orthonormal columns (or rows, where they are fewer): Saxe et al. 2014.

    A kernel of more dimensions is taken as the matrix of all its axes but the last, by the last. Fewer than two
    dimensions are a ValueError.
    """

    gain: float = 1.0
    seed: int | None = None

    def _draw(self, key: jax.Array, shape: Shape, dtype: Any) -> jax.Array:
        if len(shape) > 1 and 0 in shape:
            return jnp.zeros(shape, dtype)
        return of_jax.orthogonal(self.gain)(key, shape, dtype)


@dataclass(frozen=True)
class Identity(Initializer):
    """`gain` times the identity matrix; a shape that isn't a matrix is a ValueError."""

    gain: float = 1.0

    def _draw(self, key: jax.Array, shape: Shape, dtype: Any) -> jax.Array:
        if len(shape) != 2:
            raise ValueError(f"Identity fills a matrix, not the shape {shape}")
        return jnp.asarray(self.gain, dtype) * jnp.eye(*shape, dtype=dtype)


def describe(initializer: Any) -> dict[str, Any] | None:
    """Return what Keras saves for an initializer; None for a plain function, which a file can't hold."""
    if not isinstance(initializer, Initializer):
        return None
    return {"class_name": type(initializer).__name__, "config": initializer.get_config()}


_ALL = {
    "zeros": Zeros,
    "ones": Ones,
    "constant": Constant,
    "random_normal": RandomNormal,
    "random_uniform": RandomUniform,
    "truncated_normal": TruncatedNormal,
    "variance_scaling": VarianceScaling,
    "glorot_uniform": GlorotUniform,
    "glorot_normal": GlorotNormal,
    "he_uniform": HeUniform,
    "he_normal": HeNormal,
    "lecun_uniform": LecunUniform,
    "lecun_normal": LecunNormal,
    "orthogonal": Orthogonal,
    "identity": Identity,
    "zero": Zeros,  # from here on Keras's aliases
    "one": Ones,
    "normal": RandomNormal,
    "uniform": RandomUniform,
}
_BY_NAME = _ALL | {made.__name__: made for made in _ALL.values()}


def get(identifier: str | dict[str, Any] | Callable[..., jax.Array]) -> Callable[..., jax.Array]:
    """Return the initializer that an identifier stands for.

    A Keras name in either spelling ("he_normal", "HeNormal"), one of Keras 2's short ones ("uniform", "normal", "zero",
    "one"), what Keras saves (``{"class_name": …, "config": {…}}``), or a callable ``(key, shape, dtype)``, which is
    returned as it came; a class is called for its defaults. Raises ValueError for a name nobody knows, TypeError for
    anything else.
    """
    if isinstance(identifier, type) and issubclass(identifier, Initializer):
        return identifier()
    if callable(identifier):
        return identifier
    name, config = identifier, {}
    if isinstance(identifier, dict):
        name, config = identifier.get("class_name"), identifier.get("config") or {}
    if not isinstance(name, str):
        raise TypeError(f"an initializer is a name, a dict with class_name, or a function, not {identifier!r}")
    if name not in _BY_NAME:
        raise unknown("initializer", name, _BY_NAME)
    given = {key: value for key, value in config.items() if value is not None}  # None: what Keras saves for "not set"
    return _BY_NAME[name](**given)
