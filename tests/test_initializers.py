"""Initializers: moments and bounds from the papers' formulas, Keras's fans and names."""

import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import stats

from epochal import initializers

KEY = jax.random.key(0)
DENSE, CONV = (200, 300), (3, 3, 40, 60)
FANS = {DENSE: (200, 300), CONV: (9 * 40, 9 * 60), (5000,): (5000, 5000)}  # Keras: compute_fans

VARIANCES = {
    "glorot_uniform": lambda fan_in, fan_out: 2 / (fan_in + fan_out),
    "glorot_normal": lambda fan_in, fan_out: 2 / (fan_in + fan_out),
    "he_uniform": lambda fan_in, fan_out: 2 / fan_in,
    "he_normal": lambda fan_in, fan_out: 2 / fan_in,
    "lecun_uniform": lambda fan_in, fan_out: 1 / fan_in,
    "lecun_normal": lambda fan_in, fan_out: 1 / fan_in,
    "variance_scaling": lambda fan_in, fan_out: 1 / fan_in,
}


@pytest.mark.parametrize("shape", FANS)
@pytest.mark.parametrize("name", VARIANCES)
def test_scaled_by_the_fans(name, shape):
    values, variance = initializers.get(name)(KEY, shape), VARIANCES[name](*FANS[shape])
    assert values.shape == shape
    assert values.dtype == jnp.float32
    assert float(values.mean()) == pytest.approx(0, abs=4 * math.sqrt(variance / values.size))
    assert float(values.var()) == pytest.approx(variance, rel=0.1)
    # Uniform ends at √(3 variance); a normal cut at 2 deviations has 0.8796 of the deviation before the cut.
    furthest = math.sqrt(3 * variance) if "uniform" in name else 2 * math.sqrt(variance) / 0.87962566
    assert 0.97 * furthest < float(abs(values).max()) <= furthest * 1.0001


@pytest.mark.parametrize(
    ("initializer", "mean", "deviation", "furthest"),
    [
        (initializers.RandomNormal(), 0, 0.05, None),
        (initializers.RandomNormal(mean=2.0, stddev=0.5), 2, 0.5, None),
        (initializers.RandomUniform(), 0, 0.1 / math.sqrt(12), 0.05),
        (initializers.RandomUniform(1.0, 3.0), 2, 2 / math.sqrt(12), 1.0),
        (initializers.TruncatedNormal(), 0, 0.05 * 0.87962566, 0.1),
        (initializers.VarianceScaling(2.0, "fan_out", "untruncated_normal"), 0, math.sqrt(2 / 300), None),
        (
            initializers.VarianceScaling(3.0, "fan_avg", "normal"),
            0,
            math.sqrt(3 / 250),
            2 * math.sqrt(3 / 250) / 0.8796,
        ),
    ],
)
def test_drawn_at_random(initializer, mean, deviation, furthest):
    values = initializer(KEY, DENSE)
    assert float(values.mean()) == pytest.approx(mean, abs=4 * deviation / math.sqrt(values.size))
    assert float(values.std()) == pytest.approx(deviation, rel=0.02)
    if furthest is not None:
        assert float(abs(values - mean).max()) == pytest.approx(furthest, rel=0.03)


@pytest.mark.parametrize(
    ("initializer", "distribution"),
    [
        (initializers.RandomNormal(1.0, 0.5), stats.norm(1.0, 0.5)),
        (initializers.RandomUniform(1.0, 3.0), stats.uniform(1.0, 2.0)),
        (initializers.TruncatedNormal(1.0, 0.5), stats.truncnorm(-2, 2, 1.0, 0.5)),
    ],
)
def test_of_the_distribution_all_along(initializer, distribution):
    assert stats.kstest(np.ravel(initializer(KEY, DENSE)), distribution.cdf).pvalue > 0.01


@pytest.mark.parametrize("dtype", [jnp.bfloat16, jnp.float16, jnp.float32])
def test_random_values_in_any_dtype_of_floats(dtype):
    values = initializers.RandomUniform(1.0, 1.03)(KEY, DENSE, dtype)
    assert values.dtype == dtype
    assert bool(((values >= 1) & (values < jnp.asarray(1.03, dtype))).all())  # rounding up would reach the bound
    for name in ("glorot_normal", "random_normal", "truncated_normal", "orthogonal"):
        values = initializers.get(name)(KEY, DENSE, dtype)
        assert values.dtype == dtype
        assert 0.03 < float(values.astype(jnp.float32).std()) < 0.07


