"""Losses: what training minimises, by the names, with the formulas and the defaults of Keras 3.

`compile` takes a loss by name, ``loss="mse"``, as an object with options, ``loss=Huber(delta=0.5)``, or as a function
of your own. Each loss is also a function of labels and predictions of shape `(batch, …)` that returns one value a
sample, `(batch,)`: the mean over all other axes.
"""

from typing import TYPE_CHECKING

from ..messages.extras import needed_by
from ..messages.missing import missing_names

with needed_by(__name__):
    from .crossentropy import (
        BinaryCrossentropy,
        CategoricalCrossentropy,
        SparseCategoricalCrossentropy,
        binary_crossentropy,
        categorical_crossentropy,
        sparse_categorical_crossentropy,
    )
    from .distributions import KLDivergence, Poisson, kl_divergence, poisson
    from .lookup import get, is_known
    from .loss import Loss
    from .margin import Hinge, SquaredHinge, hinge, squared_hinge
    from .regression import (
        CosineSimilarity,
        Huber,
        LogCosh,
        MeanAbsoluteError,
        MeanAbsolutePercentageError,
        MeanSquaredError,
        MeanSquaredLogarithmicError,
        cosine_similarity,
        huber,
        log_cosh,
        mean_absolute_error,
        mean_absolute_percentage_error,
        mean_squared_error,
        mean_squared_logarithmic_error,
    )
    from .values import sample_means

__all__ = [
    "BinaryCrossentropy",
    "CategoricalCrossentropy",
    "CosineSimilarity",
    "Hinge",
    "Huber",
    "KLDivergence",
    "LogCosh",
    "Loss",
    "MeanAbsoluteError",
    "MeanAbsolutePercentageError",
    "MeanSquaredError",
    "MeanSquaredLogarithmicError",
    "Poisson",
    "SparseCategoricalCrossentropy",
    "SquaredHinge",
    "binary_crossentropy",
    "categorical_crossentropy",
    "cosine_similarity",
    "get",
    "hinge",
    "huber",
    "is_known",
    "kl_divergence",
    "log_cosh",
    "mean_absolute_error",
    "mean_absolute_percentage_error",
    "mean_squared_error",
    "mean_squared_logarithmic_error",
    "poisson",
    "sample_means",
    "sparse_categorical_crossentropy",
    "squared_hinge",
]

if not TYPE_CHECKING:
    __getattr__ = missing_names(__name__, __all__)
