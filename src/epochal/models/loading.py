"""Models from files."""

from __future__ import annotations

import os
import warnings
from collections.abc import Mapping
from typing import Any

import jax

from .. import saving
from ..saving import config as saved_config
from .sequential import Sequential


def load_model(path: str | os.PathLike[str], custom_objects: Mapping[str, Any] | None = None) -> Sequential:
    """Return the model in a file that `Sequential.save` or Keras's `model.save("….h5")` wrote.

    With epochal's own file, training goes on where it stopped: weights, learning rate, the optimizer's state, compile
    settings and random streams are as they were. Of Keras's, the optimizer's state isn't taken over.

    Args:
        path: The file.
        custom_objects: One's own layers, activations, losses, metrics and optimizers by the names in the file. This
            is the only way code gets in: nothing that a file names is imported, and no code in it is run. An optax
            transform goes in as "OptaxOptimizer".

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If it is damaged, holds weights only, or names a layer that isn't known.
    """
    custom = dict(custom_objects or {})
    with saving.opened(path) as file:
        try:
            parts = saved_config.parts_of(file.config, custom)
            outlined = _outlined(file.config, custom)
        except (TypeError, ValueError, OverflowError) as error:
            raise ValueError(f"{path}: {error}") from error
        if parts.left_out:
            warnings.warn(f"{path}: left out, since only training needs it: {', '.join(parts.left_out)}.", stacklevel=2)
        weights = file.weights(outlined)
        model = _built(parts)
        model._adopt(weights)
        model._resume(file, custom)
    return model


def _built(parts: saved_config.Parts) -> Sequential:
    if parts.given is None:
        raise ValueError(
            f"the saved model {parts.name!r} doesn't say the shape of its input: build it and use load_weights."
        )
    return Sequential([parts.given, *parts.layers], name=parts.name)


def _outlined(config: Mapping[str, Any], custom: Mapping[str, Any]) -> list[saving.LayerWeights]:
    """Return a described model's layers with the shapes of their weights; no array is made, however large."""
    made: list[Sequential] = []

    def outline() -> list[Any]:
        made.append(_built(saved_config.parts_of(dict(config), custom)))
        return [variable.get_value() for variable in made[0]._weights().values()]

    shapes = jax.eval_shape(outline)
    return made[0]._saved_layers(shapes)
