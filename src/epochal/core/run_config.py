"""What a run was made with, as one flat table of names and plain values, for those who record runs."""

from __future__ import annotations

import functools
import platform
import socket
import sys
from collections.abc import Iterator, Mapping, Sequence
from importlib.metadata import PackageNotFoundError, version
from typing import TypeAlias, TypeGuard, cast

import numpy as np

from .callback import Callback, Params

ConfigValue: TypeAlias = str | int | float | bool | None
RunConfig: TypeAlias = dict[str, ConfigValue]

FACTS = ("epochs", "batch_size", "steps", "samples", "validation_samples", "seed")
"""What `params` of a fit tell of its data."""

LIBRARIES = ("jax", "flax", "optax", "keras", "numpy")
"""Packages whose versions are told, those that are loaded."""

NO_SETTINGS = ("name", "dtype", "reduction", "fn")
"""Settings of losses and optimizers that tell runs apart by nothing that a person chose."""


def run_config(callback: Callback) -> RunConfig:
    """Return what the run of a callback is made with.

    The optimizer and the loss with their settings, the learning rate as it is now, the numbers of parameters, the
    data's sizes, the seed that somebody chose, versions, and the machine. What isn't known isn't there.

    >>> from epochal.callbacks import CallbackList
    >>> callback = Callback()
    >>> with CallbackList([callback], epochs=3, batch_size=32):
    ...     config = run_config(callback)
    >>> config["epochs"], config["batch_size"]
    (3, 32)
    """
    ask = getattr(callback.tools, "training_settings", None)
    settings: Mapping[str, object] = ask() if ask else {}
    return flat(settings) | _of_data(callback.params) | _of_machine()


def own_config(given: object) -> RunConfig:
    """Return what a user says of a run, checked and flat; empty for None.

    >>> own_config({"depth": 3, "augment": {"flip": True}, "sizes": [64, 10]})
    {'depth': 3, 'augment.flip': True, 'sizes': '64, 10'}

    Args:
        given: Names and values: numbers, text, True or False, None, functions or classes, which are known by their
            names, or lists and dicts of these.

    Raises:
        ValueError: If it is no dict, a name is no text, or a value is none of these.
    """
    if given is None:
        return {}
    if not isinstance(given, Mapping):
        raise ValueError(f"config is a dict of names and values; got {type(given).__name__}.")
    _check_plain("config", cast("Mapping[object, object]", given))
    return flat(cast("Mapping[str, object]", given))


def _check_plain(where: str, value: object) -> None:
    if isinstance(value, Mapping):
        for name, item in cast("Mapping[object, object]", value).items():
            if not isinstance(name, str):
                raise ValueError(f"{where} has the name {name!r}, which is no text.")
            _check_plain(f"{where}[{name!r}]", item)
    elif isinstance(value, (list, tuple)):
        for at, item in enumerate(cast("Sequence[object]", value)):
            _check_plain(f"{where}[{at}]", item)
    elif not (value is None or isinstance(value, (bool, int, float, str)) or _is_scalar(value) or callable(value)):
        raise ValueError(
            f"{where} is a {type(value).__name__}; a config has numbers, text, True, False, None, functions, and lists "
            "and dicts of these."
        )


def _is_scalar(value: object) -> TypeGuard[np.ndarray]:
    """Return whether a value is one number of NumPy or of JAX."""
    return getattr(value, "ndim", None) == 0 and hasattr(value, "item")


def flat(nest: Mapping[str, object]) -> RunConfig:
    """Return a nest as one table, with names such as `optimizer.beta_1`.

    A thing with a `get_config` is the name of its class and its settings; a function is its name; a list is one text.

    >>> flat({"optimizer": {"name": "Adam", "beta_1": 0.9}, "layers": [64, 10]})
    {'optimizer.name': 'Adam', 'optimizer.beta_1': 0.9, 'layers': '64, 10'}
    """
    return {name: value for key, thing in nest.items() for name, value in _entries(str(key), thing)}


def _entries(name: str, thing: object) -> Iterator[tuple[str, ConfigValue]]:
    thing = thing.item() if _is_scalar(thing) else thing
    if thing is None or isinstance(thing, (bool, int, float, str)):
        yield name, thing
    elif isinstance(thing, Mapping):
        yield from _of_mapping(name, cast("Mapping[object, object]", thing))
    elif isinstance(thing, (list, tuple)):
        items = cast("Sequence[object]", thing)
        yield name, ", ".join(str(value) for item in items for _, value in [*_entries(name, item)][:1])
    else:
        yield name, _called(thing)
        settings = {key: value for key, value in _settings(thing).items() if key not in NO_SETTINGS}
        for setting, value in settings.items():
            if value is not None:
                yield from _entries(setting if setting == "learning_rate" else f"{name}.{setting}", value)


def _of_mapping(name: str, mapping: Mapping[object, object]) -> Iterator[tuple[str, ConfigValue]]:
    """Yield what is in a mapping; of a thing that Keras has serialized its class and its settings."""
    if {"class_name", "config"} <= mapping.keys():
        yield name, str(mapping["class_name"])
        mapping = cast("Mapping[object, object]", mapping["config"] or {})
        mapping = {key: value for key, value in mapping.items() if key not in NO_SETTINGS}
    for key, value in mapping.items():
        yield from _entries(f"{name}.{key}", value)


def _called(thing: object) -> str:
    return str(getattr(thing, "__name__", None) or type(thing).__name__)


def _settings(thing: object) -> Mapping[str, object]:
    """Return what a thing says that it is made of; nothing if it doesn't, or can't."""
    if isinstance(thing, type) or not callable(tell := getattr(thing, "get_config", None)):
        return {}
    try:
        return cast("Mapping[str, object]", tell())
    except Exception:  # of a user's class that takes what a config can't hold
        return {}


def _of_data(params: Params) -> RunConfig:
    return {name: params[name] for name in FACTS if params.get(name) is not None}


def _of_machine() -> RunConfig:
    """Return versions and what trains; of libraries those that are loaded."""
    loaded = {name: found for name in ("epochal", *LIBRARIES) if name in sys.modules and (found := _version(name))}
    return {**loaded, "python": platform.python_version(), "host": socket.gethostname(), **_devices()}


@functools.cache
def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None


def _devices() -> RunConfig:
    """Return how many devices of which kind there are, where JAX is at work."""
    jax = sys.modules.get("jax")
    if jax is None:
        return {}
    devices = jax.devices()
    return {"devices": f"{len(devices)} x {devices[0].device_kind}"}
