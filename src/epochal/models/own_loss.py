"""A user's own `compute_loss`, as an objective of compiled steps."""

# pyright: reportUnknownMemberType=false

from __future__ import annotations

from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager
from typing import Any, Protocol, TypeGuard, cast
from weakref import ref

import jax.numpy as jnp
from flax import nnx

from ..engines.jax.objective import Objective
from ..engines.jax.trees import Array, DeviceBatch, PyTree
from ..layers.call_context import compiled_step, has_unseen_losses
from ..layers.nests import is_mapping, is_sequence
from .modules import Forward, forward, variables_in
from .overrides import keras_arguments, takes_keras_arguments


class HasLoss(Protocol):
    """A model whose class may have a `compute_loss` of its own."""

    def compute_loss(self, *args: Any, **kwargs: Any) -> object:
        """Return the loss, or the loss and the outputs."""
        ...


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

    def __init__(self, model: HasLoss, default: Callable[..., object]) -> None:
        self._model, self._default = ref(model), default
        self.module: nnx.Module | None = None
        self.forward: Forward | None = None

    @property
    def model(self) -> HasLoss:
        """The model.

        Raises:
            ReferenceError: If nobody has it any more.
        """
        if (model := self._model()) is None:
            raise ReferenceError("the model that has this compute_loss is gone.")
        return model

    @property
    def is_overridden(self) -> bool:
        """Whether the model's class has a `compute_loss` of its own."""
        return type(self.model).compute_loss is not self._default

    @property
    def method(self) -> Callable[..., object]:
        """The bound method."""
        return self.model.compute_loss

    @contextmanager
    def within(self, module: nnx.Module, made: Forward | None = None) -> Generator[None]:
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

    def __call__(
        self, module: nnx.Module, batch: DeviceBatch, training: bool, weights: PyTree
    ) -> tuple[list[Array], PyTree, PyTree]:
        """Return the loss, the outputs if there are any, and no masks."""
        with self._own_loss.within(module), compiled_step(module, variables_in(weights)):
            found = self._own_loss.method(batch, training)
            _check_nothing_left()
        loss, outputs = found if _is_pair(found) else (cast("PyTree", found), None)
        if jnp.shape(loss) != ():
            raise ValueError(f"compute_loss must return one number, or (number, outputs); got {found!r}.")
        if outputs is None and self._needs_outputs:
            raise ValueError(
                "metrics need the outputs: compute_loss must return (loss, outputs), or compile without them."
            )
        if is_mapping(outputs):
            outputs = [outputs[name] for name in self._output_names]
            outputs = outputs[0] if len(outputs) == 1 else outputs
        return [jnp.asarray(loss, jnp.float32)], tuple(outputs) if is_sequence(outputs) else outputs, None


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

    def __call__(
        self, module: nnx.Module, batch: DeviceBatch, training: bool, weights: PyTree
    ) -> tuple[list[Array], PyTree, PyTree]:
        """Return the loss, the outputs, and their masks."""
        x, y, weight = batch
        with compiled_step(module, variables_in(weights)):
            made = forward(module, x)
            y_pred = self._packed(made.outputs)
            given = {"x": x, "y": y, "y_pred": y_pred, "sample_weight": weight, "training": training}
            with self._own_loss.within(module, made):
                method = self._own_loss.method
                loss = cast("PyTree", method(**keras_arguments(method, given)))
            _check_nothing_left()
        if jnp.shape(loss) != ():
            raise ValueError(f"compute_loss must return one number; got {loss!r}.")
        loss = jnp.asarray(loss, jnp.float32)
        if len(self._output_names) > 1:
            return [loss], tuple(made.outputs), tuple(made.masks)
        return [loss], made.outputs[0], made.masks[0]

    def _packed(self, outputs: Sequence[Array]) -> PyTree:
        """Return outputs in order as the model returns them."""
        if self._by_name:
            return dict(zip(self._output_names, outputs, strict=True))
        return list(outputs) if len(outputs) > 1 else outputs[0]


def _is_pair(found: object) -> TypeGuard[tuple[PyTree, PyTree]]:
    return isinstance(found, tuple) and len(cast("tuple[object, ...]", found)) == 2


def _check_nothing_left() -> None:
    """Raise a ValueError if a `compute_loss` leaves out what layers have added to the loss, or penalties of weights."""
    if has_unseen_losses():
        raise ValueError(
            "a layer calls add_loss or has a regularizer, and compute_loss leaves that out: it must return a loss that "
            "began as super().compute_loss(…), or add sum(self.losses), or the layer must not add one."
        )
