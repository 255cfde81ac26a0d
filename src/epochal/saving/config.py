"""A model's layers and how it is compiled, as the JSON that Keras keeps in a file, and back.

Source: keras/src/legacy/saving/saving_utils.py of Keras 3.15. On the way back a class or function is looked up
among `custom_objects` and epochal's own names; nothing that a file names is ever imported.
"""

from __future__ import annotations

import inspect
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from .. import activations, initializers, layers, losses, metrics, optimizers
from ..core.names import suggest
from ..layers import Input, Layer

Json = dict[str, Any]

LAYERS: dict[str, type[Layer]] = {
    cls.__name__: cls
    for cls in (
        *(layers.Activation, layers.Dense, layers.Conv2D, layers.MaxPooling2D, layers.AveragePooling2D),
        *(layers.GlobalAveragePooling1D, layers.GlobalAveragePooling2D, layers.Flatten, layers.Reshape),
        *(layers.Dropout, layers.BatchNormalization, layers.LayerNormalization, layers.Embedding),
    )
}
"""The layers that a file can describe, by the names that Keras and epochal share."""

NEUTRAL: dict[str, tuple[Any, ...]] = {
    "axis": (-1, [-1]),  # where it can't be chosen
    "data_format": ("channels_last",),
    "keepdims": (False,),
    "mask_zero": (False,),
    "renorm": (False,),
    "rms_scaling": (False,),
    "synchronized": (False,),
}
"""Settings of Keras's layers that have no counterpart, with the values that mean what is done here."""

NO_MATTER = {"seed", "renorm_momentum", "beta_initializer", "gamma_initializer", "moving_mean_initializer",
             "moving_variance_initializer", "batch_input_shape", "batch_shape", "build_config"}  # fmt: skip
"""Settings that say nothing about a model whose weights are loaded."""

ONLY_TRAINING = ("trainable", "noise_shape", "dtype", "_regularizer", "_constraint")
"""Settings (or their endings) that are left out with a warning: outputs are as in Keras, further training isn't."""

INPUT_DTYPES = ("bool", "bfloat16", *(f"float{bits}" for bits in (16, 32, 64)),
                *(f"{sign}int{bits}" for sign in ("", "u") for bits in (8, 16, 32, 64)))  # fmt: skip

SAVE_WEIGHTS = "save_weights works (ModelCheckpoint: save_weights_only=True)."


# The layers, to JSON


def model_config(name: str, given: Input | None, named_layers: Iterable[tuple[str, Any]]) -> Json:
    """Return what Keras keeps as `model_config` for a Sequential model.

    Raises:
        ValueError: If a file can't describe a layer: a function, or a module that isn't an `epochal.layers.Layer`.
            Or if the model has no known input, since it isn't Sequential.
    """
    described = [_described(layer_name, layer) for layer_name, layer in named_layers]
    if given is None:
        raise ValueError(f"{name} is no Sequential model, so a file can't describe it: {SAVE_WEIGHTS}")
    shape = [None, *given.shape]
    first = {"batch_shape": shape, "dtype": given.dtype, "name": given.name or "input_layer"}
    listed = [{"class_name": "InputLayer", "config": first}, *described]
    config = {"name": name, "trainable": True, "layers": listed, "build_input_shape": shape}
    return {"class_name": "Sequential", "config": config}


def _described(name: str, layer: Any) -> Json:
    kind = type(layer).__name__
    if isinstance(layer, layers.Lambda):
        raise ValueError(
            f"layer {name!r} is a plain function, which a file can't hold, only its weights: {SAVE_WEIGHTS}"
        )
    if not isinstance(layer, Layer):
        raise ValueError(
            f"layer {name!r} is a plain flax module ({kind}), of which a file can hold only the weights: "
            f"{SAVE_WEIGHTS} An epochal.layers.Layer with get_config can be saved whole."
        )
    if LAYERS.get(kind, type(layer)) is not type(layer):
        raise ValueError(f"layer {name!r}: its class has the name of epochal's own {kind}. Rename it; {SAVE_WEIGHTS}")
    config = {**layer.get_config(), "name": name}
    if "activation" in config and config["activation"] is None:
        config["activation"] = _activation_name(name, getattr(layer, "activation", None))
    if kind not in LAYERS and (missing := _unsaid(layer, config)):
        raise ValueError(f"layer {name!r}: {kind}.get_config doesn't say its argument {missing[0]!r}. Add it.")
    try:
        json.dumps(config)
    except (TypeError, ValueError) as error:
        raise ValueError(f"layer {name!r}: {kind}.get_config has a value that JSON can't hold: {error}") from error
    return {"class_name": kind, "config": config}


def _activation_name(layer: str, function: Any) -> str:
    if (name := function_name(function, activations.known_names())).startswith("<"):
        raise ValueError(f"layer {layer!r}: its activation {name} is a function that a file can't name: {SAVE_WEIGHTS}")
    return name


