"""Transposed, depthwise and separable convolutions, cropping, Dot, Softmax and rectifiers: values worked out in NumPy."""

import numpy as np
import pytest
from layer_outputs import IMAGES, ROWS, SEQUENCES, assert_gives, model_of

from epochal.layers import (
    ELU,
    Conv1DTranspose,
    Conv2DTranspose,
    Cropping1D,
    Cropping2D,
    DepthwiseConv2D,
    Dot,
    GlobalMaxPooling2D,
    Input,
    LeakyReLU,
    Masking,
    PReLU,
    ReLU,
    SeparableConv1D,
    Softmax,
    Subtract,
    dot,
    maximum,
    minimum,
    subtract,
)
from epochal.models import Model


def test_a_transposed_convolution_spreads_each_step():
    def wanted(w):
        spread = np.zeros((3, 9, 2))
        for step in range(4):
            for at in range(3):
                spread[:, 2 * step + at] += SEQUENCES[:, step] @ w["kernel"][at].T
        return spread + w["bias"]

    assert_gives(Conv1DTranspose(2, 3, strides=2), SEQUENCES, wanted)


@pytest.mark.parametrize(
    ("settings", "size"),
    [
        ({"kernel_size": 3}, (9, 8)),
        ({"kernel_size": 3, "strides": 2, "padding": "same"}, (14, 12)),
        ({"kernel_size": 2, "strides": 3}, (21, 18)),
        ({"kernel_size": (3, 4), "strides": 2, "padding": "same", "output_padding": (0, 1)}, (13, 11)),
        ({"kernel_size": 3, "dilation_rate": 2}, (11, 10)),
    ],
)
def test_the_sizes_of_transposed_convolutions_are_known_beforehand(settings, size):
    assert Conv2DTranspose(2, **settings)(Input((7, 6, 4))).shape == (None, *size, 2)


def test_depthwise_convolutions_keep_channels_apart():
    def wanted(w):
        windows = np.lib.stride_tricks.sliding_window_view(IMAGES, (2, 3), axis=(1, 2))
        return np.einsum("byxchw,hwcm->byxcm", windows, w["kernel"]).reshape(2, 6, 4, 12) + w["bias"]

    assert_gives(DepthwiseConv2D((2, 3), depth_multiplier=3), IMAGES, wanted)


def test_separable_convolutions_mix_channels_at_the_end():
    def wanted(w):
        windows = np.lib.stride_tricks.sliding_window_view(SEQUENCES, 2, axis=1)
        by_channel = np.einsum("bsch,hcm->bscm", windows, w["depthwise_kernel"]).reshape(3, 3, 10)
        return np.maximum(by_channel @ w["pointwise_kernel"][0] + w["bias"], 0)

    assert_gives(SeparableConv1D(4, 2, depth_multiplier=2, activation="relu"), SEQUENCES, wanted)


def test_cropping():
    assert_gives(Cropping1D(), SEQUENCES, SEQUENCES[:, 1:3])
    assert_gives(Cropping1D((0, 2)), SEQUENCES, SEQUENCES[:, :2])
    assert_gives(Cropping2D(), IMAGES, IMAGES)
    assert_gives(Cropping2D((1, 2)), IMAGES, IMAGES[:, 1:6, 2:4])
    assert_gives(Cropping2D(((1, 0), (0, 3))), IMAGES, IMAGES[:, 1:, :3])
    assert Cropping1D(40)(Input((None, 3))).shape == (None, None, 3)


def test_pooled_axes_stay_if_they_should():
    assert_gives(GlobalMaxPooling2D(keepdims=True), IMAGES, IMAGES.max((1, 2), keepdims=True))


@pytest.mark.parametrize(
    ("shapes", "axes", "formula"),
    [
        (((3,), (3,)), 1, "bi,bi->b"),
        (((4, 3), (3,)), (2, 1), "bsi,bi->bs"),
        (((3,), (3, 4)), 1, "bi,bis->bs"),
        (((4, 3), (5, 3)), -1, "bsi,bti->bst"),
        (((4, 2, 3), (5, 2)), (-2, 2), "bsiu,bti->bsut"),
    ],
)
def test_dot_sums_over_an_axis_of_each(shapes, axes, formula):
    a, b = (np.random.default_rng(at).normal(size=(2, *shape)).astype(np.float32) for at, shape in enumerate(shapes))
    wanted = np.einsum(formula, a, b)
    wanted = wanted[:, None] if wanted.ndim == 1 else wanted
    inputs = [Input(shape) for shape in shapes]
    model = Model(inputs, dot(inputs, axes))
    np.testing.assert_allclose(model.predict([a, b], verbose=0), wanted, rtol=1e-5, atol=1e-6)


def test_normalised_the_dot_product_is_the_cosine_and_0_for_a_vector_of_zeros():
    a, b = np.array([[3.0, 4.0], [0.0, 0.0]], np.float32), np.array([[4.0, 3.0], [1.0, 1.0]], np.float32)
    np.testing.assert_allclose(Dot(1, normalize=True)([a, b]), [[0.96], [0.0]], rtol=1e-6)


def test_functions_of_two_inputs():
    a, b = np.array([[1.0, 5.0]]), np.array([[3.0, 2.0]])
    wanted = {maximum: [3, 5], minimum: [1, 2], subtract: [-2, 3]}
    for function, values in wanted.items():
        np.testing.assert_array_equal(function([a, b]), [values])


