"""How a training step changes the weights: an optax transform, and everything that it may ask for."""

# pyright: reportUnknownMemberType=false, reportMissingTypeStubs=false

from __future__ import annotations

import functools
import itertools
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple, TypeAlias, cast

import jax
import jax.numpy as jnp
import optax
from flax import nnx
from optax import contrib

from ...messages.names import first_few
from .device_state import storable
from .first_state import first_state
from .module_split import AtPaths, split
from .module_state import ModuleState
from .optimizer_like import OptimizerLike
from .precision import as_before
from .trees import Array, Path, PyTree, by_path, map_leaves, map_pairs, with_keys

Loss: TypeAlias = Callable[[PyTree], Array]
"""`params -> loss` of the step's own batch."""

EXTRA_ARGUMENTS = ("value", "grad", "value_fn", "obj_fn", "grad_fn")
"""What a transform's `update` may take by name: the loss, its gradients, and functions of the weights for the batch."""

AVERAGED = ("z", "slow")
"""Where the states of `schedule_free` and of `lookahead` hold weights from which those to be tested follow."""


class Counted(NamedTuple):
    """A transform's state, and how many steps it has seen."""

    count: Array  # pyright: ignore[reportIncompatibleMethodOverride]
    inner: PyTree


class Slow(NamedTuple):
    """The state of `optax.lookahead`, and the slow weights that belong to it."""

    inner: PyTree
    slow: PyTree


@dataclass(frozen=True)
class Update:
    """Changes weights by gradients.

    Attributes:
        transform: The optax transform.
        extra: What its `update` is given by name, among `EXTRA_ARGUMENTS`.
        keeps_dtypes: Whether its state is known to keep its dtypes.
        has_own_average: Whether it wants other weights to be tested and saved than the ones that it trains.
    """

    transform: optax.GradientTransformationExtraArgs
    extra: tuple[str, ...] = ()
    keeps_dtypes: bool = True
    has_own_average: bool = False

    def __call__(
        self, params: ModuleState, state: PyTree, gradients: PyTree, value: Array, loss: Loss
    ) -> tuple[PyTree, PyTree]:
        """Return the weights and the transform's state after one step.

        Args:
            params: The weights.
            state: The transform's.
            gradients: Of the loss.
            value: The loss.
            loss: Computes the loss of this batch for other weights.
        """
        updates, after = self.transformed(params, state, gradients, value, loss)
        if not self.keeps_dtypes:
            after = jax.tree.map(as_before, after, state)
        return optax.apply_updates(params, updates), after

    def transformed(
        self, params: PyTree, state: PyTree, gradients: PyTree, value: Array, loss: Loss
    ) -> tuple[PyTree, PyTree]:
        """Return what is added to the weights, and the transform's state as the transform itself returns it."""

        def value_of(params: PyTree) -> Array:
            return jnp.asarray(loss(params), jnp.float32)

        def gradients_of(params: PyTree, _step: object = 0) -> PyTree:
            return cast("PyTree", jax.grad(loss)(params))

        known: dict[str, PyTree] = {
            "value": jnp.asarray(value, jnp.float32),
            "grad": gradients,
            "value_fn": value_of,
            "obj_fn": loss,
            "grad_fn": gradients_of,
        }
        return self.transform.update(gradients, state, params, **{name: known[name] for name in self.extra})


def prepared(optimizer: OptimizerLike, params: ModuleState) -> tuple[Update, PyTree]:
    """Return how an optimizer changes weights, and its state before the first step.

    Raises:
        ValueError: If a step can't run the transform, which is then named.
        TypeError: If the transform asks for more than a step has.
    """
    transform = optax.with_extra_args_support(optimizer.transform())
    if optimizer.is_known:
        return Update(transform), first_state(transform.init, params)
    first = transform.init(params)
    _refuse(first)
    if _nodes_of(first, optax.LookaheadState):
        transform = _with_slow_weights(transform)
    transform = _counted(transform)
    state = map_leaves(lambda leaf: jnp.asarray(leaf), transform.init(params))
    extra = _extra_arguments(transform, state, params)
    has_own_average = bool(_nodes_of(state, (Slow, contrib.ScheduleFreeState)))
    update = Update(transform, extra, keeps_dtypes=False, has_own_average=has_own_average)
    return update, _settled(update, state, params)


