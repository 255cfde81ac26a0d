"""The helpers of epochal.utils: labels as vectors, norms, a progress bar, batches by index that threads read ahead."""

import threading
import time

import numpy as np
import pytest

import epochal
from epochal.callbacks import BackupAndRestore, Callback, Every
from epochal.layers import Dense
from epochal.models import Sequential
from epochal.utils import Progbar, PyDataset, Sequence, normalize, to_categorical


def test_labels_become_vectors():
    np.testing.assert_array_equal(to_categorical([1, 0, 3]), np.eye(4)[[1, 0, 3]])
    assert to_categorical(np.array([[0], [1]]), 3).tolist() == [[1, 0, 0], [0, 1, 0]]
    assert to_categorical(np.zeros((2, 5), int), 2).shape == (2, 5, 2)
    assert to_categorical(1.0, 2).tolist() == [0, 1]
    assert to_categorical([0]).dtype == np.float32


@pytest.mark.parametrize(
    ("labels", "classes", "message"),
    [
        ([0, 3], 3, "of 3 classes the numbers are 0 to 2; got numbers from 0 to 3"),
        ([-1, 1], None, "of 2 classes the numbers are 0 to 1; got numbers from -1 to 1"),
        ([0.5], None, "classes are whole numbers from 0 on; got an array of float64"),
        (["a"], None, "classes are whole numbers from 0 on; got an array of <U1"),
        ([], None, "there are no labels, so num_classes must be given"),
        ([0], 0, "num_classes must be a whole number of at least 1"),
    ],
)
def test_what_is_no_class_is_refused(labels, classes, message):
    with pytest.raises(ValueError, match=message):
        to_categorical(labels, classes)


def test_rows_get_a_norm_of_one():
    x = np.array([[3.0, -4.0], [0.0, 0.0]])
    np.testing.assert_allclose(normalize(x), [[0.6, -0.8], [0, 0]])
    np.testing.assert_allclose(normalize(x, axis=0, order=1), [[1, -1], [0, 0]])


def test_a_progress_bar_shows_means_and_values_as_they_are(capsys):
    bar = Progbar(4, width=4, stateful_metrics=["lr"], unit_name="page")
    for loss, rate in ((1.0, 0.5), (2.0, 0.25)):
        bar.add(2, [("loss", loss), ("lr", rate)])
    printed = capsys.readouterr().out
    assert printed.startswith("4/4 [====] - ")
    assert printed.endswith("/page - loss: 1.500 - lr: 0.2500\n")


def test_a_progress_bar_without_a_target_ends_where_it_is_told(capsys):
    bar = Progbar(None, verbose=2)
    bar.update(3)
    bar.update(5, [("loss", 1)], finalize=True)
    Progbar(1, verbose=0).update(1)
    assert capsys.readouterr().out.startswith("5/? - ")
    with pytest.raises(ValueError, match="verbose must be 0, 1 or 2; got 3"):
        Progbar(1, verbose=3)


# Batches by index


class Slow(PyDataset):
    """Four batches, of which the earlier ones take longer; knows how many threads read at once."""

    def __init__(self, **options):
        super().__init__(**options)
        self.reading, self.most, self.ends = 0, 0, 0
        self.lock = threading.Lock()

    def __len__(self):
        return 4

    def __getitem__(self, index):
        with self.lock:
            self.reading += 1
            self.most = max(self.most, self.reading)
        time.sleep(0.004 * (4 - index))
        with self.lock:
            self.reading -= 1
        x = np.full((2, 1), index, "float32")
        return x, x

    def on_epoch_end(self):
        self.ends += 1


def linear():
    model = Sequential([Dense(1, input_dim=1, kernel_initializer="ones")])
    model.compile("sgd", "mse")
    return model


@pytest.mark.parametrize(("workers", "ahead", "most"), [(1, 10, 1), (3, 10, 3), (3, 2, 2)])
def test_threads_read_ahead_and_batches_come_in_order(workers, ahead, most):
    data = Slow(workers=workers, max_queue_size=ahead)
    np.testing.assert_array_equal(linear().predict(data)[:, 0], [0, 0, 1, 1, 2, 2, 3, 3])
    assert 1 <= data.most <= most
    linear().fit(data, epochs=2, shuffle=False, verbose=0)
    assert data.ends == 3  # the prediction's too
    assert not [thread for thread in threading.enumerate() if "epochal-worker" in thread.name]


def test_several_threads_read_at_once():
    both = threading.Barrier(2, timeout=60)

    class Waits(Slow):
        def __getitem__(self, index):
            if index in (1, 2):
                both.wait()
            return super().__getitem__(index)

    linear().predict(Waits(workers=2))
    assert not both.broken


@pytest.mark.parametrize("workers", [1, 3])
def test_an_interrupted_run_goes_on_exactly(workers, tmp_path):
    def fit(folder, *callbacks):
        epochal.set_random_seed(0)
        model, backup = linear(), BackupAndRestore(folder, save_freq=1)
        model.fit(Slow(workers=workers), epochs=2, verbose=0, seed=0, callbacks=[backup, *callbacks])
        return model.get_weights()

    with pytest.raises(InterruptedError):
        fit(tmp_path / "parts", Dies())
    for one, other in zip(fit(tmp_path / "parts"), fit(tmp_path / "whole"), strict=True):
        np.testing.assert_array_equal(one, other)


class Dies(Callback):
    cadence = Every(6, "batch")

    def on_train_batch_end(self, batch, logs=None):
        raise InterruptedError

    def state_dict(self):
        return {}


def test_an_error_in_a_worker_is_raised_in_the_place_of_its_batch():
    class Fails(Slow):
        def __getitem__(self, index):
            return super().__getitem__(index) if index < 3 else [][index]

    with pytest.raises(IndexError, match="list index out of range") as caught:
        linear().fit(Fails(workers=3), shuffle=False, verbose=0)
    assert "batch 4 of epoch 1" in str(caught.value.__notes__)


def test_a_subclass_need_not_call_the_constructor():
    class Plain(Sequence):
        def __init__(self, number):
            self.number = number

        def __len__(self):
            return self.number

        def __getitem__(self, index):
            return np.full((2, 1), index)

    data = Plain(3)
    assert (data.num_batches, data.workers, data.max_queue_size) == (3, 1, 10)
    assert len(linear().predict(data)) == 6


def test_a_dataset_that_cannot_be_read_is_refused():
    with pytest.raises(TypeError, match=r"PyDataset gives no batches: write __getitem__\(self, index\)"):
        PyDataset()
    with pytest.raises(TypeError, match="Lengthless doesn't say how many batches there are"):
        type("Lengthless", (PyDataset,), {"__getitem__": Slow.__getitem__})()
    with pytest.raises(ValueError, match="use_multiprocessing=True, and batches aren't read by processes here"):
        Slow(use_multiprocessing=True)
    with pytest.raises(ValueError, match="workers must be a whole number of at least 0; got -1"):
        Slow(workers=-1)
    late = Slow()
    late.use_multiprocessing = True
    with pytest.raises(ValueError, match="set workers=4 for threads"):
        linear().predict(late)


def test_the_seed_is_set_here_too():
    assert epochal.utils.set_random_seed is epochal.set_random_seed
