"""A whole model's file, opened for reading."""

from __future__ import annotations

from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager
from os import PathLike
from pathlib import Path

from . import extras, guard, hdf5
from .formats import read_layers
from .hdf5 import Array, Group
from .keras_h5 import KerasH5
from .layer_weights import LayerWeights, Shaped


def read_weights(path: str | PathLike[str], layers: Sequence[LayerWeights]) -> list[Array]:
    """Return the weights in a file of any format, in the order and the dtypes of a model's layers.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If it is damaged, hostile, or of another architecture; says which layer and which shapes.
    """
    with guard.open_file(Path(path)) as file, guard.errors_naming(path):
        return read_layers(file, layers)


def read_weights_by_name(
    path: str | PathLike[str], layers: Sequence[LayerWeights], skip_mismatch: bool = False
) -> tuple[dict[str, list[Array]], list[str]]:
    """Return the weights of the layers that a file has under the same names; see `KerasH5.read_named`.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If it is damaged, hostile, has no names of layers, or other shapes under a name.
    """
    with guard.open_file(Path(path)) as file, guard.errors_naming(path):
        if not (format := KerasH5()).is_in(file):
            raise ValueError("it has the layers by class and number, not by name: leave by_name out.")
        return format.read_named(file, layers, skip_mismatch)


@contextmanager
def opened(path: str | PathLike[str]) -> Generator[ModelFile]:
    """Open a whole model's file; every method reads a part of it, after it has checked what that part declares.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If it is damaged, or holds weights only.
    """
    with guard.open_file(Path(path)) as file:
        with guard.errors_naming(path):
            model_file = ModelFile(path, file)
        yield model_file


def _has_moments(file: Group) -> bool:
    """Return whether Keras saved more of an optimizer than its step and its learning rate."""
    if not hdf5.has_link(file, "optimizer_weights"):
        return False
    return len(guard.names(guard.group(file, "optimizer_weights"), "weight_names") or ()) > 2


class ModelFile:
    """The parts of a whole model in a file.

    >>> import tempfile
    >>> from epochal.saving import Extras, Snapshot
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     Snapshot([], {"model_config": {"class_name": "Sequential"}}, Extras(frozen=["a"])).save(f"{folder}/m.h5")
    ...     with opened(f"{folder}/m.h5") as file:
    ...         file.config, file.frozen
    ({'class_name': 'Sequential'}, ['a'])

    Attributes:
        config: The description of the model's layers; see `graphs.graph_of`.
        training: How the model was compiled; see `training.compile_arguments`. None if it wasn't.
        has_foreign_optimizer: Whether it has an optimizer's state that Keras wrote.
    """

    def __init__(self, path: str | PathLike[str], file: Group) -> None:
        config = guard.json_object(file, "model_config")
        if config is None:
            raise ValueError("it holds weights only: build the model and use load_weights, or write it with save.")
        self.config = config
        self._path, self._file = path, file
        self._extras = extras.StoredExtras(file) if hdf5.has_link(file, extras.GROUP) else None
        self.training = self._extras.training if self._extras else guard.json_object(file, "training_config")
        self.has_foreign_optimizer = self._extras is None and _has_moments(file)

    @property
    def frozen(self) -> list[str] | None:
        """The paths of all modules that aren't trainable; None if Keras wrote the file, whose `config` says it all."""
        return self._extras.frozen if self._extras else None

    @property
    def model_class(self) -> str | None:
        """The name of the model's class if it had an objective of its own, else None."""
        return self._extras.model_class if self._extras else None

    def weights(self, layers: Sequence[LayerWeights]) -> list[Array]:
        """Return the weights, as `read_weights` does."""
        with guard.errors_naming(self._path):
            return read_layers(self._file, layers)

    def streams(self, expected: Mapping[str, Shaped]) -> dict[str, Array]:
        """Return the random streams and other state that is no weight by path; empty if Keras wrote the file."""
        with guard.errors_naming(self._path):
            return self._extras.streams(expected) if self._extras else {}

    def optimizer(self, expected: Mapping[str, Shaped]) -> dict[str, Array]:
        """Return the optimizer's state by path; empty if there is none of epochal's."""
        with guard.errors_naming(self._path):
            return self._extras.optimizer(expected) if self._extras else {}
