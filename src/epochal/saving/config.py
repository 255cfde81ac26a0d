"""Layers as the JSON that Keras keeps in a file, and back.

Source: keras/src/legacy/saving/saving_utils.py of Keras 3.15. On the way back a class or function is looked up
among `custom_objects` and epochal's own names; nothing that a file names is ever imported.
"""

from __future__ import annotations

import inspect
import json
from collections.abc import Mapping
from typing import Any

from .. import activations, initializers, layers
from ..layers import Input, Lambda, Layer
from ..messages.names import suggest
from .calls import NUMBERS
from .named import Json, found, function_name, own_object

LAYERS: dict[str, type[Layer]] = {
    cls.__name__: cls
    for cls in (
        *(layers.Activation, layers.Dense, layers.Conv2D, layers.MaxPooling2D, layers.AveragePooling2D),
        *(layers.GlobalAveragePooling1D, layers.GlobalAveragePooling2D, layers.Flatten, layers.Reshape),
        *(layers.Dropout, layers.BatchNormalization, layers.LayerNormalization, layers.Embedding),
        *(layers.Add, layers.Multiply, layers.Average, layers.Concatenate),
        *(layers.Conv1D, layers.MaxPooling1D, layers.AveragePooling1D),
        *(layers.GlobalMaxPooling1D, layers.GlobalMaxPooling2D, layers.GroupNormalization, layers.Masking),
        *(layers.ZeroPadding1D, layers.ZeroPadding2D, layers.UpSampling1D, layers.UpSampling2D),
        *(layers.Permute, layers.RepeatVector, layers.SimpleRNN, layers.LSTM, layers.GRU),
        *(layers.Bidirectional, layers.MultiHeadAttention),
    )
}
"""The layers that a file can describe, by the names that Keras and epochal share."""

PARTS = {"layer": "forward_layer", "backward_layer": "backward_layer"}
"""Settings that are layers themselves, with the attributes that hold these."""

NEUTRAL: dict[str, tuple[Any, ...]] = {
    "attention_axes": ([1],),
    "axis": (-1, [-1]),  # where it can't be chosen
    "data_format": ("channels_last",),
    "keepdims": (False,),
    "renorm": (False,),
    "rms_scaling": (False,),
    "stateful": (False,),
    "synchronized": (False,),
    "time_major": (False,),
    "use_gate": (False,),
}
"""Settings of Keras's layers that have no counterpart, with the values that mean what is done here."""

NO_MATTER = {"seed", "renorm_momentum", "beta_initializer", "gamma_initializer", "moving_mean_initializer",
             "moving_variance_initializer", "batch_input_shape", "batch_shape", "build_config",
             "flash_attention", "implementation", "unroll", "use_cudnn"}  # fmt: skip
"""Settings that say nothing about a model whose weights are loaded."""

ONLY_TRAINING = ("noise_shape", "dtype", "_regularizer", "_constraint")
"""Settings (or their endings) that are left out with a warning: outputs are as in Keras, further training isn't."""

SAVE_WEIGHTS = "save_weights works (ModelCheckpoint: save_weights_only=True)."


# To JSON


def described(name: str, layer: Any) -> Json:
    """Return what Keras keeps of a layer: its class and its settings.

    Raises:
        ValueError: If a file can't describe it: a function, or a module that isn't an `epochal.layers.Layer`.
    """
    kind = type(layer).__name__
    if isinstance(layer, Lambda):
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
    config = {**layer.get_config(), "name": name, "trainable": layer.trainable}
    for setting in config:
        if setting.endswith("activation") and config[setting] is None:
            config[setting] = _activation_name(name, getattr(layer, setting, None))
        if setting in PARTS and isinstance(part := getattr(layer, PARTS[setting], None), Layer):
            config[setting] |= described(part.name or setting, part)
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
    return [name for name in arguments if name not in config and name not in ("self", "input_shape", "input_dim")]


# From JSON


