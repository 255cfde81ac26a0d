"""Optimizers: how gradients change weights, by the names, with the update rules and the defaults of Keras 3.

`compile` takes an optimizer by name, ``optimizer="adam"``, as an object with options, ``optimizer=Adam(1e-3)``, or any
transform of optax. The rules are those of keras/src/optimizers/. Where optax has the same rule it is used; where Keras
places its epsilon or its learning rate elsewhere, a small transform in `rules` does.
"""

from typing import TYPE_CHECKING

from ..messages.extras import needed_by
from ..messages.missing import missing_names

with needed_by(__name__):
    from . import schedules
    from .adam import Adam, Adamax, AdamW, Nadam
    from .adaptive import Adadelta, Adagrad, RMSprop
    from .descent import SGD, Lion
    from .learning_rates import LearningRates
    from .lookup import get, is_known
    from .optax_optimizer import OptaxOptimizer
    from .optimizer import Optimizer

__all__ = [
    "SGD",
    "Adadelta",
    "Adagrad",
    "Adam",
    "AdamW",
    "Adamax",
    "LearningRates",
    "Lion",
    "Nadam",
    "OptaxOptimizer",
    "Optimizer",
    "RMSprop",
    "get",
    "is_known",
    "schedules",
]

if not TYPE_CHECKING:
    __getattr__ = missing_names(__name__, __all__)
