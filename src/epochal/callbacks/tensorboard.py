"""Everything about a fit as files that TensorBoard shows."""

from __future__ import annotations

import os
import uuid
from collections.abc import Iterable, Mapping
from numbers import Real
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ..core.cadence import Cadence, Every
from ..core.callback import Callback
from ..core.epoch_meter import EpochMeter, step_time, steps_of
from ..core.layer_node import LayerNode
from ..core.learning_rate import last_learning_rate
from ..core.logs import LoggedValues, Logs, is_validation_name, without_validation
from ..core.run_config import RunConfig, own_config, run_config
from ..messages.extras import needed_by
from ..messages.numeric import whole
from ..storage import files
from ..storage.generation import PlainState
from ..storage.writer import WriteJob

if TYPE_CHECKING:
    from ..tensorboard.board import Board
    from ..tensorboard.projector import Table


class TensorBoard(Callback):
    """Logs scalars, histograms, images, the graph and embeddings: `tensorboard --logdir log_dir` shows them.

    >>> import os, tempfile
    >>> from epochal.callbacks import CallbackList
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     with CallbackList([TensorBoard(folder)]) as callbacks:
    ...         callbacks.on_train_begin()
    ...         callbacks.on_epoch_begin(0)
    ...         logs = callbacks.on_epoch_end(0, {"loss": 0.5, "val_loss": 0.6})
    ...     print(sorted(os.listdir(folder)))  # doctest: +ELLIPSIS
    ['events.out.tfevents...', 'train', 'validation']

    Args:
        log_dir: The folder. Scalars go to the runs `train` and `validation` below it under the same tags, so that the
            curves overlay; settings, texts and embeddings to the folder itself; everything else to `train`.
        histogram_freq: Log histograms of each layer's weights, and of its activations on the validation data, every so
            many epochs from the first on; 0 is never.
        batch_size: Validation samples whose activations or gradients are computed at once.
        write_graph: Whether to log the graph of the layers.
        write_grads: Whether to log histograms of the gradients, too: of the mean loss over the validation data, in
            inference mode.
        write_images: Whether to log the weights as images, every `histogram_freq` epochs, or every epoch if that is 0.
        embeddings_freq: Save the embeddings for the projector every so many epochs from the first on; 0 is never.
        embeddings_layer_names: Whose first weight to save; every `Embedding`'s if None or empty.
        embeddings_metadata: The TSV file with a label for each row, looked for in `log_dir`, then as it stands: one for
            all layers, or a dict by layer.
        update_freq: "epoch"; or "batch" or a number of batches, to log those batches' own values as well.
        config: Names and values to show, in the tabs HParams and Text, with the settings that every run has there:
            numbers, text, True, False, None, and lists and dicts of these.

    `epoch_…` scalars, and everything that isn't a scalar, stand at the epoch, counted from 0; `batch_…` scalars at the
    number of batches since the run began. The learning rate is `epoch_learning_rate`, and `epoch_lr` as of old.
    Everything is written in the background, and a moment later it is in the hands of the operating system. A resumed
    run removes what was logged after the point it goes on from, so no step appears twice. A fit into the folder of an
    older one hides that one's steps from its own first step on; the files stay.

    Raises:
        ImportError: If the `tensorboard` package isn't installed.
        ValueError: If an argument can't be right, or lacks what it needs. What only the fit can tell is checked in
            `on_train_begin`: validation data as arrays for `histogram_freq`; the layers' names and the metadata's rows.
        OSError: In `on_train_begin`, if `log_dir` can't be written to.
    """

    is_sink = True

    def __init__(
        self,
        log_dir: str | os.PathLike[str] = "./logs",
        histogram_freq: int = 0,
        batch_size: int = 32,
        write_graph: bool = True,
        write_grads: bool = False,
        write_images: bool = False,
        embeddings_freq: int = 0,
        embeddings_layer_names: Iterable[str] | None = None,
        embeddings_metadata: str | os.PathLike[str] | Mapping[str, str | os.PathLike[str]] | None = None,
        update_freq: str | int | Every = "epoch",
        config: Mapping[str, object] | None = None,
    ) -> None:
        _need_tensorboard()
        self.config = own_config(config)
        self.log_dir = Path(log_dir)
        self.histogram_freq = whole("histogram_freq", histogram_freq, least=0)
        self.batch_size = whole("batch_size", batch_size, least=1)
        self.write_graph, self.write_grads, self.write_images = write_graph, write_grads, write_images
        self.embeddings_freq = whole("embeddings_freq", embeddings_freq, least=0)
        names = [embeddings_layer_names] if isinstance(embeddings_layer_names, str) else embeddings_layer_names
        self.embeddings_layer_names = list(names or ())
        self.embeddings_metadata = embeddings_metadata
        self.every = Every.parse(update_freq)
        if self.every.unit == "second" or (self.every.unit == "epoch" and self.every.n != 1):
            raise ValueError(f"update_freq is 'epoch', 'batch' or a number of batches; got {update_freq!r}.")
        if write_grads and not histogram_freq:
            raise ValueError("write_grads=True logs histograms of gradients, so it needs histogram_freq of at least 1.")
        if not embeddings_freq and (self.embeddings_layer_names or embeddings_metadata):
            raise ValueError("embeddings_layer_names and embeddings_metadata need embeddings_freq of at least 1.")
        self.cadence: Cadence | None = self.every
        self.replay = self.every.unit == "batch"
        self._start()

    def _start(self) -> None:
        self._fit = uuid.uuid4().hex[:8]
        self._epoch = self._batches = 0  # the next epoch, and how many batches there have been
        self._resumed = False
        self._marks: PlainState | None = None  # where the event files of a resumed fit go on
        self._meter = EpochMeter()
        self._is_introduced = False  # what is logged once a fit has been
        self._config: RunConfig = {}
        self._summary = ""
        self._graph: tuple[str, list[LayerNode]] | None = None  # the model's name and layers
        self._tables: dict[str, Table] = {}
        self._board: Board | None = None
        self._snapshot: WriteJob | None = None  # the last thing to be done with the last copy of the weights

    def on_train_begin(self, logs: Logs | None = None) -> None:
        """Start afresh, and check what the fit must have; files are opened later, since the fit may be resumed."""
        self._start()
        if self.histogram_freq:
            self._need_validation_data()
        if self.embeddings_freq:
            self._tables = self._choose_tables()
        if self.write_graph and (ask := getattr(self.tools, "layer_graph", None)):
            self._graph = getattr(self.model, "name", "model"), ask()
        self._config, self._summary = run_config(self) | self.config, _summary(self.model)
        files.check_writable(self.log_dir)

    def on_epoch_begin(self, epoch: int, logs: Logs | None = None) -> None:
        """Log settings and graph when the fit begins; one that begins later counts the batches of earlier epochs."""
        if self._board is None and self._marks is None:
            self._epoch, self._batches = epoch, epoch * (self.params.get("steps") or 0)
        self._opened()
        self._meter.begin_epoch(self)

    def on_test_begin(self, logs: Logs | None = None) -> None:
        """Note when the epoch's validation begins."""
        self._meter.end_training()

    def on_train_batch_end(self, batch: int, logs: Logs | None = None) -> None:
        """Log a batch's own values, if `update_freq` says so."""
        if not self.replay:
            return
        self._batches += 1
        if self.every.due(self._batches - 1, self._batches):
            self._log_scalars("train", self._batches, "batch_", logs or {}, leave_out=("batch", "size"))

    def on_epoch_end(self, epoch: int, logs: Logs | None = None) -> None:
        """Log the epoch's values and whatever else is due."""
        logs = Logs() if logs is None else logs
        training = {name: value for name, value in logs.items() if not is_validation_name(name)}
        self._add_measured(training)
        validation = {without_validation(name): value for name, value in logs.items() if is_validation_name(name)}
        self._log_scalars("train", epoch, "epoch_", training)
        self._log_scalars("validation", epoch, "epoch_", validation)
        self._log_weights(epoch)
        if _is_due(self.histogram_freq, epoch):
            self._log_what_validation_shows(epoch)
        self._epoch = epoch + 1

    def _add_measured(self, training: dict[str, Any]) -> None:
        """Add the learning rate, under both of its names, and the seconds a step took."""
        _, took, _ = self._meter.end_epoch(self)
        each = step_time(took, steps_of(self))
        if each is not None:
            training.setdefault("step_time", each)
        rate = training.get("learning_rate", training.get("lr", last_learning_rate(self)))
        if rate is not None:
            training |= {"lr": rate, "learning_rate": rate}

    def on_train_end(self, logs: Logs | None = None) -> None:
        """Log that the run succeeded."""
        if self._board is not None:
            self._board.end(succeeded=True)

    def on_exception(self, error: BaseException) -> None:
        """Log that it didn't."""
        if self._board is not None:
            self._board.end(succeeded=False)

    def _log_scalars(
        self, run: str, step: int, prefix: str, values: LoggedValues, leave_out: tuple[str, ...] = ()
    ) -> None:
        named = {f"{prefix}{n}": float(v) for n, v in values.items() if n not in leave_out and _is_number(v)}
        if named:
            self._opened().scalars(run, step, list(named), list(named.values()), _description)

    def _log_weights(self, epoch: int) -> None:
        histograms = _is_due(self.histogram_freq, epoch)
        images = self.write_images and _is_due(self.histogram_freq or 1, epoch)
        vectors = _is_due(self.embeddings_freq, epoch)
        if not (histograms or images or vectors):
            return
        if self._snapshot is not None:
            self._snapshot.wait()  # so that there is never more than one copy of the weights
        board, weights = self._opened(), self.tools.weights_by_layer()
        if vectors:
            first = {name: next(iter(weights[name].values())) for name in self._tables}
            self._snapshot = board.vectors((table, first[name]) for name, table in self._tables.items())
        for tag, weight in _tagged(weights):
            if images:
                self._snapshot = board.images(epoch, f"{tag}/image", weight, f"The weight {tag} as an image.")
            if histograms:
                self._snapshot = board.histogram(epoch, tag, weight, f"The values of the weight {tag}.")

    def _log_what_validation_shows(self, epoch: int) -> None:
        from ..tensorboard.board import histograms_of

        board, (x, y, sample_weight) = self._opened(), self.validation_data
        for name, histogram in histograms_of(lambda: self.tools.activations(x, self.batch_size)).items():
            board.histogram(epoch, f"{name}/out", histogram, f"The outputs of {name} on the validation data.")
        if self.write_grads:
            for tag, gradient in _tagged(self.tools.gradients(x, y, sample_weight, self.batch_size)):
                about = f"The gradient of the mean loss over the validation data by {tag}, in inference mode."
                board.histogram(epoch, f"{tag}_grad", gradient, about)

    def _opened(self) -> Board:
        if self._board is None:
            from ..tensorboard.board import Board

            first = max(self._epoch, self._batches + 1) if self.replay and self._batches else self._epoch
            saved_before_the_first_event = self._resumed and self._marks is None
            marks: PlainState | None = {} if saved_before_the_first_event else self._marks
            self._board = Board(self.log_dir, self._fit, self.writer, first, marks)
            if not self._is_introduced:
                self._board.about(self._config, self._summary)
                if self._graph is not None:
                    self._board.graph(*self._graph)
                self._is_introduced = True
        return self._board

    def _need_validation_data(self) -> None:
        if self.validation_data is None:
            raise ValueError(
                f"histogram_freq={self.histogram_freq} shows activations on validation data: pass arrays as "
                "validation_data=(x, y), or validation_split. An iterable of batches won't do."
            )
        if not hasattr(self.tools, "activations"):
            raise ValueError(
                f"histogram_freq needs a model that can be looked into; {type(self.model).__name__} can't be."
            )

    def _choose_tables(self) -> dict[str, Table]:
        from ..tensorboard.projector import choose_tables

        weights = self.tools.weights_by_layer()
        embeddings = [name for name, layer in zip(weights, self.model.layers, strict=True) if _is_embedding(layer)]
        if not self.embeddings_layer_names and not embeddings:
            raise ValueError(
                f"embeddings_freq={self.embeddings_freq} needs an Embedding layer, or embeddings_layer_names from: "
                f"{', '.join(weights)}."
            )
        return choose_tables(weights, self.embeddings_layer_names or embeddings, self.embeddings_metadata, self.log_dir)

    def close(self) -> None:
        """Wait until everything is written, and close the files."""
        board, self._board = self._board, None
        if board is not None:
            board.close()

    def identity(self) -> dict[str, object]:
        """Return the folder."""
        return {"log_dir": self.log_dir}

    def state_dict(self) -> PlainState:
        """Return the next step, and the lengths of the event files."""
        return {
            "fit": self._fit,
            "epoch": self._epoch,
            "batches": self._batches,
            "introduced": self._is_introduced,
            "marks": self._marks if self._board is None else self._board.marks(),
        }

    def load_state_dict(self, state: PlainState) -> None:
        """Restore the state returned by `state_dict`; later records are removed when the first new one is written."""
        self._fit, self._epoch, self._batches = state["fit"], state["epoch"], state["batches"]
        self._is_introduced, self._marks, self._resumed = state["introduced"], state["marks"], True