def entry_of(entry: Any) -> tuple[str, Json]:
    """Return the class and the settings of a layer in a description."""
    if not isinstance(entry, dict) or not isinstance(settings := entry.get("config"), dict):
        raise ValueError("its model_config has an entry that describes no layer.")
    name = settings.get("name", "")
    if not isinstance(name, str) or any(part in ("", ".", "..") for part in (name or "layer").split("/")):
        raise ValueError(f"its model_config names a layer {name!r}, which is no plain path.")
    return str(entry.get("class_name")), settings


def input_of(settings: Json) -> Input:
    """Return the input that an `InputLayer`, or the first layer in a file of Keras 2, describes."""
    shape = settings.get("batch_shape") or settings.get("batch_input_shape")
    if not isinstance(shape, list) or not shape or not all(n is None or (type(n) is int and n > 0) for n in shape):
        raise ValueError(f"its model_config has inputs of shape {shape!r}.")
    dtype = settings.get("dtype") or "float32"
    if dtype not in NUMBERS:
        raise ValueError(f"its model_config has inputs of dtype {dtype!r}.")
    return Input(shape[1:], dtype, settings.get("name"))


def layer_of(class_name: str, settings: Json, custom: Mapping[str, Any], left_out: list[str]) -> Any:
    """Return a new layer by its class and its settings.

    Args:
        class_name: As the file has it.
        settings: What the class's constructor takes, and what Keras has beside it.
        custom: Classes and functions of one's own by the name in the file.
        left_out: Gets the settings of Keras's without a counterpart, which matter in training only.

    Raises:
        ValueError: If the class isn't known here, or a setting has no counterpart here.
    """
    name = settings.get("name") or class_name
    own = own_object(class_name, custom)
    if own is not None:
        unset = {key for key, value in settings.items() if value is None and key.endswith("_initializer")}
        make = own.from_config if isinstance(own, type) and issubclass(own, Layer) else lambda given: own(**given)
        made = make({key: value for key, value in settings.items() if key not in {"trainable", "dtype", *unset}})
        if settings.get("trainable") is False and hasattr(type(made), "trainable"):
            made.trainable = False
        return made
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
    accepted = _accepted(make)
    given = {key: value for key, value in settings.items() if value is not None}  # None: what Keras saves for "not set"
    for key in sorted(given.keys() - accepted):
        if key.endswith(ONLY_TRAINING):
            left_out += training_only(name, key, given[key])
        elif key not in NO_MATTER and given[key] not in NEUTRAL.get(key, ()):
            raise ValueError(f"layer {name!r} ({class_name}): {key}={given[key]!r} has no counterpart here.")
    try:
        return make(**{key: _argument(key, value, custom, left_out) for key, value in given.items() if key in accepted})
    except (TypeError, ValueError, OverflowError) as error:
        raise ValueError(f"layer {name!r} ({class_name}): {error}") from error


def _accepted(make: type[Layer]) -> set[str]:
    """Return the settings that a layer's constructor takes, those it hands on included."""
    own = (kind.__init__ for kind in make.__mro__ if issubclass(kind, Layer) and kind is not Layer)
    return {"name", "trainable"}.union(*(inspect.signature(init).parameters for init in own)) - {"self", "kwargs"}


def _argument(key: str, value: Any, custom: Mapping[str, Any], left_out: list[str]) -> Any:
    """Return a setting as a layer's constructor takes it."""
    if key.endswith("activation"):
        return found(value, custom)
    if key in PARTS:
        return layer_of(*entry_of(value), custom, left_out)
    if key.endswith("_initializer"):
        if isinstance(value, dict) and isinstance(config := value.get("config"), dict):
            seed = {"seed": None} if isinstance(config.get("seed"), dict) else {}  # Keras's seed generators
            value = value | {"config": config | seed}
        return initializers.get(found(value, custom))
    return value[0] if key == "axis" and isinstance(value, list) and len(value) == 1 else value


def training_only(name: str, key: str, value: Any) -> list[str]:
    """Return what to say about a setting that only matters in training."""
    if key == "dtype":
        policy = (value.get("config") or {}).get("name") if isinstance(value, dict) else value
        return [] if policy == "float32" else [f"{name} computed in {policy}"]
    return [f"{name}.{key}"]
