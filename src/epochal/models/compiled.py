"""How a model trains: optimizer, losses, metrics, and the engine made of them."""

from __future__ import annotations

import operator
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import jax
import jax.numpy as jnp
from flax import nnx

from .. import activations, losses, optimizers
from .. import metrics as metrics_module
from ..core.directions import direction_of
from ..core.logs import is_validation_name, other_name, without_validation
from ..data.class_weights import ClassWeights
from ..data.nests import map_arrays
from ..data.targets import Shape, stay_integers
from ..engines.jax.engine import JaxEngine
from ..engines.jax.logged_metrics import LoggedMetric, Output
from ..layers.frozen import Selection
from ..messages.arguments import names_arguments
from ..messages.numeric import is_real, is_whole, real, whole
from ..messages.printing import warn
from .network import Network
from .objective import Forward, KerasObjective, Objective, OutputLoss, OwnObjective
from .odd_activation import odd_activation
from .overrides import KERAS_ARGUMENTS, takes_keras_arguments
from .samples import kept, taken_as, weights_for
from .settings import Settings, changed, settings_of
from .signature import Signature, sized


class Compiled(Network):
    """A network that knows how to train."""

    # Looked up once, and needed for every batch that comes
    _compiled_with: Settings | None = None
    _losses_by_output: list[OutputLoss | None] | None = None
    _needs_no_target: Sequence[bool] = ()
    _selection = Selection({}, True, None)
    _made: Forward | None = None  # what the module inside a step has made

    @names_arguments
    def compile(
        self,
        optimizer: Any = "rmsprop",
        loss: Any = None,
        metrics: Any = None,
        weighted_metrics: Any = None,
        loss_weights: Any = None,
        dtype: str | None = None,
        accumulate: int = 1,
        wrt: Any = None,
    ) -> None:
        """Say how to train. The weights stay as they are; the optimizer starts afresh.

        What `trainable` of the model and of its layers is now decides which weights are trained.

        Of several outputs each may have its own loss, weight and metrics: in a list in their order, or in a dict by
        name. What is given once is for all. An output without a loss isn't trained.

        Args:
            optimizer: A name, an `epochal.optimizers` instance or any optax transform.
            loss: A name, an `epochal.losses` instance or `function(y_true, y_pred)`; needed unless `compute_loss`
                is overridden.
            metrics: A list of names, `epochal.metrics` instances or functions, logged under the names given; for
                several outputs, a flat list is for each of them.
            weighted_metrics: The same, but sample weights count.
            loss_weights: What the losses of several outputs are multiplied by in the one that is minimised.
            dtype: What floats are computed in, such as "bfloat16"; weights, losses and logs stay float32. None: as
                they come.
            accumulate: In how many parts, one after the other, a batch goes through the model. The gradients and
                logs are those of the whole batch, but for rounding; batch normalization sees the parts, and where an
                output has a mask each part's loss is a mean over its own steps.
            wrt: An nnx filter for the variables to train, such as `nnx.LoRAParam` or `nnx.PathContains("head")`; None
                for all of type `nnx.Param`. What `trainable` keeps from training isn't trained either way.

        Raises:
            TypeError: If `wrt` is no filter.
            ValueError: If a name is unknown, in which case the nearest are listed, or `wrt` selects nothing.
        """
        if not is_whole(accumulate, 1):
            raise ValueError(f"accumulate is a number of parts, at least 1; got {accumulate!r}.")
        settings: dict[str, Any] = {
            "loss": _each(loss, losses.get),
            "loss_weights": _each(loss_weights, _weight),
            "metrics": metrics or [],
            "weighted_metrics": weighted_metrics or [],
            "dtype": None if dtype is None else _float_dtype(dtype),
            "accumulate": whole("accumulate", accumulate),
            "wrt": wrt,
        }
        selection = Selection.made(self._modules(), self.trainable, wrt)
        if self._module is not None:
            selection.of(self._module)  # what can't be trained is an error now
        found = optimizers.get(optimizer)
        only_loss = settings["loss"] if isinstance(settings["loss"], losses.Loss) else None
        for kind in ("metrics", "weighted_metrics"):
            for identifier in _flat(settings[kind]):
                metrics_module.get(identifier, only_loss)  # an unknown name is an error now
        self._forget_engine()
        self._settings, self._selection, self._optimizer, self._loss = settings, selection, found, loss
        found.start_from(0)
        if self._outputs is not None:
            self._losses(self._outputs)

    @property
    def optimizer(self) -> Any:
        """What `compile` got; `optimizer.lr` is the current learning rate. Another one may be set: it starts afresh."""
        return self._optimizer

    @optimizer.setter
    def optimizer(self, optimizer: Any) -> None:
        if self._settings is None:
            raise AttributeError(f"{self.name} isn't compiled: give the optimizer to compile(optimizer=…, loss=…).")
        made = optimizers.get(optimizer)
        self._forget_engine()
        self._optimizer = made
        made.start_from(0)

    @property
    def loss(self) -> Any:
        """What `compile` got as the loss."""
        return None if self._settings is None else self._loss

    @property
    def metrics(self) -> list[Any]:
        """The metrics that are logged beside the losses, in log order."""
        return [measure.metric for measure in self._known_measures()]

    @property
    def metrics_names(self) -> list[str]:
        """The names of what is logged, in log order: the loss, those of several outputs, the metrics."""
        if self._engine is not None and self._engine_trains:
            return self._names
        if self._settings is None or self._outputs is None:
            return []
        losses = ("loss",) if self._has_own_objective else self._objective(self._outputs).names
        return [*losses, *(measure.name for measure in self._known_measures())]

    def _known_measures(self) -> list[LoggedMetric]:
        if self._engine is not None and self._engine_trains:
            return self._engine.metrics
        return [] if self._settings is None or self._outputs is None else self._measures(self._outputs, None)

    def _count_by_state(self) -> None:
        """Let the optimizer know how many steps are in its state, which waits for an engine."""
        if (steps := self._optimizer_state.get("optimizer/count")) is not None:
            self._optimizer.start_from(int(steps))

    def compute_loss(self, *args: Any, **kwargs: Any) -> Any:
        """Return the loss of a batch; override it for an objective of your own, in one of two forms.

        It becomes part of the compiled step, so it must be made of functions of JAX.

        `compute_loss(self, batch, training)` finds the module in `self.module` and calls it itself. `batch` is
        `(x, y, sample_weight)`, where what wasn't given is None; `training` says in which mode the module is. It
        returns the loss, a scalar, or `(loss, outputs)`, which metrics need.

        `compute_loss(self, x, y, y_pred, sample_weight, training)` is Keras's form; any of these may be left out but
        `y_pred`, the outputs. It returns the loss.

        Here both return what is compiled: the first the loss and the outputs, the second the loss.
        """
        outputs = self._outputs
        assert outputs is not None
        if len(args) <= 2 and not kwargs.keys() & {"x", "y", "y_pred", "sample_weight"}:
            return self._compiled_loss(outputs, *args, **kwargs)
        given = dict(zip(KERAS_ARGUMENTS, args, strict=False)) | kwargs
        made = self._made_of(given.get("y_pred"), outputs)
        y = outputs.arranged(given.get("y"), "y", [True] * len(outputs.names))
        return self._objective(outputs).values(made, y, given.get("sample_weight"))[0]

    def _compiled_loss(self, outputs: Signature, batch: Any, training: bool = True) -> tuple[Any, Any]:
        values, made, _ = self._objective(outputs)(self.module, batch, training)
        return values[0], made

    def _made_of(self, y_pred: Any, outputs: Signature) -> Forward:
        """Return outputs with their logits and masks, if they are those that the step has just made."""
        listed = jax.tree.leaves(y_pred)
        made = self._made
        if made is not None and len(listed) == len(made[0]) and all(map(operator.is_, listed, made[0])):
            return made
        nothing: list[Any] = [None] * len(outputs.names)
        return listed, nothing, nothing

    @property
    def _has_own_objective(self) -> bool:
        return type(self).compute_loss is not Compiled.compute_loss

    def _check_compiled(self) -> None:
        """Raise if there is nothing to train by."""
        if self._settings is None or (self._settings["loss"] is None and not self._has_own_objective):
            raise ValueError(f"{self.name} isn't compiled: call model.compile(optimizer=…, loss=…) first.")

    def direction(self, name: str) -> str | None:
        """Return which way a metric of this name is better: "min", "max", or "unknown" if it doesn't tell.

        None if no metric is logged under this name.
        """
        name = without_validation(name)
        measures = self._engine.metrics if self._engine is not None else ()
        found = next((m for m in measures if m.name in (name, other_name(name))), None)
        return None if found is None else found.metric.direction or direction_of(found.own_name) or "unknown"

    @property
    def _names(self) -> list[str]:
        return list(self._engine.names) if self._engine is not None else []

    # Data, brought into the order of inputs and outputs

    def _arranged(self, x: Any, y: Any, weight: Any) -> tuple[Any, Any, Any]:
        """Return data as a step takes them.

        Raises:
            ValueError: If the model can't take these inputs, or can't be trained towards these targets.
        """
        self._know(x)
        x = self._arranged_x(x)
        outputs = self._outputs
        assert outputs is not None
        if y is None:
            return x, y, weight
        if self._settings is None or (self._has_own_objective and self._settings["loss"] is None):
            return x, map_arrays(lambda array: kept(array, "any", "y"), y), weight
        wanted = self._losses(outputs)
        y = outputs.arranged(y, "y", self._needs_no_target)
        if weight is not None:
            several = isinstance(weight, (Mapping, list, tuple))
            weight = outputs.arranged(
                weight if several else [weight] * len(wanted), "sample_weight", [True] * len(wanted)
            )
        if len(wanted) == 1:
            return x, *self._pair(wanted[0], outputs.shapes[0], y, weight)
        each = zip(wanted, outputs.shapes, y, [None] * len(wanted) if weight is None else weight, strict=True)
        targets, weights = zip(*[self._pair(*of_output) for of_output in each], strict=True)
        return x, targets, None if weight is None else weights

    def _arranged_x(self, x: Any) -> Any:
        """Return inputs in the model's order, with the axis of 1 that single numbers lack."""
        if self._inputs is None:
            return map_arrays(lambda array: kept(array, "any", "x"), x)
        x = self._inputs.with_last_axes(self._inputs.arranged(x, "x"))
        self._inputs.check(x, "x", self.name)
        if (graph := self._graph) is None:
            return map_arrays(lambda array: kept(array, "any", "x"), x)
        several = len(graph.input_names) > 1
        arrays = [kept(a, taken_as(t), "x") for a, t in zip(x if several else (x,), graph.taken_dtypes, strict=True)]
        return tuple(arrays) if several else arrays[0]

    def _pair(self, loss: OutputLoss | None, shape: Shape, target: Any, weight: Any) -> tuple[Any, Any]:
        """Return the targets of an output, checked, and their weights, `(samples,)` or `(samples, steps)`."""
        if target is None:
            return None, weight
        shape = sized(shape, target.shape)
        if loss is not None:
            loss.loss.check(target, shape)
        numbers_classes = target.dtype.kind in "iu" and stay_integers(target.shape, shape)
        target = kept(target, "ids" if numbers_classes else "floats", "y")
        return target, None if weight is None else weights_for(shape, weight)

    def _weighing(self, by_class: ClassWeights | None) -> Any:
        """Return what arranges training data and weighs their classes."""
        return lambda x, y, weight: self._weighed(self._arranged_pair(x, y, weight), by_class)

    def _weighed(self, parts: tuple[Any, Any, Any], by_class: ClassWeights | None) -> tuple[Any, Any, Any]:
        """Return arranged training data with the weights of their classes multiplied in."""
        if by_class is None:
            return parts
        x, y, weight = parts
        assert self._outputs is not None
        shape = self._outputs.shapes[0]
        return x, y, by_class.weigh(y, weight, sized(shape, y.shape) if hasattr(y, "shape") else shape)

    def _arranged_inputs(self, x: Any, _y: Any, _weight: Any) -> tuple[Any, Any, Any]:
        """Return data to predict on, whatever comes with them."""
        return self._arranged(x, None, None)

    def _arranged_pair(self, x: Any, y: Any, weight: Any) -> tuple[Any, Any, Any]:
        """Return data to train on or to evaluate on."""
        if y is None and not self._has_own_objective:
            raise ValueError("training and evaluation need targets: pass y, or batches (x, y).")
        return self._arranged(x, y, weight)

    # The engine

    def _ready(self, y: Any = None, trains: bool = True) -> JaxEngine:
        """Return the engine; it is made at the first use, when the shapes are known."""
        trains = trains and self._settings is not None
        if self._engine is None or (trains and not self._engine_trains):
            self._engine = self._make_engine(y) if trains else self._predicting_engine()
            self._engine_trains = trains
        self._engine.weights.pull_external_writes()
        return self._engine

    def _predicting_engine(self) -> JaxEngine:
        dtype = None if self._settings is None else self._settings["dtype"]
        return JaxEngine(self.module, None, self._call, dtype=dtype, adapt=self._adapt)

    def _make_engine(self, y: Any) -> JaxEngine:
        assert self._settings is not None
        assert self._outputs is not None
        outputs, settings = self._outputs, self._settings
        measures = self._measures(outputs, y)
        objective: Any = self._objective(outputs) if not self._has_own_objective else self._own_objective(measures)
        _check_names(objective.names, measures)
        trained, at_rest = self._selection.of(self.module)
        engine = JaxEngine(
            self.module, objective, self._call, measures, self.optimizer, settings["dtype"], settings["accumulate"],
            self._adapt, trained, at_rest,
        )  # fmt: skip
        self._compiled_with = settings_of(self._built())
        if self._optimizer_state:
            engine.weights.load_optimizer(self._optimizer_state)
            self._optimizer_state = {}
        return engine

    def _own_objective(self, measures: Sequence[LoggedMetric]) -> OwnObjective | KerasObjective:
        outputs, graph = self._outputs, self._graph
        assert outputs is not None
        if not takes_keras_arguments(self.compute_loss):
            return OwnObjective(self.compute_loss, self._within, bool(measures), outputs.names)
        several = len(outputs.names) > 1

        def pack(made: Sequence[Any]) -> Any:
            by_name = graph is not None and graph.outputs_by_name
            return dict(zip(outputs.names, made, strict=True)) if by_name else list(made) if several else made[0]

        return KerasObjective(self.compute_loss, self._within, self._forward, pack, several)

    def _warn_of_late_settings(self) -> None:
        """Warn if a setting of a layer is another one than the steps are compiled with."""
        if self._compiled_with is not None and (late := changed(self._built(), self._compiled_with)):
            listed = ", ".join(late[:3]) + (f" and {len(late) - 3} more" if len(late) > 3 else "")
            warnings.warn(
                f"{listed}: the steps of {self.name} were compiled before that change, so it has no effect on them. "
                "Compile the model again.",
                stacklevel=3,
            )

    def _warn_if_nothing_trains(self) -> None:
        """Warn if the model has weights of which none is trained."""
        if self._module is not None and self._selection.is_empty(self._module):
            warnings.warn(f"{self.name} has no weights to train: trainable is False for all of them.", stacklevel=3)

    def _warn_of_late_freezing(self) -> None:
        """Warn if `trainable` of a layer was changed after `compile`."""
        if changed := self._selection.changed():
            names = ", ".join(changed[:3]) + (f" and {len(changed) - 3} more" if len(changed) > 3 else "")
            warnings.warn(
                f"trainable of {names} was changed after compile, which takes it up: compile {self.name} again, or it "
                "goes on training what it did.",
                stacklevel=3,
            )

    def _forget_engine(self) -> None:
        super()._forget_engine()
        self._losses_by_output = self._compiled_with = None

    def _losses(self, outputs: Signature) -> list[OutputLoss | None]:
        """Return the loss of each output."""
        if self._losses_by_output is None:
            self._losses_by_output = self._found_losses(outputs)
            measured = {at for _, at, _ in self._listed_metrics(outputs)}
            losses = enumerate(self._losses_by_output)
            self._needs_no_target = [loss is None and at not in measured for at, loss in losses]
        return self._losses_by_output

    def _found_losses(self, outputs: Signature) -> list[OutputLoss | None]:
        assert self._settings is not None
        each = outputs.each(self._settings["loss"], "loss")
        weights = outputs.each(self._settings["loss_weights"], "loss_weights")
        if not any(each) and not self._has_own_objective:
            raise ValueError(f"no output has a loss; the outputs are {', '.join(outputs.names)}.")
        found: list[OutputLoss | None] = []
        for at, (name, loss, weight) in enumerate(zip(outputs.names, each, weights, strict=True)):
            if loss is None:
                found.append(None)
                continue
            activation: Any = None if self._graph is None else self._graph.activation_of(at)
            activated = activations.name_of(activation)
            if activated and (odd := odd_activation(loss, activated, outputs.shapes[at][-1])):
                warn(f"{name}: {odd}.", stacklevel=3)
            exact = loss.activation is not None and activated == loss.activation
            of_logits = loss.with_logits() if exact else None
            found.append(OutputLoss(name, loss, 1.0 if weight is None else weight, of_logits))
        return found

    def _objective(self, outputs: Signature) -> Objective:
        return Objective(self._forward, self._losses(outputs))

    def _listed_metrics(self, outputs: Signature) -> Iterator[tuple[bool, int, Any]]:
        """Yield for each metric, in log order, whether it is weighted, the number of its output, and what it is."""
        assert self._settings is not None
        trained = outputs.each(self._settings["loss"], "loss")
        for kind in ("metrics", "weighted_metrics"):
            for_all = outputs.is_for_all(self._settings[kind])
            for at, listed in enumerate(outputs.each(self._settings[kind], kind, nested=True)):
                if for_all and trained[at] is None and any(trained):
                    continue  # it has no target, perhaps: who wants its metrics says so by its name
                items = listed if isinstance(listed, (list, tuple)) else [] if listed is None else [listed]
                yield from ((kind == "weighted_metrics", at, item) for item in items)

    def _measures(self, outputs: Signature, y: Any) -> list[LoggedMetric]:
        """Return the metrics in log order: output by output, then the weighted ones."""
        assert self._settings is not None
        several = len(outputs.names) > 1
        each_loss = outputs.each(self._settings["loss"], "loss")
        masked = [False] * len(outputs.names) if self._graph is None else self._graph.masked_outputs
        found: dict[str, LoggedMetric] = {}
        for weighted, at, identifier in self._listed_metrics(outputs):
            output = Output(at, outputs.names[at]) if several else None
            target = (None,) if y is None else (output.of(y) if output else y).shape
            metric = metrics_module.get(identifier, each_loss[at], sized(outputs.shapes[at], target), target)
            name = identifier if isinstance(identifier, str) else metric.name
            name = f"{outputs.names[at]}_{name}" if several else name
            if weighted and name in found:
                name = f"weighted_{name}"
            if name in found:
                raise ValueError(f"two metrics would be logged as {name!r}: give one of them another name.")
            found[name] = LoggedMetric(name, metric, weighted, output, masked[at])
        return list(found.values())

    @contextmanager
    def _within(self, module: nnx.Module, made: Forward | None = None) -> Iterator[None]:
        """Let `self.module` be another one for a while: the one inside a step, which has made that."""
        before = self._traced, self._made
        self._traced, self._made = module, made
        try:
            yield
        finally:
            self._traced, self._made = before

    def track_average(self, decay: float | None) -> None:
        """Keep an exponential average of the weights inside the step; None stops.

        While it is kept, everybody but the training step sees the average: validation, `predict`,
        `get_weights` and files.
        """
        assert self._engine is not None
        self._engine.track_average(decay)

    def use_average(self) -> None:
        """Go on with the averaged weights as the weights."""
        assert self._engine is not None
        self._engine.use_average()


