"""Keras's losses, in two forms: functions that give one value a sample, and `Loss` objects that hold the options.

The formulas are those of Keras 3 (keras/src/losses/losses.py), computed with optax where optax has them. Every function
here takes labels and predictions of shape `(batch, ...)` and returns `(batch,)`: the mean over all other axes.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, fields, is_dataclass, replace
from typing import Any, ClassVar

import numpy as np

from epochal.data.targets import Shape, takes_class_numbers
from epochal.messages.arguments import NamesArguments
from epochal.messages.extras import needed_by
from epochal.messages.names import snake_case, unknown
from epochal.messages.numeric import real

with needed_by(__name__):
    import jax
    import jax.numpy as jnp
    import optax

SampleLoss = Callable[..., jax.Array]
EPSILON = 1e-7  # Keras's backend.epsilon()


# What goes with what


def aligned_shapes(y_true: Shape, y_pred: Shape) -> tuple[Shape, Shape]:
    """Return the shapes that labels and predictions are compared in, by Keras's rule: a last axis of 1 may be missing.

    `(n,)` is taken as `(n, 1)`; else an axis of 1 at the end of the longer one is dropped. The two still differ where
    labels and predictions don't go together.
    """
    y_true, y_pred = ((*shape, 1) if len(shape) == 1 else shape for shape in (y_true, y_pred))
    if len(y_true) == len(y_pred) + 1 and y_true[-1] == 1:
        y_true = y_true[:-1]
    if len(y_pred) == len(y_true) + 1 and y_pred[-1] == 1:
        y_pred = y_pred[:-1]
    return y_true, y_pred


def align(y_true: jax.Array, y_pred: jax.Array) -> tuple[jax.Array, jax.Array]:
    """Return labels and predictions in one shape and one floating dtype, at least float32.

    Raises ValueError where their shapes don't go together; nothing is ever broadcast.
    """
    y_true, y_pred = jnp.asarray(y_true), jnp.asarray(y_pred)
    true_shape, pred_shape = aligned_shapes(y_true.shape, y_pred.shape)
    if true_shape != pred_shape:
        raise ValueError(f"labels of shape {y_true.shape} and predictions of shape {y_pred.shape} don't go together")
    y_pred = _floats(y_pred)
    return y_true.reshape(true_shape).astype(y_pred.dtype), y_pred.reshape(pred_shape)


def align_sparse(y_true: jax.Array, y_pred: jax.Array) -> tuple[jax.Array, jax.Array]:
    """Return class numbers of shape `(batch, ...)` as int32, and predictions of `(batch, ..., classes)` as floats.

    Labels may have an axis of 1 at the end, which is dropped. Raises ValueError where the shapes don't go together.
    """
    y_true, y_pred = jnp.asarray(y_true), jnp.asarray(y_pred)
    if y_true.ndim == y_pred.ndim and y_true.shape[-1] == 1:
        y_true = y_true.squeeze(-1)
    if y_true.shape != y_pred.shape[:-1]:
        raise ValueError(
            f"class numbers of shape {y_true.shape} don't go with predictions of shape {y_pred.shape}: "
            f"expected {y_pred.shape[:-1]}"
        )
    return y_true.astype(jnp.int32), _floats(y_pred)


def sample_means(values: jax.Array) -> jax.Array:
    """Return the mean over all axes but the first, `(batch, ...)` → `(batch,)`."""
    return values.mean(axis=tuple(range(1, values.ndim)))


def own_values(name: str, found: Any, shape: tuple[int, ...]) -> jax.Array:
    """Return what a loss or a metric of a user's found as one value for each sample, or for each step that is weighed.

    A scalar stands for all of them; further axes are averaged. Anything else is a ValueError.

    Args:
        name: Of the loss or metric.
        found: What it returned.
        shape: `(batch,)`, or `(batch, steps)` where steps are weighed.
    """
    a_sample = f"one number a sample, ({shape[0]},)"
    wanted = (
        a_sample if len(shape) == 1 else f"one number a step, {shape}, since a mask or weights say what steps count"
    )
    if found is None or isinstance(found, (tuple, list, dict, str)):
        raise ValueError(f"{name} returned {found!r}: a loss or a metric is one number, or {wanted}")
    values = jnp.asarray(found)
    if values.ndim == 0:
        return jnp.broadcast_to(values, shape)
    if values.shape[: len(shape)] != shape:
        raise ValueError(
            f"{name} returned shape {values.shape} for a batch of {shape[0]}: a loss or a metric is one number, or "
            f"{wanted}"
        )
    return values.mean(axis=tuple(range(len(shape), values.ndim)))


def weighed_shape(sample_weight: jax.Array | None, batch: int) -> tuple[int, ...]:
    """Return the shape of the values that weights go with, `(batch,)` without weights; a ValueError of other length."""
    if sample_weight is None:
        return (batch,)
    if sample_weight.shape[:1] != (batch,):
        raise ValueError(f"sample_weight has shape {sample_weight.shape}; one weight a sample is ({batch},)")
    return sample_weight.shape


def _floats(values: jax.Array) -> jax.Array:
    return values.astype(jnp.promote_types(values.dtype, jnp.float32))


def _name_of(fn: Callable[..., Any]) -> str:
    return getattr(fn, "__name__", type(fn).__name__)


# The losses, one value a sample


def mean_squared_error(y_true: jax.Array, y_pred: jax.Array) -> jax.Array:
    """Return the mean of (y_pred - y_true)²."""
    y_true, y_pred = align(y_true, y_pred)
    return sample_means(optax.squared_error(y_pred, y_true))


def mean_absolute_error(y_true: jax.Array, y_pred: jax.Array) -> jax.Array:
    """Return the mean of |y_pred - y_true|."""
    y_true, y_pred = align(y_true, y_pred)
    return sample_means(jnp.abs(y_pred - y_true))


def mean_absolute_percentage_error(y_true: jax.Array, y_pred: jax.Array) -> jax.Array:
    """Return the mean of 100 × |y_pred - y_true| / |y_true|, the divisor at least 1e-7."""
    y_true, y_pred = align(y_true, y_pred)
    return 100.0 * sample_means(jnp.abs(y_pred - y_true) / jnp.maximum(jnp.abs(y_true), EPSILON))


def mean_squared_logarithmic_error(y_true: jax.Array, y_pred: jax.Array) -> jax.Array:
    """Return the mean of (log(1 + y_pred) - log(1 + y_true))², both at least 1e-7."""
    y_true, y_pred = align(y_true, y_pred)
    return sample_means(jnp.square(jnp.log1p(jnp.maximum(y_pred, EPSILON)) - jnp.log1p(jnp.maximum(y_true, EPSILON))))


def huber(y_true: jax.Array, y_pred: jax.Array, delta: float = 1.0) -> jax.Array:
    """Return the mean of error² / 2 where |error| ≤ `delta`, and of delta × |error| - delta² / 2 beyond."""
    y_true, y_pred = align(y_true, y_pred)
    return sample_means(optax.huber_loss(y_pred, y_true, delta=delta))


def log_cosh(y_true: jax.Array, y_pred: jax.Array) -> jax.Array:
    """Return the mean of log(cosh(y_pred - y_true))."""
    y_true, y_pred = align(y_true, y_pred)
    return sample_means(optax.log_cosh(y_pred, y_true))


def cosine_similarity(y_true: jax.Array, y_pred: jax.Array) -> jax.Array:
    """Return minus the cosine of the angle between the two along the last axis.

    -1 is the same direction, 1 the opposite one; a vector of zeros gives 0.
    """
    y_true, y_pred = align(y_true, y_pred)
    return -sample_means(optax.cosine_similarity(y_pred, y_true, epsilon=EPSILON**2))


def hinge(y_true: jax.Array, y_pred: jax.Array) -> jax.Array:
    """Return the mean of max(1 - y_true × y_pred, 0), for labels -1 and 1; a batch of labels 0 and 1 is converted."""
    y_true, y_pred = align(y_true, y_pred)
    return sample_means(optax.hinge_loss(y_pred, _minus_one_or_one(y_true)))


def squared_hinge(y_true: jax.Array, y_pred: jax.Array) -> jax.Array:
    """Return the mean of max(1 - y_true × y_pred, 0)², for labels -1 and 1; a batch of labels 0 and 1 is converted."""
    y_true, y_pred = align(y_true, y_pred)
    return sample_means(jnp.square(optax.hinge_loss(y_pred, _minus_one_or_one(y_true))))


def kl_divergence(y_true: jax.Array, y_pred: jax.Array) -> jax.Array:
    """Return the sum of y_true × log(y_true / y_pred) over the last axis, both clipped to [1e-7, 1]."""
    y_true, y_pred = (jnp.clip(values, EPSILON, 1.0) for values in align(y_true, y_pred))
    return sample_means(optax.kl_divergence(jnp.log(y_pred), y_true))


def poisson(y_true: jax.Array, y_pred: jax.Array) -> jax.Array:
    """Return the mean of y_pred - y_true × log(y_pred + 1e-7)."""
    y_true, y_pred = align(y_true, y_pred)
    return sample_means(y_pred - y_true * jnp.log(y_pred + EPSILON))


def categorical_crossentropy(
    y_true: jax.Array, y_pred: jax.Array, from_logits: bool = False, label_smoothing: float = 0.0
) -> jax.Array:
    """Return the cross-entropy of labels given as probabilities (one-hot, say), both of `(batch, ..., classes)`.

    Probabilities are normalised to sum to one and clipped to [1e-7, 1 - 1e-7]. `label_smoothing` moves that part of the
    labels evenly to all classes.
    """
    y_true, y_pred = align(y_true, y_pred)
    if label_smoothing:
        y_true = optax.smooth_labels(y_true, label_smoothing)
    return _crossentropy(y_true, y_pred, from_logits)


def sparse_categorical_crossentropy(y_true: jax.Array, y_pred: jax.Array, from_logits: bool = False) -> jax.Array:
    """Return the cross-entropy of labels given as class numbers, `(batch, ...)` or with a 1 at the end of the shape."""
    y_true, y_pred = align_sparse(y_true, y_pred)
    # Not optax's ..._with_integer_labels: the gradient of its gather is a scatter, a loop over the rows on a CPU.
    return _crossentropy(jax.nn.one_hot(y_true, y_pred.shape[-1], dtype=y_pred.dtype), y_pred, from_logits)


def binary_crossentropy(
    y_true: jax.Array, y_pred: jax.Array, from_logits: bool = False, label_smoothing: float = 0.0
) -> jax.Array:
    """Return the mean of -log of the probability given to each label, which is 0, 1 or between.

    Probabilities are clipped to [1e-7, 1 - 1e-7]. `label_smoothing` moves labels towards one half.
    """
    y_true, y_pred = align(y_true, y_pred)
    if label_smoothing:
        y_true = y_true * (1.0 - label_smoothing) + 0.5 * label_smoothing
    if from_logits:
        return sample_means(optax.sigmoid_binary_cross_entropy(y_pred, y_true))
    y_pred = jnp.clip(y_pred, EPSILON, 1.0 - EPSILON)
    return -sample_means(y_true * jnp.log(y_pred) + (1.0 - y_true) * jnp.log(1.0 - y_pred))


def _crossentropy(y_true: jax.Array, y_pred: jax.Array, from_logits: bool) -> jax.Array:
    if from_logits:
        return sample_means(optax.softmax_cross_entropy(y_pred, y_true))
    probabilities = jnp.clip(y_pred / y_pred.sum(-1, keepdims=True), EPSILON, 1.0 - EPSILON)
    return -sample_means((y_true * jnp.log(probabilities)).sum(-1))


def _minus_one_or_one(y_true: jax.Array) -> jax.Array:
    zero_or_one = jnp.all((y_true == 0) | (y_true == 1))
    return jnp.where(zero_or_one, 2.0 * y_true - 1.0, y_true)


# The same as objects


class Loss(NamesArguments):
    """A loss: what training minimises.

    For one of your own, subclass it and write `call(y_true, y_pred)`; or compile with a plain function
    ``fn(y_true, y_pred)``. Either gets targets in the dtype of the outputs (but class numbers as integers) and may
    return one number, one a sample, or one a step.

    Args:
        name: The class's name in snake case, if None.
        reduction: "sum_over_batch_size", the mean over the batch; there is no other.
    """

    name: str
    fn: ClassVar[SampleLoss]
    """The function of a built-in loss; `call` calls it with the options."""

    @property
    def steps_are_samples(self) -> bool:
        """Whether steps that are weighed may come as samples of their own; a user's loss gets all axes."""
        return hasattr(self, "fn") and type(self).call is Loss.call

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        if not hasattr(cls, "name"):
            cls.name = snake_case(cls.__name__)

    def __init__(self, name: str | None = None, reduction: str = "sum_over_batch_size") -> None:
        if reduction != "sum_over_batch_size":
            raise ValueError(f"a loss is the mean over the batch, reduction='sum_over_batch_size'; got {reduction!r}")
        self.name = name or getattr(type(self), "name", "loss")

    def call(self, y_true: jax.Array, y_pred: jax.Array) -> jax.Array:
        """Return one value a sample, `(batch,)`, or one number, or one a step, `(batch, steps)`."""
        if not hasattr(self, "fn"):
            raise NotImplementedError(f"{type(self).__name__} is a Loss without `call(y_true, y_pred)`: write it")
        return type(self).fn(y_true, y_pred, **self._options())

    def per_sample(self, y_true: jax.Array, y_pred: jax.Array) -> jax.Array:
        """Return one value a sample, `(batch,)`."""
        return own_values(self.name, self.call(y_true, y_pred), y_pred.shape[:1])

    def __call__(self, y_true: jax.Array, y_pred: jax.Array, sample_weight: jax.Array | None = None) -> jax.Array:
        """Return the loss of a batch: the mean of weight × loss, a scalar.

        `sample_weight` is `(batch,)`, or `(batch, steps)` for a loss with one value a step; None means 1 for all.
        Another shape is a ValueError.
        """
        overridden = type(self).per_sample is not Loss.per_sample
        found = (self.per_sample if overridden else self.call)(y_true, y_pred)
        values = own_values(self.name, found, weighed_shape(sample_weight, y_pred.shape[0]))
        return (values if sample_weight is None else values * sample_weight).mean()

    @property
    def activation(self) -> str | None:
        """The activation ("softmax", "sigmoid") from whose input `with_logits()` gives the same loss, more exactly."""
        return None

    def with_logits(self) -> Loss:
        """Return this loss for predictions before `activation` is applied; a TypeError where there is none."""
        if self.activation is None:
            raise TypeError(f"{self.name} can't be computed from logits")
        return replace(self, from_logits=True)  # type: ignore[type-var]

    def check(self, y_true: np.ndarray, output_shape: Shape) -> None:
        """Raise a ValueError where labels can't go with a model's output: called once, on the host, before training.

        What shapes a loss of a user's own takes only that knows.

        Args:
            y_true: All labels, `(samples, ...)`.
            output_shape: The output's shape; the first axis, the batch, isn't looked at.
        """
        _check_numbers(self.name, y_true)
        if hasattr(self, "fn"):
            _check_shapes(self.name, y_true, output_shape)

    def get_config(self) -> dict[str, Any]:
        """Return the constructor's arguments, as Keras saves them."""
        return {f.name: getattr(self, f.name) for f in fields(self)} if is_dataclass(self) else {"name": self.name}

    def _options(self) -> dict[str, Any]:
        return {key: value for key, value in self.get_config().items() if key != "name"}


