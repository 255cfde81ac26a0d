"""Losses against their formulas, written out in NumPy from the Keras 3 documentation, one value a sample."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from epochal import losses

RNG = np.random.default_rng(0)
LABELS = RNG.uniform(0, 1, (6, 3))
OUTPUT = RNG.uniform(0.02, 0.98, (6, 3))
CLASSES = RNG.integers(0, 3, 6)
ONE_HOT = np.eye(3)[CLASSES]
BITS = RNG.integers(0, 2, (6, 3))
LOGITS = RNG.normal(0, 3, (6, 3))
WEIGHTS = RNG.uniform(0.5, 2, 6)


def softmax(z):
    return np.exp(z) / np.exp(z).sum(-1, keepdims=True)


def sigmoid(z):
    return 1 / (1 + np.exp(-z))


def cosine(a, b):
    return (a * b).sum(-1) / np.sqrt((a**2).sum(-1) * (b**2).sum(-1))


def crossentropy(labels, probabilities):
    return -(labels * np.log(probabilities / probabilities.sum(-1, keepdims=True))).sum(-1)


def binary(labels, probabilities):
    return -(labels * np.log(probabilities) + (1 - labels) * np.log(1 - probabilities)).mean(-1)


ERROR = OUTPUT - LABELS
CASES = {
    "mean_squared_error": (LABELS, OUTPUT, (ERROR**2).mean(-1)),
    "mean_absolute_error": (LABELS, OUTPUT, abs(ERROR).mean(-1)),
    "mean_absolute_percentage_error": (LABELS, OUTPUT, 100 * (abs(ERROR) / LABELS).mean(-1)),
    "mean_squared_logarithmic_error": (LABELS, OUTPUT, ((np.log1p(OUTPUT) - np.log1p(LABELS)) ** 2).mean(-1)),
    "huber": (LABELS, LABELS + np.array([0.5, -1.0, 3.0]), np.full(6, (0.5 * 0.25 + 0.5 + 3.0 - 0.5) / 3)),
    "log_cosh": (LABELS, OUTPUT, np.log(np.cosh(ERROR)).mean(-1)),
    "cosine_similarity": (LABELS, OUTPUT, -cosine(LABELS, OUTPUT)),
    "hinge": (2 * BITS - 1, LOGITS, np.maximum(1 - (2 * BITS - 1) * LOGITS, 0).mean(-1)),
    "squared_hinge": (2 * BITS - 1, LOGITS, (np.maximum(1 - (2 * BITS - 1) * LOGITS, 0) ** 2).mean(-1)),
    "kl_divergence": (LABELS, OUTPUT, (LABELS * np.log(LABELS / OUTPUT)).sum(-1)),
    "poisson": (LABELS, OUTPUT, (OUTPUT - LABELS * np.log(OUTPUT)).mean(-1)),
    "categorical_crossentropy": (ONE_HOT, OUTPUT, crossentropy(ONE_HOT, OUTPUT)),
    "sparse_categorical_crossentropy": (CLASSES, OUTPUT, crossentropy(ONE_HOT, OUTPUT)),
    "binary_crossentropy": (BITS, OUTPUT, binary(BITS, OUTPUT)),
}


@pytest.mark.parametrize("name", CASES)
def test_one_value_a_sample(name):
    y_true, y_pred, expected = CASES[name]
    per_sample = losses.get(name).per_sample(jnp.asarray(y_true), jnp.asarray(y_pred))
    assert per_sample.shape == (6,)
    np.testing.assert_allclose(per_sample, expected, rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(getattr(losses, name)(y_true, y_pred), expected, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("name", CASES)
def test_a_batch_is_the_mean_and_weights_do_not_change_the_divisor(name):
    y_true, y_pred, expected = CASES[name]
    loss = jax.jit(losses.get(name))
    y_true, y_pred = jnp.asarray(y_true), jnp.asarray(y_pred)
    np.testing.assert_allclose(loss(y_true, y_pred), expected.mean(), rtol=1e-5)
    np.testing.assert_allclose(loss(y_true, y_pred, WEIGHTS), (WEIGHTS * expected).sum() / 6, rtol=1e-5)


@pytest.mark.parametrize("name", CASES)
def test_further_axes_are_averaged(name):
    y_true, y_pred, expected = CASES[name]
    twice = lambda values: jnp.stack([values, values], axis=1)
    np.testing.assert_allclose(
        losses.get(name).per_sample(twice(y_true), twice(y_pred)), expected, rtol=1e-5, atol=1e-6
    )


@pytest.mark.parametrize(
    ("loss", "y_true", "y_pred", "expected"),
    [
        (losses.CategoricalCrossentropy(from_logits=True), ONE_HOT, LOGITS, crossentropy(ONE_HOT, softmax(LOGITS))),
        (
            losses.CategoricalCrossentropy(label_smoothing=0.3),
            ONE_HOT,
            OUTPUT,
            crossentropy(0.7 * ONE_HOT + 0.1, OUTPUT),
        ),
        (losses.SparseCategoricalCrossentropy(True), CLASSES, LOGITS, crossentropy(ONE_HOT, softmax(LOGITS))),
        (losses.SparseCategoricalCrossentropy(), CLASSES[:, None], OUTPUT, crossentropy(ONE_HOT, OUTPUT)),
        (losses.BinaryCrossentropy(from_logits=True), BITS, LOGITS, binary(BITS, sigmoid(LOGITS))),
        (losses.BinaryCrossentropy(label_smoothing=0.2), BITS, OUTPUT, binary(0.8 * BITS + 0.1, OUTPUT)),
        (losses.Huber(delta=2.0), np.zeros((1, 2)), np.array([[1.0, 5.0]]), [(0.5 + 2 * 5 - 2) / 2]),
        (losses.Hinge(), BITS, LOGITS, np.maximum(1 - (2 * BITS - 1) * LOGITS, 0).mean(-1)),  # 0, 1 become -1, 1
    ],
)
def test_options(loss, y_true, y_pred, expected):
    np.testing.assert_allclose(loss.per_sample(jnp.asarray(y_true), jnp.asarray(y_pred)), expected, rtol=1e-5)


@pytest.mark.parametrize(
    ("loss", "y_true", "y_pred", "expected"),
    [  # Keras clips probabilities to [1e-7, 1 - 1e-7], in float32
        (losses.CategoricalCrossentropy(), [[0.0, 1.0]], [[1.0, 0.0]], -np.log(1e-7)),
        (losses.SparseCategoricalCrossentropy(), [1], [[1.0, 0.0]], -np.log(1e-7)),
        (losses.BinaryCrossentropy(), [[1.0]], [[0.0]], -np.log(1e-7)),
        (losses.KLDivergence(), [[1.0, 0.0]], [[0.0, 1.0]], -np.log(1e-7)),
        (losses.CosineSimilarity(), [[0.0, 0.0]], [[1.0, 2.0]], 0.0),
    ],
)
def test_nothing_is_infinite_at_the_ends(loss, y_true, y_pred, expected):
    value, gradient = jax.value_and_grad(lambda p: loss(jnp.asarray(y_true), p))(jnp.asarray(y_pred))
    assert float(value) == pytest.approx(expected, rel=1e-4, abs=1e-5)
    assert np.isfinite(gradient).all()


@pytest.mark.parametrize(
    ("loss", "y_true", "activation", "outside"),
    [
        (losses.CategoricalCrossentropy(label_smoothing=0.1), ONE_HOT, "softmax", softmax),
        (losses.SparseCategoricalCrossentropy(), CLASSES, "softmax", softmax),
        (losses.BinaryCrossentropy(), BITS, "sigmoid", sigmoid),
    ],
)
def test_crossentropies_from_logits_are_the_same_loss(loss, y_true, activation, outside):
    assert loss.activation == activation
    of_logits = loss.with_logits()
    assert of_logits.activation is None
    y_true, z = jnp.asarray(y_true), jnp.asarray(LOGITS)
    np.testing.assert_allclose(of_logits(y_true, z), loss(y_true, jnp.asarray(outside(LOGITS))), rtol=1e-5)


def test_other_losses_have_no_logits():
    assert losses.get("mse").activation is None
    with pytest.raises(TypeError, match="mean_squared_error can't be computed from logits"):
        losses.get("mse").with_logits()


def test_the_gradient_of_sparse_crossentropy_has_no_scatter():
    loss = losses.SparseCategoricalCrossentropy(from_logits=True)
    program = jax.make_jaxpr(jax.grad(lambda z: loss(jnp.asarray(CLASSES), z)))(LOGITS)
    assert "scatter" not in str(program)


def test_a_missing_axis_of_one_is_added_and_nothing_is_broadcast():
    y, column = jnp.asarray([1.0, 2.0, 4.0]), jnp.asarray([[1.0], [3.0], [1.0]])
    for y_true, y_pred in ((y, column), (y[:, None], column), (y[:, None], column[:, 0]), (y, column[:, 0])):
        np.testing.assert_allclose(losses.mean_squared_error(y_true, y_pred), [0, 1, 9])
    with pytest.raises(ValueError, match=r"labels of shape \(3,\) and predictions of shape \(3, 2\) don't go together"):
        losses.mean_squared_error(y, jnp.zeros((3, 2)))
    with pytest.raises(ValueError, match=r"class numbers of shape \(3,\) don't go with .*\(4, 2\): expected \(4,\)"):
        losses.sparse_categorical_crossentropy(y, jnp.zeros((4, 2)))


def test_small_floats_are_computed_in_float32():
    per_sample = losses.get("mse").per_sample(jnp.ones((2, 3)), jnp.full((2, 3), 3, jnp.bfloat16))
    assert per_sample.dtype == jnp.float32


def test_a_weight_a_sample():
    with pytest.raises(ValueError, match=r"mean_squared_error returned shape \(6,\).*one number a step, \(6, 3\)"):
        losses.get("mse")(jnp.asarray(LABELS), jnp.asarray(OUTPUT), jnp.ones((6, 3)))


@pytest.mark.parametrize(
    "fn",
    [
        lambda y_true, y_pred: (y_pred - y_true) ** 2,
        lambda y_true, y_pred: ((y_pred - y_true) ** 2).mean(-1),
        lambda y_true, y_pred: ((y_pred - y_true) ** 2).mean(),
    ],
)
def test_a_function_gives_elements_samples_or_a_scalar(fn):
    loss = losses.get(fn)
    assert loss.per_sample(jnp.asarray(LABELS), jnp.asarray(OUTPUT)).shape == (6,)
    np.testing.assert_allclose(loss(jnp.asarray(LABELS), jnp.asarray(OUTPUT)), (ERROR**2).mean(), rtol=1e-5)


def test_a_function_that_gives_another_shape():
    def mine(y_true, y_pred):
        return y_pred[0]

    with pytest.raises(ValueError, match=r"mine returned shape \(3,\) for a batch of 6"):
        losses.get(mine)(jnp.asarray(LABELS), jnp.asarray(OUTPUT))


@pytest.mark.parametrize(
    ("loss", "labels", "output", "message"),
    [
        (
            "categorical_crossentropy",
            CLASSES,
            (None, 3),
            r"one-hot labels of shape \(n, 3\), got class numbers",
        ),
        ("categorical_crossentropy", CLASSES[:, None], (None, 3), "use loss='sparse_categorical_crossentropy'"),
        (
            "categorical_crossentropy",
            np.eye(10),
            (None, 5),
            r"\(n, 10\) don't go with an output of shape \(n, 5\)",
        ),
        (
            "categorical_crossentropy",
            CLASSES,
            (None, 1),
            "one class is always 0: .* use binary_crossentropy",
        ),
        (
            "sparse_categorical_crossentropy",
            ONE_HOT,
            (None, 3),
            "one-hot labels use loss='categorical_crossentropy'",
        ),
        ("sparse_categorical_crossentropy", CLASSES[:, None], (None, 1), "over an output of one class is always 0"),
        ("sparse_categorical_crossentropy", np.zeros((4, 7), int), (None, 3), r"got labels of shape \(n, 7\)$"),
        ("sparse_categorical_crossentropy", np.array([0, 2, 5, 3]), (None, 3), "from 0 to 2 .*; row 2 has 5"),
        ("sparse_categorical_crossentropy", np.array([0, -1]), (None, 3), "row 1 has -1"),
        ("sparse_categorical_crossentropy", np.array([0, 1.5]), (None, 3), "whole numbers as labels; row 1 has 1.5"),
        ("sparse_categorical_crossentropy", np.array([0, np.nan]), (None, 3), "whole numbers as labels; row 1 has nan"),
        ("binary_crossentropy", np.array([1, -1, 1]), (None, 1), "labels from 0 to 1; row 1 has -1"),
        ("binary_crossentropy", BITS, (None, 4), r"shape \(n, 3\) don't go with an output of shape \(n, 4\)"),
        ("mse", np.zeros(4), (None, 2), r"labels of shape \(n,\) don't go with an output of shape \(n, 2\)"),
        ("mse", np.array([None, 1.0]), (None, 1), "needs numbers as labels, got an array of dtype object"),
        ("sparse_categorical_crossentropy", np.array(["a", "b"]), (None, 2), "dtype <U1 .class names"),
    ],
)
def test_labels_that_cannot_be_right_are_found_before_training(loss, labels, output, message):
    with pytest.raises(ValueError, match=message):
        losses.get(loss).check(labels, output)


@pytest.mark.parametrize(
    ("loss", "labels", "output"),
    [
        ("categorical_crossentropy", ONE_HOT, (None, 3)),
        ("sparse_categorical_crossentropy", CLASSES, (None, 3)),
        ("sparse_categorical_crossentropy", CLASSES[:, None].astype(np.float32), (6, 3)),
        ("sparse_categorical_crossentropy", np.zeros((5, 8), np.uint8), (None, 8, 3)),
        ("sparse_categorical_crossentropy", np.zeros((0,), int), (None, 3)),
        ("binary_crossentropy", BITS[:, 0].astype(bool), (None, 1)),
        ("binary_crossentropy", LABELS, (None, 3)),
        ("mse", LABELS[:, 0], (None, 1)),
        ("mse", np.zeros((5, 8)), (None, 8, 1)),
        ("mse", np.array([np.nan, np.inf]), (None, 1)),
        (lambda y_true, y_pred: y_pred, LABELS, (None, 7)),
    ],
)
def test_labels_that_may_be_right_pass(loss, labels, output):
    losses.get(loss).check(labels, output)


@pytest.mark.parametrize(
    ("spellings", "expected"),
    [
        (["mse", "MSE", "mean_squared_error", "MeanSquaredError"], losses.MeanSquaredError()),
        (["mae", "MAE"], losses.MeanAbsoluteError()),
        (["mape", "MAPE"], losses.MeanAbsolutePercentageError()),
        (["msle", "MSLE"], losses.MeanSquaredLogarithmicError()),
        (["categorical_crossentropy", "CategoricalCrossentropy"], losses.CategoricalCrossentropy()),
        (["bce", "BCE", "binary_crossentropy"], losses.BinaryCrossentropy()),
        (["kld", "KLD", "kullback_leibler_divergence", "kl_divergence", "KLDivergence"], losses.KLDivergence()),
        (["logcosh", "log_cosh", "LogCosh"], losses.LogCosh()),
        (["cosine_proximity", "cosine_similarity", "CosineSimilarity"], losses.CosineSimilarity()),
        (["huber", "huber_loss", "Huber"], losses.Huber()),
        ([losses.hinge, losses.Hinge, losses.Hinge(), "hinge", "Hinge"], losses.Hinge()),
        (
            [  # as Keras 3 writes it
                {
                    "module": "keras.losses",
                    "class_name": "BinaryCrossentropy",
                    "config": {
                        "name": "binary_crossentropy",
                        "reduction": "sum_over_batch_size",
                        "from_logits": True,
                        "label_smoothing": 0.0,
                        "axis": -1,
                    },
                    "registered_name": None,
                }
            ],
            losses.BinaryCrossentropy(from_logits=True),
        ),
    ],
)
def test_spellings(spellings, expected):
    assert [losses.get(spelling) for spelling in spellings] == [expected] * len(spellings)


def test_a_config_makes_the_same_loss_again():
    for loss in (losses.Huber(0.3), losses.CategoricalCrossentropy(True, 0.1), losses.Poisson()):
        assert losses.get({"class_name": type(loss).__name__, "config": loss.get_config()}) == loss


@pytest.mark.parametrize(
    ("make", "error", "message"),
    [
        (lambda: losses.get("categorical_crosentropy"), ValueError, "unknown loss.*mean 'categorical_crossentropy'"),
        (lambda: losses.get(3), TypeError, "a loss is a name, a function or a Loss, not 3"),
        (lambda: losses.CategoricalCrossentropy(label_smoothing=2), ValueError, "label_smoothing is a part between 0"),
        (lambda: losses.MeanSquaredError(reduction="sum"), TypeError, "reduction"),
    ],
)
def test_errors(make, error, message):
    with pytest.raises(error, match=message):
        make()


def test_a_loss_of_ones_own():
    class Quartic(losses.Loss):
        name = "quartic"

        def per_sample(self, y_true, y_pred):
            return losses.sample_means((y_pred - y_true) ** 4)

    loss = losses.get(Quartic())
    loss.check(LABELS, (None, 3))
    np.testing.assert_allclose(loss(jnp.asarray(LABELS), jnp.asarray(OUTPUT)), (ERROR**4).mean(), rtol=1e-5)
