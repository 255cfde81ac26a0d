"""How a model and its batches are dealt out over devices."""

# pyright: reportUnknownMemberType=false

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any, TypeAlias, cast

import jax
import numpy as np
from jax.sharding import AxisType, Mesh

from ..messages.names import first_few
from .layout_map import LayoutMap

Device: TypeAlias = Any
"""One of `jax.devices()`; JAX has no type for it that checkers know."""

BATCH = "batch"
"""The axis of a mesh that batches are dealt out over, where nobody says another one."""


class Distribution:
    """A mesh of devices, the axis of it that batches are dealt out over, and how weights lie on it.

    `DataParallel` and `ModelParallel` are what one makes.

    >>> parallel = Distribution(Mesh(np.array(jax.devices()[:1]), ("batch",)))
    >>> parallel.axes
    {'batch': 1}

    Args:
        mesh: The devices, with a name for each axis.
        batch_axis: The axis that the samples of a batch are dealt out over.
        layout_map: How weights lie on the mesh; all of them lie whole on every device if None.

    Raises:
        ValueError: If the layout map names an axis that the mesh doesn't have, or a process has no device in the mesh.
    """

    def __init__(self, mesh: Mesh, batch_axis: str = BATCH, layout_map: LayoutMap | None = None) -> None:
        self.mesh = Mesh(mesh.devices, mesh.axis_names, axis_types=(AxisType.Auto,) * len(mesh.axis_names))
        self.batch_axis, self.layout_map = batch_axis, LayoutMap() if layout_map is None else layout_map
        if strange := sorted(self.layout_map.axes() - {*self.axes}):
            raise ValueError(
                f"the layout map names {first_few(strange, 6)}, and the mesh has the axes {', '.join(self.axes)}."
            )
        members = {device.process_index for device in self.mesh.devices.flat}
        if absent := sorted(set(range(jax.process_count())) - members):
            raise ValueError(
                f"the mesh has no device of process {', '.join(map(str, absent))}: every process must have some, since "
                f"all of them take part in each step."
            )

    @property
    def axes(self) -> dict[str, int]:
        """The number of devices along each axis of the mesh."""
        return {name: int(size) for name, size in self.mesh.shape.items()}

    def __repr__(self) -> str:
        axes = ", ".join(f"{name}: {size}" for name, size in self.axes.items())
        return f"<{type(self).__name__} on {self.mesh.size} devices ({axes})>"


class DataParallel(Distribution):
    """Each device takes its part of every batch, and all of them have all weights.

    A batch that can't be dealt out evenly, such as the last one of an epoch, is computed whole on every device.

    >>> DataParallel(devices=jax.devices()[:1])
    <DataParallel on 1 devices (batch: 1)>

    Args:
        devices: The devices to use; all devices of all processes if None.

    Raises:
        ValueError: If there are none, or a process has none of them.
    """

    def __init__(self, devices: Sequence[Device] | None = None) -> None:
        used = _all_devices() if devices is None else list(devices)
        if not used:
            raise ValueError("data parallel training needs at least one device; got none.")
        super().__init__(Mesh(_array_of(used, (len(used),)), (BATCH,)))


class ModelParallel(Distribution):
    """Weights are dealt out over devices by the rules of a layout map, and batches over one axis of the mesh.

    >>> layout_map = LayoutMap({r"dense.*/kernel": (None, "model")})
    >>> ModelParallel(layout_map, mesh={"batch": 1, "model": 1}, devices=jax.devices()[:1])
    <ModelParallel on 1 devices (batch: 1, model: 1)>

    Args:
        layout_map: How weights lie on the mesh.
        mesh: The number of devices along each axis, by name, or a `jax.sharding.Mesh`.
        batch_axis: The axis of the mesh that batches are dealt out over; if the mesh doesn't have it, every device
            takes whole batches.
        devices: The devices that make up the mesh, the last axis running fastest; all devices of all processes if None.

    Raises:
        ValueError: If the mesh is larger than the devices, the layout map names another axis than the mesh has, or a
            process has no device in the mesh.
    """

    def __init__(
        self,
        layout_map: LayoutMap,
        mesh: Mapping[str, int] | Mesh,
        batch_axis: str = BATCH,
        devices: Sequence[Device] | None = None,
    ) -> None:
        if not isinstance(layout_map, LayoutMap):  # pyright: ignore[reportUnnecessaryIsInstance]
            raise TypeError(f"layout_map is a LayoutMap of rules; got {layout_map!r}.")
        if isinstance(mesh, Mesh):
            if devices is not None:
                raise ValueError("a jax.sharding.Mesh has its devices: leave out `devices`.")
            made = mesh
        else:
            made = _mesh_of(mesh, _all_devices() if devices is None else list(devices))
        super().__init__(made, batch_axis, layout_map)


def _all_devices() -> list[Device]:
    return list(cast("Sequence[Device]", jax.devices()))


def _mesh_of(axes: Mapping[str, int], devices: list[Device]) -> Mesh:
    sizes = tuple(axes.values())
    if not sizes or any(not isinstance(size, int) or size < 1 for size in cast("tuple[object, ...]", sizes)):
        raise ValueError(
            f"mesh has the number of devices along each axis, such as {{'batch': 2, 'model': 4}}; got {axes!r}."
        )
    if (needed := math.prod(sizes)) > len(devices):
        raise ValueError(f"the mesh {dict(axes)} has {needed} devices, and there are {len(devices)}.")
    return Mesh(_array_of(devices[:needed], sizes), tuple(axes))


def _array_of(devices: list[Device], shape: tuple[int, ...]) -> np.ndarray[Any, np.dtype[np.object_]]:
    array = np.empty(len(devices), object)
    array[:] = devices
    return array.reshape(shape)
