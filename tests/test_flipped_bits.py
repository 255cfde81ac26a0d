"""A flipped bit anywhere in a file that epochal wrote: the same model, or an error that names the file."""

import warnings

import numpy as np
import pytest

from epochal.layers import BatchNormalization, Dense, Dropout
from epochal.models import Sequential, load_model

X, Y = np.ones((8, 4), "float32"), np.ones((8, 1), "float32")


def made():
    model = Sequential([Dense(5, input_dim=4), BatchNormalization(), Dropout(0.5), Dense(1)])
    model.compile("adam", "mse")
    return model


@pytest.fixture(scope="module")
def trained():
    model = made()
    model.fit(X, Y, verbose=0)
    return model


def flips(data, number):
    """Yield copies with one flipped bit: anywhere in the file, and in each of the last bytes."""
    random = np.random.default_rng(0)
    for at in [*random.integers(0, len(data), number), *range(len(data) - 24, len(data))]:
        bad = bytearray(data)
        bad[at] ^= 1 << int(random.integers(8))
        yield bytes(bad)


def same(one, other):
    return all(np.array_equal(a, b) for a, b in zip(one, other, strict=True))


@pytest.mark.parametrize("name", ["model.h5", "w.weights.h5", "w.hdf5"])
def test_weights_are_the_same_or_there_is_an_error(tmp_path, trained, name):
    path = tmp_path / name
    (trained.save if name == "model.h5" else trained.save_weights)(path)
    data, other = path.read_bytes(), made()
    for bad in flips(data, 150):
        path.write_bytes(bad)
        try:
            other.load_weights(path)
        except ValueError as error:
            assert name in str(error)  # noqa: PT017
            continue
        assert same(other.get_weights(), trained.get_weights())


def test_a_whole_model_is_the_same_or_there_is_an_error(tmp_path, trained):
    path = tmp_path / "model.h5"
    trained.save(path)
    loaded = 0
    for bad in flips(path.read_bytes(), 60):
        path.write_bytes(bad)
        try:
            other = load_model(path)
        except ValueError as error:
            assert "model.h5" in str(error)  # noqa: PT017
            continue
        loaded += 1
        assert same(other.get_weights(), trained.get_weights())
        assert other.trainee.runtime.optimizer_arrays().keys() == trained.trainee.runtime.optimizer_arrays().keys()
    assert loaded < 10  # only where the flip hides the checksum itself


def test_a_damaged_file_is_told_before_anything_else_of_it_is_read(tmp_path, trained):
    path = tmp_path / "model.h5"
    trained.save(path)
    data = bytearray(path.read_bytes())
    data[0] ^= 1
    path.write_bytes(data)
    for read in (load_model, trained.load_weights):
        with pytest.raises(ValueError, match=r"model\.h5 is damaged: its content isn't what was written"):
            read(path)


def test_a_file_that_was_cut_short_or_had_bytes_put_in_is_no_model(tmp_path, trained):
    path = tmp_path / "w.weights.h5"
    trained.save_weights(path)
    data = path.read_bytes()
    for bad in (data[:1000], data[:-1000], data[:2000] + data[2001:], data[:2000] + b"\0" + data[2000:]):
        path.write_bytes(bad)
        with pytest.raises(ValueError, match=r"w\.weights\.h5"):
            made().load_weights(path)
    for tail in range(1, 20):  # of the checksum only
        path.write_bytes(data[:-tail])
        trained.load_weights(path)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        path.write_bytes(data)
        trained.load_weights(path)