@dataclass(frozen=True)
class MeanSquaredError(Loss):
    """The mean of squared errors, see `mean_squared_error`."""

    name: str = field(default="mean_squared_error", kw_only=True)
    fn = staticmethod(mean_squared_error)


@dataclass(frozen=True)
class MeanAbsoluteError(Loss):
    """The mean of absolute errors, see `mean_absolute_error`."""

    name: str = field(default="mean_absolute_error", kw_only=True)
    fn = staticmethod(mean_absolute_error)


@dataclass(frozen=True)
class MeanAbsolutePercentageError(Loss):
    """The mean error in percent of the label, see `mean_absolute_percentage_error`."""

    name: str = field(default="mean_absolute_percentage_error", kw_only=True)
    fn = staticmethod(mean_absolute_percentage_error)


@dataclass(frozen=True)
class MeanSquaredLogarithmicError(Loss):
    """The mean of squared errors of log(1 + y), see `mean_squared_logarithmic_error`."""

    name: str = field(default="mean_squared_logarithmic_error", kw_only=True)
    fn = staticmethod(mean_squared_logarithmic_error)


@dataclass(frozen=True)
class Huber(Loss):
    """Squared for errors up to `delta`, linear beyond, see `huber`."""

    delta: float = 1.0
    name: str = field(default="huber_loss", kw_only=True)
    fn = staticmethod(huber)

    def __post_init__(self) -> None:
        object.__setattr__(self, "delta", real("delta", self.delta))


