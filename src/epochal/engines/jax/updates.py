"""How a training step changes the weights: an optax transform, and everything that it may ask for."""

from __future__ import annotations

import functools
import itertools
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import optax
from optax import contrib

from .precision import as_before

Loss = Callable[[Any], Any]
"""`params -> loss` of the step's own batch."""

ASKED = ("value", "grad", "value_fn", "obj_fn", "grad_fn")
"""What a transform's `update` may take by name: the loss, its gradients, and functions of the weights for the batch."""


AVERAGED = ("z", "slow")
"""Where the states of `schedule_free` and of `lookahead` hold weights from which those to be tested follow."""


class Counted(NamedTuple):
    """A transform's state, and how many steps it has seen."""

    count: jax.Array
    inner: Any


class Slow(NamedTuple):
    """The state of `optax.lookahead`, and the slow weights that belong to it."""

    inner: Any
    slow: Any


@dataclass(frozen=True)
class Update:
    """Changes weights by gradients.

    Attributes:
        transform: The optax transform.
        given: What its `update` is given by name, among `ASKED`.
        keeps_dtypes: Whether its state is known to keep its dtypes.
        has_own_average: Whether it wants other weights to be tested and saved than the ones that it trains.
    """

    transform: optax.GradientTransformationExtraArgs
    given: tuple[str, ...] = ()
    keeps_dtypes: bool = True
    has_own_average: bool = False

    def __call__(self, params: Any, state: Any, gradients: Any, value: Any, loss: Loss) -> tuple[Any, Any]:
        """Return the weights and the transform's state after one step.

        Args:
            params: The weights.
            state: The transform's.
            gradients: Of the loss.
            value: The loss.
            loss: Computes the loss of this batch for other weights.
        """
        updates, after = self.transform.update(gradients, state, params, **self._extra(gradients, value, loss))
        if not self.keeps_dtypes:
            after = jax.tree.map(as_before, after, state)
        return optax.apply_updates(params, updates), after

    def _extra(self, gradients: Any, value: Any, loss: Loss) -> dict[str, Any]:
        asked = {
            "value": jnp.asarray(value, jnp.float32),
            "grad": gradients,
            "value_fn": lambda params: jnp.asarray(loss(params), jnp.float32),
            "obj_fn": loss,
            "grad_fn": lambda params, _step=0: jax.grad(loss)(params),
        }
        return {name: asked[name] for name in self.given}


def prepared(optimizer: Any, params: Any) -> tuple[Update, Any]:
    """Return how an optimizer of `epochal.optimizers` changes weights, and its state before the first step.

    Raises:
        ValueError: If a step can't run the transform, which is then named.
        TypeError: If the transform asks for more than a step has.
    """
    transform = optax.with_extra_args_support(optimizer.transform())
    if optimizer.is_known:
        return Update(transform), transform.init(params)
    first = transform.init(params)
    _refuse(first)
    if _found(first, optax.LookaheadState):
        transform = _with_slow_weights(transform)
    transform = _counted(transform)
    state = jax.tree.map(jnp.asarray, transform.init(params))
    given = _taken(transform, state, params)
    has_own_average = bool(_found(state, (Slow, contrib.ScheduleFreeState)))
    update = Update(transform, given, keeps_dtypes=False, has_own_average=has_own_average)
    return update, _settled(update, state, params)


def evaluated(params: Any, state: Any) -> Any:
    """Return the weights to test and to save, where a transform trains others: `schedule_free`, `lookahead`."""
    for node in _found(state, (Slow, contrib.ScheduleFreeState)):
        if isinstance(node, Slow):
            return node.slow
        z = _by_path(node.z)  # of some of the weights only, in a partition
        average = functools.partial(_average, z, node.b1)
        params = jax.tree_util.tree_map_with_path(average, params)
    return params


def _average(z: Mapping[str, Any], b1: Any, path: Any, y: Any) -> Any:
    other = z.get(jax.tree_util.keystr(path))
    return y if other is None else as_before((y - (1 - b1) * other) / b1, y)


def _found(state: Any, kinds: Any) -> list[Any]:
    """Return the nodes of some kinds in a state, the outer one of two."""
    is_one = lambda node: isinstance(node, kinds)
    return [node for node in jax.tree.leaves(state, is_leaf=is_one) if is_one(node)]