def constrained(params: ModuleState) -> ModuleState:
    """Return weights with those projected whose metadata have a `constraint`.

    Raises:
        ValueError: If a constraint returns another shape.
    """
    return jax.tree.map(_projected, params, is_leaf=lambda node: isinstance(node, nnx.Variable))


def _projected(weight: Any) -> Any:
    constraint: Callable[[Array], Array] | None = getattr(weight, "constraint", None)
    if constraint is None:
        return weight
    before: Array = weight.get_value()
    after = jnp.asarray(constraint(before))
    if after.shape != before.shape:
        name = getattr(constraint, "__name__", type(constraint).__name__)
        raise ValueError(
            f"a constraint returns an array of the weight's shape; for one of {before.shape} {name} returned one of "
            f"{after.shape}."
        )
    return weight.replace(as_before(after, before))


def optimizer_outline(module: nnx.Module, optimizer: OptimizerLike, trained: Collection[Path]) -> dict[str, Any]:
    """Return the shapes and dtypes of the state that an optimizer has for a module, by path; computes nothing.

    Args:
        module: Has the weights.
        optimizer: Is going to train them.
        trained: The paths of the variables that are trained.
    """
    _, params, _ = split(module, AtPaths(frozenset(trained)))
    updates: list[Update] = []

    def init(params: ModuleState) -> PyTree:
        update, state = prepared(optimizer, params)
        updates.append(update)
        return map_leaves(storable, state)

    state = jax.eval_shape(init, params)
    return by_path({"optimizer": state} | ({"params": params} if updates[0].has_own_average else {}))


def evaluated(params: PyTree, state: PyTree) -> PyTree:
    """Return the weights to test and to save, where a transform trains others: `schedule_free`, `lookahead`."""
    for node in _nodes_of(state, (Slow, contrib.ScheduleFreeState)):
        if isinstance(node, Slow):
            return node.slow
        z = _by_keys(node.z)  # of some of the weights only, in a partition
        params = jax.tree_util.tree_map_with_path(functools.partial(_average, z, node.b1), params)
    return params


def _average(z: Mapping[str, Array], b1: Array, path: tuple[Any, ...], y: Array) -> Array:
    other = z.get(jax.tree_util.keystr(path))
    return y if other is None else as_before((y - (1 - b1) * other) / b1, y)


def _nodes_of(state: PyTree, kinds: type | tuple[type, ...]) -> list[Any]:
    """Return the nodes of some kinds in a state, the outer one of two."""

    def is_one(node: object) -> bool:
        return isinstance(node, kinds)

    return [node for node in jax.tree.leaves(state, is_leaf=is_one) if is_one(node)]


def _refuse(state: PyTree) -> None:
    if _nodes_of(state, contrib.DifferentiallyPrivateAggregateState):
        raise ValueError(
            "optax.contrib.dpsgd and differentially_private_aggregate need the gradients of each sample by itself, "
            "which fit doesn't compute: the gradients of a batch would be clipped and noised as if they were samples'."
        )


def _with_slow_weights(
    transform: optax.GradientTransformationExtraArgs,
) -> optax.GradientTransformationExtraArgs:
    """Return `optax.lookahead` as a transform of the fast weights alone; the slow ones are in its state."""

    def init(params: PyTree) -> Slow:
        try:
            return Slow(transform.init(optax.LookaheadParams.init_synced(params)), params)
        except ValueError as error:
            error.add_note(
                "optax.lookahead can only be the outermost transform, or in a chain: it has two sets of weights."
            )
            raise

    def update(updates: PyTree, state: PyTree, params: PyTree = None, **extra: Any) -> tuple[PyTree, Slow]:
        both: PyTree = optax.LookaheadParams(params, state.slow)
        changes: PyTree
        changes, inner = transform.update(updates, state.inner, both, **extra)
        return changes.fast, Slow(inner, optax.apply_updates(state.slow, changes.slow))

    return optax.GradientTransformationExtraArgs(init, update)