@dataclass(frozen=True)
class LogCosh(Loss):
    """log(cosh(error)): squared near zero, linear far away, see `log_cosh`."""

    name: str = field(default="log_cosh", kw_only=True)
    fn = staticmethod(log_cosh)


@dataclass(frozen=True)
class CosineSimilarity(Loss):
    """Minus the cosine of the angle between label and prediction, see `cosine_similarity`."""

    name: str = field(default="cosine_similarity", kw_only=True)
    fn = staticmethod(cosine_similarity)


@dataclass(frozen=True)
class Hinge(Loss):
    """The hinge loss of labels -1 and 1 (or 0 and 1), see `hinge`."""

    name: str = field(default="hinge", kw_only=True)
    fn = staticmethod(hinge)


@dataclass(frozen=True)
class SquaredHinge(Loss):
    """The squared hinge loss of labels -1 and 1 (or 0 and 1), see `squared_hinge`."""

    name: str = field(default="squared_hinge", kw_only=True)
    fn = staticmethod(squared_hinge)


@dataclass(frozen=True)
class KLDivergence(Loss):
    """The Kullback-Leibler divergence of two distributions, see `kl_divergence`."""

    name: str = field(default="kl_divergence", kw_only=True)
    fn = staticmethod(kl_divergence)


@dataclass(frozen=True)
class Poisson(Loss):
    """The Poisson loss of counts, see `poisson`."""

    name: str = field(default="poisson", kw_only=True)
    fn = staticmethod(poisson)


