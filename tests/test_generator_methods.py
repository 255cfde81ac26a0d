"""fit_generator and its relatives: Keras 2's names for batches that come one after the other."""

import threading

import numpy as np
import pytest

from epochal.layers import Dense
from epochal.models import Sequential
from epochal.utils import Sequence

X = np.arange(16.0, dtype="float32").reshape(8, 2) / 16
Y = X.sum(1, keepdims=True)


def compiled():
    model = Sequential([Dense(1, input_dim=2, kernel_initializer="ones")])
    model.compile("sgd", "mse", metrics=["mae"])
    return model


def endless():
    while True:
        for at in range(0, 8, 4):
            yield X[at : at + 4], Y[at : at + 4] + 1


class Batches(Sequence):
    threads = frozenset()

    def __len__(self):
        return 4

    def __getitem__(self, index):
        Batches.threads |= {threading.current_thread().name}
        return X[2 * index : 2 * index + 2], Y[2 * index : 2 * index + 2] + 1


def test_a_generator_trains_as_its_batches_do():
    one, other = compiled(), compiled()
    options = {"epochs": 3, "initial_epoch": 1, "verbose": 0}
    history = one.fit_generator(endless(), 2, validation_data=endless(), validation_steps=1, **options)
    expected = other.fit(X, Y + 1, batch_size=4, shuffle=False, **options)
    np.testing.assert_allclose(history.history["loss"], expected.history["loss"])
    assert len(history.history["val_mae"]) == 2
    np.testing.assert_array_equal(one.get_weights()[0], other.get_weights()[0])


def test_a_generator_is_evaluated_and_predicted():
    model = compiled()
    np.testing.assert_allclose(model.evaluate_generator(endless(), steps=2), [1, 1], rtol=1e-6)
    np.testing.assert_allclose(model.predict_generator(endless(), steps=2), Y, rtol=1e-6)
    np.testing.assert_allclose(model.predict_generator(Batches()), Y, rtol=1e-6)


def test_several_workers_read_batches_by_index():
    model, data = compiled(), Batches()
    for workers in (1, 3):
        Batches.threads = frozenset()
        model.fit_generator(data, epochs=1, verbose=0, workers=workers, max_queue_size=4, validation_data=Batches())
        assert any("epochal-worker" in name for name in Batches.threads) == (workers > 1)
    assert (data.workers, data.max_queue_size) == (1, 10)
    model.fit_generator(data, verbose=0, validation_data=(X, Y), workers=2)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"workers": 4}, "workers=4 can't be chosen for a generator: one thread reads it, since a generator can't run"),
        ({"max_queue_size": 2}, "max_queue_size=2 can't be chosen for a generator"),
        ({"use_multiprocessing": True}, "use_multiprocessing=True can't be chosen .* an epochal.utils.Sequence"),
    ],
)
def test_a_generator_is_read_by_one_thread(options, message):
    model = compiled()
    for method in (model.fit_generator, model.evaluate_generator, model.predict_generator):
        with pytest.raises(ValueError, match=message):
            method(endless(), 2, **options)


def test_what_is_missing_or_misspelt_is_named():
    model = compiled()
    with pytest.raises(ValueError, match="batches aren't read by processes here"):
        model.fit_generator(Batches(), use_multiprocessing=True)
    with pytest.raises(ValueError, match="steps_per_epoch"):
        model.fit_generator(endless(), verbose=0)
    with pytest.raises(TypeError, match=r"fit_generator\(\) has no argument 'samples_per_epoch'. Did you mean 'steps_"):
        model.fit_generator(endless(), samples_per_epoch=8)
