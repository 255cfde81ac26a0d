"""What the loop asks of an engine, and what it gets from one."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager
from typing import Any, Protocol

import numpy as np

from ..data.batches import Span
from ..data.nests import Nest
from .accord import Least
from .wakes import Phase


class Result(Protocol):
    """The result of a span, which may still be running."""

    cold: bool
    """Something was compiled, so the time the span took says nothing."""

    def count(self) -> int:
        """Wait, and return how many batches were run: all, unless a loss wasn't finite."""
        ...

    def rows(self) -> Any:
        """Wait, and return the logged values, one row a batch, in the order of `Engine.names(phase)`."""
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


class Lookout(Protocol):
    """Notices when a hook of a batch looks at what the engine holds, after a whole span has run.

    The state then goes back to the batch whose hooks are being called, and what was run beyond is forgotten. So hooks
    that don't look cost no span, and those that do see, and change, what they would if each batch were a span.
    """

    at: int
    """How many batches of the span the hooks that are called may see the state after."""

    looked: bool
    """Whether somebody has looked since `begin`."""

    before_return: Callable[[], None]
    """Called when somebody has looked, before the state goes back."""

    @property
    def is_possible(self) -> bool:
        """Whether the state can go back; if not, no span runs ahead of hooks."""
        ...

    def remember(self, span: Span, stop_when_not_finite: bool) -> None:
        """Prepare for going back into a span, or to its beginning; the engine is told to run it next."""
        ...

    def begin(self, batches: int) -> None:
        """Begin to notice, when so many batches of the oldest span that is remembered were run.

        0 means that no span was run: hooks before it are called.
        """
        ...

    def has_changed(self) -> bool:
        """Return whether somebody has looked, or changed what the next steps need, such as a learning rate."""
        ...

    def end(self, stays_ahead: bool) -> None:
        """End noticing, and forget how to go back into that span.

        Args:
            stays_ahead: Whether spans that were started behind it count; else the state is the one after `at` batches.
        """
        ...

    def return_to_hooks(self) -> None:
        """Go back to where the oldest span that is remembered begins, if there is one."""
        ...


class Engine(Protocol):
    """Executes spans of steps and holds everything that a step changes."""

    logs_so_far: bool
    """Whether what a batch logs is of the epoch so far, as in Keras, instead of that batch alone."""

    def names(self, phase: Phase) -> Sequence[str]:
        """Return the names of what a batch logs in training or in evaluation: `loss`, then the metrics."""
        ...

    @property
    def least(self) -> Least | None:
        """How several processes, among whose devices the state lies, find a minimum together; None in one alone."""
        ...

    @property
    def devices(self) -> int:
        """On how many devices the state lies."""
        ...

    def checksum(self) -> int:
        """Return a number below 2**31 that follows from what this process holds of the state that all have whole."""
        ...

    @property
    def lost(self) -> bool:
        """Whether a call that failed has consumed the state, so that another one must be loaded."""
        ...

    def check_structure(self) -> None:
        """Raise a ValueError if what is trained has other parts than when the engine was made."""
        ...

    def train(self, span: Span, stop_when_not_finite: bool, behind: Any = None) -> LoggedResult:
        """Start a span of training steps and store the new state.

        Args:
            span: The batches.
            stop_when_not_finite: End right after the first batch whose loss is NaN or infinite.
            behind: The result of the span before, which may still be running: if that ended at a loss that isn't
                finite, do nothing. None if it is known that it didn't, or that this one is to run all the same.
        """
        ...

    def test(self, span: Span, stop_when_not_finite: bool, behind: Any = None) -> LoggedResult:
        """Start a span of evaluation steps, with the arguments of `train`."""
        ...

    def predict(self, span: Span, stop_when_not_finite: bool, behind: Any = None) -> Result:
        """Start a span of prediction steps; a batch's row is its output. There is no loss that could end it."""
        ...

    def lookout(self, phase: Phase, uninterrupted: Callable[[], AbstractContextManager[None]]) -> Lookout:
        """Return what lets the loop run ahead of the hooks of each batch in a phase.

        Args:
            phase: Which hooks are called.
            uninterrupted: Keeps Ctrl-C away while the state is replaced.
        """
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

    def metric_results(self, phase: str) -> Mapping[str, float | np.ndarray]:
        """Return the results of the metrics that are no plain means, since `reset_metrics`."""
        ...

    def metric_states(self) -> Any:
        """Return copies of what the metrics that are no plain means have counted, in both phases."""
        ...

    def restore_metric_states(self, states: Any) -> None:
        """Restore what `metric_states` returned: a hook has evaluated, and the epoch's own counting goes on."""
        ...

    def whole_bytes(self) -> int | None:
        """Return how many bytes a snapshot has, if no process has all of the state; else None."""
        ...

    def state_dict(self, in_parts: bool = False) -> dict[str, Any]:
        """Return a snapshot of everything a step changes; `arrays` has read-only host copies by name.

        The names of trained weights begin with `params/`.

        Args:
            in_parts: Whether to return `parts` instead, see `core.parts.Parts`, and as `finite` whether all trained
                weights are finite; the next step may consume what `parts` has not saved.
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
        """Let the module hold the current values, if it doesn't."""
        ...
