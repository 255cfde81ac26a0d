"""Numbers beyond 32 bits keep their value where the model takes floats, and are refused where it doesn't."""

import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from epochal.data.wide import has_32_bits
from epochal.layers import Dense, Embedding, Flatten, Input
from epochal.models import Model, Sequential

BIG = 5_000_000_000


def linear(loss="mae"):
    model = Sequential([Dense(1, input_dim=1, kernel_initializer="ones")])
    model.compile("sgd", loss, metrics=["mae"])
    return model


@pytest.mark.parametrize(
    "x",
    [
        np.array([[BIG], [1]]),
        np.array([[2**63 - 1], [-(2**63)]]),
        np.array([[2**64 - 1], [0]], np.uint64),
        np.array([[2**32 - 1], [7]], np.uint32),
        np.array([[True], [False]]),
        np.array([[1.5], [65504]], np.float16),
        np.array([[1e38], [-1e-3]]),
    ],
    ids=lambda x: x.dtype.name,
)
def test_inputs_keep_their_value(x):
    model = linear()
    for given in (x, [(x,)]):
        assert model.predict(given)[:, 0] == pytest.approx(x[:, 0].astype("f8"), rel=1e-6)


def test_targets_and_weights_keep_their_value():
    model = linear()
    model.set_weights([np.zeros((1, 1)), np.array([3e9])])
    x, y = np.zeros((2, 1)), np.full(2, 3_000_000_000)
    assert model.evaluate(x, y, verbose=0) == model.evaluate([(x, y)], verbose=0) == [0.0, 0.0]
    assert model.test_on_batch(x, y + 2**33) == pytest.approx([2**33] * 2)
    assert model.evaluate(x, y + 1000, sample_weight=np.array([2**33, 0]), verbose=0)[0] == pytest.approx(2**32 * 1024)


def embedder():
    model = Sequential([Embedding(10, 2, input_length=1), Flatten(), Dense(1)])
    model.compile("sgd", "mse")
    return model


@pytest.mark.parametrize(
    ("ids", "message"),
    [
        (np.array([[BIG]]), "x has integers beyond 32 bits, such as 5000000000, which would be cut"),
        (np.array([[2**32 - 1]], np.uint32), "x has integers beyond 32 bits, such as 4294967295"),
        (np.array([[-(2**63)]]), "such as -9223372036854775808"),
        (np.array([[1.5]]), "x leads to an embedding only, so it must hold whole numbers"),
        (np.array([[5e9]]), "x leads to an embedding only"),
    ],
)
def test_ids_that_would_be_cut_are_refused(ids, message):
    model = embedder()
    for call in (model.predict, lambda x: model.fit(x, np.ones(1), verbose=0)):
        with pytest.raises(ValueError, match=message):
            call(ids)
    assert model.predict(np.array([[3.0]])).shape == (1, 1)


class Own(nnx.Module):
    def __call__(self, x):
        return x.astype(jnp.float32)


def test_what_a_module_of_ones_own_takes_as_it_comes_is_refused():
    assert Model(Own()).predict(np.array([[7]]))[0, 0] == 7
    with pytest.raises(ValueError, match="x has integers beyond 32 bits"):
        Model(Own()).predict(np.array([[BIG]]))


def test_class_numbers_of_an_own_loss_are_refused():
    model = Sequential([Dense(3, input_dim=1)])
    model.compile("sgd", lambda y, p: p.mean())
    with pytest.raises(ValueError, match="y has integers beyond 32 bits"):
        model.fit(np.ones((2, 1)), np.array([1, BIG]), verbose=0)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((np.array([[1e300]]), np.ones(1)), r"x has numbers of size 1e\+300, beyond float32"),
        ((np.ones((1, 1)), np.array([-1e39])), r"y has numbers of size 1e\+39, beyond float32"),
        ((np.ones((1, 1)), np.ones(1), np.array([1e300])), "sample_weight has numbers of size"),
        ((np.array([[1 + 2j]]), np.ones(1)), "x must hold real numbers; got dtype complex128"),
    ],
)
def test_what_floats_of_32_bits_cant_hold_is_refused(arguments, message):
    x, y, *weight = arguments
    with pytest.raises(ValueError, match=message):
        linear().fit(x, y, sample_weight=weight[0] if weight else None, verbose=0)


def test_infinity_and_nan_are_numbers():
    assert linear().predict(np.array([[np.inf], [1.0]]))[:, 0].tolist() == [np.inf, 1.0]
    assert np.isnan(linear().predict(np.array([[np.nan], [1.0]]))[0, 0])


def test_integers_of_a_file_in_memory_are_looked_at_when_they_are_read(tmp_path):
    rows = np.memmap(tmp_path / "x", np.int64, "w+", shape=(4, 1))
    assert linear().predict(rows).shape == (4, 1)
    rows[2] = BIG
    model = linear()
    for call in (model.predict, lambda x: model.fit(x, np.ones(4), verbose=0)):
        with pytest.raises(ValueError, match="integers beyond 32 bits, such as 5000000000"):
            call(rows)


@pytest.mark.parametrize(
    ("value", "dtype", "signed", "fits"),
    [
        (2**31 - 1, "i8", True, True),
        (2**31, "i8", False, False),
        (-(2**31), "i8", False, True),
        (-(2**31) - 1, "i8", False, False),
        (2**32 - 1, "u8", False, True),
        (2**32, "u8", False, False),
        (2**31, "u4", True, False),
        (2**31, "u4", False, True),
        (255, "u1", True, True),
    ],
)
def test_what_32_bits_hold(value, dtype, signed, fits):
    assert has_32_bits(np.array([value], dtype), signed) is fits


def test_several_inputs_each_by_what_it_leads_to():
    ids, ms = Input((1,), name="ids", dtype="int32"), Input((1,), name="ms")
    model = Model([ids, ms], [Embedding(4, 1)(ids), Dense(1, kernel_initializer="ones")(ms)])
    assert model.predict({"ids": np.array([[1]]), "ms": np.array([[BIG]])})[1][0, 0] == BIG
    with pytest.raises(ValueError, match="integers beyond 32 bits"):
        model.predict({"ids": np.array([[BIG]]), "ms": np.array([[1]])})
