"""The table of the formats of model files.

A format is a class with the methods of `FileFormat`, in a file of its own, and a line in `FORMATS`. All are HDF5.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from os import PathLike, fspath
from typing import Protocol

from .hdf5 import Array, Group
from .keras_h5 import KerasH5
from .keras_weights import KerasWeights
from .layer_weights import LayerWeights


class FileFormat(Protocol):
    """Where things lie in a file.

    Attributes:
        suffixes: Of the names of files that are written so.
        holds_models: Whether it can hold a whole model; else it holds weights only.
        signs: What `is_in` looks for, as an error names it.
    """

    suffixes: Sequence[str]
    holds_models: bool
    signs: Sequence[str]

    def write(self, file: Group, layers: Sequence[LayerWeights], descriptions: Mapping[str, object] | None) -> None:
        """Write into a new file.

        Args:
            file: The file.
            layers: The layers, whose arrays are on the host.
            descriptions: The JSON values that Keras keeps of a whole model, by name; None for weights alone.
        """
        ...

    def is_in(self, file: Group) -> bool:
        """Return whether a file has this format, whatever its name."""
        ...

    def read(self, file: Group, layers: Sequence[LayerWeights]) -> list[Array]:
        """Return the weights in a file for a model that has these layers, in their order and dtypes.

        Raises:
            ValueError: If the file's layers or shapes are others; says which. Nothing is read before that is known.
        """
        ...


FORMATS: tuple[FileFormat, ...] = (KerasH5(), KerasWeights())


def check_suffix(path: str | PathLike[str], weights_only: bool = False) -> FileFormat:
    """Return the format for a file of this name: of several suffixes that fit, the longest decides.

    Raises:
        ValueError: If the suffix is unknown, or can't hold a whole model.

    >>> check_suffix("best.weights.h5", weights_only=True).suffixes
    ('.weights.h5',)
    >>> check_suffix("best.keras")
    Traceback (most recent call last):
    ValueError: 'best.keras': a model file ends in .h5 or .hdf5, weights alone also in .weights.h5. ...
    """
    name = fspath(path)
    fitting = {suffix: format for format in FORMATS for suffix in format.suffixes if name.endswith(suffix)}
    if not fitting:
        whole = " or ".join(suffix for format in FORMATS if format.holds_models for suffix in format.suffixes)
        more = " or ".join(suffix for format in FORMATS if not format.holds_models for suffix in format.suffixes)
        hint = " Keras's own .keras archive isn't written; Keras loads the .h5 too." if name.endswith(".keras") else ""
        raise ValueError(f"{name!r}: a model file ends in {whole}, weights alone also in {more}.{hint}")
    suffix = max(fitting, key=len)
    if not weights_only and not fitting[suffix].holds_models:
        raise ValueError(
            f"{name!r}: a {suffix} file holds weights only: use save_weights (ModelCheckpoint: "
            f"save_weights_only=True), or a name that ends in .h5 without {suffix.removesuffix('.h5')} for the whole "
            "model."
        )
    return fitting[suffix]


def read_layers(file: Group, layers: Sequence[LayerWeights]) -> list[Array]:
    """Return the weights in a file of any format, as its `read` does."""
    for format in FORMATS:
        if format.is_in(file):
            return format.read(file, layers)
    *others, last = (sign for format in FORMATS for sign in format.signs)
    raise ValueError(f"it holds no weights in a layout of Keras: neither {', '.join(others)} nor {last}.")
