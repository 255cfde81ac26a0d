"""Models as their settings, without weights, and new models of them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, Protocol, cast

from ..layers.graph import Graph
from ..messages.printing import warn
from ..saving import graphs
from ..saving.custom_objects import CustomObjects
from ..saving.json_values import Json, as_object
from .trainee import Trainee

KERAS_MODULES = {"Sequential": "keras", "Functional": "keras.src.models.functional"}
"""Where Keras 3 looks for the classes of models."""


class HasTrainee(Protocol):
    """A model, as these functions know it."""

    @property
    def trainee(self) -> Trainee:
        """The network with all that it takes to train it."""
        ...


def get_config(_model: HasTrainee) -> Json:
    """Return the layers with their settings and calls as JSON values, as Keras has them; no weights.

    Raises:
        ValueError: If the layers have no variables yet, or a layer can't be described, such as a plain function.
    """
    return cast(Json, _described(_model)["config"])


def to_json(_model: HasTrainee, **options: Any) -> str:
    """Return the layers with their settings and calls as JSON, which `model_from_json` reads, Keras's too; no weights.

    Args:
        options: Of `json.dumps`.

    Raises:
        ValueError: As `get_config`.
    """
    described = _described(_model)
    return json.dumps(described | {"module": KERAS_MODULES[str(described["class_name"])]}, **options)


def _described(model: HasTrainee) -> Json:
    trainee = model.trainee
    return graphs.model_config(trainee.name, trainee.runtime.built_module)


def graph_from(kind: str, config: Mapping[str, Any], custom_objects: CustomObjects | None) -> Graph:
    """Return the layers in a config, with new weights.

    Args:
        kind: The class of the model: "Sequential" or "Functional".
        config: What `get_config` returned, Keras's too.
        custom_objects: One's own layers and functions by their names in the config.

    Raises:
        ValueError: If it describes what isn't known here.
    """
    left_out: list[str] = []
    try:
        described: Json = {"class_name": kind, "config": json.loads(json.dumps(dict(config)))}  # tuples become lists
    except TypeError as error:
        raise ValueError(f"a config has values of JSON alone, as get_config returns them: {error}") from error
    graph = graphs.graph_of(described, dict(custom_objects or {}), left_out)
    if left_out:
        warn(f"left out, since only training needs it: {', '.join(left_out)}.")
    return graph


def described_in(json_string: str) -> tuple[str, Json]:
    """Return the class and the config of a model in JSON; a ValueError if it describes none."""
    try:
        described = as_object(json.loads(json_string))
    except ValueError as error:
        raise ValueError(f"this isn't the JSON of a model: {error}") from error
    config = None if described is None else as_object(described.get("config"))
    if described is None or config is None:
        raise ValueError("this isn't the JSON of a model: it has no class_name and config, as to_json writes them.")
    return str(described.get("class_name")), config
