"""The calls of layers that are running: their mode, the masks of their arrays, and the losses that they add."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import TypeAlias
from weakref import WeakKeyDictionary

import jax
import jax.numpy as jnp
from flax import nnx

from .. import regularizers
from .penalties import activity_penalties, weight_penalties
from .types import Arguments, Array, Buildable, CallableLayer, Mask, Nest

NotesUnbuilt = Callable[[Buildable, tuple[Nest, ...], dict[str, Nest]], None]
"""Gets a layer without weights that is called, and the arguments."""


AddedLoss: TypeAlias = tuple[object, Array]
"""A loss and the layer that adds it; None for the penalty of a weight."""


@dataclass
class CallContext:
    """The calls of layers that are running, one within the other.

    Attributes:
        step_module: The module of a step that is being compiled; None for calls with values at hand.
        note_unbuilt: Gets the layers that have no weights yet; None where they get them at once.
        masks: The masks of arrays, by the arrays' ids; the arrays are kept, so that the ids stay theirs.
        losses: What is added to the loss.
        shown: How many of them somebody has looked at, from the front.
        running: The layers whose `call` is running, the outermost first.
        training: The mode in which the innermost of them runs; None if nobody said.
    """

    step_module: nnx.Module | None = None
    note_unbuilt: NotesUnbuilt | None = None
    masks: dict[int, tuple[object, Array]] = field(default_factory=dict[int, tuple[object, Array]])
    losses: list[AddedLoss] = field(default_factory=list[AddedLoss])
    shown: int = 0
    running: list[CallableLayer] = field(default_factory=list[CallableLayer])
    training: bool | None = None
    _member_ids: set[int] | None = field(default=None, init=False)

    @property
    def is_traced(self) -> bool:
        """Whether a step is being compiled, or a model built, so that there are no values."""
        return self.step_module is not None or self.note_unbuilt is not None

    @property
    def caller(self) -> CallableLayer | None:
        """The layer whose `call` is running, None if none is."""
        return self.running[-1] if self.running else None

    def remember(self, nest: Nest, masks: Sequence[Mask]) -> None:
        """Remember the masks of the arrays in a nest, in its order; None forgets nothing."""
        for array, mask in zip(jax.tree.leaves(nest), masks, strict=True):
            if mask is not None:
                self.masks[id(array)] = array, mask

    def replace_mask(self, array: object, mask: Mask) -> None:
        """Let an array have another mask than before, or none."""
        self.masks.pop(id(array), None)
        if mask is not None:
            self.masks[id(array)] = array, mask

    def mask_of(self, array: object) -> Mask:
        """Return the mask of an array, None if all steps count."""
        return self.masks.get(id(array), (None, None))[1]

    def masks_of(self, arguments: Arguments) -> Arguments:
        """Return the masks of the arrays among the arguments of a call."""
        return jax.tree.map(self.mask_of, arguments)

    def is_foreign(self, layer: object) -> bool:
        """Return whether a layer isn't in the step's module, and the one that calls it is."""
        if self._member_ids is None:
            self._member_ids = {id(node) for _, node in nnx.iter_graph(self.step_module)}
        members = self._member_ids
        return id(layer) not in members and all(id(caller) in members for caller in self.running[-1:])


_CURRENT: ContextVar[CallContext | None] = ContextVar("call_context", default=None)


def current_context() -> CallContext | None:
    """Return the context of the calls that are running, None if there are none."""
    return _CURRENT.get()


@contextmanager
def entered(context: CallContext | None) -> Generator[CallContext | None]:
    """Let calls belong to a context; to none, if it is None."""
    token = _CURRENT.set(context)
    try:
        yield context
    finally:
        _CURRENT.reset(token)


def compiled_step(module: nnx.Module, weights: Iterable[object] = ()) -> AbstractContextManager[CallContext | None]:
    """Return a context for calls of a module in a step that is being compiled; that of the step, within one.

    Args:
        module: That of the step.
        weights: The variables that are trained, whose penalties are among the losses.
    """
    context = current_context()
    if context is not None and context.step_module is module:
        return nullcontext(context)
    return entered(CallContext(step_module=module, losses=[(None, loss) for loss in weight_penalties(weights)]))


# Losses

_LAST_CALL: WeakKeyDictionary[nnx.Module, list[Array]] = WeakKeyDictionary()
"""What each layer has added in the last call by hand."""


def add_loss(owner: object, loss: Nest) -> None:
    """Add a loss to the loss that is minimised, or a list of losses, each one number.

    Raises:
        ValueError: If it isn't one number.
    """
    context = current_context()
    for value in jax.tree.leaves(loss):
        if jnp.shape(value) != ():
            raise ValueError(
                f"{type(owner).__name__}.add_loss takes one number, such as a mean; got an array of shape "
                f"{jnp.shape(value)}."
            )
        if context is not None:
            context.losses.append((owner, value))


def penalize_output(layer: object, outputs: Nest) -> None:
    """Add what the activity regularizer of a layer makes of its outputs, unless it is for others inside."""
    if not getattr(layer, "regularizes_inside", False):
        penalize(layer, outputs)


def penalize(layer: object, activity: Nest) -> None:
    """Add what the activity regularizer of a layer, if it has one, makes of some arrays."""
    if (regularizer := regularizers.get(getattr(layer, "activity_regularizer", None))) is not None:
        add_loss(layer, activity_penalties(regularizer, activity))


def taken_losses() -> list[Array]:
    """Return what has been added to the loss in the calls that are running, and forget it."""
    if (context := current_context()) is None:
        return []
    taken, context.losses, context.shown = context.losses, [], 0
    return [loss for _, loss in taken]


def has_unseen_losses() -> bool:
    """Return whether something has been added to the loss that nobody has taken or looked at."""
    context = current_context()
    return context is not None and len(context.losses) > context.shown


def losses_of(layer: nnx.Module, weights: Iterable[object]) -> list[Array]:
    """Return what a layer and those inside add to the loss: in a step so far, else in the last call by hand.

    Args:
        layer: The layer; of the module of a step, all that has been added to the loss is returned.
        weights: The variables that are trained, whose penalties come last.
    """
    context = current_context()
    if context is not None and context.step_module is layer:
        return shown_losses()
    if context is None or context.step_module is None:
        added = [loss for node in _modules_in(layer) for loss in _LAST_CALL.get(node, ())]
    else:
        inside = {id(node) for node in _modules_in(layer)}
        added = [loss for owner, loss in context.losses if id(owner) in inside]
    return added + weight_penalties(weights)


def shown_losses() -> list[Array]:
    """Return what has been added to the loss in the calls that are running, for somebody who looks at it."""
    if (context := current_context()) is None:
        return []
    context.shown = len(context.losses)
    return [loss for _, loss in context.losses]


def keep_losses(layer: object, context: CallContext) -> None:
    """Keep what a layer, and those inside, have added in a call by hand that has ended; forget what they did before."""
    if context.losses or _LAST_CALL:
        for node in _modules_in(layer):
            _LAST_CALL.pop(node, None)
    for owner, loss in context.losses:
        if isinstance(owner, nnx.Module):
            _LAST_CALL.setdefault(owner, []).append(loss)


def _modules_in(module: object) -> list[nnx.Module]:
    return [node for _, node in nnx.iter_graph(module) if isinstance(node, nnx.Module)]
