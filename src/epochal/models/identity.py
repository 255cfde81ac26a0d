"""What a model and its training are made of, so that a saved run can tell whether this is its model."""

from __future__ import annotations

from collections.abc import Callable, Collection

import numpy as np
from flax import nnx

from ..core.identity import code_of, described
from ..core.user_code import is_users, package_of
from ..layers.base import Layer
from ..layers.graph import Graph
from ..layers.nests import is_mapping, is_sequence
from ..layers.types import Config, Path, Variable
from ..layers.untyped import is_variable
from ..optimizers import OptaxOptimizer, Optimizer
from ..training.declared_rate import DeclaredRate, Rates
from .compile_config import CompileConfig
from .modules import layers_of

NO_SETTINGS = {"name", "numbered", "built", "input_shape", "seed", "deterministic", "use_running_average", "class"}
"""Attributes that don't decide what a layer computes, or that change while it trains."""

PLAIN: tuple[type[object], ...] = (bool, int, float, str, np.generic, np.dtype)

OVERRIDES = ("compute_loss", "call", "__call__")
"""Methods that become part of the compiled step."""


def identity_of(
    model: object, module: nnx.Module, graph: Graph | None, config: CompileConfig, declared: DeclaredRate
) -> dict[str, object]:
    """Return a model's layers, its losses, metrics and learning rate, as they were compiled, as JSON values."""
    settings = ("loss", "loss_weights", "metrics", "weighted_metrics", "wrt")
    return {
        "model": _own(model),
        "layers": {name: _of_layer(layer) for name, layer in layers_of(module)},
        "wiring": _wiring(graph),
        **{name: described(getattr(config, name)) for name in settings},
        "learning_rate": described(declared.rate),
        "optimizer": _transform(config.optimizer),
    }


def _own(model: object) -> dict[str, object]:
    """Return the class of a user's own model, the methods that its step is made of, and its numbers and names."""
    kind: type[object] = type(model)
    if not is_users(kind):
        return {}
    public = {name: value for name, value in vars(model).items() if not name.startswith("_")}
    changing = ("stop_training", "stop_evaluating", "stop_predicting", "data_wait")
    numbers = {name: v for name, v in public.items() if name not in changing and isinstance(v, (bool, int, float, str))}
    return {"class": kind.__name__, **_code(kind), **described(numbers)}


def _code(kind: type) -> dict[str, object]:
    """Return digests of the methods of a user's own class that become part of the step."""
    own = [base for base in kind.__mro__ if package_of(base) not in ("epochal", "flax", "builtins")]
    found: dict[str, Callable[..., object]] = {
        name: vars(base)[name] for base in reversed(own) for name in OVERRIDES if name in vars(base)
    }
    return {f"{name}.code": code for name, function in found.items() if (code := code_of(function)) is not None}


def _of_layer(layer: nnx.Module) -> Config:
    """Return the settings of a layer and of the modules within it."""
    found: Config = {}
    told: set[int] = set()  # regularizers and constraints that are attributes
    for path, node in nnx.iter_graph(layer):
        if isinstance(node, nnx.Module):
            _inside(found, path).update(_settings_within(node) | {"class": type(node).__name__} | _code(type(node)))
            told.update(map(id, vars(node).values()))
    for path, node in nnx.iter_graph(layer):
        if is_variable(node) and (restraints := _restraints(node, told)):
            _inside(found, path).update(restraints)
    return found


def _inside(nest: Config, path: Path) -> Config:
    for part in path:
        nest = nest.setdefault(str(part), {})
    return nest


def _restraints(variable: Variable, told: Collection[int]) -> Config:
    """Return the regularizer and the constraint of a variable, unless attributes tell them."""
    found = {name: variable.get_metadata(name, None) for name in ("regularizer", "constraint")}
    return {name: described(value) for name, value in found.items() if value is not None and id(value) not in told}


def _settings_within(module: nnx.Module) -> dict[str, object]:
    given = dict(vars(module))
    if isinstance(module, Layer) and is_users(type(module)):
        given = module.get_config() | given
    return {name.lstrip("_"): described(value) for name, value in given.items() if _is_described(name, value)}


def _is_described(name: str, value: object) -> bool:
    starts = name in NO_SETTINGS or name.endswith(("_initializer", "_init")) or name.startswith("_pytree__")
    is_unset = value is None and name.endswith(("_regularizer", "_constraint"))
    return not starts and not is_unset and _is_describable(value)


def _is_describable(value: object) -> bool:
    """Return whether a value is made of numbers, names, types and functions alone."""
    if is_mapping(value):
        return all(map(_is_describable, value.values()))
    if is_sequence(value):
        return all(map(_is_describable, value))
    if isinstance(value, nnx.Module) or is_variable(value) or hasattr(value, "__array__"):
        return False
    return value is None or isinstance(value, PLAIN) or callable(value)


def _wiring(graph: Graph | None) -> str:
    """Return which call takes whose outputs, by number; "chain" for one after the other, and for a plain module."""
    if graph is None or all(step.inputs == (at,) for at, step in enumerate(graph.steps)):
        return "chain"
    calls = (f"{step.name}({','.join(map(str, step.inputs))})" for step in graph.steps)
    return " ".join([*calls, "->", ",".join(map(str, graph.results))])


def _transform(optimizer: Optimizer) -> dict[str, object]:
    """Return the rates and other numbers that a bare optax transform is closed over."""
    return {"transform": described(optimizer.transform())} if isinstance(optimizer, OptaxOptimizer) else {}


def current_rate(optimizer: Optimizer) -> tuple[Optimizer, Rates]:
    """Return an optimizer, which another one isn't, and its learning rate: a number, a schedule, or several by name."""
    if (schedule := optimizer.schedule) is not None:
        return optimizer, schedule
    rates = optimizer.learning_rates.as_dict()
    return optimizer, rates.get("learning_rate") if len(rates) < 2 else rates
