"""What `compile` said, applied to a network's outputs: a loss for each, the metrics by their names, data in order."""

from __future__ import annotations

import operator
from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property

import jax
import numpy as np
from flax import nnx

from .. import activations, metrics
from ..core.logs import is_validation_name, without_validation
from ..data.nests import Batch, Nest, map_arrays
from ..data.targets import Shape, sized, stay_integers
from ..engines.jax.logged_metrics import LoggedMetric, Output
from ..engines.jax.objective import Objective
from ..engines.jax.trees import PyTree
from ..layers.call_context import compiled_step
from ..layers.listing import trained_of
from ..losses import Loss
from ..messages.printing import warn
from ..metrics.lookup import MetricIdentifier
from ..per_output import is_listed
from ..training.compiled_settings import CompiledSetting, settings_of_objects, settings_read
from .compile_config import CompileConfig
from .modules import Forward
from .network import Network
from .objective import LossSum, OutputLoss
from .odd_activation import odd_activation
from .overrides import arguments_given
from .own_loss import OwnLoss
from .samples import kept, weights_for
from .signature import Signature


class Plan:
    """How a network is trained and evaluated.

    Args:
        config: What `compile` was told.
        network: What is trained; its outputs are known when anything but the config is asked for.
        own_loss: The user's `compute_loss`; it counts only if there is one.
    """

    def __init__(self, config: CompileConfig, network: Network, own_loss: OwnLoss) -> None:
        self.config, self._network, self._own_loss = config, network, own_loss

    @property
    def outputs(self) -> Signature:
        """The names and shapes of the outputs."""
        if (outputs := self._network.outputs) is None:
            raise ValueError("the model's outputs aren't known yet: fit it, or build it first.")
        return outputs

    # Losses

    @cached_property
    def losses(self) -> list[OutputLoss | None]:
        """The loss of each output; None for one that isn't trained."""
        outputs = self.outputs
        each = outputs.each(self.config.loss, "loss")
        weights = outputs.each(self.config.loss_weights, "loss_weights")
        if not any(each) and not self._own_loss.is_overridden:
            raise ValueError(f"no output has a loss; the outputs are {', '.join(outputs.names)}.")
        return [
            None if loss is None else self._output_loss(at, loss, 1.0 if weight is None else weight)
            for at, (loss, weight) in enumerate(zip(each, weights, strict=True))
        ]

    def _output_loss(self, at: int, loss: Loss, weight: float) -> OutputLoss:
        outputs, graph = self.outputs, self._network.graph
        activation = None if graph is None else graph.activation_of(at)
        activated = None if activation is None else activations.name_of(activation)
        if activated and (odd := odd_activation(loss, activated, outputs.shapes[at][-1])):
            warn(f"{outputs.names[at]}: {odd}.")
        exact = loss.activation is not None and activated == loss.activation
        return OutputLoss(outputs.names[at], loss, weight, loss.with_logits() if exact else None)

    @property
    def loss_sum(self) -> LossSum:
        """The weighted sum of the outputs' losses."""
        return LossSum(self.losses)

    def objective(self, logged: Sequence[LoggedMetric]) -> Objective:
        """Return the objective of a step: the user's `compute_loss`, or the sum of the losses.

        Args:
            logged: The metrics, which need the outputs.

        Raises:
            ValueError: If a metric would be logged under another value's name.
        """
        objective: Objective = self.loss_sum
        if self._own_loss.is_overridden:
            graph = self._network.graph
            by_name = graph is not None and graph.outputs_by_name
            objective = self._own_loss.objective(self.outputs.names, by_name, needs_outputs=bool(logged))
        _check_names(objective.names, logged)
        return objective

    def settings(self) -> Iterator[CompiledSetting]:
        """Yield what a step reads while it is compiled from the user's own `compute_loss`, losses and metrics."""
        if self._own_loss.is_overridden:
            yield from settings_read(self._own_loss.model, self._network.name, ["compute_loss"])
        yield from settings_of_objects(self.config.loss, ["call", "__call__"])
        for given in (self.config.metrics, self.config.weighted_metrics):
            yield from settings_of_objects(given, ["init", "update", "result", "__call__"])

    def compiled_loss(self, module: nnx.Module, args: tuple[PyTree, ...], kwargs: Mapping[str, PyTree]) -> PyTree:
        """Return the compiled loss for the arguments of `compute_loss`, in either of its forms.

        Args:
            module: The module of the step, or the model's own outside of one.
            args: `(batch, training)`, or Keras's.
            kwargs: The same by name.

        Raises:
            TypeError: If one is unknown or missing.
        """
        given = arguments_given(args, kwargs)
        weights = [weight for weight, trained in trained_of(module) if trained]  # a step has its own already
        if "batch" in given:
            values, outputs, _ = self.loss_sum(module, given["batch"], given["training"], weights)
            return values[0], outputs
        outputs = self.outputs
        y = outputs.arranged(given["y"], "y", [True] * len(outputs.names))
        with compiled_step(module, weights):
            return self.loss_sum.values(self._forward_of(given["y_pred"]), y, given["sample_weight"])[0]

    def _forward_of(self, y_pred: PyTree) -> Forward:
        """Return outputs with their logits and masks, if they are those that the step has just made."""
        listed, made = jax.tree.leaves(y_pred), self._own_loss.forward
        if made is not None and len(listed) == len(made.outputs) and all(map(operator.is_, listed, made.outputs)):
            return made
        return Forward.of_outputs(listed)

    @property
    def loss_names(self) -> Sequence[str]:
        """The names under which losses are logged."""
        return ["loss"] if self._own_loss.is_overridden else self.loss_sum.names

    # Metrics

    def metrics(self, y: PyTree = None) -> list[LoggedMetric]:
        """Return the metrics in log order: output by output, then the weighted ones.

        Args:
            y: Arranged targets, whose shapes say which metric a name such as "accuracy" means; None if unknown.
        """
        outputs = self.outputs
        several = len(outputs.names) > 1
        each_loss = outputs.each(self.config.loss, "loss")
        graph = self._network.graph
        masked = [False] * len(outputs.names) if graph is None else graph.masked_outputs
        found: dict[str, LoggedMetric] = {}
        for weighted, at, identifier in self._listed_metrics():
            output = Output(at, outputs.names[at]) if several else None
            target = (None,) if y is None else (output.of(y) if output else y).shape
            metric = metrics.get(identifier, each_loss[at], sized(outputs.shapes[at], target), target)
            name = identifier if isinstance(identifier, str) else metric.name
            name = f"{outputs.names[at]}_{name}" if several else name
            if weighted and name in found:
                name = f"weighted_{name}"
            if name in found:
                raise ValueError(f"two metrics would be logged as {name!r}: give one of them another name.")
            found[name] = LoggedMetric(name, metric, weighted, output, masked[at])
        return list(found.values())

    def _listed_metrics(self) -> Iterator[tuple[bool, int, MetricIdentifier]]:
        """Yield for each metric, in log order, whether it is weighted, the number of its output, and what it is."""
        outputs, config = self.outputs, self.config
        trained = outputs.each(config.loss, "loss")
        for kind, setting in (("metrics", config.metrics), ("weighted_metrics", config.weighted_metrics)):
            for_all = outputs.is_for_all(setting)
            for at, listed in enumerate(outputs.each(setting, kind, nested=True)):
                if for_all and trained[at] is None and any(trained):
                    continue  # it has no target, perhaps: who wants its metrics says so by its name
                items = listed if is_listed(listed) else [] if listed is None else [listed]
                yield from ((kind == "weighted_metrics", at, item) for item in items)

    # Data

    def arrange(self, x: Nest, y: PyTree, sample_weight: PyTree) -> Batch:
        """Return arranged inputs with their targets and weights in the order and the dtypes in which steps take them.

        Raises:
            ValueError: If the model can't be trained towards these targets.
        """
        if y is None:
            return x, y, sample_weight
        if self._own_loss.is_overridden and self.config.loss is None:
            return x, map_arrays(lambda array: kept(array, "any", "y"), y), sample_weight
        losses, outputs = self.losses, self.outputs
        y = outputs.arranged(y, "y", self._may_lack_targets)
        if sample_weight is not None:
            several = isinstance(sample_weight, (Mapping, list, tuple))
            sample_weight = outputs.arranged(
                sample_weight if several else [sample_weight] * len(losses), "sample_weight", [True] * len(losses)
            )
        if len(losses) == 1:
            return x, *_targets_and_weights(losses[0], outputs.shapes[0], y, sample_weight)
        weights = [None] * len(losses) if sample_weight is None else sample_weight
        each = zip(losses, outputs.shapes, y, weights, strict=True)
        targets, weights = zip(*[_targets_and_weights(*of_output) for of_output in each], strict=True)
        return x, targets, None if sample_weight is None else weights

    @cached_property
    def _may_lack_targets(self) -> list[bool]:
        """For each output whether it needs no target, since it has neither a loss nor a metric."""
        measured = {at for _, at, _ in self._listed_metrics()}
        return [loss is None and at not in measured for at, loss in enumerate(self.losses)]


def _targets_and_weights(
    loss: OutputLoss | None, shape: Shape, target: np.ndarray | None, weight: np.ndarray | None
) -> tuple[np.ndarray | None, np.ndarray | None]:
    """Return the targets of an output, checked, and their weights, `(samples,)` or `(samples, steps)`."""
    if target is None:
        return None, weight
    shape = sized(shape, target.shape)
    if loss is not None:
        loss.loss.check(target, shape)
    numbers_classes = target.dtype.kind in "iu" and stay_integers(target.shape, shape)
    target = kept(target, "ids" if numbers_classes else "floats", "y")
    return target, None if weight is None else weights_for(shape, weight)


def _check_names(losses: Sequence[str], logged: Sequence[LoggedMetric]) -> None:
    """Raise if a metric would take the place of a loss, or of a validation's value, in the logs."""
    taken = {*losses, *(metric.name for metric in logged)}
    for name in (metric.name for metric in logged):
        if name in losses or (is_validation_name(name) and without_validation(name) in taken):
            raise ValueError(
                f"a metric would be logged as {name!r}, as another value is: give it another name, as in "
                "MeanMetric(function, name=…)."
            )