DESCRIPTIONS = {
    "epoch_lr": "The learning rate of the epoch's last step, as `epoch_learning_rate`, under its older name.",
    "epoch_learning_rate": "The learning rate of the epoch's last step.",
    "epoch_step_time": "Seconds a training step took, on average over the epoch, validation left out.",
}


def _description(tag: str) -> str:
    """Return what a scalar is, for TensorBoard to show beside it."""
    grain, name = tag.split("_", 1)
    each = f"`{name}` of each epoch, by epoch, counted from 0."
    own = f"`{name}` of single batches, each its own, by batches since the run began."
    return DESCRIPTIONS.get(tag) or (each if grain == "epoch" else own)


def _summary(model: object) -> str:
    """Return the table of a model's layers, "" if it has none to show."""
    lines: list[str] = []

    def keep(line: str, **_: object) -> None:  # Keras also says `line_break`
        lines.append(line)

    if callable(tell := getattr(model, "summary", None)):
        tell(print_fn=keep)
    return "\n".join(lines)


def _need_tensorboard() -> None:
    with needed_by("TensorBoard"):
        from ..tensorboard import board  # noqa: F401  # pyright: ignore[reportUnusedImport]


def _is_due(freq: int, epoch: int) -> bool:
    return freq > 0 and epoch % freq == 0


def _is_number(value: object) -> bool:
    return isinstance(value, (float, Real)) or (getattr(value, "ndim", None) == 0 and hasattr(value, "__float__"))


def _is_embedding(layer: object) -> bool:
    return any(kind.__name__ in ("Embedding", "Embed") for kind in type(layer).__mro__)


def _tagged(by_layer: Mapping[str, Mapping[str, np.ndarray]]) -> Iterable[tuple[str, np.ndarray]]:
    """Yield each weight with its tag, `layer/weight`."""
    return ((f"{layer}/{name}", weight) for layer, weights in by_layer.items() for name, weight in weights.items())
