"""What layers that are being called know of each other: the mode, masks, losses, and which of them have no weights."""

from __future__ import annotations

import functools
import inspect
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Any

import jax
import jax.numpy as jnp
from flax import nnx

from . import masks
from .names import snake_case

FLAGS = ("deterministic", "use_running_average")
"""The attributes by which flax's modules, and the layers here, know whether they are in inference mode."""


_MISSING = object()


@dataclass
class Calls:
    """The calls of layers that are under way in one another.

    Attributes:
        step: The module of a step that is being compiled; None for calls with values at hand.
        found: Gets the layers that have no weights yet; None where they get them at once.
        masks: The masks of arrays, by the arrays' ids; the arrays are kept, so that the ids stay theirs.
        losses: What `add_loss` got.
        layers: The layers whose `call` is running, the outermost first.
        training: The mode in which the innermost of them runs; None if nobody said.
        members: The ids of what is in the step's module; None as long as nobody has asked.
    """

    step: Any = None
    found: Callable[[Any, Any, Any], None] | None = None
    masks: dict[int, tuple[Any, Any]] = field(default_factory=dict)
    losses: list[Any] = field(default_factory=list)
    layers: list[Any] = field(default_factory=list)
    training: bool | None = None
    members: set[int] | None = None

    def remember(self, nest: Any, of_arrays: list[Any]) -> None:
        """Remember the masks of the arrays in a nest."""
        for array, mask in zip(jax.tree.leaves(nest), of_arrays, strict=True):
            if mask is not None:
                self.masks[id(array)] = array, mask

    def is_foreign(self, layer: Any) -> bool:
        """Return whether a layer isn't in the step's module, and the one that calls it is."""
        if self.members is None:
            self.members = {id(node) for _, node in nnx.iter_graph(self.step)}
        return id(layer) not in self.members and all(id(caller) in self.members for caller in self.layers[-1:])

    def mask_of(self, array: Any) -> Any:
        """Return the mask of an array, None if all steps count."""
        return self.masks.get(id(array), (None, None))[1]


_CALLS: ContextVar[Calls | None] = ContextVar("calls", default=None)


def under_way() -> Calls | None:
    """Return the calls of layers that are under way, None if there are none."""
    return _CALLS.get()


@contextmanager
def calls_of(calls: Calls | None) -> Iterator[Any]:
    """Let these be the calls that are under way; None: nothing of what happens is part of them."""
    token = _CALLS.set(calls)
    try:
        yield calls
    finally:
        _CALLS.reset(token)


def step(module: Any) -> Any:
    """Return a context for calls of a module in a step that is being compiled."""
    return calls_of(Calls(step=module))


def taken_losses() -> list[Any]:
    """Return the losses that layers have added in the calls under way, and forget them."""
    if (calls := under_way()) is None:
        return []
    taken, calls.losses = calls.losses, []
    return taken


