"""In which dtype inputs reach the layers: that of the `Input`, whatever the data are."""

import numpy as np
import pytest

from epochal.layers import Add, Average, Dense, Embedding, Flatten, GlobalAveragePooling1D, Input, Lambda
from epochal.models import Model, Sequential

BYTES = np.array([[109, 94, 60, 126], [51, 71, 249, 48]], "uint8")


@pytest.mark.parametrize("merge", [Add, Average])
def test_small_integers_do_not_wrap(merge):
    given = Input((4,))
    model = Model(given, merge()([given, given, given]))
    wanted = BYTES.astype("float32") * (3 if merge is Add else 1)
    np.testing.assert_allclose(model.predict(BYTES), wanted, rtol=1e-6)
    np.testing.assert_allclose(model(BYTES), wanted, rtol=1e-6)


def test_a_function_gets_the_dtype_that_its_input_says():
    model = Sequential([Input((4,)), Lambda(lambda t: (t - 128) / 64)])
    np.testing.assert_allclose(model.predict(BYTES), (BYTES.astype("float32") - 128) / 64)


def test_small_floats_are_computed_in_the_inputs_dtype():
    given = Input((3_000,))
    model = Model(given, Lambda(lambda t: t.sum(1, keepdims=True))(given))
    assert model.predict(np.full((1, 3_000), 100, "float16")).item() == 300_000


def test_the_dtype_of_the_first_data_does_not_stay():
    model = Sequential([Flatten(), Dense(1)])
    model.predict(BYTES)
    halves = model.predict(BYTES / 255)
    assert np.abs(halves - (BYTES / 255) @ model.get_weights()[0]).max() < 1e-5


@pytest.mark.parametrize("declared", ["float32", "int32"])
def test_numbers_of_words_stay_whole_in_bfloat16(declared):
    words = np.array([[257, 513, 999]], "float32")  # bfloat16 would make 256, 512 and 1000 of them
    given = Input((3,), declared)
    model = Model(given, Embedding(1_000, 2, embeddings_initializer="zeros")(given))
    model.compile("sgd", "mse", dtype="bfloat16")
    model.fit(words, np.ones((1, 3, 2)), verbose=0)
    assert np.flatnonzero(model.get_weights()[0][:, 0]).tolist() == [257, 513, 999]


def test_numbers_of_words_stay_whole_also_on_their_way_into_a_nested_model():
    start, given = Input((2,)), Input((2,))
    inner = Model(start, Embedding(1_000, 2)(start))
    model = Model(given, inner(given))
    rows = model.get_weights()[0][[301, 999]]
    model.compile("sgd", "mse", dtype="bfloat16")
    np.testing.assert_allclose(model.predict(np.array([[301, 999]], "int32"))[0], rows, rtol=0.01)


def test_bfloat16_is_what_predict_computes_in_before_and_after_the_first_fit():
    model = Sequential([Input((4,)), Dense(3)])
    model.compile("sgd", "mse", dtype="bfloat16")
    x = np.random.default_rng(0).normal(size=(5, 4)).astype("float32")
    before = model.predict(x)
    model.evaluate(x, np.zeros((5, 3)), verbose=0)
    np.testing.assert_array_equal(model.predict(x), before)


@pytest.mark.parametrize("dtype", [">f4", ">f8", ">i2", "<f4", "longdouble"])
def test_numbers_of_any_byte_order_are_taken(dtype, tmp_path):
    x = np.arange(48).reshape(12, 4).astype(dtype)
    np.save(tmp_path / "x.npy", x)
    model = Sequential([Input((4,)), Dense(1)])
    wanted = model.predict(x.astype("float32"))
    np.testing.assert_array_equal(model.predict(x), wanted)
    np.testing.assert_array_equal(model.predict(np.load(tmp_path / "x.npy", mmap_mode="r"), batch_size=5), wanted)
    np.testing.assert_array_equal(model.predict([(x[:6],), (x[6:],)]), wanted)


def test_sequences_of_words_keep_their_integers_through_a_plain_function():
    model = Sequential([lambda ids: ids.astype("float32")[..., None] / 2, GlobalAveragePooling1D()])
    assert model.predict(np.array([[1, 2, 3]], "int32")).tolist() == [[1.0]]