@dataclass(frozen=True)
class CategoricalCrossentropy(Loss):
    """Cross-entropy with one-hot labels, see `categorical_crossentropy`."""

    from_logits: bool = False
    label_smoothing: float = 0.0
    name: str = field(default="categorical_crossentropy", kw_only=True)
    fn = staticmethod(categorical_crossentropy)

    def __post_init__(self) -> None:
        object.__setattr__(self, "label_smoothing", real("label_smoothing", self.label_smoothing))
        _check_smoothing(self.label_smoothing)

    @property
    def activation(self) -> str | None:
        """The activation from whose input the loss is better computed."""
        return None if self.from_logits else "softmax"

    def check(self, y_true: np.ndarray, output_shape: Shape) -> None:
        """Raise a ValueError where labels aren't one-hot over the output's classes."""
        _check_numbers(self.name, y_true)
        _check_classes(self.name, output_shape)
        if takes_class_numbers(y_true.shape, output_shape):
            raise ValueError(
                f"{self.name} needs one-hot labels of shape {_shown(output_shape)}, got class numbers of shape "
                f"{_shown(y_true.shape)}: use loss='sparse_categorical_crossentropy', or np.eye({output_shape[-1]})[y]"
            )
        _check_shapes(self.name, y_true, output_shape)


@dataclass(frozen=True)
class SparseCategoricalCrossentropy(Loss):
    """Cross-entropy with class numbers as labels, see `sparse_categorical_crossentropy`."""

    from_logits: bool = False
    name: str = field(default="sparse_categorical_crossentropy", kw_only=True)
    fn = staticmethod(sparse_categorical_crossentropy)

    @property
    def activation(self) -> str | None:
        """The activation from whose input the loss is better computed."""
        return None if self.from_logits else "softmax"

    def check(self, y_true: np.ndarray, output_shape: Shape) -> None:
        """Raise a ValueError where labels aren't whole numbers from 0 up to the number of classes, one a sample."""
        _check_numbers(self.name, y_true)
        _check_classes(self.name, output_shape)
        if not takes_class_numbers(y_true.shape, output_shape):
            one_hot = y_true.shape[1:] == output_shape[1:]
            raise ValueError(
                f"{self.name} needs class numbers of shape {_shown(output_shape[:-1])} for an output of "
                f"{_shown(output_shape)}, got labels of shape {_shown(y_true.shape)}"
                + (": for one-hot labels use loss='categorical_crossentropy'" if one_hot else "")
                + _flattening(y_true.shape, output_shape)
            )
        _check_labels(self.name, y_true, output_shape[-1])