def _unsaid(layer: Layer, config: Json) -> list[str]:
    """Return the constructor's arguments that a layer of one's own leaves out of its config."""
    kinds = (inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY)
    arguments = [p.name for p in inspect.signature(type(layer).__init__).parameters.values() if p.kind in kinds]
    return [
        name for name in arguments if name not in config and name not in ("self", "name", "input_shape", "input_dim")
    ]


def function_name(function: Any, taken: Iterable[str]) -> str:
    """Return a function's name, in angle brackets if it has none of its own by which it could be found again."""
    name = getattr(function, "__name__", type(function).__name__)
    return name if name.isidentifier() and name not in taken else f"<{name.strip('<>')}>"


# The layers, from JSON


@dataclass
class Parts:
    """What a described Sequential model is made of.

    Attributes:
        name: Of the model.
        given: Its input, if the description has one.
        layers: The layers, new ones.
        left_out: Settings of Keras's without a counterpart; they matter in training only.
    """

    name: str
    given: Input | None = None
    layers: list[Any] = field(default_factory=list)
    left_out: list[str] = field(default_factory=list)


def parts_of(config: Json, custom: Mapping[str, Any]) -> Parts:
    """Return what a described Sequential model is made of.

    Args:
        config: The content of `model_config`.
        custom: Classes and functions of one's own by the name in the file.

    Raises:
        ValueError: If the description names what isn't known here, or sets what has no counterpart here.
    """
    kind, inner = config.get("class_name"), config.get("config")
    if kind != "Sequential":
        raise ValueError(
            f"it describes a model of class {kind!r}; epochal builds Sequential ones. "
            f"Build your model and use load_weights."
        )
    if isinstance(inner, list):  # Keras before 2.2.3
        inner = {"layers": inner}
    if not isinstance(inner, dict) or not isinstance(inner.get("layers"), list):
        raise ValueError("its model_config doesn't list layers.")
    parts = Parts(str(inner.get("name") or "sequential"))
    for entry in inner["layers"]:
        class_name, settings = _entry(entry)
        if class_name == "InputLayer":
            parts.given = _input(settings)
            continue
        if parts.given is None and not parts.layers and "batch_input_shape" in settings:  # Keras 2
            parts.given = _input(settings)
        parts.layers.append(_layer(class_name, settings, custom, parts.left_out))
    if parts.given is None and inner.get("build_input_shape"):
        parts.given = _input({"batch_shape": inner["build_input_shape"]})
    return parts


def _entry(entry: Any) -> tuple[str, Json]:
    if not isinstance(entry, dict) or not isinstance(settings := entry.get("config"), dict):
        raise ValueError("its model_config has an entry that describes no layer.")
    name = settings.get("name", "")
    if not isinstance(name, str) or any(part in ("", ".", "..") for part in (name or "layer").split("/")):
        raise ValueError(f"its model_config names a layer {name!r}, which is no plain path.")
    return str(entry.get("class_name")), settings


def _input(settings: Json) -> Input:
    shape = settings.get("batch_shape") or settings.get("batch_input_shape")
    if not isinstance(shape, list) or not shape or not all(n is None or (type(n) is int and n > 0) for n in shape):
        raise ValueError(f"its model_config has inputs of shape {shape!r}.")
    dtype = settings.get("dtype") or "float32"
    if dtype not in INPUT_DTYPES:
        raise ValueError(f"its model_config has inputs of dtype {dtype!r}.")
    return Input(shape[1:], dtype, settings.get("name"))


def _layer(class_name: str, settings: Json, custom: Mapping[str, Any], left_out: list[str]) -> Any:
    name = settings.get("name") or class_name
    own = custom.get(class_name, custom.get(class_name.rsplit(">", 1)[-1]))
    if own is not None:
        unset = {key for key, value in settings.items() if value is None and key.endswith("_initializer")}
        return own(**{key: value for key, value in settings.items() if key not in {"trainable", "dtype", *unset}})
    if class_name == "Lambda":
        raise ValueError(
            f"layer {name!r} is a Lambda, which is code; it isn't run. Build the model yourself and use load_weights, "
            "or put what makes the layer into custom_objects={'Lambda': …}."
        )
    if class_name not in LAYERS:
        raise ValueError(
            f"layer {name!r} is of the unknown class {class_name!r}. {suggest(class_name, [*LAYERS, *custom])} "
            "A class of your own goes into custom_objects."
        )
    make = LAYERS[class_name]
    accepted = {*inspect.signature(make.__init__).parameters, "name"} - {"self", "kwargs"}
    given = {key: value for key, value in settings.items() if value is not None}  # None: what Keras saves for "not set"
    for key in sorted(given.keys() - accepted):
        if key.endswith(ONLY_TRAINING):
            left_out += _training_only(name, key, given[key])
        elif key not in NO_MATTER and given[key] not in NEUTRAL.get(key, ()):
            raise ValueError(f"layer {name!r} ({class_name}): {key}={given[key]!r} has no counterpart here.")
    try:
        return make(**{key: _argument(key, value, custom) for key, value in given.items() if key in accepted})
    except (TypeError, ValueError, OverflowError) as error:
        raise ValueError(f"layer {name!r} ({class_name}): {error}") from error


