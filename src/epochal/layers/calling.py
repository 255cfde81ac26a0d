"""How layers and other modules are called with arrays."""

from __future__ import annotations

from typing import Any

import jax
from flax import nnx

from ..messages.printing import warn
from .call_context import CallContext, current_context, entered, keep_losses, penalize_output
from .masks import accepted, bound, masks_of_outputs, masks_to_fill_in
from .modes import in_mode, mode_of_call
from .names import snake_case
from .types import Arguments, Buildable, CallableLayer, Mask, Nest
from .untyped import flatten_up_to


def call_layer(layer: CallableLayer, args: tuple[Nest, ...], kwargs: dict[str, Nest]) -> tuple[Nest, list[Mask]]:
    """Call a layer with arrays; return its outputs, and for each array in them its mask, None where all steps count.

    Raises:
        TypeError: If its constructor hasn't called the one of its base.
        ValueError: If it has no weights in a step that is being compiled.
    """
    check_constructed(layer)
    context = current_context()
    if context is None:
        return _called_by_hand(layer, args, kwargs)
    said, kwargs = kwargs.get("training"), without_training(layer, kwargs)
    ensure_built(layer, args, kwargs)
    _warn_of_foreign(layer, context)
    said = bound(layer, (args, kwargs)).get("training", said)
    mode = mode_of_call(layer, said, context)
    if said is None and "training" in accepted(type(layer).call):
        kwargs = kwargs | {"training": mode}
    before, context.training = context.training, mode
    context.running.append(layer)
    try:
        with in_mode(layer, mode):
            return _outputs_and_masks(layer, (args, kwargs), context)
    finally:
        context.running.pop()
        context.training = before


def _called_by_hand(layer: CallableLayer, args: tuple[Nest, ...], kwargs: dict[str, Nest]) -> tuple[Nest, list[Mask]]:
    with entered(context := CallContext()):
        found = call_layer(layer, args, kwargs)
    keep_losses(layer, context)
    return found


def call_with_masks(layer: Any, arguments: Arguments, masks: Arguments) -> tuple[Nest, list[Mask]]:
    """Call a layer, or any other module, with arrays whose masks are known; return the same as `call_layer`.

    Args:
        layer: What to call.
        arguments: `(args, kwargs)`.
        masks: The masks of the arrays in it, each None if all steps count.
    """
    context = current_context()
    if context is None:
        with entered(CallContext()):
            return call_with_masks(layer, arguments, masks)
    leaves = jax.tree.leaves(arguments)
    for array, mask in zip(leaves, flatten_up_to(arguments, masks), strict=True):
        context.replace_mask(array, mask)
    if hasattr(layer, "call"):
        return call_layer(layer, *arguments)
    outputs = layer(*arguments[0], **arguments[1])
    return outputs, _masks_from_inside(outputs, arguments, context)


def called_in_mode(module: Any, args: tuple[Nest, ...], training: bool | None) -> Nest:
    """Call a module in a mode, if one is given; else as it is."""
    if hasattr(module, "call"):
        return call_layer(module, args, {} if training is None else {"training": training})[0]
    if training is None:
        return module(*args)
    with in_mode(module, training):
        return module(*args)


def without_training(layer: CallableLayer, kwargs: dict[str, Nest]) -> dict[str, Nest]:
    """Return arguments of a call, less `training` if the layer's `call` doesn't take it: any layer may get it."""
    takes = accepted(type(layer).call)
    return kwargs if takes & {"training", "**"} else {name: a for name, a in kwargs.items() if name != "training"}


