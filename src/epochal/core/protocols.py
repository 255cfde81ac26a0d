"""What the loop asks of data and of a callback that saves runs; what callbacks ask of a model."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from os import PathLike
from typing import Any, Protocol, runtime_checkable

import numpy as np

from ..data.batches import Span
from ..storage.generation import PlainState
from .layer_node import LayerNode
from .run_state import RunState


class Data(Protocol):
    """Batches, epoch by epoch."""

    epochs: int
    """The number of the last epoch, counted from 1: nothing is read ahead beyond. Set before the first `begin`."""

    beside_hooks: bool
    """Whether hooks that a user wrote run between the batches. Set before the first `begin`."""

    @property
    def waited(self) -> float:
        """Seconds for which batches that had to be read were waited for."""
        ...

    def begin(self, epoch: int, batch: int = 0) -> None:
        """Go to a batch of an epoch."""
        ...

    def next_size(self) -> int:
        """Return the number of samples in the next batch; 0 at the epoch's end."""
        ...

    def span(self, limit: int) -> Span:
        """Return the next batches, at least one and at most `limit`, without going on."""
        ...

    def advance(self, batches: int) -> None:
        """Go on by so many batches, which are under way: what comes after their chunk may be read now."""
        ...

    def go_back(self, batches: int) -> None:
        """Go back by so many batches of the chunk that was worked on last."""
        ...

    def keep_one_more(self) -> None:
        """From now on let `go_back` reach into the chunk before that one, too."""
        ...

    def end_epoch(self) -> None:
        """Note that all batches of the epoch were used."""
        ...

    def prepare(self, epoch: int) -> None:
        """Get ready for an epoch while the device is busy."""
        ...

    def close(self, seconds: float) -> bool:
        """End what goes on in the background; return whether it ended within so many seconds."""
        ...

    def state_dict(self) -> Mapping[str, object]:
        """Return what the data need to go on from the next batch, as plain values and arrays."""
        ...

    def load_state_dict(self, state: Any) -> None:
        """Go on, with the next `begin`, where `state_dict` returned this."""
        ...

    def identity(self) -> dict[str, object]:
        """Return what a saved run must have too: the number of samples, the batch size, the seed."""
        ...


@runtime_checkable
class RunSaver(Protocol):
    """A callback that can save and restore the whole run.

    Its attribute `folder`, if it has one, says where: paths of other callbacks are saved relative to it.
    """

    save_due: bool
    """Set by a hook: `save_run` is called after the last hook of this moment, that of `on_train_begin` included."""

    def restore_run(self, wanted: PlainState) -> RunState | None:
        """Return the state to go on from, or None to start afresh. Called before every other hook.

        Args:
            wanted: The identity of this run. Where the saved one differs and it is to go on all the same, the state
                has the differences in `differences`.
        """
        ...

    def save_run(self, state: RunState) -> None:
        """Save a run; nothing else changes its arrays."""
        ...

    def wait(self) -> None:
        """Wait until what was saved is written; called before the next state is gathered."""
        ...


class Snapshot(Protocol):
    """A copy of a model on the host."""

    def save(self, path: str | PathLike[str]) -> None:
        """Write the model to a file, in any thread."""
        ...


class Model(Protocol):
    """The `self.model` of callbacks, which is always in the state after the last finished batch."""

    stop_training: bool
    """Whether the fit is to end after this batch."""

    history: Any
    """The `History` of the last fit."""

    data_wait: float
    """Seconds for which batches were waited for, of all that was trained, evaluated and predicted."""

    @property
    def optimizer(self) -> Any:
        """The optimizer; `optimizer.lr` is the learning rate, and may be set."""
        ...

    @property
    def layers(self) -> Sequence[Any]:
        """The layers."""
        ...

    def get_weights(self) -> list[np.ndarray]:
        """Return copies of all weights, in the layers' order."""
        ...

    def set_weights(self, weights: Sequence[np.ndarray]) -> None:
        """Replace all weights."""
        ...

    def save(self, filepath: str | PathLike[str]) -> None:
        """Write the whole model to a file."""
        ...

    def save_weights(self, filepath: str | PathLike[str]) -> None:
        """Write the weights to a file."""
        ...

    def load_weights(self, filepath: str | PathLike[str]) -> None:
        """Read the weights from a file."""
        ...


class ModelTools(Protocol):
    """What this package's callbacks ask for beyond what any model has; a model of this package has it itself."""

    def direction(self, name: str) -> str | None:
        """Return which way a logged value is better: "min", "max" or "unknown"; None if no metric has the name."""
        ...

    def check_filepath(self, filepath: str | PathLike[str], weights_only: bool = False) -> None:
        """Raise, before the first batch, what saving to such a file would raise."""
        ...

    def snapshot(self, weights_only: bool = False, reuse: Any = None) -> Snapshot:
        """Return a copy of the model, or of its weights; `reuse` is an older one whose memory may be used again."""
        ...

    def track_average(self, decay: float | None) -> None:
        """Keep an exponential average of the weights inside the step; None stops.

        While it is kept, everybody but the training step sees the average.
        """
        ...

    def use_average(self) -> None:
        """Go on with the averaged weights as the weights."""
        ...

    def last_learning_rate(self) -> float | None:
        """Return the rate of the last step, a schedule's too; None if the optimizer doesn't tell."""
        ...

    def training_settings(self) -> Mapping[str, object]:
        """Return what the model is trained with, for `run_config`: optimizer, loss, metrics, numbers of parameters."""
        ...

    def weights_by_layer(self) -> dict[str, dict[str, np.ndarray]]:
        """Return copies of all weights by layer and by weight, in the layers' order."""
        ...

    def activations(self, x: Any, batch_size: int = 32) -> Iterator[dict[str, np.ndarray]]:
        """Yield the output of each layer on `x`, in inference mode, batch after batch."""
        ...

    def gradients(
        self, x: Any, y: Any, sample_weight: Any = None, batch_size: int = 32
    ) -> dict[str, dict[str, np.ndarray]]:
        """Return the gradient of the mean loss over `x` and `y`, in inference mode, by layer and by weight."""
        ...

    def layer_graph(self) -> list[LayerNode]:
        """Return the inputs and the layers with their shapes, and which takes whose output."""
        ...