def test_a_compiled_function_draws_what_it_draws_outside():
    draw = initializers.TruncatedNormal(1.0, 0.5)
    np.testing.assert_array_equal(jax.jit(lambda key: draw(key, (3, 4)))(KEY), draw(KEY, (3, 4)))
    each = jax.vmap(lambda key: draw(key, (3, 4)))(jax.random.split(KEY, 2))
    np.testing.assert_array_equal(each[1], draw(jax.random.split(KEY, 2)[1], (3, 4)))


@pytest.mark.parametrize(
    ("initializer", "expected"),
    [
        (initializers.Zeros(), np.zeros((2, 3))),
        (initializers.Ones(), np.ones((2, 3))),
        (initializers.Constant(2.5), np.full((2, 3), 2.5)),
        (initializers.Identity(2.0), 2 * np.eye(2, 3)),
    ],
)
def test_fixed_values_in_any_dtype(initializer, expected):
    values = initializer(KEY, (2, 3), jnp.bfloat16)
    assert values.dtype == jnp.bfloat16
    np.testing.assert_array_equal(np.asarray(values, np.float32), expected)


@pytest.mark.parametrize("shape", [(6, 4), (4, 6), (3, 3, 2, 5)])
def test_orthogonal(shape):
    matrix = np.asarray(initializers.Orthogonal(gain=2.0)(KEY, shape)).reshape(-1, shape[-1])
    gram = matrix.T @ matrix if matrix.shape[0] >= matrix.shape[1] else matrix @ matrix.T
    np.testing.assert_allclose(gram, 4 * np.eye(len(gram)), atol=1e-5)


def test_an_orthogonal_matrix_has_no_favourite_signs():
    corners = [float(initializers.Orthogonal(seed=seed)(KEY, (3, 3))[0, 0]) for seed in range(300)]
    assert abs(np.mean(corners)) < 4 / math.sqrt(3 * 300)  # variance 1/3


def test_the_key_decides_unless_there_is_a_seed():
    free, seeded = initializers.HeNormal(), initializers.HeNormal(seed=7)
    other = jax.random.key(1)
    assert not np.array_equal(free(KEY, DENSE), free(other, DENSE))
    np.testing.assert_array_equal(free(KEY, DENSE), free(KEY, DENSE))
    np.testing.assert_array_equal(seeded(KEY, DENSE), seeded(other, DENSE))


@pytest.mark.parametrize(
    ("identifier", "expected"),
    [
        ("glorot_uniform", initializers.GlorotUniform()),
        ("GlorotUniform", initializers.GlorotUniform()),
        ("uniform", initializers.RandomUniform()),
        ("normal", initializers.RandomNormal()),
        ("zero", initializers.Zeros()),
        ("one", initializers.Ones()),
        (initializers.Orthogonal, initializers.Orthogonal()),
        (initializers.Constant(3.0), initializers.Constant(3.0)),
        ({"class_name": "Constant", "config": {"value": 3.0}}, initializers.Constant(3.0)),
        (  # as Keras 3 writes it
            {
                "module": "keras.initializers",
                "class_name": "HeNormal",
                "config": {"seed": None, "input_axes": None, "output_axes": None},
                "registered_name": None,
            },
            initializers.HeNormal(),
        ),
    ],
)
def test_names(identifier, expected):
    assert initializers.get(identifier) == expected


def test_functions_pass_through():
    assert initializers.get(jax.nn.initializers.ones) is jax.nn.initializers.ones


def test_a_config_makes_the_same_initializer_again():
    for made in (initializers.TruncatedNormal(1.0, 0.2, 3), initializers.LecunUniform(5), initializers.Ones()):
        assert initializers.get({"class_name": type(made).__name__, "config": made.get_config()}) == made


@pytest.mark.parametrize(
    ("make", "error", "message"),
    [
        (lambda: initializers.get("glorot_unifrom"), ValueError, "unknown initializer.*Did you mean 'glorot_uniform'"),
        (lambda: initializers.get(3), TypeError, "an initializer is a name, a dict with class_name, or a function"),
        (lambda: initializers.VarianceScaling(0.0), ValueError, "scale must be a finite positive number, not 0.0"),
        (lambda: initializers.VarianceScaling(mode="fan"), ValueError, "unknown mode 'fan'"),
        (lambda: initializers.VarianceScaling(distribution="gauss"), ValueError, "unknown distribution 'gauss'"),
        (lambda: initializers.Identity()(KEY, (2, 2, 2)), ValueError, "Identity fills a matrix"),
        (lambda: initializers.RandomNormal()(KEY, (2,), int), ValueError, "RandomNormal draws floats, not int32"),
        (lambda: initializers.Orthogonal()(KEY, (2,)), ValueError, "Orthogonal fills a matrix"),
    ],
)
def test_errors(make, error, message):
    with pytest.raises(error, match=message):
        make()
