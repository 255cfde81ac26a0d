"""How a network's weights lie on the devices of the distribution that is set."""

# pyright: reportUnknownMemberType=false

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, cast

import numpy as np
from flax import nnx
from jax.sharding import PartitionSpec

from ..distribution import Distribution
from ..distribution.layout_map import Layout, LayoutMap
from ..engines.jax.devices import ONE_DEVICE, Devices
from ..engines.jax.layouts import WeightLayouts
from ..engines.jax.mesh_devices import MeshDevices
from ..engines.jax.module_arrays import array_path
from ..engines.jax.module_split import variables_of
from ..layers.types import AnyWeight
from ..messages.names import path_name


def devices_of(
    distribution: Distribution | None, module: nnx.Module, weights: Mapping[str, AnyWeight]
) -> Devices:  # fmt: skip
    """Return where the state of a module, and its data, are to lie.

    Args:
        distribution: The devices; None for JAX's default one.
        module: Its variables' own annotations count, too, as `flax.nnx.with_partitioning` makes them.
        weights: The module's weights by the names that a layout map's rules are for.

    Raises:
        ValueError: If a rule is for no weight, or a weight can't lie as a rule or its annotation says.
    """
    if distribution is None:
        return ONE_DEVICE
    shapes = {name: np.shape(weight.get_value()) for name, weight in weights.items()}
    layouts = distribution.layout_map.layouts(shapes, distribution.axes)
    annotated = {name: layout for name, weight in weights.items() if (layout := _annotation(weight))}
    if twice := next((name for name in annotated if name in layouts), None):
        raise ValueError(
            f"{twice} has a rule in the layout map, and an annotation in the module: take one of them out."
        )
    layouts |= LayoutMap(annotated).layouts({name: shapes[name] for name in annotated}, distribution.axes)
    paths = {id(variable): path_name(path) for path, variable in variables_of(module)}
    specs = {_path(weights[name], paths): (shapes[name], PartitionSpec(*layout)) for name, layout in layouts.items()}
    return MeshDevices(distribution.mesh, distribution.batch_axis, WeightLayouts(specs))


def _annotation(weight: AnyWeight) -> Layout:
    """Return the layout that a module's author has given a weight; `()` if none."""
    if not isinstance(weight, nnx.Variable) or not weight.get_metadata().get("out_sharding"):
        return ()
    return tuple(cast("Any", nnx.get_partition_spec(weight)).get_raw_value())


def _path(weight: AnyWeight, paths: Mapping[int, str]) -> str:
    if isinstance(weight, nnx.Variable):
        return array_path(paths[id(weight)], ())
    return array_path(paths[id(weight.variable)], weight.keys)
