"""The parts of a whole model that Keras's format has no place for: optimizer, random streams, how it was compiled.

They lie in a group of their own, since Keras's `fit` fails after loading state that isn't its own from the
group where it keeps its optimizer's weights. The attribute `state` names the datasets `0`, `1`, …
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field

from . import guard
from .hdf5 import Array, Group
from .json_values import Json, as_list
from .keras_h5 import text
from .layer_weights import Shaped, writable

GROUP = "epochal"
FORMAT = 1
EARLIER = ("/kernel_and_bias/", "/affine/")
"""The name of a Dense's inner module in earlier files, and its name now."""


@dataclass
class Extras:
    """The parts of a whole model that only epochal reads.

    >>> Extras(frozen=["layers/0"]).training is None
    True

    Attributes:
        training: How it was compiled, as `training.training_config` returns it; None if it wasn't.
        streams: Random streams and other state that is no weight, by the path of the module's variable.
        optimizer: The optimizer's state, by path.
        frozen: The paths of the modules that aren't trainable.
        model_class: The name of the model's class if it has an objective of its own, else None.
    """

    training: Json | None = None
    streams: Mapping[str, Shaped] = field(default_factory=dict[str, Shaped])
    optimizer: Mapping[str, Shaped] = field(default_factory=dict[str, Shaped])
    frozen: list[str] = field(default_factory=list[str])
    model_class: str | None = None

    @property
    def arrays(self) -> list[Shaped]:
        """All arrays, in the order in which they are written."""
        return [*self.streams.values(), *self.optimizer.values()]


def write_extras(file: Group, extras: Extras) -> None:
    """Write extras into their group."""
    group = file.create_group(GROUP)
    state: Json = {"format": FORMAT, "training": extras.training}
    state |= {"streams": list(extras.streams), "optimizer": list(extras.optimizer), "frozen": extras.frozen}
    state["class"] = extras.model_class
    group.attrs["state"] = text(json.dumps(state))
    for number, array in enumerate(extras.arrays):
        group.create_dataset(str(number), data=writable(array))


class StoredExtras:
    """The extras in a file; no array is read before it is asked for.

    Attributes:
        training: How the model was compiled, unchecked; None if it wasn't.
        frozen: The paths of the modules that aren't trainable.
        model_class: The name of the model's class if it had an objective of its own, else None.

    Raises:
        ValueError: If the description of the group is nothing that epochal wrote.
    """

    def __init__(self, file: Group) -> None:
        self._group = guard.group(file, GROUP)
        state = guard.json_object(self._group, "state") or {}
        if state.get("format") != FORMAT:
            raise ValueError(f"its group {GROUP!r} has format {state.get('format')!r}; this epochal reads {FORMAT}.")
        self.training = state.get("training")
        self._streams, self._optimizer = self._names(state, "streams"), self._names(state, "optimizer")
        self.frozen = self._names({"frozen": list[str](), **state}, "frozen")
        self.model_class = None if state.get("class") is None else str(state["class"])

    def _names(self, state: Json, kind: str) -> list[str]:
        listed = as_list(state.get(kind))
        names = [name for name in listed or () if isinstance(name, str)]
        if listed is None or len(names) < len(listed):
            raise ValueError(f"its group {GROUP!r} doesn't say what its arrays are.")
        return [name.replace(*EARLIER) for name in names]

    def streams(self, expected: Mapping[str, Shaped]) -> dict[str, Array]:
        """Return the random streams by path.

        Args:
            expected: The streams of the model, for their paths, shapes and dtypes.

        Raises:
            ValueError: If those in the file are others.
        """
        return self._read("random streams", self._streams, 0, expected)

    def optimizer(self, expected: Mapping[str, Shaped]) -> dict[str, Array]:
        """Return the optimizer's state by path, empty if there is none; see `streams`."""
        return self._read("optimizer's state", self._optimizer, len(self._streams), expected) if self._optimizer else {}

    def _read(self, what: str, names: list[str], first: int, expected: Mapping[str, Shaped]) -> dict[str, Array]:
        if differing := sorted(set(names) ^ set(expected)):
            raise ValueError(f"its {what} are of another model; only one of the two has {differing[0]!r}.")
        stored = {name: guard.dataset(self._group, str(first + at)) for at, name in enumerate(names)}
        for name, dataset in stored.items():
            if dataset.shape != tuple(expected[name].shape):
                raise ValueError(f"in its {what}, {name} has shape {dataset.shape}, not {tuple(expected[name].shape)}.")
        return {name: guard.read(d, expected[name].shape, expected[name].dtype) for name, d in stored.items()}
