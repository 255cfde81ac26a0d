"""Settings of layers and modules, with which a model's steps are compiled."""

from __future__ import annotations

import functools
from collections.abc import Iterator, Mapping

from flax import nnx

from ..layers.types import Variable
from ..layers.untyped import is_variable
from ..training.compiled_settings import CompiledSetting, is_plain

OTHERS = {
    "attribute_order", "built", "deterministic", "input_shape", "name", "numbered", "trainable", "training",
    "use_running_average",
}  # fmt: skip
"""Attributes that steps aren't compiled with: what the mode sets, names, and `trainable`, of which others warn."""


def settings_of(module: nnx.Module) -> Iterator[CompiledSetting]:
    """Yield the attributes of a module, and of those within, that are numbers, texts, truth values, functions or None.

    So are the regularizer and the constraint of each variable.
    """
    for path, node in nnx.iter_graph(module):
        if isinstance(node, nnx.Module):
            owner = str(getattr(node, "name", None) or "/".join(map(str, path)) or type(node).__name__)
            for name, value in vars(node).items():
                if name not in OTHERS and not name.startswith("_") and _is_setting(value):
                    yield CompiledSetting(owner, name, value, functools.partial(_attribute, vars(node), value))
        elif is_variable(node):
            read = functools.partial(_metadata, node)
            for name in ("regularizer", "constraint"):
                yield CompiledSetting("/".join(map(str, path)), name, read(name), read)


def _attribute(attributes: Mapping[str, object], before: object, name: str) -> object:
    """Return an attribute; `...` if there is none now, or a weight or a layer."""
    value = attributes.get(name, ...)
    return value if value is before or _is_setting(value) else ...


def _metadata(variable: Variable, name: str) -> object:
    return variable.get_metadata(name, None)


def _is_setting(value: object) -> bool:
    return is_plain(value) or (callable(value) and not isinstance(value, nnx.Pytree) and not is_variable(value))
