"""What one batch does: a training step, a test step, a prediction, as functions of arrays."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Protocol

import jax
import jax.numpy as jnp
from flax import nnx

from . import written
from .accumulation import Differentiated, in_parts
from .failures import named
from .precision import cast_floats, wide
from .targets import prepared
from .updates import Update, evaluated


class Metric(Protocol):
    """What the engine asks of a metric whose state it carries over an epoch."""

    def init(self) -> Any:
        """Return the state before the first batch."""
        ...

    def update(self, state: Any, y_true: Any, y_pred: Any, sample_weight: Any = None) -> Any:
        """Return the state after a batch."""
        ...

    def result(self, state: Any) -> Any:
        """Return the value, a scalar."""
        ...


class Objective(Protocol):
    """What a step computes."""

    @property
    def names(self) -> Sequence[str]:
        """The values' names in the logs: `loss`, and what it is made of."""
        ...

    def __call__(self, module: Any, batch: Any, training: bool) -> tuple[Sequence[Any], Any, Any]:
        """Return the values, scalars of which the first is minimised, the outputs and their masks; None for none.

        Args:
            module: In training or in inference mode.
            batch: `(x, y, sample_weight)`.
            training: In which mode it is.
        """
        ...


@dataclass(frozen=True)
class Values:
    """What a batch logs.

    Attributes:
        numbers: float32, `(names,)`.
        counts: For each of them 0 if it is the batch's value; else it is a sum, of so many values a sample.
    """

    numbers: Any
    counts: tuple[int, ...]


jax.tree_util.register_dataclass(Values, data_fields=["numbers"], meta_fields=["counts"])


@dataclass(frozen=True)
class Output:
    """One of several outputs of a module."""

    number: int
    name: str

    def of(self, nest: Any) -> Any:
        """Return what is about this output: by its name in a dict, else by its number.

        Raises:
            ValueError: If the nest is a single array.
        """
        if isinstance(nest, Mapping):
            return nest.get(self.name)
        if not isinstance(nest, (list, tuple)):
            raise ValueError(f"metrics by output need a list or a dict of targets and of outputs; got {nest!r}.")
        return nest[self.number]


@dataclass(frozen=True)
class LoggedMetric:
    """A metric as a fit logs it.

    Attributes:
        name: Its key in the logs.
        metric: Computes it.
        weighted: Whether the sample weights count.
        output: The output it is about; None if there is only one.
        masked: Whether a mask says which steps of the output count.
    """

    name: str
    metric: Any
    weighted: bool = False
    output: Output | None = None
    masked: bool = False

    @property
    def own_name(self) -> str:
        """The name without that of the output."""
        return self.name if self.output is None else self.name.replace(f"{self.output.name}_", "", 1)

    @property
    def is_mean(self) -> bool:
        """Whether its value for an epoch is the size-weighted mean of the batches' values."""
        return hasattr(self.metric, "per_sample") and not (self.weighted or self.masked)

    def of_batch(self, y: Any, made: Any, weight: Any) -> tuple[Any, int]:
        """Return the value of one batch alone, and 0; or the sum of its values, and how many of them a sample has.

        `made` is the outputs and their masks.
        """
        if not self.is_mean:
            return self.result(self.updated(self.metric.init(), y, made, weight)), 0
        y, y_pred, _ = prepared(self._own(y), self._own(made[0]))
        found = self.metric.per_sample(y, y_pred)
        if found.ndim == 0 or not self.metric.adds_up:
            return found.mean(), 0
        return found.sum(dtype=jnp.int32 if found.dtype == bool else None), found.size // found.shape[0]

    def updated(self, state: Any, y: Any, made: Any, weight: Any) -> Any:
        """Return the state after one more batch."""
        weight = self._own(weight) if self.weighted else None
        y, y_pred, weight = prepared(
            self._own(y), self._own(made[0]), weight, self._own(made[1]), self.metric.steps_are_samples
        )
        updated = self.metric.update(state, y, y_pred, weight)
        before, after = _outline(state), _outline(updated)
        if before != after:
            raise ValueError(
                f"update() of {self.name} must return a state like init()'s, in its shapes: {before}; got {after}."
            )
        return updated

    def result(self, state: Any) -> Any:
        """Return the value that a state stands for, a scalar; a ValueError if it is anything else."""
        value = jnp.asarray(self.metric.result(state))
        if value.ndim:
            raise ValueError(f"result() of {self.name} has shape {value.shape}; a logged value is one number.")
        return value

    def _own(self, nest: Any) -> Any:
        return nest if self.output is None or nest is None else self.output.of(nest)