def _refuse(state: Any) -> None:
    if _found(state, contrib.DifferentiallyPrivateAggregateState):
        raise ValueError(
            "optax.contrib.dpsgd and differentially_private_aggregate need the gradients of each sample by itself, "
            "which fit doesn't compute: the gradients of a batch would be clipped and noised as if they were samples'."
        )


def _with_slow_weights(
    transform: optax.GradientTransformationExtraArgs,
) -> optax.GradientTransformationExtraArgs:
    """Return `optax.lookahead` as a transform of the fast weights alone; the slow ones are in its state."""

    def init(params: Any) -> Slow:
        try:
            return Slow(transform.init(optax.LookaheadParams.init_synced(params)), params)
        except ValueError as error:
            error.add_note(
                "optax.lookahead can only be the outermost transform, or in a chain: it has two sets of weights."
            )
            raise

    def update(updates: Any, state: Any, params: Any = None, **asked: Any) -> tuple[Any, Slow]:
        both: Any = optax.LookaheadParams(params, state.slow)
        changes: Any
        changes, inner = transform.update(updates, state.inner, both, **asked)
        return changes.fast, Slow(inner, optax.apply_updates(state.slow, changes.slow))

    return optax.GradientTransformationExtraArgs(init, update)


def _counted(transform: optax.GradientTransformationExtraArgs) -> optax.GradientTransformationExtraArgs:
    def init(params: Any) -> Counted:
        return Counted(jnp.zeros((), jnp.int32), transform.init(params))

    def update(updates: Any, state: Any, params: Any = None, **asked: Any) -> tuple[Any, Counted]:
        updates, inner = transform.update(updates, state.inner, params, **asked)
        return updates, Counted(jnp.asarray(optax.safe_increment(state.count)), inner)

    return optax.GradientTransformationExtraArgs(init, update)


def _shapes_after(update: Update, state: Any, params: Any) -> Any:
    """Return shapes and dtypes of a transform's state after a step; computes nothing."""

    def loss(params: Any) -> Any:
        return sum(jnp.sum(leaf).astype(jnp.float32) for leaf in jax.tree.leaves(params))

    def step(params: Any, state: Any) -> Any:
        gradients = jax.tree.map(jnp.zeros_like, params)
        extra = update._extra(gradients, jnp.float32(0), loss)
        return update.transform.update(gradients, state, params, **extra)[1]

    return jax.eval_shape(step, params, state)


def _taken(transform: optax.GradientTransformationExtraArgs, state: Any, params: Any) -> tuple[str, ...]:
    """Return what a transform's `update` takes of `ASKED`: as much as it doesn't refuse.

    Some refuse what they don't know, and a chain hands on everything to all its parts.
    """
    refused: TypeError | None = None
    for given in _subsets(ASKED):
        try:
            _shapes_after(Update(transform, given), state, params)
        except TypeError as error:
            refused = error  # of the last attempt, which gives nothing by name
        else:
            return given
    raise TypeError(
        f"the optax transform's update raises {refused}; a step gives it the gradients, its state, the weights, and "
        f"by name, if it takes them, {', '.join(ASKED)}."
    ) from refused


def _subsets(names: tuple[str, ...]) -> Iterator[tuple[str, ...]]:
    for size in range(len(names), -1, -1):
        yield from itertools.combinations(names, size)


def _settled(update: Update, state: Any, params: Any) -> Any:
    """Return a state in the dtypes that it has after some steps, so that every step keeps them.

    Raises:
        ValueError: If a step changes the state's structure or a shape in it.
    """
    for _ in range(3):
        after = _shapes_after(update, state, params)
        before_paths, after_paths = _by_path(state), _by_path(after)
        if changed := before_paths.keys() ^ after_paths.keys():
            raise ValueError(
                f"the optax transform's update changes what is in its state, which a compiled loop can't carry: only "
                f"one of init and update has {', '.join(sorted(changed)[:3])}. Let init return all of it."
            )
        for path, leaf in before_paths.items():
            if leaf.shape != after_paths[path].shape:
                raise ValueError(
                    f"the optax transform's update changes the shape of its state{path} from {leaf.shape} to "
                    f"{after_paths[path].shape}, which a compiled loop can't carry. Let init return it as update does."
                )
        if all(leaf.dtype == after_paths[path].dtype for path, leaf in before_paths.items()):
            break
        state = jax.tree.map(lambda old, new: old.astype(new.dtype), state, after)
    return state


def _by_path(nest: Any) -> dict[str, Any]:
    return {jax.tree_util.keystr(path): leaf for path, leaf in jax.tree_util.tree_flatten_with_path(nest)[0]}