@dataclass(frozen=True)
class BinaryCrossentropy(Loss):
    """Cross-entropy of labels 0 and 1, each output for itself, see `binary_crossentropy`."""

    from_logits: bool = False
    label_smoothing: float = 0.0
    name: str = field(default="binary_crossentropy", kw_only=True)
    fn = staticmethod(binary_crossentropy)

    def __post_init__(self) -> None:
        object.__setattr__(self, "label_smoothing", real("label_smoothing", self.label_smoothing))
        _check_smoothing(self.label_smoothing)

    @property
    def activation(self) -> str | None:
        """The activation from whose input the loss is better computed."""
        return None if self.from_logits else "sigmoid"

    def check(self, y_true: np.ndarray, output_shape: Shape) -> None:
        """Raise a ValueError where shapes differ or a label isn't between 0 and 1."""
        super().check(y_true, output_shape)
        if y_true.size and (y_true.min() < 0 or y_true.max() > 1):
            row = _first_row((y_true < 0) | (y_true > 1))
            raise ValueError(f"{self.name} needs labels from 0 to 1; row {row} has {_value(y_true[row])}")


@dataclass(frozen=True)
class FunctionLoss(Loss):
    """A function ``fn(y_true, y_pred)`` of the user's as a loss; see `own_values` for what it may return."""

    function: SampleLoss
    name: str = field(default="", kw_only=True)

    def __post_init__(self) -> None:
        object.__setattr__(self, "name", self.name or _name_of(self.function))

    def call(self, y_true: jax.Array, y_pred: jax.Array) -> jax.Array:
        """Return what the function returns; it must be of floats, or there is nothing to minimise."""
        found = self.function(y_true, y_pred)
        if jnp.issubdtype(getattr(found, "dtype", float), jnp.floating):
            return found
        raise ValueError(f"{self.name} returned values of {found.dtype}: a loss is of floats, or it has no gradient")

    def check(self, y_true: np.ndarray, output_shape: Shape) -> None:
        """Raise a ValueError for labels that aren't numbers; what shapes go together only the function knows."""
        _check_numbers(self.name, y_true)

    def get_config(self) -> dict[str, Any]:
        """Return the name only: a file can't hold a function."""
        return {"name": self.name}


