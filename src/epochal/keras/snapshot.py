"""A Keras model at one moment, for a file that is written while the model trains on."""

# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false

from __future__ import annotations

import contextlib
import logging
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import h5py
import keras
import numpy as np
from keras.src.backend.common import global_state
from keras.src.legacy.saving import legacy_h5_format
from keras.src.saving import saving_lib

from ..core.logs import fetch
from ..engines.jax.trees import Array
from ..storage.files import write_durably
from .types import KerasModel, Variable

KINDS = ("Operation", "Layer", "Functional", "Sequential", "Metric", "Optimizer", "Loss")
"""Keras's names for the kinds of objects in a file."""

WHOLE = (".keras", ".h5", ".hdf5")
WEIGHTS = (".weights.h5", ".h5", ".hdf5")


def check_suffix(path: str | os.PathLike[str], weights_only: bool) -> None:
    """Raise a ValueError if Keras has no format for a file of this name."""
    name, known = os.fspath(path), WEIGHTS if weights_only else WHOLE
    if not name.endswith(known) or (not weights_only and name.endswith(".weights.h5")):
        what = "weights of a Keras model" if weights_only else "Keras model"
        also = ", and weights alone with save_weights_only=True in .weights.h5" if not weights_only else ""
        raise ValueError(f"a {what} is saved in a file that ends in {', '.join(known)}{also}; got {name!r}.")


class KerasSnapshot:
    """Values of all variables of a model, on the host; Keras's own writer makes a file of them.

    Args:
        model: Its description is that of the moment of `save`; only values are copied.
        values: Each variable with its value.
        weights_only: Whether the file has the weights alone.
    """

    def __init__(self, model: KerasModel, values: Sequence[tuple[Variable, np.ndarray]], weights_only: bool) -> None:
        self._model, self._values, self._weights_only = model, values, weights_only

    @classmethod
    def take(
        cls, model: KerasModel, values: Sequence[tuple[Variable, Array]], weights_only: bool, reuse: Any = None
    ) -> KerasSnapshot:
        """Copy values to the host, into the memory of an older snapshot of the same variables if there is one."""
        old = {id(variable): array for variable, array in reuse._values} if isinstance(reuse, cls) else {}
        copies: list[tuple[Variable, np.ndarray]] = []
        for variable, value in values:
            host, memory = fetch(value), old.get(id(variable))
            if memory is not None and (memory.shape, memory.dtype) == (host.shape, host.dtype):
                np.copyto(memory, host)
                copies.append((variable, memory))
            else:
                copies.append((variable, np.array(host)))
        return cls(model, copies, weights_only)

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the file, durably, in any thread: Keras's scope of values holds in this thread alone.

        Raises:
            ValueError: If Keras has no format for a file of this name.
            OSError: If it can't be written; then the file is as it was.
        """
        check_suffix(path, self._weights_only)
        suffix = next(end for end in (".weights.h5", *WHOLE) if os.fspath(path).endswith(end))
        _know_attributes()
        with keras.StatelessScope(self._values):
            write_durably(path, self._write, suffix=suffix)

    def _write(self, path: Path) -> None:
        if not self._weights_only:
            _save_quietly(self._model, path)
        elif path.name.endswith(".weights.h5"):
            self._model.save_weights(path, overwrite=True)
        else:
            with h5py.File(path, "w") as file:
                legacy_h5_format.save_weights_to_hdf5_group(file, self._model)


def _know_attributes() -> None:
    """Let this thread know which attributes Keras's writer skips.

    It makes an object of each kind to find out, at each file, but no optimizer can be made within a scope of values.
    """
    for kind in KINDS:
        if global_state.get_global_attribute(f"saving_attr_skiplist_{kind}") is None:
            with contextlib.suppress(ValueError):  # a kind that an older version doesn't know
                names = saving_lib.get_attr_skipset(kind)
                global_state.set_global_attribute(f"saving_attr_skiplist_{kind}", names)


def _save_quietly(model: KerasModel, path: Path) -> None:
    """Save a model without Keras's advice about formats, at each save.

    Keras's writer of `.h5` files takes the optimizer out of the very settings that `compile` has left in the model.
    """
    logger, settings = logging.getLogger("absl"), getattr(model, "_compile_config", None)
    level, kept = logger.level, dict(getattr(settings, "config", None) or {})
    logger.setLevel(logging.ERROR)
    try:
        model.save(path, overwrite=True)
    finally:
        logger.setLevel(level)
        if settings is not None:
            settings.config = kept
