"""The values of a Keras model's variables: in the state of an engine, or in the variables themselves."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager

from ..engines.jax.device_state import DeviceState
from ..engines.jax.program_cache import DataPhase
from ..engines.jax.step_lock import StepLock
from ..engines.jax.trees import Array, copied
from ..messages.printing import warn
from .hidden import hide, holder_of, show
from .state import KerasState, ModelVariables
from .types import Variable


class VariableStore:
    """Keeps a model's variables up to date on demand.

    Once a step was run the state is newer than the variables, which then hold nothing. Whoever looks at one, by any
    means of Keras's, has all of them get the state's arrays, which are lent. The next step reads what others have
    written, copies what is lent, and the variables hold nothing again.

    Args:
        variables: The model's.
        state: The engine's state, which this store and the engine change.
        warns: Whether to warn of a look from within a step, which is compiled.

    Attributes:
        phase: What metrics' variables show: what was counted in training, or in evaluation.
    """

    def __init__(self, variables: ModelVariables, state: DeviceState[KerasState], warns: bool) -> None:
        self._state, self._warns = state, warns
        self._lock = StepLock(state)
        self._variables = {
            f"{part}/{name}": variable
            for part, named in zip(("params", "other", "optimizer", "metrics"), variables.parts, strict=True)
            for name, variable in named.items()
        }
        self._holders = {path: _Holder(self, path) for path in self._variables}
        self._known: dict[str, Array] = {path: variable.value for path, variable in self._variables.items()}
        self._is_hidden = False  # all of them
        self.phase: DataPhase = "train"

    # Before and while steps run

    def enter(self, phase: DataPhase) -> None:
        """Read what others have written, and let the metrics' variables show what is counted in a phase."""
        self.pull_external_writes()
        if self.phase != phase:
            self.hide()
            self.phase = phase

    def pull_external_writes(self) -> None:
        """Read what others have written into the variables since the last look."""
        for path, variable in self._shown():
            value: Array = variable.value
            if value is not self._known.get(path):
                for own in self._copies_of(path):
                    self._state.write_from_module(own, value)
                self._known[path] = value

    def consuming(self) -> AbstractContextManager[None]:
        """Let a step consume the state; whoever looks meanwhile, such as a traced loss, gets copies."""
        return self._lock.consuming(self._hide)

    def hide(self) -> None:
        """Let the variables hold nothing, so that each look is noticed."""
        with self._lock.held():
            self._hide()

    def hide_old(self) -> None:
        """Let the variables hold nothing, whatever others have written: the state has been replaced."""
        self._known = {path: variable.value for path, variable in self._shown()}
        self.hide()

    def _hide(self) -> None:
        if not self._is_hidden:
            self.pull_external_writes()
            for path, variable in self._shown():
                hide(variable, self._holders[path])
            self._known.clear()
            self._is_hidden = True

    def _shown(self) -> Iterator[tuple[str, Variable]]:
        """Yield the variables whose values this store doesn't have, with their paths."""
        if not self._is_hidden:
            for path, variable in self._variables.items():
                if holder_of(variable) is not self._holders[path]:
                    yield path, variable

    # Looks

    def write_back(self) -> None:
        """Let the variables hold the current values, if they don't."""
        if self._is_hidden and not self._lock.is_led_elsewhere:
            with self._lock.between_steps():
                self._show()

    def _show(self) -> None:
        leaves = dict(zip(self._state.paths, self._state.leaves, strict=True))
        for path, variable in self._variables.items():
            if holder_of(variable) is self._holders[path]:
                self._known[path] = value = leaves[self._visible(path)]
                self._state.lend(value)
                show(variable, value)
        self._is_hidden = False

    def look(self, path: str) -> Array:
        """Return the current value of the hidden variable at a path, at which somebody looks."""
        with self._lock.between_steps():
            if self._lock.is_consumed or self._lock.is_led_elsewhere:
                if self._lock.is_consumed and self._warns:
                    warn(
                        "a variable was read in a step, but not as one of the variables that the step is given: the "
                        "compiled steps take it for a constant. Read it from `state`, or within the model's call."
                    )
                return copied(self._state.leaves[self._state.paths.index(self._visible(path))])
            self._show()
            return self._known[path]

    def write(self, path: str, value: Array) -> None:
        """Let the hidden variable at a path hold another value, which the next step reads.

        Raises:
            RuntimeError: If a step writes it, which is no pure function then.
        """
        with self._lock.between_steps():
            if self._lock.is_consumed:
                raise RuntimeError(
                    f"a step assigns a value to the variable {self._variables[path].path}, outside of the state that "
                    "it is given: assign it within the model's call, or return it as a part of the new state."
                )
            if not self._lock.is_led_elsewhere:
                self._show()
            show(self._variables[path], value)
            self._is_hidden = False

    # Where a variable's value is

    def values(self) -> list[tuple[Variable, Array]]:
        """Return all variables, each with its current value, which the next step consumes."""
        self.pull_external_writes()
        whole = self._state.devices.whole(self._state.leaves)
        leaves = dict(zip(self._state.paths, whole, strict=True))
        return [(variable, leaves[self._visible(path)]) for path, variable in self._variables.items()]

    def _visible(self, path: str) -> str:
        return self._copies_of(path)[0]

    def _copies_of(self, path: str) -> list[str]:
        """Return the places in the state of a variable, first that of the value that all but training use."""
        part, _, name = path.partition("/")
        if part == "metrics":
            return [path if self.phase == "train" else f"test_metrics/{name}"]
        averaged = f"average/{name}"
        return [averaged, path] if part == "params" and averaged in self._state else [path]


class _Holder:
    """Has the value of one variable: see `hidden.Holder`."""

    def __init__(self, store: VariableStore, path: str) -> None:
        self._store, self._path = store, path

    def look(self) -> Array:
        return self._store.look(self._path)

    def write(self, value: Array) -> None:
        self._store.write(self._path, value)
