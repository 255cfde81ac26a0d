"""Metrics against NumPy's and scikit-learn's values, over batches that are not all of one size."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from sklearn import metrics as sklearn_metrics

from epochal import losses, metrics

RNG = np.random.default_rng(0)
N, CLASSES = 150, 4
LABELS = RNG.integers(0, CLASSES, N)
ONE_HOT = np.eye(CLASSES)[LABELS]
LOGITS = RNG.normal(0, 1, (N, CLASSES)) + 1.5 * ONE_HOT
SCORES = np.exp(LOGITS) / np.exp(LOGITS).sum(-1, keepdims=True)
GUESSES = SCORES.argmax(-1)
BITS = RNG.integers(0, 2, (N, 1))
CHANCES = np.clip(0.3 * BITS + RNG.uniform(0, 0.7, (N, 1)), 0, 1)
TARGETS = RNG.normal(1000, 3, (N, 2))  # far from zero: sums of squares would lose every digit in float32
OUTPUTS = TARGETS + RNG.normal(0, 1, (N, 2))
WEIGHTS = RNG.uniform(0.2, 3, N)


def over_batches(metric, y_true, y_pred, weights=None, sizes=(64, 64, 22)):
    """The result over batches whose last one is smaller, each update compiled."""
    state, update = metric.init(), jax.jit(metric.update)
    for batch in np.split(np.arange(len(y_true)), np.cumsum(sizes)[:-1]):
        part = None if weights is None else jnp.asarray(weights[batch])
        after = update(state, jnp.asarray(y_true[batch]), jnp.asarray(y_pred[batch]), part)
        assert jax.tree.map(jnp.shape, after) == jax.tree.map(jnp.shape, state)
        assert jax.tree.map(jnp.result_type, after) == jax.tree.map(jnp.result_type, state)
        state = after
    return float(jax.jit(metric.result)(state))


def places(labels, scores):
    return (scores > scores[np.arange(len(labels)), labels][:, None]).sum(-1)


def cosines(a, b):
    return (a * b).sum(-1) / np.sqrt((a**2).sum(-1) * (b**2).sum(-1))


MEANS = {  # what each sample counts
    "binary_accuracy": (BITS, CHANCES, ((CHANCES > 0.5) == BITS).mean(-1)),
    "categorical_accuracy": (ONE_HOT, SCORES, GUESSES == LABELS),
    "sparse_categorical_accuracy": (LABELS, SCORES, GUESSES == LABELS),
    "mean_squared_error": (TARGETS, OUTPUTS, ((TARGETS - OUTPUTS) ** 2).mean(-1)),
    "mean_absolute_error": (TARGETS, OUTPUTS, abs(TARGETS - OUTPUTS).mean(-1)),
    "mean_absolute_percentage_error": (TARGETS, OUTPUTS, 100 * abs((TARGETS - OUTPUTS) / TARGETS).mean(-1)),
    "cosine_similarity": (TARGETS, OUTPUTS, cosines(TARGETS, OUTPUTS)),
    "cosine_proximity": (TARGETS, OUTPUTS, -cosines(TARGETS, OUTPUTS)),  # Keras 2's name, of the loss
    "sparse_categorical_crossentropy": (LABELS, SCORES, -np.log(SCORES[np.arange(N), LABELS])),
    "logcosh": (TARGETS, OUTPUTS, np.log(np.cosh(TARGETS - OUTPUTS)).mean(-1)),
}


@pytest.mark.parametrize("name", MEANS)
def test_means(name):
    y_true, y_pred, samples = MEANS[name]
    metric = metrics.get(name)
    assert isinstance(metric, metrics.MeanMetric)
    assert metric.per_sample(jnp.asarray(y_true), jnp.asarray(y_pred)).shape[0] == N
    assert over_batches(metric, y_true, y_pred) == pytest.approx(samples.mean(), rel=2e-4)
    assert over_batches(metric, y_true, y_pred, WEIGHTS) == pytest.approx(
        np.average(samples, weights=WEIGHTS), rel=2e-4
    )


@pytest.mark.parametrize("k", [1, 2, 3])
def test_top_k(k):
    expected = sklearn_metrics.top_k_accuracy_score(LABELS, SCORES, k=k)
    assert expected == (places(LABELS, SCORES) < k).mean()
    assert over_batches(metrics.SparseTopKCategoricalAccuracy(k), LABELS, SCORES) == pytest.approx(expected)
    assert over_batches(metrics.TopKCategoricalAccuracy(k), ONE_HOT, SCORES) == pytest.approx(expected)


def by_class(fn, **options):
    return lambda weights: fn(
        ONE_HOT.astype(int), np.eye(CLASSES, dtype=int)[GUESSES], sample_weight=weights, **options
    )


def of_bits(fn, threshold=0.5, **options):
    return lambda weights: fn(BITS[:, 0], CHANCES[:, 0] > threshold, sample_weight=weights, **options)


@pytest.mark.parametrize(
    ("metric", "y_true", "y_pred", "expected"),
    [
        (metrics.Precision(), BITS, CHANCES, of_bits(sklearn_metrics.precision_score)),
        (metrics.Precision(0.3), BITS[:, 0], CHANCES, of_bits(sklearn_metrics.precision_score, 0.3)),
        (metrics.Recall(), BITS, CHANCES, of_bits(sklearn_metrics.recall_score)),
        (metrics.Recall(thresholds=0.7), BITS, CHANCES, of_bits(sklearn_metrics.recall_score, 0.7)),
        (metrics.F1Score(threshold=0.4), BITS, CHANCES, of_bits(sklearn_metrics.f1_score, 0.4)),
        (metrics.F1Score(), ONE_HOT, SCORES, by_class(sklearn_metrics.f1_score, average="macro")),
        (metrics.F1Score("micro"), ONE_HOT, SCORES, by_class(sklearn_metrics.f1_score, average="micro")),
        (metrics.F1Score("weighted"), ONE_HOT, SCORES, by_class(sklearn_metrics.f1_score, average="weighted")),
        (
            metrics.RootMeanSquaredError(),
            TARGETS,
            OUTPUTS,
            lambda w: np.sqrt(sklearn_metrics.mean_squared_error(TARGETS, OUTPUTS, sample_weight=w)),
        ),
        (
            metrics.R2Score(),
            TARGETS,
            OUTPUTS,
            lambda w: sklearn_metrics.r2_score(TARGETS, OUTPUTS, sample_weight=w),
        ),
    ],
)
def test_as_scikit_learn(metric, y_true, y_pred, expected):
    metric = metrics.get(metric, None, y_pred.shape)
    assert not isinstance(metric, metrics.MeanMetric)
    assert over_batches(metric, y_true, y_pred) == pytest.approx(expected(None), rel=1e-4)
    assert over_batches(metric, y_true, y_pred, WEIGHTS) == pytest.approx(expected(WEIGHTS), rel=1e-4)
    assert over_batches(metric, y_true, y_pred) == pytest.approx(
        over_batches(metric, y_true, y_pred, sizes=(N,)), rel=1e-5
    )


def test_f1_of_each_class():
    metric = metrics.F1Score(average=None).bind((None, CLASSES))
    state = metric.update(metric.init(), jnp.asarray(ONE_HOT), jnp.asarray(SCORES))
    np.testing.assert_allclose(metric.result(state), sklearn_metrics.f1_score(LABELS, GUESSES, average=None), rtol=1e-6)


def rates(weights, thresholds):
    """True and false positives above each threshold, by the definition."""
    weights = np.ones(N) if weights is None else weights
    above = CHANCES[:, 0] > np.asarray(thresholds)[:, None]
    return (above * weights) @ BITS[:, 0], (above * weights) @ (1 - BITS[:, 0])


@pytest.mark.parametrize("weights", [None, WEIGHTS])
@pytest.mark.parametrize("thresholds", [200, 20])
def test_the_area_under_roc(thresholds, weights):
    hits, false = rates(weights, [-1e-7, *np.arange(1, thresholds - 1) / (thresholds - 1), 1 + 1e-7])
    expected = -np.trapezoid(hits / hits[0], false / false[0])
    area = over_batches(metrics.AUC(thresholds), BITS, CHANCES, weights)
    assert area == pytest.approx(expected, rel=1e-5)
    exact = sklearn_metrics.roc_auc_score(BITS[:, 0], CHANCES[:, 0], sample_weight=weights)
    assert area == pytest.approx(exact, abs=0.002 if thresholds == 200 else 0.02)


@pytest.mark.parametrize("weights", [None, WEIGHTS])
def test_the_area_under_precision_and_recall(weights):
    hits, false = rates(weights, [-1e-7, *np.arange(1, 199) / 199, 1 + 1e-7])
    area = 0.0
    for i in range(199):  # Davis and Goadrich 2006: between two thresholds both counts change in line
        part = (np.arange(2000) + 0.5) / 2000
        some, wrong = (values[i + 1] + part * (values[i] - values[i + 1]) for values in (hits, false))
        area += np.divide(some, some + wrong, where=some + wrong > 0, out=np.zeros(2000)).mean() * (
            hits[i] - hits[i + 1]
        )
    measured = over_batches(metrics.AUC(curve="PR"), BITS, CHANCES, weights)
    assert measured == pytest.approx(area / hits[0], rel=1e-4)
    exact = sklearn_metrics.average_precision_score(BITS[:, 0], CHANCES[:, 0], sample_weight=weights)
    assert measured == pytest.approx(exact, abs=0.02)


@pytest.mark.parametrize(
    ("metric", "y_true", "y_pred", "expected"),
    [
        (metrics.Precision(), [[0.0], [1.0]], [[0.1], [0.2]], 0),
        (metrics.Recall(), [[0.0], [0.0]], [[0.9], [0.2]], 0),
        (metrics.F1Score(threshold=0.5), [[0.0], [0.0]], [[0.1], [0.2]], 0),
        (metrics.AUC(), [[1.0], [1.0]], [[0.9], [0.2]], 0),
        (metrics.AUC(), [[0.0], [1.0]], [[0.0], [1.0]], 1),
        (metrics.R2Score(), [[2.0], [2.0]], [[2.0], [2.0]], 1),  # as scikit-learn
        (metrics.R2Score(), [[2.0], [2.0]], [[2.0], [3.0]], 0),
    ],
)
def test_where_nothing_can_be_divided(metric, y_true, y_pred, expected):
    metric = metric.bind((None, 1))
    assert float(metric.result(metric.init())) == 0
    state = metric.update(metric.init(), jnp.asarray(y_true), jnp.asarray(y_pred))
    assert float(metric.result(state)) == expected


@pytest.mark.parametrize(
    ("loss", "output", "target", "expected"),
    [
        ("binary_crossentropy", (None, 1), (None,), metrics.BinaryAccuracy),
        ("binary_crossentropy", (None, 5), (None, 5), metrics.BinaryAccuracy),
        ("mse", (None, 1), (None, 1), metrics.BinaryAccuracy),
        ("categorical_crossentropy", (None, 5), (None, 5), metrics.CategoricalAccuracy),
        ("sparse_categorical_crossentropy", (None, 5), (None,), metrics.SparseCategoricalAccuracy),
        ("sparse_categorical_crossentropy", (None, 5), (None, 1), metrics.SparseCategoricalAccuracy),
        ("sparse_categorical_crossentropy", (None, 7, 5), (None, 7), metrics.SparseCategoricalAccuracy),
        (lambda y_true, y_pred: y_pred, (None, 5), (None,), metrics.SparseCategoricalAccuracy),
        (lambda y_true, y_pred: y_pred, (None, 5), (None, 5), metrics.CategoricalAccuracy),
    ],
)
@pytest.mark.parametrize("name", ["acc", "accuracy"])
def test_accuracy_fits_the_loss_and_the_shapes(name, loss, output, target, expected):
    metric = metrics.get(name, losses.get(loss), output, target)
    assert type(metric) is expected
    assert (metric.name, metric.direction) == (name, "max")


@pytest.mark.parametrize(
    ("loss", "y_true", "y_pred"),
    [
        (losses.BinaryCrossentropy(), BITS, CHANCES),
        (losses.SparseCategoricalCrossentropy(from_logits=True), LABELS, LOGITS),
        (losses.CategoricalCrossentropy(), ONE_HOT, SCORES),
    ],
)
@pytest.mark.parametrize("name", ["ce", "crossentropy"])
def test_crossentropy_fits_them_too(name, loss, y_true, y_pred):
    metric = metrics.get(name, loss, y_pred.shape, y_true.shape)
    assert (metric.name, metric.direction) == (name, "min")
    expected = float(loss(jnp.asarray(y_true), jnp.asarray(y_pred)))
    assert over_batches(metric, y_true, y_pred) == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize("name", ["acc", "binary_accuracy"])
def test_the_accuracy_of_logits_is_about_zero(name):
    metric = metrics.get(name, losses.BinaryCrossentropy(from_logits=True), (None, 1), (None,))
    of_logits = over_batches(metric, BITS, np.log(CHANCES / (1 - CHANCES)))
    assert of_logits == pytest.approx(((CHANCES > 0.5) == BITS).mean())


@pytest.mark.parametrize(
    ("identifier", "name", "direction"),
    [
        ("mse", "mse", "min"),
        ("MSE", "MSE", "min"),
        ("RootMeanSquaredError", "RootMeanSquaredError", "min"),
        ("kullback_leibler_divergence", "kullback_leibler_divergence", "min"),
        ("AUC", "AUC", "max"),
        ("cosine_similarity", "cosine_similarity", "max"),
        (metrics.AUC(name="area"), "area", "max"),
        (metrics.Recall, "recall", "max"),
        (losses.Huber(2.0), "huber_loss", "min"),
        (losses.mean_absolute_error, "mean_absolute_error", "min"),
        (
            {"class_name": "TopKCategoricalAccuracy", "config": {"name": "top3", "dtype": "float32", "k": 3}},
            "top3",
            "max",
        ),
        ({"class_name": "Precision", "config": {"name": "p", "thresholds": None, "top_k": None}}, "p", "max"),
        ({"class_name": "MeanSquaredError", "config": {"name": "m", "dtype": "float32"}}, "m", "min"),
    ],
)
def test_names_and_directions(identifier, name, direction):
    metric = metrics.get(identifier, losses.get("mse"), (None, 3), (None, 3))
    assert (metric.name, metric.direction) == (name, direction)


def test_a_function_is_the_mean_over_samples_whatever_it_returns():
    def bias(y_true, y_pred):
        return y_pred - y_true

    def mean_bias(y_true, y_pred):
        return (y_pred - y_true).mean()

    for fn in (bias, mean_bias):
        metric = metrics.get(fn)
        assert (metric.name, metric.direction) == (fn.__name__, None)
        assert over_batches(metric, TARGETS, OUTPUTS) == pytest.approx((OUTPUTS - TARGETS).mean(), abs=1e-3)


@pytest.mark.parametrize(
    ("make", "error", "message"),
    [
        (lambda: metrics.get("acuracy"), ValueError, "unknown metric 'acuracy'.*Did you mean 'accuracy'"),
        (lambda: metrics.get(3), TypeError, "a metric is a name, a function, a Metric or a Loss, not 3"),
        (lambda: metrics.AUC(1), ValueError, "num_thresholds must be at least 2, not 1"),
        (lambda: metrics.AUC(curve="PRC"), ValueError, "unknown curve 'PRC'"),
        (lambda: metrics.Precision([0.1, 0.5]), ValueError, "thresholds is one number from 0 to 1"),
        (lambda: metrics.F1Score("mean"), ValueError, "unknown average 'mean'"),
        (lambda: metrics.F1Score(threshold=2.0), ValueError, "threshold is a number above 0 and up to 1"),
        (lambda: metrics.F1Score().init(), ValueError, "f1_score must know the output's width first"),
        (lambda: metrics.get(metrics.F1Score(None), None, (None, 3)), ValueError, "one value a class.*use 'macro'"),
        (lambda: metrics.get("f1_score", None, (None, 1)), ValueError, "a single output needs a threshold"),
        (lambda: metrics.get("r2_score", None, (None, 3, 4)), ValueError, "r2_score needs an output of two axes"),
        (lambda: metrics.get("auc", losses.BinaryCrossentropy(True)), ValueError, "auc needs outputs from 0 to 1, but"),
        (
            lambda: metrics.BinaryAccuracy().update({}, BITS, CHANCES, jnp.ones((N - 1,))),
            ValueError,
            r"sample_weight has shape \(149,\); one weight a sample is \(150,\)",
        ),
    ],
)
def test_errors(make, error, message):
    with pytest.raises(error, match=message):
        make()
