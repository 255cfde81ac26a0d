"""A user's own `compute_loss`, as an objective of compiled steps."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any
from weakref import ref

import jax.numpy as jnp

from ..engines.jax.objective import Objective
from ..layers.call_context import compiled_step, taken_losses
from .modules import Forward, forward
from .overrides import keras_arguments, takes_keras_arguments


class OwnLoss:
    """The `compute_loss` of a model, and the step in which it is being computed.

    Compiled steps hold this, and with it the model only weakly.

    Args:
        model: Has the method.
        default: The method that it has if its class doesn't override it.

    Attributes:
        module: The module inside the step that is being compiled, None outside.
        forward: What that module has made of the batch; None if it wasn't called yet.
    """

    def __init__(self, model: Any, default: Callable[..., Any]) -> None:
        self._model, self._default = ref(model), default
        self.module: Any = None
        self.forward: Forward | None = None

    @property
    def model(self) -> Any:
        """The model, None when nobody has it any more."""
        return self._model()

    @property
    def is_overridden(self) -> bool:
        """Whether the model's class has a `compute_loss` of its own."""
        return type(self.model).compute_loss is not self._default

    @property
    def method(self) -> Callable[..., Any]:
        """The bound method."""
        return self.model.compute_loss

    @contextmanager
    def within(self, module: Any, made: Forward | None = None) -> Iterator[None]:
        """Let the model's module be that of a step for a while."""
        before = self.module, self.forward
        self.module, self.forward = module, made
        try:
            yield
        finally:
            self.module, self.forward = before

    def objective(self, output_names: Sequence[str], by_name: bool, needs_outputs: bool) -> Objective:
        """Return the objective.

        Args:
            output_names: The outputs, in the model's order.
            by_name: Whether the model returns them in a dict.
            needs_outputs: Whether there are metrics.
        """
        if takes_keras_arguments(self.method):
            return KerasObjective(self, output_names, by_name)
        return OwnObjective(self, output_names, needs_outputs)


class OwnObjective:
    """What a `compute_loss(batch, training)` returns: the loss, or the loss and the outputs.

    Args:
        own_loss: Has the method.
        output_names: The order of outputs that come in a dict.
        needs_outputs: Whether there are metrics.
    """

    names = ("loss",)

    def __init__(self, own_loss: OwnLoss, output_names: Sequence[str], needs_outputs: bool) -> None:
        self._own_loss, self._output_names, self._needs_outputs = own_loss, output_names, needs_outputs

    def __call__(self, module: Any, batch: Any, training: bool) -> tuple[list[Any], Any, Any]:
        """Return the loss, the outputs if there are any, and no masks."""
        with self._own_loss.within(module), compiled_step(module):
            found: Any = self._own_loss.method(batch, training)
            _check_nothing_left()
        loss: Any
        loss, outputs = found if isinstance(found, tuple) and len(found) == 2 else (found, None)
        if jnp.shape(loss) != ():
            raise ValueError(f"compute_loss must return one number, or (number, outputs); got {found!r}.")
        if outputs is None and self._needs_outputs:
            raise ValueError(
                "metrics need the outputs: compute_loss must return (loss, outputs), or compile without them."
            )
        if isinstance(outputs, Mapping):
            outputs = [outputs[name] for name in self._output_names]
            outputs = outputs[0] if len(outputs) == 1 else outputs
        return [jnp.asarray(loss, jnp.float32)], tuple(outputs) if isinstance(outputs, list) else outputs, None


class KerasObjective:
    """What a `compute_loss` in Keras's form returns, which gets the outputs: the loss.

    Args:
        own_loss: Has the method, of `(x, y, y_pred, sample_weight, training)` or some of them.
        output_names: The outputs, in the model's order.
        by_name: Whether the model returns them in a dict.
    """

    names = ("loss",)

    def __init__(self, own_loss: OwnLoss, output_names: Sequence[str], by_name: bool) -> None:
        self._own_loss, self._output_names, self._by_name = own_loss, output_names, by_name

    def __call__(self, module: Any, batch: Any, training: bool) -> tuple[list[Any], Any, Any]:
        """Return the loss, the outputs, and their masks."""
        x, y, weight = batch
        with compiled_step(module):
            made = forward(module, x)
            y_pred = self._packed(made.outputs)
            given = {"x": x, "y": y, "y_pred": y_pred, "sample_weight": weight, "training": training}
            with self._own_loss.within(module, made):
                method = self._own_loss.method
                loss: Any = method(**keras_arguments(method, given))
            _check_nothing_left()
        if jnp.shape(loss) != ():
            raise ValueError(f"compute_loss must return one number; got {loss!r}.")
        loss = jnp.asarray(loss, jnp.float32)
        if len(self._output_names) > 1:
            return [loss], tuple(made.outputs), tuple(made.masks)
        return [loss], made.outputs[0], made.masks[0]

    def _packed(self, outputs: Sequence[Any]) -> Any:
        """Return outputs in order as the model returns them."""
        if self._by_name:
            return dict(zip(self._output_names, outputs, strict=True))
        return list(outputs) if len(outputs) > 1 else outputs[0]


def _check_nothing_left() -> None:
    """Raise a ValueError if layers have added to the loss what a `compute_loss` leaves out."""
    if taken_losses():
        raise ValueError(
            "a layer calls add_loss, and compute_loss leaves that out: it must return a loss that began as "
            "super().compute_loss(…), or the layer must not add one."
        )