def _counted(transform: optax.GradientTransformationExtraArgs) -> optax.GradientTransformationExtraArgs:
    """Return a transform that counts its steps."""

    def init(params: PyTree) -> Counted:
        return Counted(jnp.zeros((), jnp.int32), transform.init(params))

    def update(updates: PyTree, state: PyTree, params: PyTree = None, **extra: Any) -> tuple[PyTree, Counted]:
        updates, inner = transform.update(updates, state.inner, params, **extra)
        return updates, Counted(jnp.asarray(optax.safe_increment(state.count)), inner)

    return optax.GradientTransformationExtraArgs(init, update)


def _extra_arguments(
    transform: optax.GradientTransformationExtraArgs, state: PyTree, params: PyTree
) -> tuple[str, ...]:
    """Return what a transform's `update` takes of `EXTRA_ARGUMENTS`: as much as it doesn't refuse.

    Some refuse what they don't know, and a chain hands on everything to all its parts.
    """
    refused: TypeError | None = None
    for extra in _subsets(EXTRA_ARGUMENTS):
        try:
            _shapes_after(Update(transform, extra), state, params)
        except TypeError as error:
            refused = error  # of the last attempt, which gives nothing by name
        else:
            return extra
    raise TypeError(
        f"the optax transform's update raises {refused}; a step gives it the gradients, its state, the weights, and "
        f"by name, if it takes them, {', '.join(EXTRA_ARGUMENTS)}."
    ) from refused


def _subsets(names: tuple[str, ...]) -> Iterator[tuple[str, ...]]:
    """Yield all subsets, the larger ones first."""
    for size in range(len(names), -1, -1):
        yield from itertools.combinations(names, size)


def _shapes_after(update: Update, state: PyTree, params: PyTree) -> PyTree:
    """Return shapes and dtypes of a transform's state after a step; computes nothing."""

    def loss(params: PyTree) -> Array:
        return sum((jnp.sum(leaf).astype(jnp.float32) for leaf in jax.tree.leaves(params)), jnp.float32(0))

    def step(params: PyTree, state: PyTree) -> PyTree:
        gradients = map_leaves(lambda leaf: jnp.zeros_like(leaf), params)
        return update.transformed(params, state, gradients, jnp.float32(0), loss)[1]

    return jax.eval_shape(step, params, state)


def _settled(update: Update, state: PyTree, params: PyTree) -> PyTree:
    """Return a state in the dtypes that it has after some steps, so that every step keeps them.

    Raises:
        ValueError: If a step changes the state's structure or a shape in it.
    """
    for _ in range(3):
        after = _shapes_after(update, state, params)
        _check_same_shapes(_by_keys(state), _by_keys(after))
        if jax.tree.all(map_pairs(lambda old, new: old.dtype == new.dtype, state, after)):
            break
        state = map_pairs(lambda old, new: old.astype(new.dtype), state, after)
    return state


def _check_same_shapes(before: Mapping[str, Array], after: Mapping[str, Array]) -> None:
    if changed := before.keys() ^ after.keys():
        raise ValueError(
            f"the optax transform's update changes what is in its state, which a compiled loop can't carry: only "
            f"one of init and update has {first_few(sorted(changed), 3)}. Let init return all of it."
        )
    for path, leaf in before.items():
        if leaf.shape != after[path].shape:
            raise ValueError(
                f"the optax transform's update changes the shape of its state{path} from {leaf.shape} to "
                f"{after[path].shape}, which a compiled loop can't carry. Let init return it as update does."
            )


def _by_keys(nest: PyTree) -> dict[str, Array]:
    """Return the arrays in a nest by their keys as Python writes them."""
    return {jax.tree_util.keystr(keys): leaf for keys, leaf in with_keys(nest)}
