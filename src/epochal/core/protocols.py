"""What the loop asks of an engine, of data and of a callback that saves runs; what callbacks ask of a model."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from os import PathLike
from typing import Any, Protocol, runtime_checkable

import numpy as np

from ..data.batches import Span
from ..data.nests import Nest
from ..storage.generation import PlainState
from .layer_node import LayerNode
from .run_state import RunState


class Result(Protocol):
    """The result of a span, which may still be running."""

    cold: bool
    """Something was compiled, so the time the span took says nothing."""

    def count(self) -> int:
        """Wait, and return how many batches were run: all, unless a loss wasn't finite."""
        ...

    def rows(self) -> Any:
        """Wait, and return the logged values, one row a batch, in the order of `Engine.names`."""
        ...


class LoggedResult(Result, Protocol):
    """The result of a span of training or evaluation."""

    @property
    def counts(self) -> tuple[int, ...]:
        """For each column of `sums` how many values a sample adds to it: 2 for two outputs a sample; 0 means 1."""
        ...

    def sums(self) -> np.ndarray:
        """Wait, and return the sums whose totals make the epoch's means, one row a batch; float64."""
        ...


class Engine(Protocol):
    """Executes spans of steps and holds everything that a step changes."""

    @property
    def names(self) -> Sequence[str]:
        """The logged values of a batch: `loss`, then the metrics."""
        ...

    @property
    def lost(self) -> bool:
        """Whether a call that failed has consumed the state, so that another one must be loaded."""
        ...

    def check_structure(self) -> None:
        """Raise a ValueError if what is trained has other parts than when the engine was made."""
        ...

    def train(self, span: Span, stop_when_not_finite: bool) -> LoggedResult:
        """Start a span of training steps and store the new state.

        Args:
            span: The batches.
            stop_when_not_finite: End right after the first batch whose loss is NaN or infinite.
        """
        ...

    def test(self, span: Span, stop_when_not_finite: bool) -> LoggedResult:
        """Start a span of evaluation steps, with the arguments of `train`."""
        ...

    def predict(self, span: Span, stop_when_not_finite: bool) -> Result:
        """Start a span of prediction steps; a batch's row is its output. There is no loss that could end it."""
        ...

    def fits(self, arrays: Nest) -> bool:
        """Return whether arrays can stay on the device; else they are copied there chunk by chunk."""
        ...

    def joined(self, outputs: Sequence[Any]) -> Any:
        """Return the outputs of several batches, one after the other, in one nest of arrays."""
        ...

    def last_rate(self) -> float | None:
        """Return the learning rate of the last step; None if there is none, or several."""
        ...

    def reset_metrics(self, phase: str) -> None:
        """Begin an epoch ("train") or an evaluation ("test") for the metrics that are no plain means."""
        ...

    def metric_results(self, phase: str) -> Mapping[str, float]:
        """Return the results of the metrics that are no plain means, since `reset_metrics`."""
        ...

    def metric_states(self) -> Any:
        """Return copies of what the metrics that are no plain means have counted, in both phases."""
        ...

    def restore_metric_states(self, states: Any) -> None:
        """Restore what `metric_states` returned: a hook has evaluated, and the epoch's own counting goes on."""
        ...

    def state_dict(self) -> dict[str, Any]:
        """Return a snapshot of everything a step changes; `arrays` has read-only host copies by name.

        The names of trained weights begin with `params/`.
        """
        ...

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Restore the state returned by `state_dict`, bit for bit."""
        ...

    def load_compatible(self, state: Mapping[str, Any], keeps_rate: bool) -> list[str]:
        """Restore what fits of another engine's state; return sentences about what is left out.

        Args:
            state: What `state_dict` returned.
            keeps_rate: Whether the learning rate stays as it is here.
        """
        ...

    def identity(self) -> dict[str, Any]:
        """Describe what a saved state must fit: names, shapes, dtypes, the optimizer's settings."""
        ...


class WeightStore(Protocol):
    """Holds the current weights of a module: in the state of an engine, or in the module's own arrays.

    A weight is a variable of the module, or what has one as `variable` and the keys to one of its arrays as `keys`.
    """

    def read(self, weights: Iterable[Any]) -> list[np.ndarray]:
        """Return host copies of the current values of weights."""
        ...

    def device_values(self, weights: Iterable[Any]) -> list[Any]:
        """Return the current values of weights as they are on the device; the next step consumes them."""
        ...

    def write(self, weights: Iterable[Any], values: Iterable[Any]) -> None:
        """Replace the values of weights by copies of arrays of the same shapes."""
        ...

    def load_owned(self, weights: Iterable[Any], values: Iterable[np.ndarray]) -> None:
        """Replace the values of weights by arrays of the right shapes and dtypes that nobody else will use."""
        ...

    def pull_external_writes(self) -> None:
        """Read what others wrote into the module's own arrays: the user, and models that share layers with this one."""
        ...

    def write_back(self) -> None:
        """Write copies of the current values into the module's own arrays, if those are older."""
        ...


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

    def snapshot(self, weights_only: bool = False, reuse: Any = None) -> Snapshot:
        """Return a copy of the model, or of its weights; `reuse` is an older one whose memory may be used again."""
        ...

    def load_weights(self, filepath: str | PathLike[str]) -> None:
        """Read the weights from a file."""
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
