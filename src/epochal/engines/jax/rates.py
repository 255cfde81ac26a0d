"""The learning rates in an optimizer's state, where `optax.inject_hyperparams` has put them."""

# pyright: reportMissingTypeStubs=false

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import optax

from ...messages.names import path_name, plain_key
from .device_state import DeviceState
from .optimizer_like import LearningRatesLike, OptimizerLike
from .train_state import TrainState
from .trees import Path, PyTree, with_keys

GENERIC = {"inner", "inner_state", "inner_states", "inner_opt_state", "fast_state", "opt_state", "base_optimizer_state"}
"""Words of a path that tell nothing: optax's names for what a transform wraps."""


@dataclass(frozen=True)
class RateInState:
    """A learning rate in an optimizer's state.

    Attributes:
        keys: The keys that lead to it.
        scheduled: Whether a schedule sets it, before each step.
    """

    keys: Path
    scheduled: bool


class OptimizerRates:
    """Keeps the learning rates of an optimizer object, plain floats, and those in its state equal.

    Args:
        optimizer: The object; it is told the rates in the state, if it asks for them.
        state: The engine's state.
    """

    def __init__(self, optimizer: OptimizerLike, state: DeviceState[TrainState]) -> None:
        self._optimizer, self._state = optimizer, state
        rates = named(list(rates_in(state.tree().optimizer, ("optimizer",))))
        self._paths = {name: path_name(rate.keys) for name, rate in rates.items()}
        self._scheduled = [name for name, rate in rates.items() if rate.scheduled]
        self._pushed: tuple[LearningRatesLike, int] | None = None  # what was written into the state, and when
        self.tell_optimizer()

    def tell_optimizer(self) -> None:
        """Tell the object the rates that are in the state, if they may be others than its own."""
        if not self._optimizer.is_known:
            rates = {name: self._state.read(path).item() for name, path in self._paths.items()}
            self._optimizer.expose_rates(rates, self._scheduled)

    def push(self) -> None:
        """Write the object's rates into the state, if they have changed since the last time."""
        if not self.are_pushed:
            rates = self._optimizer.learning_rates
            for name, rate in rates.as_dict().items():
                self._state.write(self._paths[name], rate)
            self._pushed = rates, rates.changes

    @property
    def are_pushed(self) -> bool:
        """Whether the state has the object's rates; asked for after each batch, so nothing is compared but a count."""
        rates, pushed = self._optimizer.learning_rates, self._pushed
        return pushed is not None and pushed[0] is rates and pushed[1] == rates.changes

    def as_dict(self) -> dict[str, float]:
        """Return the object's rates, in full precision."""
        return self._optimizer.learning_rates.as_dict()

    def restore(self, rates: Mapping[str, float]) -> None:
        """Let the object have these rates; the next `push` writes all of them into the state."""
        for name, rate in rates.items():
            self._optimizer.learning_rates[name] = rate
        self._pushed = None

    def last(self) -> float | None:
        """Return the learning rate of the last step; None if the state has none, or several."""
        if len(self._paths) != 1:
            return None
        (path,) = self._paths.values()
        return self._state.read(path).item()


def rates_in(state: PyTree, above: Path = ()) -> Iterator[RateInState]:
    """Yield the learning rates in a transform's state, those in wrapped transforms too."""

    def is_injected(node: object) -> bool:
        return isinstance(node, (optax.InjectStatefulHyperparamsState, optax.InjectHyperparamsState))

    for keys, node in with_keys(state, is_injected):
        if is_injected(node):
            here = (*above, *map(plain_key, keys))
            if "learning_rate" in node.hyperparams:
                scheduled = "learning_rate" in getattr(node, "hyperparams_states", {})
                yield RateInState((*here, "hyperparams", "learning_rate"), scheduled)
            yield from rates_in(node.inner_state, (*here, "inner_state"))


def named(rates: Sequence[RateInState]) -> dict[str, RateInState]:
    """Return rates by short names: what tells one's keys from the others', such as a partition's labels."""
    keys = [rate.keys for rate in rates]
    if len(keys) == 1:
        return {"learning_rate": rates[0]}
    same = 0
    while len({own[same] for own in keys}) == 1:
        same += 1
    words = [[str(key) for key in own[same:-2] if key not in GENERIC] for own in keys]
    return {"/".join(own) or "outer": rate for own, rate in zip(words, rates, strict=True)}
