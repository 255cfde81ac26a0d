"""Errors about data show the code that mends them, and that code, typed as it stands, does."""

import datetime
import re
import warnings

import numpy as np
import pytest

from epochal.data import advice
from epochal.data.nests import as_array
from epochal.layers import LSTM, Activation, Conv2D, Dense, Flatten
from epochal.models import Sequential

X = np.random.default_rng(0).normal(size=(8, 4)).astype(np.float32)


def objects(items):
    made = np.empty(len(items), object)
    made[:] = items
    return made


class Sparse:
    """What a sparse matrix of SciPy is to NumPy."""

    nnz = 3

    def toarray(self):
        return X


class Table:
    """What a table of pandas is to NumPy."""

    def __init__(self, *columns):
        self._columns = [np.asarray(column) for column in columns]
        self.columns = [chr(ord("a") + at) for at in range(len(columns))]
        self.dtypes = [column.dtype for column in self._columns]
        self.ndim = 2

    def __array__(self, dtype=None, copy=None):
        return np.stack([column.astype(object) for column in self._columns], axis=-1)

    def astype(self, dtype):
        return self.__array__().astype(dtype)


ARRAYS = {
    "arrays": (objects([np.ones(4)] * 8), "np.stack(x)", (8, 4)),
    "lists": (objects([[1.0, 2.0]] * 8), "np.stack(x)", (8, 2)),
    "numbers as objects": (X.astype(object), "np.asarray(x, 'float32')", (8, 4)),
    "numbers as text": (X.astype(str), "np.asarray(x, 'float32')", (8, 4)),
    "numbers as text, in a list": (["1", "2.5"], "np.asarray(x, 'float32')", (2,)),
    "labels": (np.array(["cat", "dog"] * 4), "names, x = np.unique(x, return_inverse=True)", (8,)),
    "labels in a list": (["cat", "dog"], "names, x = np.unique(x, return_inverse=True)", (2,)),
    "bytes": (np.array([b"cat", b"dog"]), "names, x = np.unique(x, return_inverse=True)", (2,)),
    "labels as objects": (objects(["cat", 3]), "np.unique(np.asarray(x, str), return_inverse=True)[1]", (2,)),
    "a table of text": (np.array([["a", "b"]] * 8), "np.unique(x, return_inverse=True)[1].reshape((8, 2))", (8, 2)),
    "dates": (np.array(["2020-01-01", "2021-01-01"], "M8[D]"), "(x - x.min()) / np.timedelta64(1, 'D')", (2,)),
    "dates in a list": (
        [np.datetime64("2020-01-01"), np.datetime64("2021-01-01")],
        "(np.asarray(x) - np.asarray(x).min()) / np.timedelta64(1, 'D')",
        (2,),
    ),
    "durations": (np.arange(8).astype("m8[s]"), "x / np.timedelta64(1, 's')", (8,)),
    "moments": (
        [datetime.datetime(2020, 1, 1), datetime.datetime(2021, 1, 1)],
        "np.array([moment.timestamp() for moment in x])",
        (2,),
    ),
    "records": (
        np.zeros(8, [("a", "f4"), ("b", "i4")]),
        "np.stack([x[field] for field in x.dtype.names], axis=-1)",
        (8, 2),
    ),
    "a sparse matrix": (Sparse(), "x.toarray()", (8, 4)),
    "rows of different lengths": (
        [[1, 2, 3], [4], []],
        "x = np.array([[*row, *[0] * (3 - len(row))] for row in x])",
        (3, 3),
    ),
    "a masked array": (np.ma.masked_array(X, X > 1), "x.filled(0)", (8, 4)),
    "columns of several kinds": (Table(X[:, 0], X[:, 1] > 0), "x.astype('float32')", (8, 2)),
}