def _outputs_and_masks(layer: Any, arguments: Arguments, context: CallContext) -> tuple[Nest, list[Mask]]:
    if hasattr(layer, "call_with_masks"):
        x = bound(layer, arguments)["x"]
        outputs, nest = layer.call_with_masks(x, jax.tree.map(context.mask_of, x))
        masks = flatten_up_to(outputs, nest)
    else:
        args, kwargs = arguments
        masks_in = context.masks_of(arguments)
        outputs = layer.call(*args, **(kwargs | masks_to_fill_in(layer, arguments, masks_in)))
        if outputs is None:
            raise TypeError(f"{type(layer).__name__}.call returns nothing: let it end in `return` and its output.")
        own = masks_of_outputs(layer, arguments, masks_in, outputs)
        inside = _masks_from_inside(outputs, arguments, context)
        masks = [mask if mask is not None else other for mask, other in zip(own, inside, strict=True)]
    penalize_output(layer, outputs)
    context.remember(outputs, masks)
    return outputs, masks


def _masks_from_inside(outputs: Nest, arguments: Arguments, context: CallContext) -> list[Mask]:
    """Return the masks that outputs got from layers inside; an input that is handed on has none."""
    inputs = {id(leaf) for leaf in jax.tree.leaves(arguments)}
    return [None if id(leaf) in inputs else context.mask_of(leaf) for leaf in jax.tree.leaves(outputs)]


# What a layer must have before it is called


def check_constructed(layer: object) -> None:
    """Raise a TypeError if a layer's constructor hasn't called the one of its base."""
    if "built" not in vars(layer):
        name = type(layer).__name__
        raise TypeError(f"{name}.__init__ doesn't call super().__init__(): let it, in its first line.")


def ensure_built(layer: Buildable, args: tuple[Nest, ...], kwargs: dict[str, Nest]) -> None:
    """Give a layer or a model its weights, if it has none, for the arguments of a call.

    Raises:
        ValueError: If it would get them in a step that is being compiled.
    """
    if layer.built:
        return
    context = current_context()
    if context is not None and context.note_unbuilt is not None:
        context.note_unbuilt(layer, args, kwargs)
    elif context is not None and context.step_module is not None:
        is_inside = any(node is layer for _, node in nnx.iter_graph(context.step_module))
        raise no_weights(layer, context.caller, is_inside)
    with entered(None):
        layer.build_for(args, kwargs)


def no_weights(layer: object, caller: object, is_inside: bool) -> ValueError:
    """Return the error for a layer that gets no weights before a step is compiled.

    Args:
        layer: The layer.
        caller: The layer whose `call` calls it, None if there is none.
        is_inside: Whether it is in an attribute of a layer.
    """
    kind, owner = type(layer).__name__, "the model" if caller is None else type(caller).__name__
    if is_inside:
        return ValueError(
            f"the layer {getattr(layer, 'name', None) or snake_case(layer)!r} ({kind}) has no weights yet, since "
            f"{owner} didn't call it when the model was built. Build it there: self.….build(input_shape) in "
            f"{owner}.build."
        )
    return ValueError(
        f"{owner} calls a {kind} that is none of its parts, so it would have new random weights in each compiled "
        f"function. Make it in __init__ or in build, and keep it in an attribute, or in a list, tuple or dict there."
    )


def _warn_of_foreign(layer: CallableLayer, context: CallContext) -> None:
    """Warn of a layer with weights that a step calls, but that isn't in the step's module."""
    if context.step_module is None or not context.is_foreign(layer):
        return
    if any(isinstance(node, nnx.Variable) for _, node in nnx.iter_graph(layer)):
        warn(
            f"the layer {layer.name or snake_case(layer)!r} ({type(layer).__name__}) is called in a model of which it "
            "is no part: its weights stay as they are now, and files of the model don't have them. Make it an "
            "attribute of a layer to train it."
        )


def check_attribute(owner: object, name: str, value: object) -> None:
    """Raise a ValueError if a layer's `call` sets an attribute to a layer, when a model is built or a step compiled."""
    context = current_context()
    if context is None or not context.is_traced or getattr(value, "built", None) is not False:
        return
    if any(owner is layer for layer in context.running):
        raise ValueError(
            f"{type(owner).__name__}.call makes the layer {name!r} ({type(value).__name__}), which would be a new one "
            "in each compiled function: make it in __init__ or in build."
        )
