"""A whole model's file, opened for reading."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from os import PathLike
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from . import extras, guard, layout
from .layout import LayerWeights


def read_weights(path: str | PathLike[str], layers: Sequence[LayerWeights]) -> list[np.ndarray]:
    """Return the weights in a file of either layout, in the order and the dtypes of a model's layers.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If it is damaged, hostile, or of another architecture; says which layer and which shapes.
    """
    with guard.opened(Path(path)) as file, guard.named(path):
        return layout.read(file, layers)


@contextmanager
def opened(path: str | PathLike[str]) -> Iterator[ModelFile]:
    """Open a whole model's file; every method reads a part of it, after it has checked what that part declares."""
    with guard.opened(Path(path)) as file:
        with guard.named(path):
            model_file = ModelFile(path, file)
        yield model_file


def _has_moments(file: h5py.File) -> bool:
    """Say whether Keras saved more of an optimizer than its step and its learning rate."""
    if not guard.has(file, "optimizer_weights"):
        return False
    return len(layout.read_names(guard.group(file, "optimizer_weights"), "weight_names") or ()) > 2


class ModelFile:
    """The parts of a whole model in a file.

    Attributes:
        config: The layers, as `graphs.graph_of` takes them.
        training: How it was compiled, as `training.compile_arguments` takes it; None if it wasn't.
        has_foreign_optimizer: Whether it has an optimizer's state that Keras wrote.
    """

    def __init__(self, path: str | PathLike[str], file: h5py.File) -> None:
        described = guard.described(file, "model_config")
        if described is None:
            raise ValueError("it holds weights only: build the model and use load_weights, or write it with save.")
        self.config = described
        self._path, self._file = path, file
        self._extras = extras.Stored(file) if guard.has(file, extras.GROUP) else None
        self.training = self._extras.training if self._extras else guard.described(file, "training_config")
        self.has_foreign_optimizer = self._extras is None and _has_moments(file)

    @property
    def frozen(self) -> list[str] | None:
        """The paths of all modules that aren't trainable; None if Keras wrote the file, whose `config` says it all."""
        return self._extras.frozen if self._extras else None

    @property
    def model_class(self) -> str | None:
        """The name of the model's class if it had an objective of its own, else None."""
        return self._extras.model_class if self._extras else None

    def weights(self, layers: Sequence[LayerWeights]) -> list[np.ndarray]:
        """Return the weights, as `read_weights` does."""
        with guard.named(self._path):
            return layout.read(self._file, layers)

    def streams(self, expected: Mapping[str, Any]) -> dict[str, np.ndarray]:
        """Return the random streams and other state that is no weight by path; empty if Keras wrote the file."""
        with guard.named(self._path):
            return self._extras.streams(expected) if self._extras else {}

    def optimizer(self, expected: Mapping[str, Any]) -> dict[str, np.ndarray]:
        """Return the optimizer's state by path; empty if there is none of epochal's."""
        with guard.named(self._path):
            return self._extras.optimizer(expected) if self._extras else {}
