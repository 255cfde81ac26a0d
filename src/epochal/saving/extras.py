"""What a whole model has beside Keras's parts: the optimizer's state, random streams, and how it was compiled.

It lies in a group of its own name, since Keras's `fit` fails after loading state that isn't its own from the
group where it keeps its optimizer's weights. The attribute `state` says what the datasets `0`, `1`, … are.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import h5py
import numpy as np

from . import guard
from .layout import text, writable

GROUP = "epochal"
FORMAT = 1
EARLIER = ("/kernel_and_bias/", "/affine/")
"""What a Dense called its inner module in earlier files, and what it calls it now."""


@dataclass
class Extras:
    """The parts of a whole model that only epochal reads.

    Attributes:
        training: How it was compiled, as `training.training_config` has it; None if it wasn't.
        streams: Random streams and other state that is no weight, by the path of the module's variable.
        optimizer: The optimizer's state, by path.
        frozen: The paths of the modules that aren't trainable.
        model_class: The name of the model's class if it has an objective of its own, else None.
    """

    training: dict[str, Any] | None = None
    streams: dict[str, Any] = field(default_factory=dict)
    optimizer: dict[str, Any] = field(default_factory=dict)
    frozen: list[str] = field(default_factory=list)
    model_class: str | None = None

    @property
    def arrays(self) -> list[Any]:
        """All arrays, in the order in which they are written."""
        return [*self.streams.values(), *self.optimizer.values()]


def write(file: h5py.File, extras: Extras) -> None:
    """Write them into their group."""
    group = file.create_group(GROUP)
    state = {"format": FORMAT, "training": extras.training}
    state |= {"streams": list(extras.streams), "optimizer": list(extras.optimizer), "frozen": extras.frozen}
    state["class"] = extras.model_class
    group.attrs["state"] = text(json.dumps(state))
    for number, array in enumerate(extras.arrays):
        group.create_dataset(str(number), data=writable(array))


class Stored:
    """Those of a file, unread but for how the model was compiled.

    Raises:
        ValueError: If what the group says of itself is nothing that epochal wrote.
    """

    def __init__(self, file: h5py.File) -> None:
        self.group = guard.group(file, GROUP)
        state = guard.described(self.group, "state") or {}
        if state.get("format") != FORMAT:
            raise ValueError(f"its group {GROUP!r} has format {state.get('format')!r}; this epochal reads {FORMAT}.")
        self.training: Any = state.get("training")
        self._streams, self._optimizer = self._names(state, "streams"), self._names(state, "optimizer")
        self.frozen = self._names({"frozen": []} | dict(state), "frozen")
        self.model_class: str | None = None if state.get("class") is None else str(state["class"])

    def _names(self, state: Mapping[str, Any], kind: str) -> list[str]:
        names = state.get(kind)
        if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
            raise ValueError(f"its group {GROUP!r} doesn't say what its arrays are.")
        return [name.replace(*EARLIER) for name in names]

    def streams(self, expected: Mapping[str, Any]) -> dict[str, np.ndarray]:
        """Return the random streams; they must be as `expected`, which has their shapes and dtypes by path."""
        return self._read("random streams", self._streams, 0, expected)

    def optimizer(self, expected: Mapping[str, Any]) -> dict[str, np.ndarray]:
        """Return the optimizer's state, empty if there is none; it must be as `expected`."""
        return self._read("optimizer's state", self._optimizer, len(self._streams), expected) if self._optimizer else {}

    def _read(self, what: str, names: list[str], first: int, expected: Mapping[str, Any]) -> dict[str, np.ndarray]:
        if differing := sorted(set(names) ^ set(expected)):
            raise ValueError(f"its {what} are of another model; only one of the two has {differing[0]!r}.")
        stored = {name: guard.dataset(self.group, str(first + at)) for at, name in enumerate(names)}
        for name, dataset in stored.items():
            if dataset.shape != tuple(expected[name].shape):
                raise ValueError(f"in its {what}, {name} has shape {dataset.shape}, not {tuple(expected[name].shape)}.")
        return {name: guard.read(d, expected[name].shape, expected[name].dtype) for name, d in stored.items()}