@pytest.mark.parametrize("case", ARRAYS)
def test_the_code_in_an_error_makes_an_array_of_numbers(case):
    given, code, shape = ARRAYS[case]
    with pytest.raises(ValueError, match=re.escape(code)):
        as_array(given, "x")
    names = {"np": np, "x": given}
    if re.search(r"\bx = ", code):
        exec(code, names)
    else:
        names["x"] = eval(code, names)
    assert as_array(names["x"], "x").shape == shape


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({1.0, 2.0}, "x is a set, which has no order: pass a list or an array"),
        ("data.csv", r"x is the text 'data\.csv': read the file"),
        (iter([X]), r"x is an iterator .*: let it give batches, each \(x, y\), and pass it as x, without y"),
        (objects([1.0, None, None]), "2 of its values are None: fill them, or leave these samples out"),
        (objects([np.ones(3), np.ones(4)]), r"arrays of different shapes, such as \(3,\) and \(4,\): pad them"),
        (objects([1.0, object]), r"It holds <class 'object'> \(type\), of which no number can be made"),
        (
            Table(X[:, 0], ["u"] * 8),
            r"its columns b hold something else\. Leave them out, x\.select_dtypes\('number'\)",
        ),
        (Table(*[["u"] * 8] * 5), r"its columns a, b, c, d, e hold something else"),
        (Table(*[["u"] * 8] * 6), r"its columns a, b, c, d, e, … hold something else"),
        (object(), "x must be an array of samples; got one object"),
    ],
)
def test_where_no_line_of_code_is_right_words_say_what_to_do(given, words):
    with pytest.raises(ValueError, match=words):
        as_array(given, "x")


def test_a_masked_array_without_masked_values_is_an_array():
    np.testing.assert_array_equal(as_array(np.ma.masked_array(X), "x"), X)


def test_part_of_a_nest_is_called_by_its_name():
    with pytest.raises(ValueError, match=r"names, y = np\.unique\(y, return_inverse=True\)"):
        compiled(Dense(1, input_dim=4)).fit(X, ["a", "b"] * 4, verbose=0)
    with pytest.raises(ValueError, match=r"np\.stack\(x\['left'\]\)"):
        compiled(Dense(1, input_dim=4)).fit({"left": objects([np.ones(4)] * 8)}, X[:, :1], verbose=0)


# Shapes


@pytest.mark.parametrize(
    ("shape", "wanted", "code"),
    [
        ((8, 5, 5), (None, 5, 5, 1), "x[..., None]"),
        ((5, 5, 1), (None, 5, 5, 1), "x[None]"),
        ((5, 5), (None, 5, 5, 1), "x[None, ..., None]"),
        ((4,), (None, 4), "x[None]"),
        ((8,), (None, 1), "x[..., None]"),
        ((8, 4), (None, 4, 1), "x[..., None]"),
        ((8, 4, 1), (None, 4), "x.squeeze(2)"),
        ((8, 1, 4), (None, 4), "x.squeeze(1)"),
        ((8, 3, 5, 6), (None, 5, 6, 3), "np.moveaxis(x, 1, -1)"),
        ((4, 8), (None, 4), "x.T"),
        ((8, 5, 5), (None, 25), "x.reshape(-1, 25)"),
        ((8, 25), (None, 5, 5, 1), "x.reshape(-1, 5, 5, 1)"),
        ((8, 5, 5), (None, None, None, 1), "x[..., None]"),
    ],
)
def test_the_code_that_brings_data_into_shape_does(shape, wanted, code):
    said = advice.reshaping(shape, wanted, "x")
    assert said.endswith(f": {code}.")
    made = eval(code, {"np": np, "x": np.zeros(shape)}).shape
    assert len(made) == len(wanted)
    assert all(b in (None, a) for a, b in zip(made, wanted, strict=True))


def test_where_nothing_simple_brings_them_into_shape_nothing_is_said():
    assert advice.reshaping((8, 3), (None, 4), "x") == ""
    assert advice.reshaping((), (None, 4), "x") == ""


def compiled(*layers, loss="mse"):
    model = Sequential(list(layers))
    model.compile("sgd", loss)
    return model


def test_images_without_channels_and_single_samples_are_told_how():
    images = np.zeros((8, 5, 5), np.float32)
    model = compiled(Conv2D(1, 3, input_shape=(5, 5, 1)), Flatten(), Dense(1))
    with pytest.raises(ValueError, match=r"got x of shape \(8, 5, 5\)\. .*: x\[\.\.\., None\]\.(\n|$)"):
        model.fit(images, X[:, :1], verbose=0)
    with pytest.raises(ValueError, match=r"got x of shape \(5, 5, 1\)\. A single sample .*: x\[None\]\.(\n|$)"):
        model.predict(images[0][..., None])
    model.fit(images[..., None], X[:, :1], verbose=0)
    assert model.predict(images[0][..., None][None]).shape == (1, 1)


