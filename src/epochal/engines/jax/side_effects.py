"""What a module writes into its own variables while it computes."""

# pyright: reportUnknownMemberType=false

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeAlias

import jax
from flax import nnx

from ...messages.names import first_few, path_name
from ...messages.printing import warn
from .module_state import Graph, ModuleState
from .precision import as_before
from .trees import Array, with_keys

States: TypeAlias = Sequence[ModuleState]
"""The trained variables and the other ones."""


def new_or_own(new: Array, given: Array, own: Array) -> Array:
    """Return the value that a module has written in place of the given one, else its own one, in full precision."""
    return own if new is given else as_before(new, own)


def check_structure(after: States, before: States) -> None:
    """Raise a ValueError if a module has other variables, or a variable another nest, than before it was called."""
    if jax.tree.structure(after) == jax.tree.structure(before):
        return
    differing = sorted({*_by_name(after)} ^ {*_by_name(before)}) or ["what they hold"]
    made = set(differing) & {*_by_name(after)}
    raise ValueError(
        f"the forward pass changes which variables the module has ({first_few(differing, 6)}), but a compiled step "
        f"needs the same ones at each call: {'make them in the constructor' if made else 'keep them'}."
    )


def warn_of_changed_attributes(after: Graph, before: Graph) -> None:
    """Warn of attributes that are no arrays, such as counters, and that a module changes while it computes.

    Args:
        after: The module's graph after it was called.
        before: The one before.
    """
    if len(after.attributes) != len(before.attributes):
        return
    pairs = zip(after.attributes, before.attributes, strict=True)
    names = [key for (key, new), (_, old) in pairs if _changed(new, old)]
    if names:
        warn(
            f"the attribute {names[0]!r} is changed in the forward pass, which a compiled step does once, when it is "
            "compiled, and not at each step: keep it in a variable, such as add_weight(trainable=False)."
        )


def _changed(new: object, old: object) -> bool:
    new, old = getattr(new, "value", None), getattr(old, "value", None)
    return isinstance(new, (int, float)) and isinstance(old, (int, float)) and new != old


def warn_of_dropped_writes(after: States, before: States) -> None:
    """Warn of writes into a module's variables in evaluation or prediction, which aren't kept.

    Batch statistics are what training makes them: that evaluation leaves them alone is no news.
    """
    now, then = _by_name(after, besides=nnx.BatchStat), _by_name(before)
    names = [name for name, value in now.items() if name in then and value is not then[name]]
    if random := [name for name in names if name.endswith("/count")]:
        warn(
            f"random numbers are drawn in inference mode ({first_few(random, 4)}): there every batch, and every call, "
            "gets the same ones."
        )
    if lost := [name for name in names if name not in random]:
        warn(
            f"what is written into {first_few(lost, 4)} in evaluation and prediction isn't kept, only what is written "
            "in training; write there in training mode only."
        )


def _by_name(states: States, besides: type | tuple[type, ...] = ()) -> dict[str, Array]:
    """Return the leaves of a module's states by their paths, but for some kinds of variables."""

    def is_left_out(node: object) -> bool:
        return isinstance(node, besides)

    found = (item for state in states for item in with_keys(state, is_left_out))
    return {path_name(keys).removesuffix("/value"): leaf for keys, leaf in found if not is_left_out(leaf)}
