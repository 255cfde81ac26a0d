"""The current weights of a module that an engine trains."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from contextlib import AbstractContextManager
from typing import Any

import jax
import numpy as np
from flax import nnx
from jax.typing import ArrayLike

from ...core.dirty import DIRTY_STORES
from ...core.logs import fetch
from ...messages.names import path_name
from ...messages.printing import warn
from .device_state import DeviceState
from .module_arrays import ModuleArrays, array_path, flat_state
from .module_state import ModuleState
from .module_store import Weight
from .rates import OptimizerRates
from .step_lock import StepLock
from .train_state import TrainState
from .trees import Array, PyTree, copied, map_leaves
from .updates import AVERAGED

VISIBLE_FIRST = ("average", "params", "other")
"""The parts of the state that may have a weight, the one that everybody but the training step uses first."""


class JaxWeightStore:
    """Reads and writes weights in an engine's state, and keeps the module's own arrays up to date on demand.

    The state is newer than the module once a step was run or a weight was written: the store is then among
    `DIRTY_STORES`, and the module's variables hold nothing. Whoever looks at one, by flax's own means too, has
    `write_back` called, which lends the state's arrays to all of them. The next step copies what is lent, and the
    module holds nothing again: so arrays that others have seen are never consumed, and the weights are there once.

    Args:
        module: The module whose state it is.
        state: The engine's state, which this store and the engine change.
        rates: The learning rates in it; None if the engine has no optimizer.
        has_own_average: Whether the optimizer wants other weights to be tested and saved than the ones it trains.
    """

    def __init__(
        self, module: nnx.Module, state: DeviceState[TrainState], rates: OptimizerRates | None, has_own_average: bool
    ) -> None:
        self._state, self._rates, self._has_own_average = state, rates, has_own_average
        self._module = ModuleArrays(module)
        self._is_dirty, self._seen = False, DIRTY_STORES.changes
        self._lock = StepLock(state)

    @property
    def variable_ids(self) -> Iterable[int]:
        """The ids of the module's variables."""
        return self._module.variable_ids

    @property
    def hides_looks(self) -> bool:
        """Whether the module has arrays at which nobody's look is noticed, so that they must be shown."""
        return self._module.hides_looks

    def read(self, weights: Iterable[Weight]) -> list[np.ndarray]:
        """Return host copies of the current values of weights."""
        return [np.array(fetch(value)) for value in self.device_values(weights)]

    def device_values(self, weights: Iterable[Weight]) -> list[Array]:
        """Return the current values of weights as they are on the device; the next step consumes them."""
        return self._state.whole(self._paths_of(weight)[0] for weight in weights)

    def write(self, weights: Iterable[Weight], values: Iterable[ArrayLike]) -> None:
        """Replace the values of weights by copies of arrays of the same shapes."""
        for weight, value in zip(weights, values, strict=True):
            for path in self._paths_of(weight):
                self._state.write(path, value)
        self.mark_dirty()

    def load_owned(self, weights: Iterable[Weight], values: Iterable[np.ndarray]) -> None:
        """Replace the values of weights by arrays of the right shapes and dtypes that nobody else will use."""
        for weight, value in zip(weights, values, strict=True):
            for path in self._paths_of(weight):
                self._state.load_owned(path, value)
        self.mark_dirty()

    def _paths_of(self, weight: Weight) -> list[str]:
        """Return where a weight's values are: the ones that everybody uses first, then the ones that are trained."""
        variable, keys = (weight, ()) if isinstance(weight, nnx.Variable) else (weight.variable, weight.keys)
        if (path := self._module.path_of(variable)) is None:
            raise ValueError("the module has other variables than when it was compiled: compile it again.")
        return self._copies_of(array_path(path, keys))

    def _copies_of(self, path: str) -> list[str]:
        """Return where in the state the array at a path of the module is, each of its copies."""
        copies = [f"{part}/{path}" for part in VISIBLE_FIRST if f"{part}/{path}" in self._state]
        if self._has_own_average:
            ends = tuple(f"/{name}/{path}" for name in AVERAGED)
            copies += [own for own in self._state.paths if own.startswith("optimizer/") and own.endswith(ends)]
        if not copies:
            variable = path.rpartition("/value")[0] or path
            raise ValueError(f"{variable} holds another nest than when the module was compiled: compile it again.")
        return copies

    # The module's own arrays

    def pull_external_writes(self) -> None:
        """Read what others wrote into the module's own arrays: the user, and models that share layers with this one."""
        DIRTY_STORES.write_back(self.variable_ids, but=self)
        self._seen = DIRTY_STORES.changes
        self._copy_external_writes()

    def pull_announced_writes(self) -> None:
        """Read what others wrote into the module's own arrays, if anybody has said so since the last look."""
        if self._seen != DIRTY_STORES.changes:
            self.pull_external_writes()

    def begin_training(self) -> None:
        """Read what others may have written, and note that the state is going to be newer."""
        if self._is_dirty and not self.hides_looks:
            self.pull_announced_writes()
        else:  # the module's own arrays are in use, and whoever writes into them may not say so
            self.pull_external_writes()

    def consuming(self) -> AbstractContextManager[None]:
        """Let a step consume the state; whoever looks at the module meanwhile, such as a traced loss, gets copies."""
        return self._lock.consuming(self.mark_dirty)

    def hide(self) -> None:
        """Let the module hold nothing, so that each look is noticed, whatever another thread has looked at."""
        with self._lock.held():
            self.mark_dirty()

    def mark_dirty(self) -> None:
        """Note that the state is newer than the module's own arrays, which the module then lets go."""
        if not self._is_dirty:
            self._is_dirty = True
            self._seen = DIRTY_STORES.add(self)
            self._module.let_go(self._look)

    def write_back(self) -> None:
        """Let the module hold the current values, if it doesn't: the state's own arrays, which are lent to it.

        What a call that failed has consumed can't be read any more, but has its shape.

        Raises:
            RuntimeError: If another thread is running a step, and doesn't end.
        """
        if self._is_dirty and not self._lock.is_led_elsewhere:
            with self._lock.between_steps(), jax.ensure_compile_time_eval():  # a look may come from within a trace
                if self._is_dirty:
                    self._copy_external_writes()
                    self._module.hold(*self._visible())
                    self._is_dirty = False
                    self._seen = DIRTY_STORES.discard(self)

    def _look(self, path: str) -> PyTree:
        """Return the current value of the variable at a path of the module, which somebody looks at."""
        with self._lock.between_steps():
            if not self._lock.is_led_elsewhere:
                self.write_back()
                return self._module.known(path)
            DIRTY_STORES.note_write()  # perhaps it is one
            state = self._state.tree()
            flat = {
                path_name(at): leaf for part in (state.evaluated_params, state.other) for at, leaf in flat_state(part)
            }
            return map_leaves(copied, flat[path].get_raw_value())

    def show(self) -> None:
        """Let the module hold the current values of the arrays at which nobody's look is noticed."""
        if self._is_dirty and self.hides_looks:
            with self._lock.between_steps():
                self._copy_external_writes()
                self._module.hold_unnoticed(*self._visible())

    def _visible(self) -> tuple[ModuleState, ModuleState]:
        """Return arrays of the state for the module to hold, which no step may consume any more."""
        state = self._state.tree()
        visible = state.evaluated_params, state.other
        if self._lock.is_consumed:  # by the step that is being traced
            warn(
                "a weight that is trained was read in the loss or in a metric, but not from the module that these are "
                "given: the compiled steps take it for a constant. Override compute_loss, and read self.module there."
            )
            return map_leaves(copied, visible)
        self._state.lend(visible)
        return visible

    def _copy_external_writes(self) -> None:
        for path, value in self._module.external_writes():
            for own in self._copies_of(path):
                self._state.write_from_module(own, value)

    # The optimizer's state

    def optimizer_arrays(self) -> Mapping[str, Any]:
        """Return the optimizer's state by path, as it is on the device; the next step consumes it.

        The weights that it trains are part of it if it wants others to be tested and saved.
        """
        prefixes = ("optimizer/", "params/") if self._has_own_average else ("optimizer/",)
        paths = [path for path in self._state.paths if path.startswith(prefixes)]
        return dict(zip(paths, self._state.whole(paths), strict=True))

    def load_optimizer(self, arrays: Mapping[str, np.ndarray]) -> None:
        """Restore an optimizer's state, outlined by `optimizer_outline`, from arrays that nobody else will use.

        The weights that it trains may be missing: it then goes on from the module's.

        Raises:
            ValueError: If the engine was made without an optimizer.
        """
        if self._rates is None:
            raise ValueError("the engine was made without an optimizer, so it has no state of one.")
        for path, array in arrays.items():
            self._state.load_owned(path, array)
        if self._has_own_average and not any(path.startswith("params/") for path in arrays):
            for path in [path.removeprefix("average/") for path in self._state.paths if path.startswith("average/")]:
                weight = self._state.read(f"average/{path}")
                for copy in self._copies_of(path):
                    self._state.write(copy, weight)
            self.mark_dirty()
        self._rates.tell_optimizer()