# Checks before training


def _check_smoothing(label_smoothing: float) -> None:
    if not 0 <= label_smoothing <= 1:
        raise ValueError(f"label_smoothing is a part between 0 and 1, not {label_smoothing!r}")


def _check_numbers(name: str, y_true: np.ndarray) -> None:
    if y_true.dtype.kind not in "biuf" and not jnp.issubdtype(y_true.dtype, jnp.floating):  # the second: bfloat16
        what = "rows of different lengths, or mixed types?" if y_true.dtype == object else "class names?"
        raise ValueError(
            f"{name} needs numbers as labels, got an array of dtype {y_true.dtype} ({what}): "
            "convert it before training, e.g. np.unique(y, return_inverse=True)[1] for class names"
        )


def _check_shapes(name: str, y_true: np.ndarray, output_shape: Shape) -> None:
    labels, output = aligned_shapes(y_true.shape, output_shape)
    if labels[1:] != output[1:]:
        raise ValueError(
            f"{name} compares labels and output one by one: labels of shape {_shown(y_true.shape)} don't go with an "
            f"output of shape {_shown(output_shape)}"
            + (_flattening(y_true.shape, output_shape) or _units(y_true.shape, output_shape))
        )


def _flattening(labels: Shape, output: Shape) -> str:
    """Return what to do where a sample has one label, or a vector of them, and the output has more axes."""
    if len(output) <= 2 or len(labels) >= len(output) or len(labels) > 2:
        return ""
    return (
        ". If each sample has one label, the output has axes too many: put Flatten() before the last Dense, or leave "
        "out return_sequences=True in the last recurrent layer"
    )


def _units(labels: Shape, output: Shape) -> str:
    """Return what to do where labels have another width than the output."""
    if len(labels) != len(output) or labels[1:-1] != output[1:-1]:
        return ""
    return f": the last layer needs {labels[-1]} units"


def _check_classes(name: str, output_shape: Shape) -> None:
    if output_shape[-1] == 1:
        raise ValueError(
            f"{name} over an output of one class is always 0: with one output for two classes use "
            "binary_crossentropy and a sigmoid"
        )


