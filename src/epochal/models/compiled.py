"""How a model trains: optimizer, loss, metrics, and the engine made of them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp
from flax import nnx

from .. import losses, optimizers
from .. import metrics as metrics_module
from ..core.logs import other_name
from ..engines.jax.engine import JaxEngine
from ..engines.jax.steps import Measure
from .network import Network


class Compiled(Network):
    """A network that knows how to train."""

    def compile(
        self,
        optimizer: Any = "rmsprop",
        loss: Any = None,
        metrics: Sequence[Any] | None = None,
        weighted_metrics: Sequence[Any] | None = None,
    ) -> None:
        """Say how to train. The weights stay as they are; the optimizer starts afresh.

        Args:
            optimizer: A name, an `epochal.optimizers` instance or any optax transform.
            loss: A name, an `epochal.losses` instance or `function(y_true, y_pred)`.
            metrics: Names, `epochal.metrics` instances or functions; logged under the names given.
            weighted_metrics: The same, but sample weights count.

        Raises:
            ValueError: If a name is unknown; the nearest are listed.
        """
        self._forget_engine()
        self.optimizer = optimizers.get(optimizer)
        chosen = losses.get(loss) if loss is not None else None
        kinds = {"metrics": list(metrics or ()), "weighted_metrics": list(weighted_metrics or ())}
        for identifier in [*kinds["metrics"], *kinds["weighted_metrics"]]:
            _metric(identifier, chosen)  # an unknown name is an error now
        self._settings = {"loss": chosen, **kinds}

    def _check_compiled(self) -> None:
        """Raise if there is nothing to train by."""
        if self._settings is None or self._settings["loss"] is None:
            raise ValueError(f"{self.name} isn't compiled: call model.compile(optimizer=…, loss=…) first.")

    def direction(self, name: str) -> str | None:
        """Return "min" or "max" if a metric of this name says which way is better, else None."""
        name = name.removeprefix("val_")
        measures = self._engine.measures if self._engine is not None else ()
        return next((m.metric.direction for m in measures if m.name in (name, other_name(name))), None)

    @property
    def _names(self) -> list[str]:
        return list(self._engine.names) if self._engine is not None else []

    def _ready(self, x: Any, y: Any = None) -> JaxEngine:
        """Return the engine for these inputs; it is made at the first use, when the shapes are known."""
        self._build_for(x)
        self._check(x, None)
        trains = self._settings is not None and y is not None
        if self._engine is None or (trains and not self._engine_trains):
            self._engine = self._make_engine(x, y if trains else None)
            self._engine_trains = trains
        return self._engine

    def _make_engine(self, x: Any, y: Any) -> JaxEngine:
        module = self.module
        self._output_shape = output_shape(module, x)
        self._input_like = self._input_like or ((None, *x.shape[1:]), str(jnp.result_type(x)))
        if y is None:
            return JaxEngine(module, _no_objective, self._call)
        assert self._settings is not None
        loss = self._settings["loss"]
        loss.check(y, self._output_shape)
        measures = [
            _measure(identifier, loss, self._output_shape, y.shape, weighted)
            for weighted, of_kind in ((False, "metrics"), (True, "weighted_metrics"))
            for identifier in self._settings[of_kind]
        ]
        engine = JaxEngine(module, self._objective(loss), self._call, measures, self.optimizer)
        if self._optimizer_state:
            engine.load_optimizer(self._optimizer_state)
            self._optimizer_state = {}
        return engine

    def _objective(self, loss: Any) -> Any:
        """Return what a step computes: the loss of a batch and the outputs."""

        def objective(module: Any, x: Any, y: Any, weight: Any) -> tuple[Any, Any]:
            y_pred = module(x)
            return loss(y, y_pred, weight), y_pred

        return objective

    def _check(self, x: Any, y: Any) -> None:
        """Raise if the model can't take these inputs and targets."""
        if y is not None and self._engine is not None and self._engine_trains:
            assert self._settings is not None
            self._settings["loss"].check(y, self._output_shape)

    def _check_pair(self, x: Any, y: Any) -> None:
        """Raise if the model can't be trained or evaluated on these inputs and targets."""
        if y is None:
            raise ValueError("training and evaluation need targets: pass y, or batches (x, y).")
        self._check(x, y)

    def track_average(self, decay: float | None) -> None:
        """Keep an exponential average of the weights inside the step; None stops.

        While it is kept, everybody but the training step sees the average: validation, `predict`,
        `get_weights` and files.
        """
        assert self._engine is not None
        self._engine.track_average(decay)

    def adopt_average(self) -> None:
        """Go on with the averaged weights as the weights."""
        assert self._engine is not None
        self._engine.adopt_average()


def output_shape(module: nnx.Module, x: Any) -> tuple[int, ...]:
    """Return the shape of a module's output for inputs like `x`, without computing it."""
    module.eval()
    graph, state = nnx.split(module)
    like = jax.ShapeDtypeStruct(x.shape, jnp.result_type(x))
    return jax.eval_shape(lambda state, x: nnx.merge(graph, state)(x), state, like).shape


def _measure(identifier: Any, loss: Any, output: Any, target: Any, weighted: bool) -> Measure:
    metric = _metric(identifier, loss, output, target)
    return Measure(identifier if isinstance(identifier, str) else metric.name, metric, weighted)


def _metric(identifier: Any, *about: Any) -> Any:
    return metrics_module.get(identifier, *about)


def _no_objective(*_: Any) -> Any:
    raise ValueError("the model isn't compiled: call model.compile(optimizer=…, loss=…) first.")
