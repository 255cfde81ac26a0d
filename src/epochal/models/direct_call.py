"""A model called like a function: on tensors, as a part of a layer, inside its own step, or on arrays."""

# pyright: reportUnknownMemberType=false

from __future__ import annotations

from flax import nnx

from ..engines.jax.trees import PyTree
from ..layers import calling
from ..layers.call_context import CallContext, current_context, entered
from ..layers.tensors import tensors_in
from ..layers.types import Buildable
from .modules import outputs_of
from .trainee import Trainee


def call_model(
    model: Buildable, trainee: Trainee, is_copy: bool, x: PyTree, more: tuple[PyTree, ...], training: bool | None
) -> PyTree:
    """Return a model's outputs; see `Model.__call__`.

    Args:
        model: What a layer that calls it has as a part.
        trainee: Its network and weights.
        is_copy: Whether it is in a copy of a layer of which it is a part.
        x: The inputs, arrays or tensors.
        more: Further arguments of a plain module.
        training: In which mode; None if nobody says.
    """
    network = trainee.network
    if tensors_in((x, more)):
        network.build_for(x)
        mode = {} if training is None else {"training": training}
        return network.layer(x, *more, **mode)
    if _is_called_within(is_copy):
        calling.ensure_built(model, (x, *more), {})
        return calling.called_in_mode(trainee.runtime.built_module, (x, *more), training)
    in_step = trainee.own_loss.module
    if in_step is None:
        network.learn(x)
    if network.inputs is not None and not more:
        x = network.cast(network.inputs.arranged(x, "x"))
    if in_step is not None:
        if training is None:
            return outputs_of(in_step, x, *more)
        return calling.called_in_mode(in_step, (x, *more), training)
    with entered(context := CallContext()):
        outputs = _called_on_arrays(trainee.runtime.module, (x, *more), bool(training))
    trainee.added_losses = [loss for _, loss in context.losses]
    return outputs


def _is_called_within(is_copy: bool) -> bool:
    """Return whether a layer calls the model, which is a part of it."""
    context = current_context()
    return context is not None and (is_copy or (not context.is_traced and bool(context.running)))


def _called_on_arrays(own: nnx.Module, args: tuple[PyTree, ...], training: bool) -> PyTree:
    """Return the outputs of a copy of a module; in training mode, what the copy has moved is kept."""
    module = nnx.merge(*nnx.split(own))
    module.train() if training else module.eval()
    outputs = outputs_of(module, *args)
    if training:
        nnx.pop(module, nnx.Intermediate)
        nnx.update(own, nnx.state(module, nnx.Not(nnx.Param)))
    return outputs
