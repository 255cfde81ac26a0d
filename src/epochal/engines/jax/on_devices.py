"""What every engine says of the devices on which its state lies."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import jax
import numpy as np

from ...core.accord import Least
from ...data.nests import Nest, leaves
from .device_state import DeviceState
from .placement import fits
from .trees import PyTree


class OnDevices:
    """The part of an engine that follows from where its state lies, whatever its steps are."""

    _state: DeviceState[Any]

    @property
    def devices(self) -> int:
        """On how many devices the state lies."""
        return self._state.devices.count

    @property
    def least(self) -> Least | None:
        """How several processes, among whose devices the state lies, find a minimum together; None in one alone."""
        return self._state.devices.least

    @property
    def lost(self) -> bool:
        """Whether a call that failed has consumed the state."""
        return self._state.lost

    def whole_bytes(self) -> int | None:
        """Return how many bytes a snapshot has, if no process has all of the state; else None."""
        return self._state.whole_bytes()

    def checksum(self) -> int:
        """Return a number below 2**31 that follows from what this process holds of the state that all have whole."""
        return self._state.checksum()

    def fits(self, arrays: Nest) -> bool:
        """Return whether arrays can stay on the device beside what else may be needed there."""
        devices = self._state.devices
        return devices.all_have(fits(leaves(arrays), devices), "looking for space for the data")

    def joined(self, outputs: Sequence[PyTree]) -> PyTree:
        """Return the outputs of several batches, one after the other, in one nest of NumPy arrays."""
        return jax.tree.map(lambda *parts: np.concatenate(parts), *outputs)