def _check_names(losses: Sequence[str], measures: Sequence[LoggedMetric]) -> None:
    """Raise if a metric would take the place of a loss, or of a validation's value, in the logs."""
    logged = {*losses, *(measure.name for measure in measures)}
    for name in (measure.name for measure in measures):
        if name in losses or (is_validation_name(name) and without_validation(name) in logged):
            raise ValueError(
                f"a metric would be logged as {name!r}, as another value is: give it another name, as in "
                "MeanMetric(function, name=…)."
            )


def _each(setting: Any, make: Any) -> Any:
    """Return a setting with every item made by `make`; None stays None."""
    if setting is None:
        return None
    if isinstance(setting, Mapping) and "class_name" not in setting:
        return {name: _each(item, make) for name, item in setting.items()}
    if isinstance(setting, (list, tuple)):
        return [_each(item, make) for item in setting]
    return make(setting)


def _flat(nest: Any) -> list[Any]:
    if isinstance(nest, Mapping) and "class_name" not in nest:
        return [item for value in nest.values() for item in _flat(value)]
    if isinstance(nest, (list, tuple)):
        return [item for value in nest for item in _flat(value)]
    return [] if nest is None else [nest]


def _weight(value: Any) -> float:
    if not is_real(value):
        raise TypeError(f"loss_weights are numbers; got {value!r}.")
    return real("loss_weights", value)


def _float_dtype(name: Any) -> Any:
    dtype = jnp.dtype(name)
    if not jnp.issubdtype(dtype, jnp.floating):
        raise ValueError(f"dtype is what floats are computed in, such as 'bfloat16'; got {name!r}.")
    return dtype
