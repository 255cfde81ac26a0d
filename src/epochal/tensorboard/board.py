"""A log folder that TensorBoard shows: a run with two below it, `train` and `validation`, and the projector's files."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path

import numpy as np

from ..core.layer_node import LayerNode
from ..core.run_config import RunConfig
from ..storage.writer import BackgroundWriter, WriteJob
from . import hparams, projector, summaries, texts
from .event_files import EventFile
from .graphs import graph_def
from .histograms import Histogram
from .projector import Table
from .protos import Message

OF_FIT = ""
"""The run of the fit itself, the folder's own: its settings, texts, and what the projector shows."""

RUNS = (OF_FIT, "train", "validation")


class Board:
    """The log of one fit, made and written in the background, in the order of the calls.

    Args:
        log_dir: The folder.
        fit: Distinguishes the files of this fit from others in the folder.
        writer: Does the work.
        first_step: The first step that isn't logged yet. What older files have from there on is shown no more.
        marks: Where a resumed fit goes on: the result of `marks` when it was saved. None for a fit that begins.
    """

    def __init__(
        self,
        log_dir: Path,
        fit: str,
        writer: BackgroundWriter,
        first_step: int,
        marks: Mapping[str, tuple[str, int] | None] | None,
    ) -> None:
        self._log_dir, self._writer = log_dir, writer
        of_run = marks or {}
        self._runs = {
            run: EventFile(log_dir / run, fit, writer, first_step, marks is not None, of_run.get(run)) for run in RUNS
        }
        self._has_config = False
        self._described: set[tuple[str, str]] = set()

    def about(self, config: RunConfig, summary: str) -> None:
        """Log, once a fit, what it is made with, for the HParams and the Text tab.

        Args:
            config: The settings.
            summary: The table of the layers; "" if there is none.
        """

        def texts_of() -> Iterable[Message]:
            yield hparams.session_start(config)
            yield summaries.text("config", texts.table(config), "What the run was made with.")
            if summary:
                yield summaries.text("summary", texts.listing(summary), "The layers of the model.")

        self._runs[OF_FIT].log(0, texts_of)

    def end(self, succeeded: bool) -> None:
        """Log how the fit ended."""
        self._runs[OF_FIT].log(0, lambda: [hparams.session_end(succeeded)])

    def scalars(
        self, run: str, step: int, tags: Sequence[str], values: Sequence[float], describe: Callable[[str], str]
    ) -> None:
        """Log numbers, in "train" or "validation"; `describe` says what a tag is, which is written once."""
        new = [tag for tag in tags if (run, tag) not in self._described]
        if not new:
            self._runs[run].log(step, lambda: map(summaries.scalar, tags, values))
            return
        self._described.update((run, tag) for tag in new)
        texts = [describe(tag) if tag in new else "" for tag in tags]
        self._runs[run].log(step, lambda: map(summaries.scalar, tags, values, texts))

    def graph(self, model_name: str, nodes: Sequence[LayerNode]) -> None:
        """Log the model's layers, for both graphs of the Graphs tab."""
        self._runs["train"].log_graph(lambda: graph_def(nodes))
        self._runs["train"].log(0, lambda: [summaries.keras_graph(model_name, nodes)])

    def histogram(self, step: int, tag: str, of: np.ndarray | Histogram, description: str) -> WriteJob:
        """Log a histogram; that of an array is computed in the background."""
        made = lambda: of if isinstance(of, Histogram) else Histogram.of(of)
        return self._runs["train"].log(step, lambda: summaries.histogram(tag, made(), description))

    def images(self, step: int, tag: str, weight: np.ndarray, description: str) -> WriteJob:
        """Log a weight as images."""
        return self._runs["train"].log(step, lambda: summaries.images(tag, weight, description))

    def vectors(self, tables: Iterable[tuple[Table, np.ndarray]]) -> WriteJob:
        """Replace the tables of the projector."""
        tables = list(tables)

        def write() -> None:
            for table, vectors in tables:
                projector.write_vectors(self._log_dir, table, vectors)
            if not self._has_config:  # the last: TensorBoard opens what the config names
                projector.write_config(self._log_dir, [table for table, _ in tables])
                self._has_config = True

        return self._writer.put(write)

    def marks(self) -> dict[str, tuple[str, int] | None]:
        """Return where a fit saved now would go on, run by run."""
        return {run: file.mark() for run, file in self._runs.items()}

    def close(self) -> None:
        """Wait until everything is written, and close the files."""
        for job in [file.close() for file in self._runs.values()]:
            job.wait()


def histograms_of(batches: Callable[[], Iterable[Mapping[str, np.ndarray]]]) -> dict[str, Histogram]:
    """Return a histogram of each name's values over all batches; one batch is held at a time.

    Args:
        batches: Returns them from the start; called twice, to find the ranges and to count.
    """
    found: dict[str, Histogram] = {}
    for batch in batches():
        for name, values in batch.items():
            found.setdefault(name, Histogram()).measure(values)
    for batch in batches():
        for name, values in batch.items():
            found[name].count(values)
    return found
