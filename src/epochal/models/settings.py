"""Settings of layers and modules, with which a model's steps are compiled."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TypeAlias

from flax import nnx

from ..engines.jax.trees import Path

OTHERS = {
    "attribute_order", "built", "deterministic", "input_shape", "name", "numbered", "trainable", "training",
    "use_running_average",
}  # fmt: skip
"""Attributes that steps aren't compiled with: what the mode sets, names, and `trainable`, of which others warn."""

Settings: TypeAlias = Mapping[Path, object]
"""Values by the keys that lead to them: a module's path and the name of its attribute."""


def settings_of(module: nnx.Module) -> dict[Path, object]:
    """Return the attributes of a module, and of those within, that are numbers, texts, truth values, functions or None.

    So are the regularizer and the constraint of each variable.
    """
    return {key: value for key, _, value in _settings(module)}


def changed(module: nnx.Module, compiled: Settings) -> list[str]:
    """Return in words which settings are others than they were, such as `rate of dropout (0.5 then, 0.1 now)`."""
    return [
        f"{key[-1]} of {getattr(node, 'name', None) or '/'.join(map(str, key[:-1])) or type(node).__name__}"
        + ("" if callable(value) else f" ({compiled[key]!r} then, {value!r} now)")
        for key, node, value in _settings(module)
        if key in compiled and compiled[key] is not value and compiled[key] != value
    ]


def _settings(module: nnx.Module) -> Iterator[tuple[Path, object, object]]:
    for path, node in nnx.iter_graph(module):
        if isinstance(node, nnx.Module):
            for name, value in vars(node).items():
                if name not in OTHERS and not name.startswith("_") and _is_setting(value):
                    yield (*path, name), node, value
        elif isinstance(node, nnx.Variable):
            for name in ("regularizer", "constraint"):
                yield (*path, name), node, node.get_metadata(name, None)


def _is_setting(value: object) -> bool:
    return (
        value is None
        or isinstance(value, (bool, int, float, str))
        or (callable(value) and not isinstance(value, nnx.Pytree))
    )