def test_rectifiers():
    x = np.array([[-2.0, -0.5, 0.0, 0.5, 3.0]], np.float32)
    np.testing.assert_allclose(LeakyReLU()(x), [[-0.6, -0.15, 0, 0.5, 3]], rtol=1e-6)
    np.testing.assert_allclose(LeakyReLU(alpha=0.5)(x), LeakyReLU(0.5)(x))
    np.testing.assert_allclose(ELU(2.0)(x), np.where(x > 0, x, 2 * np.expm1(x)), rtol=1e-6)
    np.testing.assert_allclose(ReLU(2.0, 0.5, 1.0)(x), [[-1.5, -0.75, -0.5, -0.25, 2]], rtol=1e-6)
    assert_gives(PReLU("normal"), ROWS, lambda w: np.where(ROWS > 0, ROWS, w["alpha"] * ROWS))
    _, weights = model_of(PReLU(shared_axes=[1, 2]), IMAGES)
    assert weights["alpha"].shape == (1, 1, 4)


def test_softmax_over_axes_and_with_masks():
    exponentials = np.exp(SEQUENCES)
    assert_gives(Softmax(1), SEQUENCES, exponentials / exponentials.sum(1, keepdims=True))
    assert_gives(Softmax([1, 2]), SEQUENCES, exponentials / exponentials.sum((1, 2), keepdims=True))
    counts = np.array([[True, False, True, True, False]])
    wanted = np.exp(ROWS) * counts / (np.exp(ROWS) * counts).sum(1, keepdims=True)
    np.testing.assert_allclose(Softmax()(ROWS, mask=counts), wanted, rtol=1e-5)
    np.testing.assert_array_equal(Softmax()(ROWS, mask=np.zeros((6, 5), bool)), np.zeros((6, 5)))


def test_softmax_over_steps_leaves_masked_ones_out():
    x = Input((3, 1))
    model = Model(x, Softmax(axis=1)(Masking()(x)))
    weights = model.predict(np.array([[[1.0], [1.0], [0.0]], [[0.0], [0.0], [0.0]]]), verbose=0)
    np.testing.assert_allclose(weights[..., 0], [[0.5, 0.5, 0], [0, 0, 0]])


def test_a_dot_product_ends_a_mask_with_a_warning():
    steps = Masking()(Input((3, 2)))
    with pytest.warns(UserWarning, match="Dot passes no mask on"):
        dot([steps, steps], 2)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Conv2DTranspose(2, 3, 2, dilation_rate=2), r"strides or dilation_rate must be 1; got \(2, 2\) and"),
        (lambda: Conv2DTranspose(2, 3, 2, output_padding=2), r"output_padding is less than strides; got \(2, 2\) and"),
        (lambda: Conv2DTranspose(2, 3, padding="full"), r"padding must be 'valid' or 'same'; got 'full'"),
        (lambda: Conv1DTranspose(2, 3)(IMAGES), r"Conv1DTranspose takes \(steps, channels\); got inputs of shape"),
        (lambda: DepthwiseConv2D(3, depth_multiplier=0), r"depth_multiplier must be a positive whole number; got 0"),
        (lambda: DepthwiseConv2D(3)(SEQUENCES), r"DepthwiseConv2D takes \(height, width, channels\); got inputs of"),
        (lambda: SeparableConv1D(0, 3), r"filters must be a positive whole number; got 0"),
        (lambda: Cropping1D(-1), r"cropping is one or two non-negative whole numbers; got -1"),
        (lambda: Cropping2D((1, 2, 3)), r"cropping is one number, two, or two pairs; got \(1, 2, 3\)"),
        (lambda: Cropping1D(2)(SEQUENCES), r"Cropping1D: cropping \(2, 2\) leaves nothing of an axis of 4"),
        (lambda: Cropping2D((0, 3))(IMAGES), r"Cropping2D: cropping \(3, 3\) leaves nothing of an axis of 6"),
        (lambda: Dot(0), r"axes is a whole number other than 0, which is the batch's, or two; got 0"),
        (lambda: Dot((1, 2, 3)), r"axes is a whole number .*, or two; got \(1, 2, 3\)"),
        (lambda: dot([ROWS, ROWS], 2), r"axes=2, which are none of those behind the batch's; .*\(None, 5\)"),
        (lambda: dot([ROWS, ROWS[:, :3]], 1), r"sums over axes=1, which must have one size in both inputs"),
        (lambda: dot([ROWS], 1), r"Dot takes a list of two inputs; got one of shape \[\(5,\)\]"),
        (lambda: dot(ROWS, 1), r"Dot takes a list of two inputs; got one of shape \(5,\)"),
        (lambda: Subtract()([ROWS, ROWS, ROWS]), r"Subtract takes two inputs; got 3"),
        (lambda: ReLU(-1.0), r"max_value is a number of at least 0; got -1\.0"),
        (lambda: LeakyReLU("0.1"), r"negative_slope is a number of at least 0; got '0\.1'"),
        (lambda: LeakyReLU(0.1, alpha=0.2), r"give negative_slope or alpha, not both; got 0\.1 and 0\.2"),
        (lambda: PReLU(shared_axes=0), r"shared_axes are whole numbers from 1, since 0 is the batch's axis; got 0"),
        (lambda: PReLU(shared_axes=[3])(SEQUENCES), r"PReLU shares axis 3, which inputs of shape \(None, 4, 5\) don't"),
        (lambda: PReLU()(Input((None, 3))), r"PReLU needs the size of axis 0 of its input"),
        (lambda: Softmax(0), r"axis is a whole number, or several, other than 0, .*; got 0"),
        (lambda: Softmax(2)(ROWS), r"Softmax has axis=2, .*behind the batch's; got inputs of shape \(None, 5\)"),
        (lambda: Softmax()(ROWS, mask=np.ones(5, bool)), r"a mask of logits of shape \(6, 5\) has .* of shape \(5,\)"),
    ],
)
def test_what_makes_no_sense_is_refused(make, message):
    with pytest.raises(ValueError, match=message):
        make()
