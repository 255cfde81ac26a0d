"""Gates whose activation looks at all units, and masked last steps; expected values by loops in NumPy."""

import numpy as np
import pytest

from epochal.layers import GRU, LSTM, Bidirectional, Masking, SimpleRNN
from epochal.models import Sequential

X = np.random.default_rng(0).normal(size=(5, 2, 4)).astype("float32")


def soft(x):
    exps = np.exp(x)
    return exps / exps.sum(-1, keepdims=True)


@pytest.mark.parametrize("reset_after", [True, False])
def test_each_gate_of_a_gru_has_a_softmax_of_its_own(reset_after):
    model = Sequential([GRU(3, recurrent_activation="softmax", reset_after=reset_after, input_shape=(2, 4))])
    kernel, recurrent, bias = model.get_weights()
    h = np.zeros((5, 3))
    for t in range(2):
        of_x = np.split(X[:, t] @ kernel + (bias[0] if reset_after else bias), 3, -1)
        of_h = np.split(h @ recurrent + (bias[1] if reset_after else 0), 3, -1)
        z, r = (soft(of_x[n] + of_h[n]) for n in (0, 1))
        inner = r * of_h[2] if reset_after else (r * h) @ recurrent[:, 6:]
        h = z * h + (1 - z) * np.tanh(of_x[2] + inner)
    np.testing.assert_allclose(model.predict(X, verbose=0), h, atol=1e-5)


def test_a_lstm_with_softmax_everywhere():
    model = Sequential([LSTM(3, activation="softmax", recurrent_activation="softmax", input_shape=(2, 4))])
    kernel, recurrent, bias = model.get_weights()
    h = c = np.zeros((5, 3))
    for t in range(2):
        i, f, new, o = map(soft, np.split(X[:, t] @ kernel + bias + h @ recurrent, 4, -1))
        c = f * c + i * new
        h = o * soft(c)
    np.testing.assert_allclose(model.predict(X, verbose=0), h, atol=1e-5)


def test_a_function_of_ones_own_sees_one_gate_at_a_time():
    shapes = []
    gate = lambda x: [shapes.append(x.shape), x - x.mean()][1]
    Sequential([GRU(3, recurrent_activation=gate, input_shape=(2, 4))])
    assert {shape[-1] for shape in shapes} == {3}


@pytest.mark.parametrize("kind", [LSTM, GRU, SimpleRNN])
def test_a_masked_last_step_is_no_zero_in_either_direction(kind):
    x = np.ones((2, 3, 2), "float32")
    x[0, 2], x[1, 0] = 0, 0
    zeroed = Sequential([Masking(input_shape=(None, 2)), Bidirectional(kind(2, zero_output_for_mask=True))])
    kept = Sequential([Masking(input_shape=(None, 2)), Bidirectional(kind(2))])
    kept.set_weights(zeroed.get_weights())
    made = zeroed.predict(x, verbose=0)
    np.testing.assert_array_equal(made, kept.predict(x, verbose=0))
    assert (made != 0).all()
    short = zeroed.predict(x[:, :2], verbose=0)  # without the step that doesn't count
    np.testing.assert_allclose(made[0], short[0], rtol=1e-5)
