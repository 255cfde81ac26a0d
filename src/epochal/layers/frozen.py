"""Which variables of a module are trained, as `trainable` of its layers says."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from weakref import WeakKeyDictionary

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx

from .names import snake_case
from .types import Path, Variable
from .untyped import is_variable

TRUTH_VALUES: tuple[type[Any], ...] = (bool, np.bool_)

_WHEN_COMPILED: WeakKeyDictionary[nnx.Module, bool] = WeakKeyDictionary()
"""The value of each layer's `trainable` when a model that has it was last compiled."""


@dataclass(frozen=True)
class Selection:
    """Which variables a model trains, settled when it is compiled.

    Attributes:
        said: The value of `trainable` of each layer then.
        whole: That of the model.
        wrt: An nnx filter that selects variables; None for all parameters.
        weights: The variables by their paths, each with whether it alone was frozen.
    """

    said: Mapping[nnx.Module, bool]
    whole: bool
    wrt: Any
    weights: Sequence[tuple[str, Variable, bool]] = ()

    @classmethod
    def made(cls, modules: Iterable[nnx.Module], whole: bool, wrt: Any) -> Selection:
        """Return the selection by the present values of `trainable` in some modules."""
        by_path = [item for module in modules for item in nnx.iter_graph(module)]
        answers = {node: answer for _, node in by_path if (answer := _answer(node)) is not None and _is_hashable(node)}
        _WHEN_COMPILED.update(answers)
        variables = ((_joined(path), node) for path, node in by_path if is_variable(node))
        return cls(answers, whole, wrt, [(path, node, _is_frozen_alone(node)) for path, node in variables])

    def of(self, module: nnx.Module) -> tuple[frozenset[Path], frozenset[Path]]:
        """Return the paths of the variables that are trained, and of batch normalizations in frozen layers.

        Raises:
            TypeError: If `wrt` is no filter.
            ValueError: If it selects nothing, or what has no gradient.
        """
        frozen, at_rest = frozen_within(module, self.said)
        selected = _parameters(module) if self.wrt is None else _selected_by(self.wrt, module)
        return frozenset(selected - frozen if self.whole else ()), frozenset(at_rest)

    def is_empty(self, module: nnx.Module) -> bool:
        """Return whether a module has parameters of which none is trained."""
        return bool(_parameters(module)) and not self.of(module)[0]

    def changed(self) -> list[str]:
        """Return the names of layers (unless for a model compiled since) and weights with another `trainable` now."""
        now = ((layer, getattr(layer, "trainable", True)) for layer in self.said)
        changed = [layer for layer, value in now if self.said[layer] != value != _WHEN_COMPILED.get(layer)]
        weights = [path for path, variable, alone in self.weights if _is_frozen_alone(variable) != alone]
        return [*(getattr(layer, "name", None) or snake_case(layer) for layer in changed), *weights]


def _is_hashable(node: object) -> bool:
    return isinstance(node, Hashable)


def _answer(node: object) -> bool | None:
    """Return a module's `trainable`; None if it has none, or for anything but a module."""
    answer = getattr(node, "trainable", None) if isinstance(node, nnx.Module) else None
    return answer if isinstance(answer, bool) else None


def _answer_before(node: Any, said: Mapping[nnx.Module, bool]) -> bool | None:
    """Return a module's `trainable` from before, else its present one."""
    answer = _answer(node)
    return answer if answer is None or not _is_hashable(node) else said.get(node, answer)


def frozen_within(module: nnx.Module, said: Mapping[nnx.Module, bool]) -> tuple[set[Path], set[Path]]:
    """Return the paths of the variables that aren't trained, and of the batch normalizations among such.

    A variable belongs to the innermost module around it that has an attribute `trainable`; one whose own metadata say
    `trainable=False` isn't trained wherever it is.

    Args:
        module: What to look into.
        said: Values of `trainable` from before; a module that isn't in it is asked.
    """
    by_path = dict(nnx.iter_graph(module))

    def is_frozen(path: Path) -> bool:
        owners = (by_path.get(path[:depth]) for depth in range(len(path), -1, -1))
        answers = (answer for owner in owners if (answer := _answer_before(owner, said)) is not None)
        return not next(answers, True) or _is_frozen_alone(by_path[path])

    frozen = [(path, node) for path, node in by_path.items() if _may_be_frozen(node) and is_frozen(path)]
    variables = {path for path, node in frozen if is_variable(node)}
    return variables, {path for path, _ in frozen} - variables


def frozen_in(module: nnx.Module) -> list[str]:
    """Return the paths of the modules that say they aren't trainable, below a module."""
    return [_joined(path) for path, node in nnx.iter_graph(module) if path and _answer(node) is False]


def set_frozen(module: nnx.Module, paths: Iterable[str]) -> None:
    """Let the modules below a module be trainable, but for those at some paths."""
    frozen = set(paths)
    saying = [(path, node) for path, node in nnx.iter_graph(module) if path and _answer(node) is not None]
    for path, node in sorted(saying, key=lambda item: len(item[0])):  # a layer also sets those within it
        node.trainable = _joined(path) not in frozen


def _joined(path: Path) -> str:
    return "/".join(map(str, path))


def frozen_variables(module: nnx.Module) -> set[int]:
    """Return the ids of the variables that `trainable` of the modules around them keeps from being trained."""
    paths, _ = frozen_within(module, {})
    return {id(node) for path, node in nnx.iter_graph(module) if path in paths}


def _is_frozen_alone(node: object) -> bool:
    """Return whether a weight itself says that it isn't trainable."""
    return is_variable(node) and node.get_metadata("trainable", True) is False


def _may_be_frozen(node: object) -> bool:
    return isinstance(node, (nnx.Variable, nnx.BatchNorm))


def _variables(module: nnx.Module) -> dict[Path, Variable]:
    return {path: node for path, node in nnx.iter_graph(module) if is_variable(node)}


def _parameters(module: nnx.Module) -> set[Path]:
    return {path for path, variable in _variables(module).items() if isinstance(variable, nnx.Param)}


def _selected_by(wrt: Any, module: nnx.Module) -> set[Path]:
    try:
        selects = nnx.filterlib.to_predicate(wrt)
    except (TypeError, ValueError) as error:
        raise TypeError(f"wrt is an nnx filter, such as nnx.LoRAParam; got {wrt!r}.") from error
    variables = _variables(module)
    selected = {path: variable for path, variable in variables.items() if selects(path, variable)}
    if not selected:
        kinds = sorted({type(variable).__name__ for variable in variables.values()})
        raise ValueError(f"wrt={wrt!r} selects nothing: the module has variables of {', '.join(kinds) or 'no kind'}.")
    for path, variable in selected.items():
        for leaf in jax.tree.leaves(variable.get_value()):
            if not jnp.issubdtype(jnp.result_type(leaf), jnp.floating):
                raise ValueError(
                    f"wrt={wrt!r} selects {_joined(path)!r} ({type(variable).__name__}), whose dtype "
                    f"{jnp.result_type(leaf)} has no gradient."
                )
    return set(selected)


def truth_of(trainable: Any) -> bool:
    """Return a value for `trainable` as Python's own.

    Raises:
        TypeError: If it is neither True nor False.
    """
    if not isinstance(trainable, TRUTH_VALUES):
        raise TypeError(f"trainable is True or False; got {trainable!r}.")
    return bool(trainable)
