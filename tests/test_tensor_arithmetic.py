"""Python's operators between tensors against the same lines on NumPy arrays."""

import re

import jax.numpy as jnp
import numpy as np
import pytest

from epochal.layers import Add, Dense, GlobalAveragePooling1D, Input, Lambda, Masking
from epochal.models import Model, load_model

RNG = np.random.default_rng(0)
FLAT, STEPS = RNG.normal(size=(5, 4)).astype("float32"), RNG.normal(size=(5, 3, 4)).astype("float32")
WEIGHTS, ROW = RNG.normal(size=(4, 2)).astype("float32"), np.array([1.0, 2, 3, 4])

EXPRESSIONS = [
    lambda a, s: (a + s[:, 0]) * 2 - a / 2 + 1,
    lambda a, s: abs(-a) // 0.3 + a % 0.7,
    lambda a, s: 3 - a**2 + 2**a,
    lambda a, s: ROW * a - ROW / (+a + 10),
    lambda a, s: np.float64(0.5) * a + np.float32(2) ** a - np.int64(1),
    lambda a, s: a @ WEIGHTS,
    lambda a, s: np.ones((2, 3), "float32") @ s @ WEIGHTS,
    lambda a, s: s[:, 1:, ::2] * np.ones((1, 1, 2)),
    lambda a, s: s[..., -1] + s[:, np.int64(1), None][..., 0, :3],
    lambda a, s: (a > 0) * a + (a <= -1) + (a > 1) * (a >= 0),
    lambda a, s: sum([a, a, a]) - 2**40,
    lambda a, s: np.add(a, a),
]


def both():
    return Input((4,), name="flat"), Input((3, 4), name="steps")


def test_operators_compute_what_they_do_on_arrays(tmp_path):
    a, s = both()
    model = Model([a, s], [expression(a, s) for expression in EXPRESSIONS])
    made = model.predict([FLAT, STEPS], verbose=0)
    for got, expression in zip(made, EXPRESSIONS, strict=True):
        np.testing.assert_allclose(got, expression(FLAT, STEPS), rtol=1e-4, atol=1e-5)
    model.save(tmp_path / "model.h5")
    for got, again in zip(made, load_model(tmp_path / "model.h5").predict([FLAT, STEPS], verbose=0), strict=True):
        np.testing.assert_array_equal(got, again)


def test_a_jax_array_may_stand_on_the_left():
    a, _ = both()
    np.testing.assert_allclose(Model(a, jnp.ones(4) - a).predict(FLAT, verbose=0), 1 - FLAT)


def test_operations_have_names_but_are_no_layers_and_hold_no_weights(tmp_path):
    a, _ = both()
    hidden = Dense(4, name="hidden")(a)
    model = Model(a, Dense(1, name="top")((a + hidden) * 2 + Add()([a, hidden])))
    assert [layer.name for layer in model.layers] == ["hidden", "add_1", "top"]
    lines = []
    model.summary(print_fn=lines.append)
    assert all(f"{line} " in "".join(lines) for line in ("add (Add)", "multiply (Multiply)", "add_2 (Add)"))
    model.save_weights(tmp_path / "model.weights.h5")
    before = model.get_weights()
    model.set_weights([0 * w for w in before])
    model.load_weights(tmp_path / "model.weights.h5")
    for one, other in zip(before, model.get_weights(), strict=True):
        np.testing.assert_array_equal(one, other)


def test_a_model_with_operators_trains():
    a, _ = both()
    scaled = Dense(1, kernel_initializer="ones")(a) * 2
    model = Model(a, scaled)
    model.compile("sgd", "mse")
    y = np.zeros((5, 1), "float32")
    error = 2 * FLAT.sum(1, keepdims=True)
    model.fit(FLAT, y, batch_size=5, verbose=0)
    np.testing.assert_allclose(model.get_weights()[0], 1 - 0.01 * 4 * FLAT.T @ error / 5, rtol=1e-4)


def test_whole_numbers_stay_whole_and_floats_stay_narrow():
    n, h = Input((2,), "int32"), Input((2,), "bfloat16")
    assert [(n * 2).dtype, (n / 2).dtype, (h * np.ones(2)).dtype, (h > 0).dtype] == [
        "int32",
        "float32",
        "bfloat16",
        "bool",
    ]


def test_an_index_stays_within_its_axis_also_where_it_is_open():
    steps = Input((None, 4))
    model = Model(steps, steps[:, 3])
    with pytest.raises(IndexError, match=r"there is no 3 on an axis of 3: \[:, 3\]"):
        model.predict(STEPS, verbose=0)


def test_an_operation_ends_a_mask_with_a_warning():
    steps = Masking()(Input((3, 4)))
    with pytest.warns(UserWarning, match="TrueDivide passes no mask on"):
        GlobalAveragePooling1D()(steps / 2)


REFUSED = [
    (lambda a, s: a + s, ValueError, "different numbers of axes"),
    (lambda a, s: a + np.ones((5, 4)), ValueError, "would meet their batch axis"),
    (lambda a, s: a + np.ones((3, 1, 4)), ValueError, "would meet their batch axis"),
    (lambda a, s: a + np.ones(3), ValueError, "ncompatible shapes"),
    (lambda a, s: a @ a, ValueError, "add up over the batch axis"),
    (lambda a, s: WEIGHTS.T @ a, ValueError, "tensor @ weights"),
    (lambda a, s: a[0], IndexError, "the first axis of <Input (None, 4) float32> is the batch, which stays whole"),
    (lambda a, s: a[1:], IndexError, "got [1:]"),
    (lambda a, s: a[None], IndexError, "got [None]"),
    (lambda a, s: s[:, 0, 0, 0], IndexError, "has 3 axes"),
    (lambda a, s: s[:, 5], IndexError, "there is no 5 on an axis of 3"),
    (lambda a, s: s[:, [0, 1]], TypeError, "Lambda(lambda x: …)"),
    (lambda a, s: s[:, a], TypeError, "Lambda(lambda x: …)"),
    (lambda a, s: s[:, True], TypeError, "got True"),
    (lambda a, s: a + "1", TypeError, "unsupported operand"),
    (lambda a, s: a * None, TypeError, "unsupported operand"),
    (lambda a, s: a - 2j, TypeError, "unsupported operand"),
    (lambda a, s: a == 0, TypeError, "one and the same"),
    (lambda a, s: np.exp(a), TypeError, "no function of arrays takes it, such as numpy.exp"),
    (lambda a, s: 1 if a > 0 else 0, TypeError, "neither true nor false"),
]


@pytest.mark.parametrize(("make", "error", "message"), REFUSED)
def test_what_arrays_of_a_batch_can_not_do_is_refused(make, error, message):
    with pytest.raises(error, match=re.escape(message)):
        make(*both())


def test_tensors_are_found_in_lists_by_being_the_same():
    a, s = both()
    assert a in [s, a]
    assert a not in [s]
    assert a != s


def test_an_array_too_large_for_a_description_is_refused(tmp_path):
    a = Input((400, 300))
    model = Model(a, a * np.ones((400, 300)))
    with pytest.raises(ValueError, match="'multiply': it is called with an array of 120,000 numbers"):
        model.save(tmp_path / "model.h5")
    model.save_weights(tmp_path / "model.weights.h5")


def test_a_function_among_operators_keeps_a_model_from_a_file_by_name(tmp_path):
    a, _ = both()
    with pytest.raises(ValueError, match="'lambda' is a plain function"):
        Model(a, Lambda(jnp.tanh)(a) + 1).save(tmp_path / "model.h5")