def _outline(state: Any) -> Any:
    """Return a state with the shapes of its arrays in their places."""
    return jax.tree.map(lambda leaf: f"shape {jnp.shape(leaf)}", state)


Path = tuple[Any, ...]


@dataclass(frozen=True)
class Among:
    """An nnx filter for the variables at some paths."""

    paths: frozenset[Path]

    def __call__(self, path: Path, _: Any) -> bool:
        """Return whether a variable is at one of them."""
        return path in self.paths


@dataclass(frozen=True)
class Steps:
    """The steps of one module, objective and optimizer.

    Attributes:
        objective: What is minimised.
        predict: `(module, x) -> y_pred`.
        measures: The metrics, in log order.
        training: The module's graph in training mode.
        testing: The module's graph in inference mode.
        update: How gradients change the weights; None for a model that only predicts.
        decay: How much of the averaged weights a step keeps; None if there is no average.
        dtype: What floats are computed in, if not in the dtypes they have; weights keep theirs.
        accumulate: In how many parts a batch goes through the module.
        adapt: Brings inputs into the dtypes that the module takes; what it makes integers isn't cast to `dtype`.
        is_trained: An nnx filter for the variables that are trained.
    """

    objective: Objective | None
    predict: Callable[[Any, Any], Any]
    measures: Sequence[LoggedMetric]
    training: Any
    testing: Any
    update: Update | None = None
    decay: float | None = None
    dtype: Any = None
    accumulate: int = 1
    adapt: Callable[[Any], Any] = lambda x: x
    is_trained: Any = nnx.Param

    def train(self, parts: Mapping[str, Any], batch: Any) -> tuple[dict[str, Any], Values]:
        """Return the parts after one optimizer step, and the batch's loss and metrics."""
        _, y, weight = batch
        assert self.update is not None
        gradients, values, params, other, made = self._by_parts(self._differentiated)(
            parts["params"], parts["other"], batch
        )

        def loss(params: Any) -> Any:
            return self._by_parts(self._computed)(params, parts["other"], batch)[1][0]

        params, optimizer = self.update(params, parts["optimizer"], gradients, values[0], loss)
        after = {
            **parts,
            "average": self._averaged(parts["average"], params, optimizer),
            "params": params,
            "other": other,
            "optimizer": optimizer,
            "metrics": self._updated(parts["metrics"], y, made, weight),
        }
        return after, self._values(values, y, made, weight)

    def _by_parts(self, differentiated: Differentiated) -> Differentiated:
        return in_parts(differentiated, self.accumulate) if self.accumulate > 1 else differentiated

    def _differentiated(self, params: Any, other: Any, batch: Any) -> tuple[Any, Any, Any, Any, Any]:
        """Return the loss's gradients, the objective's values, the parameters and other state then, and its outputs.

        The parameters are those that came, but for what the module itself has written into them: the update applies
        to that, as in a loop written by hand.
        """
        computed_in = self._cast_frozen(other)

        def loss_of(params: Any) -> Any:
            _, *after = self._computed(params, other, batch, computed_in)
            return after[0][0], after

        (_, (values, params, other, made)), gradients = jax.value_and_grad(loss_of, has_aux=True)(params)
        return gradients, values, params, other, made

    def _computed(self, params: Any, other: Any, batch: Any, computed_in: Any = None) -> tuple[Any, Any, Any, Any, Any]:
        """Return what `_differentiated` does, without gradients; `computed_in` is the other state in `dtype`."""
        given = self._cast(params), self._cast_frozen(other) if computed_in is None else computed_in
        module = nnx.merge(self.training, *given, copy=True)
        values, *made = self._objective(module, self._inputs_cast(batch), True)
        nnx.pop(module, nnx.Intermediate)  # what a module sows would change the carry's structure
        graph, *after = nnx.split(module, self.is_trained, ...)
        after = tuple(after)
        written.check_structure(after, (params, other))
        written.tell_changed(graph, self.training)
        params, other = jax.tree.map(written.new_or_own, after, given, (params, other))
        return (), tuple(values), params, other, wide(made) if self.dtype else made

    def _objective(self, module: Any, batch: Any, training: bool) -> tuple[Sequence[Any], Any, Any]:
        assert self.objective is not None
        with named():
            return self.objective(module, batch, training)

    @contextmanager
    def _tested(self, parts: Mapping[str, Any]) -> Iterator[Any]:
        """Give the module in inference mode; what it writes into its variables is told, and dropped."""
        before = self._cast(self.shown(parts)), self._cast_frozen(parts["other"])
        module = nnx.merge(self.testing, *before, copy=True)
        yield module
        written.tell_dropped(nnx.split(module, self.is_trained, ...)[1:], before)

    def _cast(self, nest: Any) -> Any:
        return nest if self.dtype is None else cast_floats(nest, self.dtype)

    def _cast_frozen(self, other: Any) -> Any:
        """Return what isn't trained, its parameters in the dtype to compute in."""

        def cast(variable: Any) -> Any:
            return self._cast(variable) if isinstance(variable, nnx.Param) else variable

        return jax.tree.map(cast, other, is_leaf=lambda node: isinstance(node, nnx.Variable))

    def _inputs_cast(self, batch: Any) -> Any:
        x, y, weight = batch
        return self._cast(self.adapt(x)), y, weight

    def _averaged(self, average: Any, params: Any, optimizer: Any) -> Any:
        """Move the averaged weights a little: Keras's rule, `decay * average + (1 - decay) * weights`."""
        if (decay := self.decay) is not None:
            return jax.tree.map(lambda a, p: decay * a + (1 - decay) * p, average, params)
        return evaluated(params, optimizer) if self.averages else average

    @property
    def averages(self) -> bool:
        """Whether there are averaged weights, the callback's or the optimizer's own."""
        return self.decay is not None or (self.update is not None and self.update.has_own_average)

    def shown(self, parts: Mapping[str, Any]) -> Any:
        """Return the weights that everybody but the training step sees."""
        return parts["average" if self.averages else "params"]

    def test(self, metrics: Any, parts: Mapping[str, Any], batch: Any) -> tuple[Any, Values]:
        """Return the metrics' states after one batch, and the batch's loss and metrics."""
        _, y, weight = batch
        with self._tested(parts) as module:
            values, *made = self._objective(module, self._inputs_cast(batch), False)
        made = wide(made) if self.dtype else made
        return self._updated(metrics, y, made, weight), self._values(values, y, made, weight)

    def outputs(self, parts: Mapping[str, Any], x: Any) -> Any:
        """Return a batch's outputs in inference mode."""
        with self._tested(parts) as module, named():
            y_pred = self.predict(module, self._cast(self.adapt(x)))
        return wide(y_pred) if self.dtype else y_pred

    def initial_metrics(self) -> list[Any]:
        """Return the states of the metrics that are no plain means."""
        return [measure.metric.init() for measure in self.measures if not measure.is_mean]

    def metric_results(self, states: Sequence[Any]) -> dict[str, Any]:
        """Return the results of the metrics that are no plain means, by name."""
        carried = [measure for measure in self.measures if not measure.is_mean]
        return {m.name: m.result(state) for m, state in zip(carried, states, strict=True)}

    def _updated(self, states: Sequence[Any], y: Any, made: Any, weight: Any) -> list[Any]:
        carried = [measure for measure in self.measures if not measure.is_mean]
        return [m.updated(state, y, made, weight) for m, state in zip(carried, states, strict=True)]

    def _values(self, values: Sequence[Any], y: Any, made: Any, weight: Any) -> Values:
        found = [*((value, 0) for value in values), *(measure.of_batch(y, made, weight) for measure in self.measures)]
        numbers = jnp.stack([jnp.asarray(value, jnp.float32) for value, _ in found])
        return Values(numbers, tuple(count for _, count in found))
