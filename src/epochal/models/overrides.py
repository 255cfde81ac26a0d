"""What a subclass of a model may override, and what would be ignored."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from typing import TypeVar

from ..layers.masks import required

T = TypeVar("T")

_OBJECTIVE = "write compute_loss(self, batch, training), or Keras's compute_loss(self, x, y, y_pred, ...), instead"
_NETWORK = (
    "a model computes what its layers or its module do: write `call` in an epochal.layers.Layer, or `__call__` in a "
    "flax.nnx.Module, and make a Model of it"
)
_METRICS = "pass metrics to compile"

NEVER_CALLED = {
    "__call__": _NETWORK,
    "call": _NETWORK,
    "build_from_config": _NETWORK,
    "compute_mask": "layers say what becomes of masks, in `output_mask`",
    "compute_output_shape": _NETWORK,
    "compute_metrics": _METRICS,
    "get_metrics_result": _METRICS,
    "make_predict_function": _OBJECTIVE,
    "make_test_function": _OBJECTIVE,
    "make_train_function": _OBJECTIVE,
    "predict_step": "predict returns what the layers compute: put it into a layer at the end",
    "reset_metrics": _METRICS,
    "test_step": _OBJECTIVE,
    "train_step": _OBJECTIVE,
}
"""Methods of Keras's models that nothing here would call, with what to write instead."""

KERAS_ARGUMENTS = ("x", "y", "y_pred", "sample_weight", "training")
"""Of `compute_loss` in Keras 3."""

_FORMS = f"compute_loss takes (batch, training), or Keras's ({', '.join(KERAS_ARGUMENTS)})"


def _argument(name: str, default: object) -> inspect.Parameter:
    return inspect.Parameter(name, inspect.Parameter.POSITIONAL_OR_KEYWORD, default=default)


_OWN_FORM = inspect.Signature([_argument("batch", inspect.Parameter.empty), _argument("training", True)])
_KERAS_FORM = inspect.Signature([_argument(name, True if name == "training" else None) for name in KERAS_ARGUMENTS])


def check_overrides(kind: type, base: type) -> None:
    """Refuse a subclass of a base that overrides what is never called.

    Raises:
        TypeError: If it does; says what to write instead.
    """
    for owner in (owner for owner in kind.__mro__ if not issubclass(base, owner)):
        for name in NEVER_CALLED.keys() & vars(owner).keys():
            raise TypeError(f"{owner.__name__}.{name} would never be called: {NEVER_CALLED[name]}.")


def takes_keras_arguments(compute_loss: Callable[..., object]) -> bool:
    """Return whether a bound `compute_loss` has Keras's arguments instead of `(batch, training)`.

    Raises:
        TypeError: If it has neither.
    """
    parameters = inspect.signature(compute_loss).parameters
    if "y_pred" in parameters:
        if unknown := required(inspect.signature(compute_loss)) - set(KERAS_ARGUMENTS):
            raise TypeError(f"compute_loss needs {min(unknown)!r}; it gets {', '.join(KERAS_ARGUMENTS)}.")
        return True
    try:
        inspect.signature(compute_loss).bind(None, True)
    except TypeError:
        raise TypeError(f"{_FORMS}; got ({', '.join(parameters)}).") from None
    return False


def arguments_given(args: tuple[T, ...], kwargs: Mapping[str, T]) -> dict[str, T]:
    """Return the arguments of a call of `super().compute_loss` by name: `batch` and `training`, or all of Keras's.

    Raises:
        TypeError: If one is unknown or missing.
    """
    is_keras = len(args) > 2 or not kwargs.keys().isdisjoint(("x", "y", "y_pred", "sample_weight"))
    try:
        bound = (_KERAS_FORM if is_keras else _OWN_FORM).bind(*args, **kwargs)
    except TypeError as error:
        raise TypeError(f"{_FORMS}: {error}.") from None
    bound.apply_defaults()
    if missing := [name for name in ("y", "y_pred") if is_keras and bound.arguments[name] is None]:
        raise TypeError(f"{_FORMS}: the loss is computed from y and y_pred; there is no {' and no '.join(missing)}.")
    return bound.arguments


def keras_arguments(compute_loss: Callable[..., object], values: dict[str, T]) -> dict[str, T]:
    """Return the arguments for a `compute_loss`, which may take all of Keras's or some."""
    parameters = inspect.signature(compute_loss).parameters
    takes_all = any(p.kind is p.VAR_KEYWORD for p in parameters.values())
    return {name: value for name, value in values.items() if takes_all or name in parameters}
