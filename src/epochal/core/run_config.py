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

DEEPEST = 10
"""Levels of things within things that are told."""

LARGEST_BITS = 1_000
"""Of a whole number; a float holds no larger one."""

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
    return (
        flat({name: value for name, value in settings.items() if value is not None})
        | _of_data(callback.params)
        | _of_machine()
    )


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
    entries = [entry for key, thing in cast("Mapping[str, object]", given).items() for entry in _entries(key, thing)]
    names = [name for name, _ in entries]
    if twice := next((name for name in names if names.count(name) > 1), None):
        raise ValueError(f"config says {twice!r} twice: a name with a dot is that of a value within a dict.")
    return dict(entries)


def _check_plain(where: str, value: object, deep: int = DEEPEST) -> None:
    if deep == 0:
        raise ValueError(f"{where[:100]}… is nested deeper than {DEEPEST}; it may hold itself.")
    value = value.item() if _is_scalar(value) else value
    if isinstance(value, Mapping):
        for name, item in cast("Mapping[object, object]", value).items():
            if not isinstance(name, str):
                raise ValueError(f"{where} has the name {name!r}, which is no text.")
            _check_plain(f"{where}[{name!r}]", item, deep - 1)
    elif isinstance(value, (list, tuple)):
        for at, item in enumerate(cast("Sequence[object]", value)):
            _check_plain(f"{where}[{at}]", item, deep - 1)
    elif isinstance(value, int) and value.bit_length() > LARGEST_BITS:
        raise ValueError(f"{where} is a number of {value.bit_length()} bits, which is too large.")
    elif isinstance(value, str) and value != value.encode(errors="replace").decode():
        raise ValueError(f"{where} is {value[:40]!r}, which UTF-8 can't hold.")
    elif not (value is None or isinstance(value, (bool, int, float, str)) or callable(value)):
        raise ValueError(
            f"{where} is a {type(value).__name__}; a config has numbers, text, True, False, None, functions, and lists "
            "and dicts of these."
        )


def _is_scalar(value: object) -> TypeGuard[np.ndarray]:
    """Return whether a value is one number of NumPy or of JAX."""
    return getattr(value, "ndim", None) == 0 and hasattr(value, "item")


def flat(nest: Mapping[str, object]) -> RunConfig:
    """Return a nest as one table, with names such as `optimizer.beta_1`.

    A thing with a `get_config` is the name of its class and its settings; a function is its name; a list is one text,
    but for lists and dicts in it, which are numbered.

    >>> flat({"optimizer": {"name": "Adam", "beta_1": 0.9}, "layers": [64, 10]})
    {'optimizer.name': 'Adam', 'optimizer.beta_1': 0.9, 'layers': '64, 10'}
    """
    return {name: value for key, thing in nest.items() for name, value in _entries(str(key), thing)}


def _entries(name: str, thing: object, deep: int = DEEPEST) -> Iterator[tuple[str, ConfigValue]]:
    thing = thing.item() if _is_scalar(thing) else thing
    if thing is None or isinstance(thing, (bool, int, float, str)):
        yield name, thing
    elif deep == 0:
        yield name, _called(thing)
    elif isinstance(thing, Mapping):
        yield from _of_mapping(name, cast("Mapping[object, object]", thing), deep - 1)
    elif isinstance(thing, (list, tuple)):
        items = cast("Sequence[object]", thing)
        if any(isinstance(item, (Mapping, list, tuple)) for item in items):
            for at, item in enumerate(items):
                yield from _entries(f"{name}.{at}", item, deep - 1)
            return
        yield name, ", ".join(str(value) for item in items for _, value in [*_entries(name, item, 1)][:1])
    else:
        yield name, _called(thing)
        settings = {key: value for key, value in _settings(thing).items() if key not in NO_SETTINGS}
        for setting, value in settings.items():
            if value is not None:
                yield from _entries(setting if setting == "learning_rate" else f"{name}.{setting}", value, deep - 1)


def _of_mapping(name: str, mapping: Mapping[object, object], deep: int) -> Iterator[tuple[str, ConfigValue]]:
    """Yield what is in a mapping; of a thing that Keras has serialized its class and its settings."""
    if {"class_name", "config"} <= mapping.keys():
        yield name, str(mapping["class_name"])
        mapping = cast("Mapping[object, object]", mapping["config"] or {})
        mapping = {key: value for key, value in mapping.items() if key not in NO_SETTINGS}
    for key, value in mapping.items():
        yield from _entries(f"{name}.{key}", value, deep)


def _called(thing: object) -> str:
    return str(getattr(thing, "__name__", None) or type(thing).__name__)


def _settings(thing: object) -> Mapping[str, object]:
    """Return what a thing says that it is made of; nothing if it doesn't, or can't."""
    if isinstance(thing, type) or not callable(tell := getattr(thing, "get_config", None)):
        return {}
    try:
        told: object = tell()
        return cast("Mapping[str, object]", told) if isinstance(told, Mapping) else {}
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
