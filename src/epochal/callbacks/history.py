"""The epoch logs of a fit, as lists."""

from __future__ import annotations

import numbers
from collections.abc import Iterator
from typing import Any, Literal

from ..core.callback import Callback
from ..core.directions import direction_of
from ..core.logs import ByName, Logs, knows, validation_name, without_validation
from ..messages.names import suggest
from ..screens import curves
from ..screens.curves import Curve, Metric
from ..storage.generation import PlainState


class History(Callback):
    """Records the epoch logs; every fit has one, returns it, and keeps it as `model.history`.

    In a notebook it shows itself: a row for each metric, with its curve, its last values and its best epoch.

    >>> from epochal.callbacks import CallbackList
    >>> history = History()
    >>> with CallbackList([history]) as callbacks:
    ...     for epoch, loss in enumerate([0.5, 0.25]):
    ...         logs = callbacks.on_epoch_end(epoch, {"loss": loss})
    >>> history.epoch, history.history
    ([0, 1], {'loss': [0.5, 0.25]})

    Attributes:
        epoch: The epochs' numbers, counted from 0.
        history: A list for each name in the logs; `acc` and `accuracy` are taken for each other.
    """

    is_sink = True
    primary_only = False

    def __init__(self) -> None:
        self._start()

    def _start(self) -> None:
        self.epoch: list[int] = []
        self.history: ByName[list[Any]] = ByName()
        self._epochs: ByName[list[int]] = ByName()  # that have each value: validation may have left some out
        self._directions: dict[str, str | None] = {}  # as the model's metrics say it

    def on_train_begin(self, logs: Logs | None = None) -> None:
        """Start afresh."""
        self._start()

    def on_epoch_end(self, epoch: int, logs: Logs | None = None) -> None:
        """Record an epoch."""
        self.epoch.append(epoch)
        for name, value in (logs or Logs()).items():
            self.history.setdefault(name, []).append(value)
            self._epochs.setdefault(name, []).append(epoch)
            if name not in self._directions:
                ask = getattr(self.tools, "direction", None)
                self._directions[name] = (ask(name) if ask is not None else None) or direction_of(name)

    def plot(self, *names: str, library: Literal["matplotlib", "plotly"] | None = None) -> Any:
        """Return a figure with a chart for each metric: training and validation over the epochs, the best one marked.

        In a script it is shown by `matplotlib.pyplot.show()`, or the figure's own `show()` for plotly, and saved by
        `history.plot().savefig("curves.png")`, or `write_html`.

        Args:
            *names: The metrics, such as `"loss"`, which stands for `"val_loss"`, too; all of them if none is given.
            library: What draws it; None for the one that is installed, matplotlib of both.

        Returns:
            A `matplotlib.figure.Figure` or a `plotly.graph_objects.Figure`.

        Raises:
            ValueError: If a name isn't in the logs, the library is another one, or no epoch was recorded.
            ImportError: If the library isn't there; it says what to install.
        """
        if library not in (None, "matplotlib", "plotly"):
            raise ValueError(f"library must be 'matplotlib' or 'plotly', or None for what is there; got {library!r}.")
        metrics = {metric.name: metric for metric in self._metrics()}
        if not metrics:
            raise ValueError("there is nothing to plot: no epoch was recorded.")
        wanted = list(dict.fromkeys(map(without_validation, names))) or list(metrics)
        for name in wanted:
            if not knows(metrics, name):
                raise ValueError(f"{name!r} is not in the logs. {suggest(name, metrics)}")
        return curves.chart([ByName(metrics)[name] for name in wanted], library)

    def _metrics(self) -> Iterator[Metric]:
        """Yield the metrics whose values are numbers."""
        for name in dict.fromkeys(map(without_validation, self.history)):
            keys = {"training": name, "validation": validation_name(name)}
            found = {kind: curve for kind, key in keys.items() if (curve := self._curve(key)) is not None}
            if found:
                yield Metric(name, found, self._direction(name))

    def _curve(self, name: str) -> Curve | None:
        values = self.history.get(name)
        if not values or not all(isinstance(value, numbers.Real) for value in values):
            return None
        epochs = self._epochs.get(name, self.epoch)[: len(values)]
        return Curve([epoch + 1 for epoch in epochs], [float(value) for value in values])

    def _direction(self, name: str) -> str | None:
        known = (self._directions.get(key) for key in (name, validation_name(name)))
        return next((direction for direction in known if direction), direction_of(name))

    def _repr_html_(self) -> str | None:
        """Return what a notebook shows; None, for plain text, before the first epoch."""
        metrics = list(self._metrics())
        epochs = f"{len(self.epoch)} epochs" if len(self.epoch) != 1 else "1 epoch"
        return curves.table(metrics, epochs) if metrics else None

    def state_dict(self) -> PlainState:
        """Return the numbers and the logs of the epochs."""
        return {
            "epoch": list(self.epoch),
            "history": {name: list(values) for name, values in self.history.items()},
            "epochs": {name: list(epochs) for name, epochs in self._epochs.items()},
        }

    def load_state_dict(self, state: PlainState) -> None:
        """Restore the state returned by `state_dict`."""
        self._start()
        self.epoch = list(state["epoch"])
        self.history = ByName({name: list(values) for name, values in state["history"].items()})
        known = state.get("epochs", {})  # runs that were saved before have none
        self._epochs = ByName({name: list(epochs) for name, epochs in known.items()})