def _check_labels(name: str, y_true: np.ndarray, classes: int | None) -> None:
    if not y_true.size:
        return
    if y_true.dtype.kind not in "biu" and (broken := y_true != np.floor(y_true)).any():
        row = _first_row(broken)
        raise ValueError(f"{name} needs whole numbers as labels; row {row} has {_value(y_true[row])}")
    if classes is not None and (y_true.min() < 0 or y_true.max() >= classes):
        row = _first_row((y_true < 0) | (y_true >= classes))
        raise ValueError(
            f"{name} needs labels from 0 to {classes - 1} for an output of {classes}; row {row} has "
            f"{_value(y_true[row])}{_counting(int(y_true.min()), int(y_true.max()), classes)}"
        )


def _counting(least: int, most: int, classes: int) -> str:
    """Return what to do about labels out of range."""
    if least == 1 and most == classes:
        return ": they count from 1, so pass y - 1"
    if least >= 0:
        return f": for labels up to {most} the last layer needs {most + 1} units"
    return ": numbers of classes from 0 on are given by np.unique(y, return_inverse=True)[1]"


def _first_row(broken: np.ndarray) -> int:
    return int(np.argmax(broken.reshape(len(broken), -1).any(axis=1)))


def _value(row: Any) -> str:
    return str(np.squeeze(row).tolist())


def _shown(shape: Shape) -> str:
    return f"({', '.join(['n', *map(str, shape[1:])])}{',' if len(shape) == 1 else ''})"


# By name

_ALL: tuple[type[Loss], ...] = (
    *(MeanSquaredError, MeanAbsoluteError, MeanAbsolutePercentageError, MeanSquaredLogarithmicError, Huber, LogCosh),
    *(CosineSimilarity, Hinge, SquaredHinge, KLDivergence, Poisson),
    *(CategoricalCrossentropy, SparseCategoricalCrossentropy, BinaryCrossentropy),
)
_ALIASES: dict[str, type[Loss]] = {
    "mse": MeanSquaredError,
    "mae": MeanAbsoluteError,
    "mape": MeanAbsolutePercentageError,
    "msle": MeanSquaredLogarithmicError,
    "bce": BinaryCrossentropy,
    "kld": KLDivergence,
    "kullback_leibler_divergence": KLDivergence,
    "huber_loss": Huber,
    "logcosh": LogCosh,
    "cosine_proximity": CosineSimilarity,
    "cosine": CosineSimilarity,
}
_KNOWN = {loss.fn.__name__: loss for loss in _ALL} | _ALIASES
_BY_NAME = {name.replace("_", ""): loss for name, loss in _KNOWN.items()}


def find(name: str) -> type[Loss] | None:
    """Return the loss class of a name in any of Keras's spellings ("mse", "MSE", "MeanSquaredError", …), or None."""
    return _BY_NAME.get(name.replace("_", "").lower())


def known_names() -> list[str]:
    """Return the names of all losses, aliases last."""
    return list(_KNOWN)


def get(identifier: str | dict[str, Any] | SampleLoss | Loss | type[Loss]) -> Loss:
    """Return the loss that an identifier stands for.

    A Keras name in any spelling, what Keras saves (``{"class_name": …, "config": {…}}``), a `Loss`, a function of this
    module, or a function ``fn(y_true, y_pred)`` of your own. Raises ValueError for a name nobody knows, TypeError for
    anything else.
    """
    if isinstance(identifier, Loss):
        return identifier
    if isinstance(identifier, type) and issubclass(identifier, Loss):
        return identifier()
    if callable(identifier):
        return next((loss() for loss in _ALL if loss.fn is identifier), None) or FunctionLoss(identifier)
    name, config = identifier, {}
    if isinstance(identifier, dict):
        name, config = identifier.get("class_name"), identifier.get("config") or {}
    if not isinstance(name, str):
        raise TypeError(f"a loss is a name, a function or a Loss, not {identifier!r}")
    loss = find(name)
    if loss is None:
        raise unknown("loss", name, _KNOWN)
    return loss(**{key: value for key, value in config.items() if _KERAS_ONLY.get(key, ...) != value})


_KERAS_ONLY = {"reduction": "sum_over_batch_size", "axis": -1, "ignore_class": None, "dtype": None, "fn": None}
"""What Keras also saves, with the one value that means what is done here; any other value is an error."""
