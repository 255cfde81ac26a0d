"""What the Projector tab shows: a table of vectors a layer, and labels for its rows."""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from google.protobuf import text_format  # pyright: ignore[reportMissingModuleSource]

from ..messages.names import unknown
from ..storage.files import write_durably
from .protos import ProjectorConfig

FOLDER = "projector"

Labels = str | os.PathLike[str]
"""A TSV file with a label for each row."""


@dataclass(frozen=True)
class Table:
    """The vectors of one layer.

    Attributes:
        name: The layer's.
        shape: `(rows, columns)`.
        labels: The TSV file of the rows' labels; None if there are none.
    """

    name: str
    shape: tuple[int, int]
    labels: Path | None = None

    @property
    def file(self) -> str:
        """The path of its numbers below the folder of the config."""
        return f"{FOLDER}/{self._safe_name}.tsv"

    def labels_file(self, log_dir: Path) -> str | None:
        """The path of its labels below the folder of the config; TensorBoard serves no others."""
        if self.labels is None:
            return None
        folder, labels = log_dir.resolve(), self.labels.resolve()
        if labels.is_relative_to(folder):
            return labels.relative_to(folder).as_posix()
        return f"{FOLDER}/{self._safe_name}.metadata.tsv"

    @property
    def _safe_name(self) -> str:
        return re.sub(r"[^\w.-]", "_", self.name)


def choose_tables(
    weights: Mapping[str, Mapping[str, np.ndarray]],
    names: Sequence[str],
    labels: Labels | Mapping[str, Labels] | None,
    log_dir: Path,
) -> dict[str, Table]:
    """Return the table of each layer, its first weight, by the layer's name.

    Args:
        weights: All weights by layer and name.
        names: The layers.
        labels: One file for all layers, or one by layer; looked for in `log_dir`, then as it stands.
        log_dir: Where the projector's files will be.

    Raises:
        ValueError: If a layer is unknown or its first weight no matrix, or if a file isn't there or has other rows.
    """
    for name in names:
        if name not in weights:
            raise unknown("layer in embeddings_layer_names:", name, weights)
    if isinstance(labels, Mapping):
        for name in labels:
            if name not in names:
                raise unknown("layer in embeddings_metadata:", name, names)
    tables: dict[str, Table] = {}
    for name in names:
        given = labels.get(name) if isinstance(labels, Mapping) else labels
        found = None if given is None else _found(given, log_dir)
        tables[name] = Table(name, _shape(name, weights[name]), found)
        if found is not None and (rows := rows_of(found)) != tables[name].shape[0]:
            raise ValueError(
                f"{found} has labels for {rows} rows; {name!r} has {tables[name].shape[0]}. Write one line a row, "
                "below a header if there are several columns."
            )
    return tables


def _shape(layer: str, weights: Mapping[str, np.ndarray]) -> tuple[int, int]:
    shape = next((weight.shape for weight in weights.values()), None)
    if shape is None or len(shape) != 2:
        it = "has none" if shape is None else f"has one of shape {shape}"
        raise ValueError(f"the projector shows the rows of a layer's first weight, a matrix; {layer!r} {it}.")
    return shape[0], shape[1]


def _found(labels: Labels, log_dir: Path) -> Path:
    places = [log_dir / labels, Path(labels)]
    if (found := next((place for place in places if place.is_file()), None)) is None:
        raise ValueError(f"embeddings_metadata: there is no file {' or '.join(map(str, dict.fromkeys(places)))}.")
    return found


def rows_of(labels: Path) -> int:
    """Return how many rows a file labels.

    One line a row; with several columns, which tabs separate, below a header. Empty lines don't count.
    (https://www.tensorflow.org/tensorboard/tensorboard_projector_plugin)
    """
    lines = [line for line in labels.read_text(encoding="utf-8").split("\n") if line.strip()]
    return len(lines) - bool(lines and "\t" in lines[0])


def write_config(log_dir: Path, tables: Iterable[Table]) -> None:
    """Write `projector_config.pbtxt`, and copy the labels that lie elsewhere."""
    config = ProjectorConfig()
    for table in tables:
        labels = table.labels_file(log_dir)
        config.embeddings.add(
            tensor_name=table.name, tensor_path=table.file, tensor_shape=table.shape, metadata_path=labels
        )
        if table.labels is not None and labels is not None:
            _copy(table.labels, log_dir / labels)
    text = text_format.MessageToString(config, as_utf8=True)
    _write_text(log_dir / "projector_config.pbtxt", [text])


def write_vectors(log_dir: Path, table: Table, vectors: np.ndarray) -> None:
    """Replace a table's numbers.

    They are text, since the plugin takes a file for binary only if it can't be read as text; nine digits are a float32
    exactly.
    """
    row = "\t".join(["%.9g"] * vectors.shape[1]) + "\n"
    _write_text(log_dir / table.file, (row % tuple(vector) for vector in vectors.tolist()))


def _write_text(path: Path, lines: Iterable[str]) -> None:
    def write(temporary: Path) -> None:
        with open(temporary, "w", encoding="utf-8", newline="") as file:
            file.writelines(lines)

    write_durably(path, write)


def _copy(source: Path, target: Path) -> None:
    def write(temporary: Path) -> None:
        shutil.copyfile(source, temporary)

    if not (target.exists() and target.samefile(source)):
        write_durably(target, write)