def _argument(key: str, value: Any, custom: Mapping[str, Any]) -> Any:
    """Return a setting as a layer's constructor takes it."""
    if key == "activation":
        return _found(value, custom)
    if key.endswith("_initializer"):
        if isinstance(value, dict) and isinstance(config := value.get("config"), dict):
            seed = {"seed": None} if isinstance(config.get("seed"), dict) else {}  # Keras's seed generators
            value = value | {"config": config | seed}
        return initializers.get(_found(value, custom))
    return value[0] if key == "axis" and isinstance(value, list) and len(value) == 1 else value


def _training_only(name: str, key: str, value: Any) -> list[str]:
    """Return what to say about a setting that only matters in training."""
    if key == "dtype":
        policy = (value.get("config") or {}).get("name") if isinstance(value, dict) else value
        return [] if policy == "float32" else [f"{name} computed in {policy}"]
    return [] if key == "trainable" and value is True else [f"{name}.{key}"]


# How it is compiled


def training_config(optimizer: Any, settings: Mapping[str, Any]) -> Json:
    """Return what Keras keeps as `training_config`: the optimizer, the loss and the metrics."""
    return {
        "loss": None if settings["loss"] is None else _named(settings["loss"]),
        "loss_weights": None,
        "metrics": [_named(metric) for metric in settings["metrics"]],
        "weighted_metrics": [_named(metric) for metric in settings["weighted_metrics"]] or None,
        "optimizer_config": {"class_name": type(optimizer).__name__, "config": optimizer.get_config()},
    }


def _named(given: Any) -> Any:
    """Return a loss or metric as Keras saves it: a name, or a class with its settings."""
    if isinstance(given, str):
        return given
    if isinstance(given, losses.FunctionLoss):
        return function_name(given.function, losses.known_names())
    if isinstance(given, type):
        return {"class_name": given.__name__, "config": {}}
    if isinstance(given, (losses.Loss, metrics.Metric)):
        return {"class_name": type(given).__name__, "config": _settings_of(given)}
    return function_name(given, [*losses.known_names(), *metrics.known_names()])


def _settings_of(given: Any) -> Json:
    """Return the constructor arguments of a loss or metric, which it has in its config or under their names."""
    if hasattr(given, "get_config"):
        return given.get_config()
    values = {name: getattr(given, name, None) for name in inspect.signature(type(given)).parameters}
    return {name: value for name, value in values.items() if isinstance(value, (str, int, float))}


def keras_reads(training: Json) -> bool:
    """Say whether Keras could compile with these settings."""
    known = training["optimizer_config"]["class_name"].lower() in optimizers.known_names()
    return known and not isinstance(training["optimizer_config"]["config"].get("learning_rate"), dict)


def compile_arguments(training: Any, custom: Mapping[str, Any]) -> Json:
    """Return the arguments of `compile` for saved settings.

    Raises:
        ValueError: If a name in them is unknown, or a file couldn't hold what was used.
        TypeError: If they are nothing that was ever saved.
    """
    if not isinstance(training, dict) or not isinstance(training.get("optimizer_config"), dict):
        raise ValueError("the settings say nothing of an optimizer")
    if training.get("loss_weights") is not None:
        raise ValueError("loss_weights have no counterpart here")
    loss = training.get("loss")
    return {
        "optimizer": optimizers.get(_found(training["optimizer_config"], custom)),
        "loss": None if loss is None else losses.get(_found(loss, custom)),
        "metrics": [_found(metric, custom) for metric in _flat(training.get("metrics"))],
        "weighted_metrics": [_found(metric, custom) for metric in _flat(training.get("weighted_metrics"))],
    }


def _found(saved: Any, custom: Mapping[str, Any]) -> Any:
    """Return one's own object for what a file names, else what it names, for `get` to look up."""
    if isinstance(saved, list) and len(saved) == 1:
        saved = saved[0]
    if isinstance(saved, str):
        return custom.get(saved, saved)
    if not isinstance(saved, dict) or not isinstance(name := saved.get("class_name"), str):
        raise TypeError(f"a saved setting is a name or has a class_name, not {saved!r}")
    own = custom.get(name, custom.get(name.rsplit(">", 1)[-1]))
    if own is not None:
        return own(**saved.get("config") or {}) if isinstance(own, type) else own
    return saved["config"] if name == "function" and isinstance(saved.get("config"), str) else saved


def _flat(saved: Any) -> Sequence[Any]:
    """Return a list of metrics; Keras may nest it once, for one output."""
    if saved is None:
        return []
    listed = saved if isinstance(saved, list) else [saved]
    return listed[0] if len(listed) == 1 and isinstance(listed[0], list) else listed
