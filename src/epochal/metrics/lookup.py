"""Metrics by their names; every loss is one too, by the loss's names."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Literal, TypeAlias, cast

from .. import losses
from ..data.targets import Shape, takes_class_numbers
from ..losses.loss import LOSSES, Loss, LossFunction
from ..messages.names import unknown
from ..registry import Config
from .accuracy import BinaryAccuracy, CategoricalAccuracy, SparseCategoricalAccuracy
from .confusion import F1Score
from .metric import METRICS, LossMetric, Metric, changed

Kind = Literal["binary", "sparse", "categorical"]
"""What labels are: 0 or 1 for each output, class numbers, or one value a class."""

CROSSENTROPIES: dict[Kind, Callable[..., Loss]] = {
    "binary": losses.BinaryCrossentropy,
    "sparse": losses.SparseCategoricalCrossentropy,
    "categorical": losses.CategoricalCrossentropy,
}


MetricIdentifier: TypeAlias = str | Mapping[str, Any] | LossFunction | Metric | Loss | type[Metric] | type[Loss]
"""What `get` takes."""


def get(
    identifier: MetricIdentifier,
    loss: Loss | None = None,
    output_shape: Shape = (None, None),
    target_shape: Shape = (None, None),
) -> Metric:
    """Return the metric that an identifier stands for.

    A name is a metric's or a loss's, in any of Keras's spellings, and is the name in the logs just as it was written.
    "accuracy" and "acc" choose the accuracy, "crossentropy" and "ce" the cross-entropy, that fits: binary for a single
    output or a binary loss, else by class number or one-hot, as the loss or the labels have it. If the loss is
    from logits, binary accuracy asks which side of 0 an output is on. (Keras: of one half, whatever the loss says.)

    Args:
        identifier: A name, what Keras saves (``{"class_name": …, "config": {…}}``), a `Metric`, a `Loss`, a class,
            which is called for its defaults, or a function ``fn(y_true, y_pred)``.
        loss: What the model is trained with.
        output_shape: The shape of the output, `(batch, …)`.
        target_shape: The shape of the labels, `(batch, …)`.

    Raises:
        ValueError: If the name is unknown (the nearest names are listed), or the metric doesn't fit the output.
        TypeError: If it is anything else.

    Example:
        >>> from epochal import losses, metrics
        >>> type(metrics.get("acc", losses.get("sparse_categorical_crossentropy"), (None, 10), (None,))).__name__
        'SparseCategoricalAccuracy'
        >>> metrics.get("mse").name
        'mse'
    """
    if isinstance(identifier, str):
        metric = changed(_named(identifier, loss, output_shape, target_shape), name=identifier)
    else:
        metric = _given(identifier)
    _check(metric, loss)
    return metric.bind(output_shape)


def is_known(name: str) -> bool:
    """Return whether `get` takes a name, in any spelling; the losses' names are metrics too."""
    return name.lower() in FITTING or name in METRICS or name in LOSSES


def name_of(function: object) -> str | None:
    """Return the name by which a function of this package, or of the losses, is a metric; None for any other."""
    if (name := METRICS.name_of(function)) is not None:
        return name
    name = LOSSES.name_of(function)
    return None if name in METRICS else name  # the metric of that name is another: the cosine, whose loss is minus it


# A name


def _named(name: str, loss: Loss | None, output_shape: Shape, target_shape: Shape) -> Metric:
    """Return the metric of a name; some depend on what the model is trained with."""
    from_logits: bool = getattr(loss, "from_logits", False)
    if (fitting := FITTING.get(name.lower())) is not None:
        return fitting(_kind(loss, output_shape, target_shape), from_logits)
    metric = _made(name, {})
    return _accuracy("binary", from_logits) if isinstance(metric, BinaryAccuracy) else metric


def _kind(loss: Loss | None, output_shape: Shape, target_shape: Shape) -> Kind:
    if output_shape[-1] == 1 or isinstance(loss, losses.BinaryCrossentropy):
        return "binary"
    if isinstance(loss, losses.SparseCategoricalCrossentropy) or takes_class_numbers(target_shape, output_shape):
        return "sparse"
    return "categorical"


def _accuracy(kind: Kind, from_logits: bool) -> Metric:
    if kind == "binary":
        return BinaryAccuracy(threshold=0.0 if from_logits else 0.5)  # 0 is the logit of one half
    return SparseCategoricalAccuracy() if kind == "sparse" else CategoricalAccuracy()


def _crossentropy(kind: Kind, from_logits: bool) -> Metric:
    return LossMetric(CROSSENTROPIES[kind](from_logits=from_logits))


FITTING: dict[str, Callable[[Kind, bool], Metric]] = {
    "accuracy": _accuracy,
    "acc": _accuracy,
    "crossentropy": _crossentropy,
    "ce": _crossentropy,
}
"""Names of what depends on the labels and on whether outputs are logits."""


# Anything else


def _given(identifier: object) -> Metric:
    """Return the metric of anything but a name."""
    if isinstance(identifier, Loss):
        return LossMetric(identifier)
    if isinstance(identifier, Mapping):
        return _made(*METRICS.parse(cast("object", identifier)))
    if isinstance(identifier, type):
        kind = cast("type[object]", identifier)
        return LossMetric(kind()) if issubclass(kind, Loss) else METRICS.get(kind)
    if (name := name_of(identifier)) is not None:
        return changed(_made(name, {}), name=name)
    return METRICS.get(identifier)


def _made(name: str, config: Config) -> Metric:
    """Return the metric of a name with its settings, or the loss's of that name."""
    if name in METRICS:
        return METRICS.make(name, config)
    if name in LOSSES:
        return LossMetric(LOSSES.make(name, METRICS.understood(config)))
    raise unknown("metric", name, [*FITTING, *METRICS.names(), *LOSSES.names()])


def _check(metric: Metric, loss: Loss | None) -> None:
    lacking = [name for name in ("init", "update", "result") if getattr(type(metric), name) is getattr(Metric, name)]
    if lacking:
        raise TypeError(
            f"{type(metric).__name__} is a Metric without {', '.join(lacking)}: the state of a metric is what `init()` "
            "returns and `update(state, y_true, y_pred, sample_weight)` makes anew, not attributes or weights that "
            "`update_state` changes; `result(state)` is its value."
        )
    if metric.direction not in ("min", "max", None):
        raise ValueError(f"the direction of {metric.name} is 'min', 'max' or None; got {metric.direction!r}.")
    if isinstance(metric, F1Score) and metric.average is None:
        raise ValueError("F1Score(average=None) gives one value a class, a logged value is one number: use 'macro'")
    if metric.needs_probabilities and getattr(loss, "from_logits", False):
        raise ValueError(
            f"{metric.name} needs outputs from 0 to 1, but the loss says that they are logits (from_logits=True): "
            "end the model with a sigmoid or softmax and leave from_logits out"
        )
