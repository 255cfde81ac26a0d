"""Lambda: what it hands to its function, the mask that it passes on, and the check of its output's shape."""

import jax.numpy as jnp
import numpy as np
import pytest

from epochal.layers import GlobalAveragePooling1D, Input, Lambda, Masking
from epochal.models import Model, Sequential

ROWS = np.arange(6, dtype=np.float32).reshape(2, 3)
STEPS = np.array([[[1.0], [3.0], [0.0]], [[4.0], [0.0], [0.0]]], np.float32)


def test_arguments_are_the_functions_own():
    layer = Lambda(lambda x, factor, offset=0: x * factor + offset, arguments={"factor": 2, "offset": 1})
    np.testing.assert_array_equal(layer(ROWS), ROWS * 2 + 1)
    np.testing.assert_array_equal(layer(ROWS, offset=5), ROWS * 2 + 5)
    model = Sequential([Input((3,)), layer])
    np.testing.assert_array_equal(model.predict(ROWS, verbose=0), ROWS * 2 + 1)


def test_a_function_is_told_whether_it_is_in_training():
    model = Sequential([Input((3,)), Lambda(lambda x, training: x * 10 if training else x)])
    model.compile("sgd", "mse")
    zeros = np.zeros_like(ROWS)
    assert model.evaluate(ROWS, zeros, verbose=0) == pytest.approx((ROWS**2).mean())
    assert model.train_on_batch(ROWS, zeros) == pytest.approx(100 * (ROWS**2).mean())
    np.testing.assert_array_equal(Lambda(lambda x, training=None: x + (training is False))(ROWS), ROWS + 1)


def test_a_function_gets_the_mask_of_its_input():
    total = Lambda(lambda x, mask=None: jnp.where(mask[..., None], x + 1, 0).sum(axis=1))
    model = Sequential([Input((3, 1)), Masking(), total])
    np.testing.assert_array_equal(model.predict(STEPS, verbose=0), [[6.0], [5.0]])
    given = np.array([[False, True, True]] * 2)
    np.testing.assert_array_equal(total(STEPS, mask=given), [[5.0], [2.0]])


@pytest.mark.parametrize(
    ("mask", "wanted"),
    [
        (lambda x, mask: mask, [[2.0], [4.0]]),
        (lambda x, mask: x[..., 0] > 1, [[3.0], [4.0]]),
        (np.array([[True, True, True], [True, True, False]]), [[4 / 3], [2.0]]),
    ],
)
def test_the_mask_of_the_output_is_the_one_that_is_given(mask, wanted):
    x = Input((3, 1))
    model = Model(x, GlobalAveragePooling1D()(Lambda(lambda x: x * 1, mask=mask)(Masking()(x))))
    np.testing.assert_allclose(model.predict(STEPS, verbose=0), wanted, rtol=1e-6)


def test_without_one_a_mask_ends_with_a_warning():
    with pytest.warns(UserWarning, match="Lambda passes no mask on"):
        assert Lambda(lambda x: x * 1)(Masking()(Input((3, 1)))).mask is None


@pytest.mark.parametrize("shape", [(2, 3), (None, 3), lambda shape: (shape[0], 2, shape[1])])
def test_an_output_shape_that_is_so_changes_nothing(shape):
    layer = Lambda(lambda x: jnp.stack([x, x], axis=1), output_shape=shape)
    assert layer(Input((3,))).shape == (None, 2, 3)
    assert layer(ROWS).shape == (2, 2, 3)


@pytest.mark.parametrize("shape", [(3, 2), (2,), lambda shape: (*shape, 2)])
def test_an_output_of_another_shape_is_told_when_the_model_is_drawn(shape):
    layer = Lambda(lambda x: jnp.stack([x, x], axis=1), output_shape=shape)
    with pytest.raises(ValueError, match=r"output_shape says .*, but the function makes samples of shape \(2, 3\)"):
        layer(Input((3,)))
