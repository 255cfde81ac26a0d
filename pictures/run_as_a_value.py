"""What a saved run holds, in bytes of a real file, and the generations in its folder."""

from __future__ import annotations

import json
import re
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

import epochal
from epochal.callbacks import BackupAndRestore, CSVLogger, EarlyStopping, Every, ReduceLROnPlateau
from epochal.layers import Dense, Dropout
from epochal.models import Sequential
from epochal.storage import generation

from .drawing import Drawing

LEFT, TOP, ROW, LONGEST = 172, 92, 34, 240

ENGINE = {
    "params": ("weights", "of each layer"),
    "optimizer": ("optimizer", "its moments and its counts of steps"),
    "other": ("random streams", "where dropout goes on to draw"),
}
"""What the engine's arrays are, by how their names begin."""


def save(folder: Path) -> list[Path]:
    """Train a model, saving each 30 batches, and return the generations that lie in the folder in the end."""
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(640, 64)), rng.integers(10, size=640)
    epochal.set_random_seed(1)
    model = Sequential([Dense(64, activation="relu", input_dim=64), Dropout(0.3), Dense(10, activation="softmax")])
    model.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
    watching = [EarlyStopping(patience=3), ReduceLROnPlateau(), CSVLogger(folder / "log.csv")]
    callbacks = [*watching, BackupAndRestore(folder, save_freq=Every(30, "batch"), keep=3)]
    model.fit(x, y, validation_split=0.2, epochs=6, verbose=0, callbacks=callbacks)
    return sorted(folder.glob("generation-*.run"))


def nbytes(value: Any) -> int:
    """Return how many bytes a part of a saved state has: its arrays', and the JSON of all else."""
    if isinstance(value, np.ndarray):
        return value.nbytes
    if isinstance(value, Mapping):
        return sum(len(json.dumps(key)) + nbytes(part) for key, part in value.items())
    if isinstance(value, (list, tuple)):
        return sum(nbytes(part) for part in value)
    return len(value) if isinstance(value, bytes) else len(json.dumps(value))


def parts(state: Mapping[str, Any]) -> list[tuple[str, str, int]]:
    """Return the name of each part of a state, what it is, and its bytes."""
    arrays: dict[str, int] = {}
    for path, array in state["engine"]["arrays"].items():
        kind = path.partition("/")[0]
        arrays[kind] = arrays.get(kind, 0) + array.nbytes
    of_engine = [(*ENGINE.get(kind, (kind, "")), size) for kind, size in arrays.items()]
    moment = {name: state[name] for name in ("epoch", "batch", "count", "means", "logs")}
    return [
        *of_engine,
        ("position", f"epoch {state['epoch'] + 1}, batch {state['batch']}, sums of the means", nbytes(moment)),
        ("data", "order of the samples, place in it", nbytes([state["data"], state["validation"]])),
        ("generators", "of NumPy and Python", nbytes(state["generators"])),
        ("callbacks", _listed(state["callbacks"]), nbytes(state["callbacks"])),
        ("identity", "of the layers, losses and data that it belongs to", nbytes(state["identity"])),
    ]


def _listed(labels: Mapping[str, object]) -> str:
    """Return the classes of callbacks that have something to remember."""
    return ", ".join(re.split(r"[(/]", label)[0] for label, state in labels.items() if state)


def draw(folder: Path) -> None:
    """Draw `run_as_a_value.svg`."""
    with tempfile.TemporaryDirectory() as work:
        files = save(Path(work))
        sizes = [(file.name, file.stat().st_size) for file in files]
        states = [generation.read(file) for file in files]
    held = parts(states[-2])
    drawing = Drawing(900, TOP + ROW * len(held) + 118, "What a saved run holds")
    drawing.text(24, 36, "What a saved run holds", bold=True, size=17)
    drawing.text(24, 60, f"{sizes[-2][0]}: {sizes[-2][1]:,} bytes, of a dense net of two layers with Adam", "faint", 13)
    most = max(size for _, _, size in held)
    for row, (name, what, size) in enumerate(held):
        y, width = TOP + ROW * row, max(2.0, LONGEST * size / most)
        drawing.text(24, y + 15, name, bold=True)
        drawing.rect(LEFT, y, width, 20, "pale", "blue", 2)
        drawing.text(LEFT + width + 8, y + 15, f"{size:,}", size=13)
        drawing.text(LEFT + LONGEST + 70, y + 15, what, "faint", 13)
    _draw_folder(drawing, TOP + ROW * len(held) + 18, sizes, states)
    drawing.save(folder / "run_as_a_value.svg")


def _draw_folder(drawing: Drawing, y: float, sizes: list[tuple[str, int]], states: list[dict[str, Any]]) -> None:
    drawing.text(24, y + 14, "The folder at the end: each file is whole, ends in a digest, and is one moment", size=14)
    for at, ((name, size), state) in enumerate(zip(sizes, states, strict=True)):
        x = 24 + 290 * at
        moment = "finished" if state["end"] else f"epoch {state['epoch'] + 1}, batch {state['batch']}"
        drawing.rect(x, y + 28, 272, 52, "paper", "blue", 4)
        drawing.text(x + 12, y + 49, name, size=13, mono=True)
        drawing.text(x + 12, y + 69, f"{moment}; {size:,} bytes", "faint", 13)
