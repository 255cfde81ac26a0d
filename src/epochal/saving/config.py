"""A layer as the JSON that Keras keeps in a file, and back.

Source: keras/src/legacy/saving/saving_utils.py of Keras 3.15. On the way back a class or function is looked up
among `custom_objects` and epochal's own names; nothing that a file names is ever imported.
"""

from __future__ import annotations

import inspect
import json
from collections.abc import Callable, Mapping
from typing import TypeAlias, cast

from .. import activations, constraints, initializers, layers, regularizers
from ..layers import Bidirectional, Input, Lambda, Layer, TimeDistributed, restraints
from ..layers.members import module_in
from ..layers.names import snake_case
from ..messages.arguments import keywords_of
from ..messages.names import suggest
from .calls import NUMBERS, array_or_plain
from .custom_objects import CustomObjects, function_name, own_object, resolve
from .json_values import Json, as_list, as_object

_public = (getattr(layers, name) for name in layers.__all__)
LAYERS: Mapping[str, Callable[..., Layer]] = {
    kind.__name__: kind
    for kind in _public
    if isinstance(kind, type) and issubclass(kind, Layer) and kind not in (Layer, Lambda)
}
"""The layers that a file can describe, by the names that Keras and epochal share."""

PARTS = {"layer": ("forward_layer", "layer"), "backward_layer": ("backward_layer",)}
"""Settings that are layers or models themselves, with the attributes that may hold these."""

NEUTRAL: Mapping[str, tuple[object, ...]] = {
    "attention_axes": ([1],),
    "axis": (-1, [-1]),  # where it can't be chosen
    "data_format": ("channels_last",),
    "renorm": (False,),
    "rms_scaling": (False,),
    "stateful": (False,),
    "synchronized": (False,),
    "time_major": (False,),
    "use_gate": (False,),
}
"""Settings of Keras's layers without a counterpart, and their values that change nothing here."""

NOT_TRAINABLE = ("SpatialDropout1D", "SpatialDropout2D")
"""Layers that Keras doesn't let say whether they are trainable; they have no weights."""

NO_MATTER = {"renorm_momentum", "beta_initializer", "gamma_initializer", "moving_mean_initializer",
             "moving_variance_initializer", "batch_input_shape", "batch_shape", "build_config",
             "flash_attention", "implementation", "unroll", "use_cudnn"}  # fmt: skip
"""Settings that say nothing about a model whose weights are loaded."""

RESTRAINTS = ("_regularizer", "_constraint")
"""The endings of settings that are regularizers or constraints."""

ONLY_TRAINING = ("dtype", *RESTRAINTS)
"""Settings (or their endings) that are left out with a warning: outputs are as in Keras, further training isn't."""

SAVE_WEIGHTS = "save_weights works (ModelCheckpoint: save_weights_only=True)."


# To JSON


Describe: TypeAlias = Callable[[str, object], Json]
"""Returns the description of a layer or of a model's module, given a name for it."""

Make: TypeAlias = Callable[[str, Json, CustomObjects, list[str]], object]
"""Makes a layer or a model from a description, as `layer_of` does."""


def layer_config(name: str, layer: object, describe: Describe) -> Json:
    """Return a layer's class and settings in the form in which Keras saves them.

    Args:
        name: Of the layer.
        layer: The layer.
        describe: What describes the layers and models that it holds.

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
    config: Json = {**layer.get_config(), "name": name, "trainable": layer.trainable}
    for setting in restraints.names_of(type(layer)):
        _check_restraint(f"layer {name!r}: its {setting}", getattr(layer, setting, None))
    for setting in config:
        if setting.endswith("activation") and config[setting] is None:
            config[setting] = _activation_name(name, getattr(layer, setting, None))
        if setting in PARTS and (part := _part(layer, setting)) is not None:
            config[setting] = {**(as_object(config[setting]) or {}), **describe(part.name or snake_case(part), part)}
    if kind in NOT_TRAINABLE:
        del config["trainable"]
    unset: Mapping[str, object] = dict.fromkeys(restraints.names_of(type(layer)))  # a config leaves these out
    if kind not in LAYERS and (missing := _unsaid(layer, {**unset, **config})):
        raise ValueError(f"layer {name!r}: {kind}.get_config doesn't say its argument {missing[0]!r}. Add it.")
    try:
        json.dumps(config)
    except (TypeError, ValueError) as error:
        raise ValueError(f"layer {name!r}: {kind}.get_config has a value that JSON can't hold: {error}") from error
    return {"class_name": kind, "config": config}


def _part(layer: Layer, setting: str) -> Layer | None:
    """Return the layer that one of a layer's settings is, or the module of the model; None if it is none."""
    if not isinstance(layer, (Bidirectional, TimeDistributed)):
        return None
    held = (module_in(getattr(layer, attribute, None)) for attribute in PARTS[setting])
    return next((part for part in held if isinstance(part, Layer)), None)


def _activation_name(layer: str, function: object) -> str:
    if (name := function_name(function, activations.is_known)).startswith("<"):
        raise ValueError(f"layer {layer!r}: its activation {name} is a function that a file can't name: {SAVE_WEIGHTS}")
    return name


def _check_restraint(what: str, value: object) -> None:
    """Raise a ValueError if a file can't hold a regularizer or a constraint so that `custom_objects` finds it again."""
    kind, config = type(value), getattr(value, "get_config", None)
    if value is None or getattr(regularizers, kind.__name__, getattr(constraints, kind.__name__, None)) is kind:
        return
    named: object = value if config is None else kind
    name = function_name(named, lambda own: regularizers.is_known(own) or constraints.is_known(own))
    if name.startswith("<") or not hasattr(named, "__name__"):
        raise ValueError(f"{what} {name} is one that a file can't name: {SAVE_WEIGHTS}")
    if config is not None and (missing := _unsaid(value, config())):
        raise ValueError(f"{what}: {name}.get_config doesn't say its argument {missing[0]!r}. Add it.")


