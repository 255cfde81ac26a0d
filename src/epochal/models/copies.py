"""Copies of models: what pickle and deepcopy take."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..core.logs import fetch
from ..layers.frozen import Selection
from .compile_config import CompileConfig
from .identity import DeclaredRate
from .network import Network
from .trainee import Trainee


@dataclass
class Contents:
    """Everything that a copy of a model needs; a fit under way is none of that.

    Attributes:
        network: Its layers, holding the weights.
        config: How it is trained, None if it isn't compiled.
        selection: Which variables are trained.
        declared_rate: The learning rate that the script has chosen.
        optimizer: The optimizer's state by path.
    """

    network: Network
    config: CompileConfig | None
    selection: Selection
    declared_rate: DeclaredRate
    optimizer: dict[str, np.ndarray]

    @classmethod
    def of(cls, trainee: Trainee) -> Contents:
        """Return the contents of a model as it is now."""
        runtime = trainee.runtime
        if trainee.network.module is not None:
            runtime.module  # noqa: B018 (which brings the weights there)
        optimizer = {path: np.array(fetch(array)) for path, array in runtime.optimizer_arrays().items()}
        return cls(trainee.network, trainee.config, trainee.selection, trainee.declared_rate, optimizer)

    def fill(self, trainee: Trainee) -> None:
        """Make a model of this network what the other one was."""
        trainee.restore_config(self.config, self.selection)
        trainee.declared_rate = self.declared_rate
        trainee.runtime.loaded_optimizer = self.optimizer
