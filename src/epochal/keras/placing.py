"""How a Keras model's variables lie on the devices of the distribution that is set, here or in Keras."""

# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

import keras
from jax.sharding import PartitionSpec

from ..distribution import Distribution, distribution
from ..distribution.layout_map import MOST_PATHS
from ..engines.jax.devices import ONE_DEVICE, Devices
from ..engines.jax.mesh_devices import MeshDevices
from ..messages.names import first_few
from .state import ModelVariables
from .types import Variable


def current() -> object:
    """Return the distribution that is set, by `epochal.distribution` or by `keras.distribution`; None without one.

    Raises:
        ValueError: If both have set one.
    """
    own, of_keras = distribution(), keras.distribution.distribution()
    if own is not None and of_keras is not None:
        raise ValueError(
            f"epochal.distribution has set {own}, and keras.distribution {of_keras}: leave it to one of them, with "
            f"set_distribution(None) of the other."
        )
    return of_keras if own is None else own


def devices_of(variables: ModelVariables) -> Devices:
    """Return where the state of a model, and its data, are to lie.

    Raises:
        ValueError: If a rule of a layout map is for no weight, or a weight can't lie as its rule says.
    """
    found: Any = current()
    if found is None:
        return ONE_DEVICE
    if isinstance(found, Distribution):
        mesh, batch_axis, layouts = found.mesh, found.batch_axis, _by_rules(found, variables)
    else:
        mesh, batch_axis, layouts = found.device_mesh.backend_mesh, found.batch_dim_name, _of_keras(found, variables)

    def spec_of(path: str, shape: tuple[int, ...]) -> PartitionSpec:
        part, _, name = path.partition("/")
        return layouts.get(f"params/{name}" if part == "average" else path, PartitionSpec())

    return MeshDevices(mesh, batch_axis, spec_of)


def _of_keras(of_keras: Any, variables: ModelVariables) -> dict[str, PartitionSpec]:
    """Return the layouts that a distribution of Keras gives variables, by path in the state."""
    found: dict[str, PartitionSpec] = {}
    by_path = _by_path(variables)
    paths = [variable.path for variable in by_path.values()]
    rules: Iterable[str] = getattr(of_keras, "_layout_map", ())
    if unused := [rule for rule in rules if not any(rule == path or re.fullmatch(rule, path) for path in paths)]:
        weights = [path for path, at in zip(paths, by_path, strict=True) if at.startswith(("params/", "other/"))]
        raise ValueError(
            f"the layout map has rules for no variable: {', '.join(map(repr, unused))}; Keras wants them to match a "
            f"whole path. The weights are {first_few(weights, MOST_PATHS)}."
        )
    for path, variable in by_path.items():
        layout = of_keras.get_variable_layout(variable)
        found[path] = getattr(layout, "backend_layout", layout).spec
    return found


def _by_rules(own: Distribution, variables: ModelVariables) -> dict[str, PartitionSpec]:
    """Return the layouts of the weights that there are rules for, and of what an optimizer keeps for them."""
    weights = [*variables.params.values(), *variables.other.values()]
    layouts = own.layout_map.layouts({weight.path: tuple(weight.shape) for weight in weights}, own.axes)
    by_owner = {weight.path.replace("/", "_") + "_": weight for weight in weights if weight.path in layouts}
    found: dict[str, PartitionSpec] = {}
    for path, variable in _by_path(variables).items():
        weight = _owner(variable, by_owner) if path.startswith("optimizer/") else variable
        if weight is not None and weight.path in layouts:
            found[path] = PartitionSpec(*layouts[weight.path])
    return found


def _owner(variable: Variable, by_owner: Mapping[str, Variable]) -> Variable | None:
    """Return the weight, by the start of its name, that an optimizer keeps a variable of the same shape for."""
    start = max((own for own in by_owner if variable.name.startswith(own)), key=len, default=None)
    owner = None if start is None else by_owner[start]
    return owner if owner is not None and tuple(owner.shape) == tuple(variable.shape) else None


def _by_path(variables: ModelVariables) -> dict[str, Variable]:
    parts = zip(("params", "other", "optimizer", "metrics"), variables.parts, strict=True)
    return {f"{part}/{name}": variable for part, named in parts for name, variable in named.items()}