def called(layer: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> tuple[Any, list[Any]]:
    """Call a layer with arrays; return what it makes, and for each array of that its mask, None where all steps count.

    Raises:
        TypeError: If its constructor hasn't called the one of its base.
        ValueError: If it has no weights in a step that is being compiled.
    """
    check_made(layer)
    calls = under_way()
    if calls is None:
        with calls_of(Calls()):
            return called(layer, args, kwargs)
    takes = accepted(type(layer).call)
    explicit, kwargs = kwargs.get("training"), without_training(layer, kwargs)
    ensure_built(layer, args, kwargs)
    _tell_foreign(layer, calls)
    given = masks.bound(layer, (args, kwargs)).get("training", explicit)
    mode = _mode(layer, given, calls)
    if given is None and "training" in takes:
        kwargs = kwargs | {"training": mode}
    before, calls.training = calls.training, mode
    calls.layers.append(layer)
    try:
        with in_mode(layer, mode):
            return _made(layer, (args, kwargs), calls)
    finally:
        calls.layers.pop()
        calls.training = before


def _tell_foreign(layer: Any, calls: Calls) -> None:
    """Warn of a layer with weights that a step calls, but that isn't in the step's module."""
    if calls.step is None or not calls.is_foreign(layer):
        return
    if any(isinstance(node, nnx.Variable) for _, node in nnx.iter_graph(layer)):
        warnings.warn(
            f"the layer {layer.name or snake_case(layer)!r} ({type(layer).__name__}) is called in a model of which it "
            "is no part: its weights stay as they are now, and files of the model don't have them. Make it an "
            "attribute of a layer to train it.",
            stacklevel=2,
        )


def without_training(layer: Any, kwargs: dict[str, Any]) -> dict[str, Any]:
    """Return arguments of a call, less `training` if the layer's `call` doesn't take it: any layer may get it."""
    takes = accepted(type(layer).call)
    return kwargs if takes & {"training", "**"} else {name: a for name, a in kwargs.items() if name != "training"}


def is_frozen(module: nnx.Module) -> bool:
    """Return whether a module says that it isn't trainable."""
    return getattr(module, "trainable", True) is False


def called_in_mode(module: Any, args: tuple[Any, ...], training: bool | None) -> Any:
    """Call a module in a mode, if one is given; else as it is."""
    if hasattr(module, "call"):
        return called(module, args, {} if training is None else {"training": training})[0]
    if training is None:
        return module(*args)
    with in_mode(module, training):
        return module(*args)


def _mode(layer: Any, given: Any, calls: Calls) -> bool | None:
    """Return whether a call is for training: what the caller says, else what the layer was told, else as around it.

    Where nobody says, a layer that asks is in inference mode, as in Keras; None for another, which is as flax made it.
    """
    if given is not None:
        return bool(given)
    if layer.deterministic is not None:
        return not layer.deterministic
    if calls.training is not None:
        return calls.training
    if "training" not in accepted(type(layer).call):
        return None
    default = inspect.signature(layer.call).parameters["training"].default
    return default if isinstance(default, bool) else False


@contextmanager
def in_mode(layer: Any, training: bool | None) -> Iterator[None]:
    """Let a layer, and all that is inside, be in training or in inference mode for a while; None: as they are."""
    if training is None or getattr(layer, "deterministic", None) is (not training):
        yield
        return
    modules = [module for _, module in nnx.iter_graph(layer) if isinstance(module, nnx.Module)]
    at_rest = {id(node) for module in modules if is_frozen(module) for _, node in nnx.iter_graph(module)}
    flagged = [
        (module, flag)
        for module in modules
        for flag in FLAGS
        if hasattr(module, flag) and not (training and flag == FLAGS[1] and id(module) in at_rest)
    ]
    before = [(module, flag, vars(module).get(flag, _MISSING)) for module, flag in flagged]
    try:
        for module, flag in flagged:
            object.__setattr__(module, flag, not training)
        yield
    finally:
        for module, flag, value in before:
            object.__delattr__(module, flag) if value is _MISSING else object.__setattr__(module, flag, value)


def _made(layer: Any, given: masks.Given, calls: Calls) -> tuple[Any, list[Any]]:
    of_given = jax.tree.map(calls.mask_of, given)
    if (with_masks := getattr(layer, "call_with_masks", None)) is not None:
        x = masks.bound(layer, given)["x"]
        made, found = with_masks(x, jax.tree.map(calls.mask_of, x))
        found = jax.tree.structure(made).flatten_up_to(found)
    else:
        args, kwargs = given
        made = layer.call(*args, **(kwargs | masks.taken(layer, given, of_given)))
        if made is None:
            raise TypeError(f"{type(layer).__name__}.call returns nothing: let it end in `return` and its output.")
        own = masks.of_outputs(layer, given, of_given, made)
        within = _from_within(made, given, calls)
        found = [mask if mask is not None else other for mask, other in zip(own, within, strict=True)]
    calls.remember(made, found)
    return made, found


def _from_within(made: Any, given: masks.Given, calls: Calls) -> list[Any]:
    """Return the masks that outputs got from layers inside; an input that is handed on has none."""
    inputs = {id(leaf) for leaf in jax.tree.leaves(given)}
    return [None if id(leaf) in inputs else calls.mask_of(leaf) for leaf in jax.tree.leaves(made)]


def called_with_masks(layer: Any, given: masks.Given, of_given: masks.Given) -> tuple[Any, list[Any]]:
    """Call a layer, or any other module, with arrays whose masks are known; return what `called` does.

    Args:
        layer: What to call.
        given: `(args, kwargs)`.
        of_given: The masks of the arrays in it, each None if all steps count.
    """
    calls = under_way()
    if calls is None:
        with calls_of(Calls()):
            return called_with_masks(layer, given, of_given)
    leaves, tree = jax.tree.flatten(given)
    for array, mask in zip(leaves, tree.flatten_up_to(of_given), strict=True):
        calls.masks.pop(id(array), None)
        if mask is not None:
            calls.masks[id(array)] = array, mask
    if hasattr(layer, "call"):
        return called(layer, *given)
    made = layer(*given[0], **given[1])
    return made, _from_within(made, given, calls)


def ensure_built(layer: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
    """Give a layer or a model its weights for what it is called with, if it has none.

    Raises:
        ValueError: If it would get them in a step that is being compiled.
    """
    if layer.built:
        return
    calls = under_way()
    if calls is not None and calls.found is not None:
        calls.found(layer, args, kwargs)
    elif calls is not None and calls.step is not None:
        raise no_weights(layer, calls.layers[-1:], inside=any(node is layer for _, node in nnx.iter_graph(calls.step)))
    with calls_of(None):
        layer.build_for(args, kwargs)


def no_weights(layer: Any, within: list[Any], inside: bool) -> ValueError:
    """Return the error for a layer that gets no weights before a step is compiled.

    Args:
        layer: The layer.
        within: The layer whose `call` calls it, if there is one.
        inside: Whether it is in an attribute of a layer.
    """
    kind, owner = type(layer).__name__, type(within[0]).__name__ if within else "the model"
    if inside:
        return ValueError(
            f"the layer {getattr(layer, 'name', None) or snake_case(layer)!r} ({kind}) has no weights yet, since "
            f"{owner} didn't call it when the model was built. Build it there: self.….build(input_shape) in "
            f"{owner}.build."
        )
    return ValueError(
        f"{owner} calls a {kind} that is none of its parts, so it would have new random weights in each compiled "
        f"function. Make it in __init__ or in build, and keep it in an attribute, or in a list, tuple or dict there."
    )


def check_attribute(owner: Any, name: str, value: Any) -> None:
    """Raise a ValueError if a layer's `call` sets an attribute to a layer, when a model is built or a step compiled."""
    calls = under_way()
    if calls is None or (calls.found is None and calls.step is None) or getattr(value, "built", None) is not False:
        return
    if any(owner is layer for layer in calls.layers):
        raise ValueError(
            f"{type(owner).__name__}.call makes the layer {name!r} ({type(value).__name__}), which would be a new one "
            "in each compiled function: make it in __init__ or in build."
        )


def check_made(layer: Any) -> None:
    """Raise a TypeError if a layer's constructor hasn't called the one of its base."""
    if "built" not in vars(layer):
        name = type(layer).__name__
        raise TypeError(f"{name}.__init__ doesn't call super().__init__(): let it, in its first line.")


@functools.lru_cache(maxsize=1024)
def accepted(function: Callable[..., Any]) -> frozenset[str]:
    """Return the names of a function's parameters, `*` and `**` for the open ones."""
    stars = {inspect.Parameter.VAR_POSITIONAL: "*", inspect.Parameter.VAR_KEYWORD: "**"}
    return frozenset(stars.get(p.kind, p.name) for p in inspect.signature(function).parameters.values())


def add_loss(owner: Any, loss: Any) -> None:
    """Let what is minimised be larger by a loss, or by a list of losses, each one number.

    Raises:
        ValueError: If it isn't one number.
    """
    for value in jax.tree.leaves(loss):
        if jnp.shape(value) != ():
            raise ValueError(
                f"{type(owner).__name__}.add_loss takes one number, such as a mean; got an array of shape "
                f"{jnp.shape(value)}."
            )
        if (calls := under_way()) is not None:
            calls.losses.append(value)
