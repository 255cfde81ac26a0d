"""Memory for copies comes back when nobody has it any more, and not before."""

import gc
import weakref

import jax
import numpy as np
import pytest

from epochal.data.batches import HostArrays
from epochal.data.memory import PIECES, SMALL, Memory
from epochal.layers import Dense, Input
from epochal.models import Model, Sequential

LARGE = 3 * SMALL


def address(array):
    return array.ctypes.data


def test_a_piece_is_used_again_when_its_last_view_is_gone():
    memory = Memory()
    piece = memory.take(LARGE)
    view, at = piece.view("float32")[5:].reshape(-1, 1), address(piece)
    del piece
    other = memory.take(LARGE)
    assert address(other) != at
    del view
    assert address(memory.take(LARGE - 100)) == at


def test_a_device_that_uses_a_piece_keeps_it():
    memory = Memory()
    array = memory.take(LARGE).view("float32")
    array[:] = 1
    on_device, at = jax.device_put(array), address(array)
    del array
    others = [memory.take(LARGE) for _ in range(PIECES)]
    assert at not in map(address, others)
    for other in others:
        other[:] = 2
    assert on_device.sum() == on_device.size


def test_a_piece_is_there_even_if_none_comes_back():
    memory = Memory()
    held = [memory.take(LARGE) for _ in range(PIECES + 2)]
    assert len(set(map(address, held))) == PIECES + 2


@pytest.mark.parametrize("size", [0, 1, 1000, SMALL, SMALL + 1])
def test_pieces_of_any_size_begin_where_a_device_can_use_them(size):
    piece = Memory().take(size)
    assert piece.size == size
    assert address(piece) % 64 == 0


# In a model


@pytest.fixture
def mapped(tmp_path):
    """Return samples in a file that is larger than what a fit may hold of it: 24 MB, and the samples themselves."""
    x = np.random.default_rng(0).normal(size=(6_000, 1_000)).astype("float32")
    np.save(tmp_path / "x.npy", x)
    return np.load(tmp_path / "x.npy", mmap_mode="r"), x


@pytest.mark.parametrize("shuffle", [True, False, "batch"])
def test_a_file_larger_than_the_budget_trains_as_arrays_do(mapped, shuffle):
    x, held = mapped
    y = held[:, :2] * 2

    def trained(x):
        model = Sequential([Input((1_000,)), Dense(2, kernel_initializer="zeros")])
        model.compile("sgd", "mse")
        losses = model.fit(x, y, batch_size=128, epochs=2, shuffle=shuffle, seed=3, verbose=0).history["loss"]
        return losses, model.get_weights()[0]

    (losses, weights), (wanted_losses, wanted) = trained(x), trained(held)
    assert losses == wanted_losses
    np.testing.assert_array_equal(weights, wanted)


def test_what_a_model_passes_through_is_not_overwritten_by_later_batches(mapped):
    x, held = mapped
    given = Input((1_000,))
    model = Model(given, given)
    np.testing.assert_array_equal(model.predict(x, batch_size=500), held)
    np.testing.assert_array_equal(model.predict([(x[at : at + 500],) for at in range(0, 6_000, 500)]), held)


class ByIndex:
    """Batches by index, which a fit shuffles."""

    def __len__(self):
        return 5

    def __getitem__(self, index):
        return np.ones((4, 3)), np.ones((4, 1))

    def on_epoch_end(self):
        pass


@pytest.mark.parametrize("kind", ["arrays", "list", "by index", "batch"])
def test_the_data_of_a_fit_are_gone_when_it_is_over(monkeypatch, kind):
    held = []
    init = HostArrays.__init__

    def remember(self, arrays):
        init(self, arrays)
        held.append(weakref.ref(self))

    monkeypatch.setattr(HostArrays, "__init__", remember)
    model, batch = Sequential([Dense(1, input_dim=3)]), (np.ones((20, 3)), np.ones((20, 1)))
    model.compile("sgd", "mse")
    gc.collect()
    gc.disable()
    try:
        if kind == "batch":
            model.train_on_batch(*batch)
        else:
            data = {"arrays": batch, "list": ([batch],), "by index": (ByIndex(),)}[kind]
            model.fit(*data, verbose=0, validation_data=batch)
            model.evaluate(*data, verbose=0)
        assert held
        assert [arrays for arrays in held if arrays() is not None] == []
    finally:
        gc.enable()
