"""Metrics: values that are logged beside the loss, by the names and with the defaults of Keras 3.

`compile` takes a metric by name, ``metrics=["accuracy"]``, as an object with options, ``metrics=[AUC(curve="PR")]``, or
as a function of your own. A metric is three pure functions of a state that stays on the device for an epoch:
``state = metric.init()``, then ``state = metric.update(state, y_true, y_pred)`` for each batch, then
``metric.result(state)``. All of them can be compiled, and the state keeps its structure, shapes and dtypes, so a loop
can carry it. A result is exact over all batches, however the samples were cut into them.
"""

from typing import TYPE_CHECKING

from ..messages.extras import needed_by
from ..messages.missing import missing_names

with needed_by(__name__):
    from .accuracy import (
        BinaryAccuracy,
        CategoricalAccuracy,
        SparseCategoricalAccuracy,
        SparseTopKCategoricalAccuracy,
        TopKCategoricalAccuracy,
        binary_accuracy,
        categorical_accuracy,
        sparse_categorical_accuracy,
        sparse_top_k_categorical_accuracy,
        top_k_categorical_accuracy,
    )
    from .auc import AUC
    from .confusion import F1Score, Precision, Recall
    from .lookup import get, is_known, name_of
    from .metric import MeanMetric, Metric
    from .regression import (
        CosineSimilarity,
        MeanAbsoluteError,
        MeanAbsolutePercentageError,
        MeanSquaredError,
        R2Score,
        RootMeanSquaredError,
    )

__all__ = [
    "AUC",
    "BinaryAccuracy",
    "CategoricalAccuracy",
    "CosineSimilarity",
    "F1Score",
    "MeanAbsoluteError",
    "MeanAbsolutePercentageError",
    "MeanMetric",
    "MeanSquaredError",
    "Metric",
    "Precision",
    "R2Score",
    "Recall",
    "RootMeanSquaredError",
    "SparseCategoricalAccuracy",
    "SparseTopKCategoricalAccuracy",
    "TopKCategoricalAccuracy",
    "binary_accuracy",
    "categorical_accuracy",
    "get",
    "is_known",
    "name_of",
    "sparse_categorical_accuracy",
    "sparse_top_k_categorical_accuracy",
    "top_k_categorical_accuracy",
]

if not TYPE_CHECKING:
    from .. import losses

    _advice = dict.fromkeys(losses.__all__, "epochal.losses has it, and compile(metrics=[…]) takes it from there")
    __getattr__ = missing_names(__name__, __all__, _advice)
