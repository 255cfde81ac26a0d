"""The learning rates in an optimizer's state, where `optax.inject_hyperparams` has put them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import jax
import optax

GENERIC = {"inner", "inner_state", "inner_states", "inner_opt_state", "fast_state", "opt_state", "base_optimizer_state"}
"""Words of a path that tell nothing: optax's names for what a transform wraps."""


@dataclass(frozen=True)
class Rate:
    """A learning rate in a state.

    Attributes:
        path: The keys that lead to it.
        scheduled: Whether a schedule sets it, before each step.
    """

    path: tuple[Any, ...]
    scheduled: bool


def rates_in(state: Any, above: tuple[Any, ...] = ()) -> Iterator[Rate]:
    """Yield the learning rates in a transform's state, those in wrapped transforms too."""
    kinds = (optax.InjectStatefulHyperparamsState, optax.InjectHyperparamsState)
    is_one = lambda node: isinstance(node, kinds)
    for path, node in jax.tree_util.tree_flatten_with_path(state, is_leaf=is_one)[0]:
        if is_one(node):
            here = (*above, *(_plain(key) for key in path))
            if "learning_rate" in node.hyperparams:
                scheduled = "learning_rate" in getattr(node, "hyperparams_states", {})
                yield Rate((*here, "hyperparams", "learning_rate"), scheduled)
            yield from rates_in(node.inner_state, (*here, "inner_state"))


def named(rates: Sequence[Rate]) -> dict[str, Rate]:
    """Return rates by short names: what tells one's path from the others', such as a partition's labels."""
    paths = [rate.path for rate in rates]
    if len(paths) == 1:
        return {"learning_rate": rates[0]}
    same = 0
    while len({path[same] for path in paths}) == 1:
        same += 1
    words = [[str(key) for key in path[same:-2] if key not in GENERIC] for path in paths]
    return {"/".join(own) or "outer": rate for own, rate in zip(words, rates, strict=True)}


def _plain(key: Any) -> Any:
    return getattr(key, "key", getattr(key, "idx", getattr(key, "name", key)))