def _unsaid(thing: object, config: Json) -> list[str]:
    """Return the constructor's arguments that a thing of one's own leaves out of its config."""
    arguments, _ = keywords_of(type(thing).__init__)
    return [name for name in arguments if name not in config and name not in ("input_shape", "input_dim")]


# From JSON


def entry_of(described: object) -> tuple[str, Json]:
    """Return the class and the settings of a layer in a description; raise a ValueError if it describes none."""
    entry = as_object(described)
    if entry is None or (settings := as_object(entry.get("config"))) is None:
        raise ValueError("its model_config has an entry that describes no layer.")
    name = settings.get("name", "")
    if not isinstance(name, str) or any(part in ("", ".", "..") for part in (name or "layer").split("/")):
        raise ValueError(f"its model_config names a layer {name!r}, which is no plain path.")
    return str(entry.get("class_name")), settings


def input_of(settings: Json) -> Input:
    """Return the input that an `InputLayer`, or the first layer in a file of Keras 2, describes."""
    shape = settings.get("batch_shape") or settings.get("batch_input_shape")
    sizes = as_list(shape)
    if not sizes or not all(n is None or (type(n) is int and n > 0) for n in sizes):
        raise ValueError(f"its model_config has inputs of shape {shape!r}.")
    dtype = settings.get("dtype") or "float32"
    if not isinstance(dtype, str) or dtype not in NUMBERS:
        raise ValueError(f"its model_config has inputs of dtype {dtype!r}.")
    return Input(cast("list[int | None]", sizes[1:]), dtype, cast("str | None", settings.get("name")))


def layer_of(class_name: str, settings: Json, custom: CustomObjects, left_out: list[str], make_part: Make) -> object:
    """Return a new layer by its class and its settings.

    Args:
        class_name: As the file has it.
        settings: What the class's constructor takes, and what Keras has beside it.
        custom: The user's classes and functions by the names in the file.
        left_out: Gets Keras's settings without a counterpart that matter in training only.
        make_part: Makes the layers and models that it holds.

    Raises:
        ValueError: If the class isn't known here, or a setting has no counterpart here.
    """
    name = str(settings.get("name") or class_name)
    if (own := own_object(class_name, custom)) is not None:
        return _own_layer(own, settings, custom)
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
    accepted = _accepted(cast("type[Layer]", make))
    given = {key: value for key, value in settings.items() if value is not None}  # None: what Keras saves for "not set"
    for key in sorted(given.keys() - accepted):
        if key.endswith(ONLY_TRAINING):
            left_out += _training_only(name, key, given[key])
        elif key not in NO_MATTER and given[key] not in NEUTRAL.get(key, ()):
            raise ValueError(f"layer {name!r} ({class_name}): {key}={given[key]!r} has no counterpart here.")
    try:
        parts = {key: make_part(*entry_of(value), custom, left_out) for key, value in given.items() if key in PARTS}
        others = {key: given[key] for key in given if key in accepted and key not in parts}
        return make(**{key: _argument(key, value, custom) for key, value in others.items()}, **parts)
    except (TypeError, ValueError, OverflowError) as error:
        raise ValueError(f"layer {name!r} ({class_name}): {error}") from error


def _own_layer(own: object, settings: Json, custom: CustomObjects) -> object:
    """Return a new layer of a user's class or function."""
    unset = {key for key, value in settings.items() if value is None and key.endswith("_initializer")}
    given = {key: value for key, value in settings.items() if key not in {"trainable", "dtype", *unset}}
    given |= {key: resolve(value, custom) for key, value in given.items() if key.endswith(RESTRAINTS) and value}
    if isinstance(own, type) and issubclass(own, Layer):
        made: object = own.from_config(given)
    else:
        made = cast("Callable[..., object]", own)(**given)
    if settings.get("trainable") is False and hasattr(type(made), "trainable"):
        cast(Layer, made).trainable = False
    return made


def _accepted(make: type[Layer]) -> set[str]:
    """Return the settings that a layer's constructor takes, also by way of `**kwargs`."""
    own = (kind.__init__ for kind in make.__mro__ if issubclass(kind, Layer) and kind is not Layer)
    return {"name", "trainable", *restraints.names_of(make)}.union(
        *(inspect.signature(init).parameters for init in own)
    ) - {"self", "kwargs"}


def _argument(key: str, value: object, custom: CustomObjects) -> object:
    """Return a setting as a layer's constructor takes it."""
    if key.endswith("activation"):
        return resolve(value, custom)
    if key.endswith(RESTRAINTS):
        return restraints.get(key, resolve(value, custom))
    if key == "seed" and as_object(value) is not None:  # Keras's seed generators
        return None
    if key.endswith("_initializer"):
        entry = as_object(value) or {}
        if (config := as_object(entry.get("config"))) is not None:
            seed = {"seed": None} if isinstance(config.get("seed"), dict) else {}  # Keras's seed generators
            value = {**entry, "config": {**config, **seed}}
        return initializers.get(resolve(value, custom))
    axes = as_list(value)
    return axes[0] if key == "axis" and axes is not None and len(axes) == 1 else array_or_plain(value)


def _training_only(name: str, key: str, value: object) -> list[str]:
    """Return the words of a warning about a setting that only matters in training, none if it changes nothing."""
    if key == "dtype":
        policy = value if (entry := as_object(value)) is None else (as_object(entry.get("config")) or {}).get("name")
        return [] if policy == "float32" else [f"{name} computed in {policy}"]
    return [f"{name}.{key}"]
