"""How a model is to be trained, as `compile` was told."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, TypeVar

import jax.numpy as jnp

from .. import losses, metrics, optimizers
from ..messages.numeric import is_real, is_whole, real, whole

T = TypeVar("T")

PerOutput = T | Sequence["T | None"] | Mapping[str, "T | None"] | None
"""One for all outputs, or one for each, in a list in their order or in a dict by name; None for none."""


@dataclass(frozen=True)
class CompileConfig:
    """What a model is trained with; see `Model.compile`.

    Attributes:
        optimizer: Changes the weights; has the learning rate.
        loss: Of the outputs.
        loss_weights: What the losses of several outputs are multiplied by.
        metrics: Names, metrics or functions, or lists of them.
        weighted_metrics: The same, with sample weights.
        dtype: What floats are computed in; None: as they come.
        accumulate: In how many parts a batch goes through the model.
        wrt: An nnx filter for the variables to train; None for all parameters.
        given_loss: What the user gave as the loss.
    """

    optimizer: Any
    loss: PerOutput[losses.Loss]
    loss_weights: PerOutput[float]
    metrics: PerOutput[Any]
    weighted_metrics: PerOutput[Any]
    dtype: Any
    accumulate: int
    wrt: Any
    given_loss: Any

    @classmethod
    def checked(
        cls,
        optimizer: Any,
        loss: Any,
        metrics: Any,
        weighted_metrics: Any,
        loss_weights: Any,
        dtype: str | None,
        accumulate: int,
        wrt: Any,
    ) -> CompileConfig:
        """Return the config for what a user gave to `compile`.

        Raises:
            ValueError: If a name is unknown, in which case the nearest are listed, or a number can't be right.
        """
        if not is_whole(accumulate, 1):
            raise ValueError(f"accumulate is a number of parts, at least 1; got {accumulate!r}.")
        config = cls(
            loss=map_items(loss, losses.get),
            loss_weights=map_items(loss_weights, _loss_weight),
            metrics=metrics or [],
            weighted_metrics=weighted_metrics or [],
            dtype=None if dtype is None else _float_dtype(dtype),
            accumulate=whole("accumulate", accumulate),
            wrt=wrt,
            optimizer=optimizers.get(optimizer),
            given_loss=loss,
        )
        config.check_metrics()
        return config

    def check_metrics(self) -> None:
        """Raise a ValueError if the name of a metric is unknown."""
        only_loss = self.loss if isinstance(self.loss, losses.Loss) else None
        for identifier in (*items_in(self.metrics), *items_in(self.weighted_metrics)):
            metrics.get(identifier, only_loss)

    def with_optimizer(self, optimizer: Any) -> CompileConfig:
        """Return the same with another optimizer, a name or an optimizer."""
        return replace(self, optimizer=optimizers.get(optimizer))


def map_items(setting: Any, function: Callable[[Any], Any]) -> Any:
    """Return a setting that may be by output with `function` applied to every item; None stays None."""
    if setting is None:
        return None
    if isinstance(setting, Mapping) and "class_name" not in setting:
        return {name: map_items(item, function) for name, item in setting.items()}
    if isinstance(setting, (list, tuple)):
        return [map_items(item, function) for item in setting]
    return function(setting)


def items_in(setting: Any) -> Iterator[Any]:
    """Yield the items of a setting that may be by output."""
    found: list[Any] = []
    map_items(setting, found.append)
    yield from found


def _loss_weight(value: Any) -> float:
    if not is_real(value):
        raise TypeError(f"loss_weights are numbers; got {value!r}.")
    return real("loss_weights", value)


def _float_dtype(name: Any) -> Any:
    dtype = jnp.dtype(name)
    if not jnp.issubdtype(dtype, jnp.floating):
        raise ValueError(f"dtype is what floats are computed in, such as 'bfloat16'; got {name!r}.")
    return dtype