@pytest.mark.parametrize(
    ("layer", "data", "words"),
    [
        (lambda: Conv2D(1, 3), np.zeros((8, 5, 5)), r"takes \(height, width, channels\).*x\[\.\.\., None\] adds"),
        (lambda: LSTM(2), np.zeros((8, 4)), r"takes \(steps, features\); got .* x\[\.\.\., None\] adds a last axis"),
        (lambda: Dense(2), np.zeros(8), r"Of one number a sample make x\[\.\.\., None\], of a single sample x\[None\]"),
    ],
)
def test_a_model_that_waits_for_data_says_what_its_first_layer_lacks(layer, data, words):
    with pytest.raises(ValueError, match=words):
        compiled(layer()).predict(data)


# Labels and losses


def test_labels_that_need_a_flatten_are_told_so():
    images, labels = np.zeros((8, 5, 5), np.float32), np.arange(8) % 3
    model = compiled(Dense(3, "softmax", input_shape=(5, 5)), loss="sparse_categorical_crossentropy")
    with pytest.raises(
        ValueError, match=r"needs class numbers of shape \(n, 5\).*put Flatten\(\) before the last Dense"
    ):
        model.fit(images, labels, verbose=0)
    model = compiled(LSTM(2, return_sequences=True, input_shape=(5, 5)), Dense(1))
    with pytest.raises(ValueError, match="leave out return_sequences=True"):
        model.fit(images, X[:, :1], verbose=0)
    mended = compiled(Flatten(input_shape=(5, 5)), Dense(3, "softmax"), loss="sparse_categorical_crossentropy")
    mended.fit(images, labels, verbose=0)


@pytest.mark.parametrize(
    ("loss", "labels", "words"),
    [
        ("categorical_crossentropy", np.eye(4)[np.arange(8) % 4], "the last layer needs 4 units"),
        ("sparse_categorical_crossentropy", np.arange(8) % 5, "for labels up to 4 the last layer needs 5 units"),
        ("sparse_categorical_crossentropy", np.arange(8) % 3 + 1, "they count from 1, so pass y - 1"),
        ("sparse_categorical_crossentropy", np.arange(8) % 3 - 1, r"np\.unique\(y, return_inverse=True\)\[1\]"),
    ],
)
def test_labels_that_the_output_has_no_place_for_are_told_what_to_do(loss, labels, words):
    with pytest.raises(ValueError, match=words):
        compiled(Dense(3, "softmax", input_dim=4), loss=loss).fit(X, labels, verbose=0)


@pytest.mark.parametrize(
    ("units", "activation", "loss", "words"),
    [
        (1, "softmax", "mse", "a softmax over one unit is always 1; use activation='sigmoid'"),
        (1, "softmax", "binary_crossentropy", "a softmax over one unit is always 1"),
        (3, "sigmoid", "categorical_crossentropy", "sum to 1, those of a sigmoid don't; use activation='softmax'"),
        (3, None, "sparse_categorical_crossentropy", "use activation='softmax' in the last layer, or from_logits=True"),
        (1, "relu", "binary_crossentropy", "use activation='sigmoid' in the last layer, or from_logits=True"),
    ],
)
def test_an_activation_that_does_not_go_with_the_loss_is_warned_of(units, activation, loss, words):
    with pytest.warns(UserWarning, match=f"^dense: .*{words}"):
        compiled(Dense(units, activation, input_dim=4), loss=loss)


def test_probabilities_where_logits_are_expected_are_warned_of():
    from epochal.losses import BinaryCrossentropy

    with pytest.warns(UserWarning, match=r"^activation: with from_logits=True .* before a sigmoid; leave out one"):
        compiled(Dense(1, input_dim=4), Activation("sigmoid"), loss=BinaryCrossentropy(from_logits=True))


@pytest.mark.parametrize(
    ("units", "activation", "loss"),
    [
        (1, "sigmoid", "binary_crossentropy"),
        (3, "softmax", "categorical_crossentropy"),
        (3, "softmax", "sparse_categorical_crossentropy"),
        (3, "sigmoid", "binary_crossentropy"),
        (1, None, "mse"),
        (3, "softmax", "kl_divergence"),
        (3, lambda x: x, "categorical_crossentropy"),
    ],
)
def test_what_goes_together_is_not_remarked_on(units, activation, loss):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        compiled(Dense(units, activation, input_dim=4), loss=loss)
