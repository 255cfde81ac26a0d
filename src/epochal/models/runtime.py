"""Who holds the weights of a network and runs its steps: its module at first, then an engine."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import numpy as np
from flax import nnx
from jax.typing import ArrayLike

from ..core.engine import WeightStore
from ..data.nests import Nest
from ..distribution import Distribution, distribution
from ..engines.jax.devices import Devices
from ..engines.jax.engine import JaxEngine
from ..engines.jax.module_store import ModuleWeightStore
from ..engines.jax.trees import Array
from ..layers import current
from ..layers.frozen import Selection
from ..layers.listing import weights_of
from ..layers.types import AnyWeight
from ..messages.names import path_name
from ..training.compiled_settings import CompiledSettings
from .layer_stack import not_built
from .modules import call, layers_of
from .network import Network
from .placing import devices_of
from .plan import Plan
from .settings import settings_of
from .traced_objective import TracedObjective


class Runtime:
    """The engine of a network, made at the first use, and the weights, wherever they are.

    Args:
        network: What the engine runs.

    Attributes:
        engine: Runs the steps; None as long as nobody has needed it.
        loaded_optimizer: An optimizer's state from a file, by path, which waits for an engine that trains.
        compiled_settings: What the steps of an engine that trains were compiled with.
    """

    def __init__(self, network: Network) -> None:
        self._network = network
        self.engine: JaxEngine | None = None
        self._trains = False
        self._distribution: Distribution | None = None  # the engine's
        self.loaded_optimizer: Mapping[str, np.ndarray] = {}
        self.compiled_settings = CompiledSettings(network.name)
        self.pull()  # its layers may be those of a model that nobody will have any more

    # The module

    @property
    def built_module(self) -> nnx.Module:
        """The module, as it stands.

        Raises:
            ValueError: If the layers have no variables yet.
        """
        if (module := self._network.module) is None:
            raise ValueError(not_built(self._network.name))
        return module

    @property
    def module(self) -> nnx.Module:
        """The module, holding the weights after the last finished batch."""
        self.pull()
        self._store.write_back()
        return self.built_module

    # The engine

    def engine_for(self, plan: Plan | None, selection: Selection, y: Nest, dtype: np.dtype | None) -> JaxEngine:
        """Return the engine, holding what others have written into the module.

        Args:
            plan: How it trains; None for predictions alone, for which any engine will do.
            selection: Which variables it trains.
            y: Arranged targets, whose shapes say which metrics names mean; None if there are none.
            dtype: What floats are computed in; None: as they come.
        """
        self._check_distribution()
        if self.engine is None or (plan is not None and self.training_engine is None):
            if plan is None:
                self.engine = JaxEngine(
                    self.module, None, call, dtype=dtype, adapt=self._network.cast, devices=self._devices()
                )
            else:
                self.engine = self._made_to_train(plan, selection, y)
            self._trains = plan is not None
        self.engine.weights.pull_external_writes()
        return self.engine

    @property
    def training_engine(self) -> JaxEngine | None:
        """The engine, if it can train and not only predict."""
        return self.engine if self._trains else None

    def _made_to_train(self, plan: Plan, selection: Selection, y: Nest) -> JaxEngine:
        config, logged, module = plan.config, plan.metrics(y), self.module
        self.compiled_settings = CompiledSettings(self._network.name, settings_of(module), plan.settings)
        objective = TracedObjective(plan.objective(logged), self.compiled_settings)
        trained, at_rest = selection.of(module)
        engine = JaxEngine(
            module, objective, call, logged, config.optimizer, config.dtype, config.accumulate,
            self._network.cast, trained, at_rest, self._devices(),
        )  # fmt: skip
        if self.loaded_optimizer:
            engine.weights.load_optimizer(self.loaded_optimizer)
            self.loaded_optimizer = {}
        return engine

    def _devices(self) -> Devices:
        self._distribution = distribution()
        return devices_of(self._distribution, self.built_module, self.weights())

    def _check_distribution(self) -> None:
        """Let an engine that only predicts go if another distribution was set; one that trains holds more than weights.

        Raises:
            ValueError: If the model has been trained with another one.
        """
        if self.engine is None or self._distribution is distribution():
            return
        if self._trains:
            raise ValueError(
                f"{self._network.name} was compiled for {self._distribution}, and now {distribution()} is set: "
                f"set_distribution comes before the first fit; compile {self._network.name} again."
            )
        self.drop_engine()

    def drop_engine(self) -> None:
        """Let the module hold the weights again, and forget the optimizer's state."""
        self.loaded_optimizer = {}
        if self.engine is not None:
            self.engine.weights.write_back()
            self.engine, self._trains = None, False

    # Weights

    @property
    def _store(self) -> WeightStore:
        return ModuleWeightStore(self.built_module) if self.engine is None else self.engine.weights

    def pull(self) -> None:
        """Read what the user, or other models that have these layers too, have written into them."""
        if self._network.module is not None:
            self._store.pull_external_writes()

    def show(self) -> None:
        """Let a user's own module, and layers that others have too, hold the arrays at which no look is noticed."""
        if self.engine is not None and self._network.is_shared:
            self.engine.weights.show()

    def weights(self) -> dict[str, AnyWeight]:
        """Return all weights by `layer/weight`, in the layers' order."""
        if (module := self._network.module) is None:
            raise ValueError(f"{self._network.name} isn't built, so it has no weights yet.")
        found: dict[str, AnyWeight] = {}
        for layer_name, layer in layers_of(module):
            for name, weight in weights_of(layer):
                own = f"{layer_name}/{name}"
                found[own if own not in found else f"{path_name([layer_name])}/{name}"] = weight
        return found

    def read(self) -> list[np.ndarray]:
        """Return host copies of all weights."""
        weights = self.weights()
        self.pull()
        return self._store.read(weights.values())

    def write(self, values: Sequence[ArrayLike]) -> None:
        """Replace all weights by copies of arrays of the same shapes.

        Raises:
            ValueError: If the number or a shape differs; then nothing is changed.
        """
        weights = self.weights()
        current.check(list(weights.items()), values, self._network.name)
        self.pull()
        self._store.write(weights.values(), values)
        self._written()

    def load_owned(self, values: Sequence[np.ndarray]) -> None:
        """Replace all weights by arrays of the right shapes and dtypes that nobody else will use."""
        weights = self.weights()
        self.pull()
        self._store.load_owned(weights.values(), values)
        self._written()

    def _written(self) -> None:
        """Let an optimizer whose state waits go on from the weights that have been written."""
        waiting = self.loaded_optimizer
        self.loaded_optimizer = {path: array for path, array in waiting.items() if not path.startswith("params/")}
        self.show()

    def device_values(self, weights: Iterable[AnyWeight]) -> list[Array]:
        """Return current values of weights on the device, random keys as numbers; the next step consumes them."""
        self.pull()
        return self._store.device_values(weights)

    def optimizer_arrays(self) -> Mapping[str, np.ndarray | Array]:
        """Return the optimizer's state by path, on the device; the next step consumes it."""
        engine = self.training_engine
        return self.loaded_optimizer if engine is None else engine.weights.optimizer_arrays()
