"""A network with all that it takes to train it: what a trainer asks of a model of layers or of a module."""

from __future__ import annotations

from collections.abc import Generator, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
from flax import nnx

from ..core.callback import Callback
from ..core.directions import direction_of
from ..core.logs import other_name, without_validation
from ..data.nests import Batch, Nest
from ..data.seeds import fresh_seed
from ..engines.jax.engine import JaxEngine
from ..engines.jax.logged_metrics import LoggedMetric
from ..engines.jax.trees import Array
from ..layers.frozen import Selection
from ..layers.members import is_model
from ..messages.arguments import names_arguments
from ..messages.names import first_few
from ..messages.printing import warn
from ..optimizers.lookup import OptimizerIdentifier
from ..training.activity import Activity
from ..training.compiled_settings import watching
from ..training.declared_rate import DeclaredRate
from .attributes import check_fixed
from .compile_config import CompileConfig, Filter, Setting
from .identity import current_rate, identity_of
from .network import LayerLike, Network
from .own_loss import OwnLoss
from .plan import Plan
from .runtime import Runtime
from .show_module import showing


class Trainee:
    """A network, how it is trained, and its engine; satisfies `training.Trainable`.

    Args:
        network: What is trained.
        own_loss: The user's `compute_loss`, if there is one.

    Attributes:
        activity: Which fits are going on.
        runtime: The engine and the weights.
        plan: What `compile` said, for this network; None before.
        selection: Which variables are trained.
        declared_rate: The learning rate that the script has chosen.
        added_losses: What layers have added to the loss in the last call of the model by hand.
    """

    def __init__(self, network: Network, own_loss: OwnLoss) -> None:
        self.network, self.own_loss = network, own_loss
        self.activity = Activity()
        self.runtime = Runtime(network)
        self.plan: Plan | None = None
        self.selection = Selection({}, True, None)
        self.declared_rate = DeclaredRate()
        self.added_losses: list[Array] = []

    validates_when_stopped = False

    @property
    def name(self) -> str:
        """What errors call the model."""
        return self.network.name

    @property
    def current_module(self) -> nnx.Module:
        """The module, holding the weights after the last finished batch; within `compute_loss`, that of the step."""
        in_step = self.own_loss.module
        return self.runtime.module if in_step is None else in_step

    # How it is trained

    @property
    def config(self) -> CompileConfig | None:
        """What `compile` was told; None before."""
        return None if self.plan is None else self.plan.config

    @property
    def compiled_plan(self) -> Plan:
        """What `compile` said.

        Raises:
            ValueError: If there is nothing to train by.
        """
        if self.plan is None or (self.plan.config.loss is None and not self.own_loss.is_overridden):
            raise ValueError(f"{self.name} isn't compiled: call model.compile(optimizer=…, loss=…) first.")
        return self.plan

    @names_arguments
    def compile(
        self,
        optimizer: OptimizerIdentifier = "rmsprop",
        loss: Setting = None,
        metrics: Setting = None,
        weighted_metrics: Setting = None,
        loss_weights: Setting = None,
        dtype: str | None = None,
        accumulate: int = 1,
        wrt: Filter | None = None,
        run_eagerly: bool | None = False,
        jit_compile: bool | str | None = "auto",
        steps_per_execution: int | str = 1,
        sample_weight_mode: str | None = None,
    ) -> None:
        """Set how to train. The weights stay as they are; the optimizer starts afresh.

        What `trainable` of the model and of its layers is now decides which weights are trained.

        Of several outputs each may have its own loss, weight and metrics: in a list in their order, or in a dict by
        name. What is given once is for all. An output without a loss isn't trained.

        Args:
            optimizer: A name, an `epochal.optimizers` instance or any optax transform.
            loss: A name, an `epochal.losses` instance or `function(y_true, y_pred)`; needed unless `compute_loss`
                is overridden.
            metrics: A list of names, `epochal.metrics` instances or functions, logged under the names given; for
                several outputs, a flat list is for each of them.
            weighted_metrics: Like `metrics`, but sample weights count.
            loss_weights: What the losses of several outputs are multiplied by in the one that is minimised.
            dtype: What floats are computed in, such as "bfloat16"; weights, losses and logs stay float32. None: as
                they come.
            accumulate: In how many parts, one after the other, a batch goes through the model. The gradients and
                logs are those of the whole batch, but for rounding; batch normalization sees the parts, and where an
                output has a mask each part's loss is a mean over its own steps.
            wrt: An nnx filter for the variables to train, such as `nnx.LoRAParam` or `nnx.PathContains("head")`; None
                for all of type `nnx.Param`. What `trainable` keeps from training isn't trained either way.
            run_eagerly: False; steps are always compiled.
            jit_compile: True or "auto", for the same reason.
            steps_per_execution: 1 or "auto"; a fit runs as many steps at once as its callbacks let it.
            sample_weight_mode: None or "temporal"; weights say by their shape what they weigh.

        Raises:
            TypeError: If `wrt` is no filter.
            RuntimeError: If a fit is going on.
            ValueError: If a name is unknown, in which case the nearest are listed, a number can't be right, or `wrt`
                selects nothing.
        """
        check_fixed(
            run_eagerly=run_eagerly,
            jit_compile=jit_compile,
            steps_per_execution=steps_per_execution,
            sample_weight_mode=sample_weight_mode,
        )
        config = CompileConfig.checked(optimizer, loss, metrics, weighted_metrics, loss_weights, dtype, accumulate, wrt)
        selection = Selection.made(_modules_in(self.network.parts), self.network.trainable, config.wrt)
        if self.network.module is not None:
            selection.of(self.network.module)  # what can't be trained is an error now
        self.change_network()
        self.plan, self.selection = Plan(config, self.network, self.own_loss), selection
        config.optimizer.start_from(0)
        if self.network.outputs is not None:
            self.plan.losses  # noqa: B018 (an error in them is one now)

    def restore_config(self, config: CompileConfig | None, selection: Selection) -> None:
        """Train as another model of such a network does."""
        self.plan = None if config is None else Plan(config, self.network, self.own_loss)
        self.selection = selection

    def replace_optimizer(self, optimizer: OptimizerIdentifier) -> None:
        """Train with another optimizer from now on, which starts afresh."""
        if self.plan is None:
            raise AttributeError(f"{self.name} isn't compiled: give the optimizer to compile(optimizer=…, loss=…).")
        config = self.plan.config.with_optimizer(optimizer)
        self.change_network()
        self.plan = Plan(config, self.network, self.own_loss)
        config.optimizer.start_from(0)

    def check_idle(self) -> None:
        """Raise a RuntimeError if a fit is going on, whose compiled steps a change would leave behind."""
        self.activity.check_idle(self.name, "be compiled or get other layers")

    def change_network(self) -> None:
        """Forget what is compiled, since the network or the way it is trained has changed."""
        self.check_idle()
        self.runtime.drop_engine()
        if self.plan is not None:
            self.plan = Plan(self.plan.config, self.network, self.own_loss)

    def load_optimizer(self, arrays: Mapping[str, np.ndarray]) -> None:
        """Go on with an optimizer's state from a file."""
        self.runtime.loaded_optimizer = arrays
        if self.config is not None and (steps := arrays.get("optimizer/count")) is not None:
            self.config.optimizer.start_from(int(steps))

    def logged_metrics(self) -> list[LoggedMetric]:
        """Return the metrics in log order; none before the outputs are known."""
        if (engine := self.runtime.training_engine) is not None:
            return list(engine.metrics)
        return [] if self.plan is None or self.network.outputs is None else self.plan.metrics()

    def log_names(self) -> list[str]:
        """Return the names of what is logged, in log order; none before the outputs are known."""
        if (engine := self.runtime.training_engine) is not None:
            return list(engine.names("train"))
        if self.plan is None or self.network.outputs is None:
            return []
        return [*self.plan.loss_names, *(metric.name for metric in self.plan.metrics())]

    def direction(self, name: str) -> str | None:
        """Return which way a logged value is better: "min", "max", or "unknown" if its metric doesn't tell.

        None if no metric is logged under this name.
        """
        name = without_validation(name)
        logged = self.logged_metrics()
        found = next((metric for metric in logged if metric.name in (name, other_name(name))), None)
        return None if found is None else found.metric.direction or direction_of(found.own_name) or "unknown"

    def track_average(self, decay: float | None) -> None:
        """Keep an exponential average of the weights inside the step; None stops.

        While it is kept, everybody but the training step sees the average: validation, `predict`,
        `get_weights` and files.
        """
        self._training_engine().track_average(decay)

    def use_average(self) -> None:
        """Go on with the averaged weights as the weights."""
        self._training_engine().use_average()

    def _training_engine(self) -> JaxEngine:
        if (engine := self.runtime.training_engine) is None:
            raise ValueError(f"{self.name} isn't being trained, so no average of its weights can be kept.")
        return engine

    # What a trainer asks

    @property
    def output_shape(self) -> Any:
        """The shape of the output, the batch axis in front; a list of them for several, None where it isn't known."""
        return None if self.network.outputs is None else self.network.outputs.shape

    def check_compiled(self) -> None:
        """Raise a ValueError if there is nothing to train by."""
        self.compiled_plan  # noqa: B018 (which raises)

    def arrange(self, x: Nest, y: Nest, sample_weight: Nest) -> Batch:
        """Return data to train or to evaluate on in the order, the shapes and the dtypes in which steps take them."""
        if y is None and not self.own_loss.is_overridden:
            raise ValueError("training and evaluation need targets: pass y, or batches (x, y).")
        return self.compiled_plan.arrange(self.arrange_inputs(x), y, sample_weight)

    def arrange_inputs(self, x: Nest) -> Nest:
        """Return samples as `arrange` does."""
        self.network.learn(x)
        return self.network.arrange(x)

    def draw_seed(self) -> int:
        """Return a fresh seed for the order of data."""
        return fresh_seed()

    def first_epoch(self, epoch: int) -> int:
        """Return the epoch as it is: no callback moves it."""
        return epoch

    def engine_for(self, batch: Batch, trains: bool) -> JaxEngine:
        """Return the engine; it is made at the first use, when shapes are known."""
        dtype = None if self.config is None else self.config.dtype
        return self.runtime.engine_for(self.plan if trains else None, self.selection, batch[1], dtype)

    def identity(self) -> dict[str, object]:
        """Return a description of the model and its steps, as JSON values."""
        return identity_of(
            self.own_loss.model,
            self.runtime.built_module,
            self.network.graph,
            self.compiled_plan.config,
            self.declared_rate,
        )

    def own_callbacks(self, callbacks: Sequence[object]) -> list[Callback]:
        """Return callbacks that show arrays of a user's own module, if the user's hooks may look there unnoticed."""
        engine = self.runtime.engine
        is_needed = self.network.graph is None and engine is not None and engine.weights.hides_looks
        shown = showing(callbacks, self.runtime.show) if is_needed else []
        return [*watching(self.runtime.compiled_settings, callbacks), *shown]

    @contextmanager
    def around_fit(self) -> Generator[None]:
        """Warn of what has no effect; whatever ends the fit, let the module hold the trained weights."""
        self._warn_of_late_freezing()
        module = self.runtime.built_module
        if self.selection.is_empty(module):
            warn(f"{self.name} has no weights to train: trainable is False for all of them.")
        self.runtime.compiled_settings.fit_begins()
        engine, optimizer = self.runtime.engine, self.compiled_plan.config.optimizer
        if engine is not None:
            engine.check_structure()
        self.declared_rate.fit_begins(*current_rate(optimizer))
        try:
            yield
        finally:
            self.declared_rate.fit_ends(*current_rate(optimizer))
            if engine is not None and not engine.lost:
                engine.weights.write_back()
        self.runtime.compiled_settings.warn_of_changes()

    @contextmanager
    def around_batch(self) -> Generator[None]:
        """Warn of layers that were frozen too late; show the weights after it where others may look at them."""
        self._warn_of_late_freezing()
        yield
        self.runtime.show()

    def _warn_of_late_freezing(self) -> None:
        """Warn if `trainable` of a layer was changed after `compile`."""
        if names := self.selection.changed():
            warn(
                f"trainable of {first_few(names, 3)} was changed after compile, which takes it up: compile "
                f"{self.name} again, or it goes on training what it did."
            )


def _modules_in(parts: list[LayerLike]) -> Iterator[nnx.Module]:
    """Yield the modules among parts of a network, and those in models among them."""
    for part in parts:
        if is_model(part):
            yield from _modules_in(part.trainee.network.parts)
        else:
            yield part
