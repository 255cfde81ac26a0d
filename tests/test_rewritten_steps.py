"""A step is rewritten for XLA: its gradients stay equal, and its cost is counted."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import lax

from epochal.engines.jax.canonical import canonical, multiplications

pytestmark = pytest.mark.usefixtures("optimized")

RNG = np.random.default_rng(0)


def canonical_gradients(loss, *args):
    """Return the gradients of a loss, plainly and by the rewritten program, both inside a loop as training is."""
    gradient = jax.grad(loss, argnums=tuple(range(len(args))))
    traced = jax.make_jaxpr(gradient)(*args)

    def in_loop(evaluate):
        step = lambda _, carry: tuple(evaluate(*args))
        return jax.jit(lambda: lax.fori_loop(0, 1, step, tuple(jnp.zeros_like(a) for a in args)))()

    return in_loop(gradient), in_loop(functools.partial(canonical, traced)), traced


def assert_equal_gradients(loss, *args):
    plain, rewritten, traced = canonical_gradients(loss, *args)
    for a, b in zip(plain, rewritten, strict=True):
        assert a.dtype == b.dtype
        np.testing.assert_allclose(a, b, rtol=2e-5, atol=2e-5)
    return traced


@pytest.mark.parametrize("units", [1, 3, 64, 65])
@pytest.mark.parametrize("rows", [1, 7])
def test_the_rewritten_gradients_of_a_dense_layer(units, rows):
    x, w, b = RNG.normal(size=(rows, 5)), RNG.normal(size=(5, units)), RNG.normal(size=units)
    x, w, b = (a.astype(np.float32) for a in (x, w, b))
    assert_equal_gradients(lambda x, w, b: jnp.square(x @ w + b).sum(), x, w, b)


def conv(spatial, channels=4, filters=6, groups=1, numbers=None, **params):
    """Return a loss of one convolution, its input and its kernel."""
    numbers = numbers or {1: ("NWC", "WIO", "NWC"), 2: ("NHWC", "HWIO", "NHWC")}[spatial]
    sizes = {"N": 2, "C": channels, "H": 9, "W": 8, "I": channels // groups, "O": filters}
    kernel_sizes = sizes | {"H": 3, "W": 2}
    x = RNG.normal(size=[sizes[c] for c in numbers[0]]).astype(np.float32)
    kernel = RNG.normal(size=[kernel_sizes[c] for c in numbers[1]]).astype(np.float32)
    options = {"window_strides": (1,) * spatial, "padding": "SAME"} | params

    def loss(x, kernel):
        out = lax.conv_general_dilated(x, kernel, dimension_numbers=numbers, feature_group_count=groups, **options)
        return jnp.sin(out).sum()

    return loss, x, kernel


@pytest.mark.parametrize("spatial", [1, 2])
@pytest.mark.parametrize("padding", ["SAME", "VALID"])
@pytest.mark.parametrize("strides", [1, 2])
@pytest.mark.parametrize("dilation", [1, 2])
@pytest.mark.parametrize("groups", [1, 2])
def test_the_rewritten_gradients_of_a_convolution(spatial, padding, strides, dilation, groups):
    loss, x, kernel = conv(
        spatial,
        groups=groups,
        padding=padding,
        window_strides=(strides,) * spatial,
        rhs_dilation=(dilation,) * spatial,
    )
    assert_equal_gradients(loss, x, kernel)


@pytest.mark.parametrize(
    ("spatial", "options"),
    [
        (2, {"padding": ((2, 0), (1, 3))}),
        (2, {"window_strides": (2, 1), "rhs_dilation": (1, 2)}),
        (2, {"lhs_dilation": (2, 2), "padding": ((1, 1), (0, 2))}),
        (2, {"numbers": ("NCHW", "OIHW", "NCHW")}),
        (2, {"numbers": ("NHWC", "OIHW", "NCHW"), "window_strides": (2, 2)}),
        (2, {"numbers": ("CNHW", "HWOI", "HWNC"), "groups": 2}),
        (1, {"numbers": ("NCW", "OIW", "NCW"), "groups": 4, "filters": 8}),
    ],
)
def test_the_rewritten_gradients_of_rarer_convolutions(spatial, options):
    assert_equal_gradients(*conv(spatial, **options))


@pytest.mark.parametrize("transform", ["jit", "custom_jvp", "scan", "cond", "remat", "vmap"])
def test_what_stands_in_other_programs_is_rewritten_or_left_alone_but_right(transform):
    dense = lambda x, w: jax.nn.relu(x @ w)
    use = {
        "jit": jax.jit(dense),
        "custom_jvp": lambda x, w: jax.nn.silu(dense(x, w)),
        "scan": lambda x, w: lax.scan(lambda h, _: (dense(h, w), None), x, None, length=3)[0],
        "cond": lambda x, w: lax.cond(x.sum() > 0, dense, lambda x, w: x @ w * 2, x, w),
        "remat": jax.checkpoint(dense),
        "vmap": jax.vmap(lambda row, w: dense(row[None], w)[0], (0, None)),
    }[transform]
    x, w = (RNG.normal(size=shape).astype(np.float32) for shape in ((6, 5), (5, 5)))
    assert_equal_gradients(lambda x, w: use(x, w).sum(), x, w)


@pytest.mark.parametrize("groups", [1, 2])
def test_a_convolution_costs_each_output_a_window(groups):
    loss, x, kernel = conv(2, groups=groups, padding="VALID")
    outputs = 2 * (9 - 3 + 1) * (8 - 2 + 1) * 6
    assert multiplications(jax.make_jaxpr(loss)(x, kernel).jaxpr) == outputs * 3 * 2 * 4 // groups


def test_a_product_costs_rows_times_columns_times_what_is_summed():
    product = jax.jit(lambda a, b: jax.nn.relu(a @ b) @ b.T)
    assert multiplications(jax.make_jaxpr(product)(jnp.ones((3, 4)), jnp.ones((4, 5))).jaxpr) == 2 * 3 * 4 * 5
