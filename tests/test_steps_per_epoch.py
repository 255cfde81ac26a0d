"""`steps_per_epoch` smaller than the data: epochs go on through them."""

import numpy as np
import pytest
from interrupted import Fails, Stop
from numpy_engine import Recorder, batches_in, fit

from epochal.callbacks import BackupAndRestore
from epochal.core.run import Validation
from epochal.data.array_data import ArrayData
from epochal.data.inputs import from_batches

X = np.arange(20.0).reshape(10, 2) / 20
Y = np.arange(10.0)


def batches_of(data, epochs):
    """Return the first target of each batch, epoch by epoch."""
    found = []
    for epoch in epochs:
        data.begin(epoch)
        found.append([])
        while data.next_size():
            span = data.span(1)
            found[-1] += [int(y[0]) for _, y, _ in batches_in(span)]
            data.advance(span.count)
        data.end_epoch()
    return found


def arrays(batch_size=2, **options):
    return ArrayData(X, Y, batch_size=batch_size, **options)


class Batches:
    """Five batches, which say how many they are, or don't."""

    def __init__(self, says=True):
        self.begun = 0
        self.__class__ = Batches if says else BatchesOfUnknownLength

    def __len__(self):
        return 5

    def __iter__(self):
        self.begun += 1
        return iter([(X[at : at + 2], Y[at : at + 2]) for at in range(0, 10, 2)])


class BatchesOfUnknownLength(Batches):
    def __len__(self):
        raise TypeError


def stream(source, steps=None, **options):
    return from_batches(source, steps, arrange=lambda *parts: parts, **options)


SOURCES = {
    "arrays": lambda steps: arrays(steps=steps),
    "arrays that are copied": lambda steps: arrays(steps=steps, resident=False),
    "a list": lambda steps: stream(list(Batches()), steps),
    "an iterable": lambda steps: stream(Batches(), steps),
    "one of unknown length": lambda steps: stream(Batches(says=False), steps),
}
each_source = pytest.mark.parametrize("make", SOURCES.values(), ids=SOURCES)


@each_source
@pytest.mark.filterwarnings("ignore:2 steps an epoch don't divide", "ignore:the data ended in the middle")
def test_an_epoch_goes_on_where_the_one_before_stopped_and_ends_with_the_data(make):
    assert batches_of(make(2), range(5)) == [[0, 2], [4, 6], [8], [0, 2], [4, 6]]  # as Keras 3 does
    assert batches_of(make(1), range(6)) == [[0], [2], [4], [6], [8], [0]]
    assert batches_of(make(5), range(2)) == [[0, 2, 4, 6, 8]] * 2


@each_source
def test_an_epoch_that_is_shorter_is_told_once(make):
    data = make(3)
    with pytest.warns(
        UserWarning, match=r"the epoch that meets the end|the data ended in the middle of an epoch"
    ) as told:
        assert batches_of(data, range(4)) == [[0, 2, 4], [6, 8]] * 2
    assert len(told) == 1


@each_source
@pytest.mark.filterwarnings("ignore:the data ended in the middle")  # of unknown length, it is known only then
def test_more_steps_than_there_are_batches_are_told(make):
    with pytest.warns(UserWarning, match=r"an epoch has 5|the data ended in the middle of an epoch, after 5 of its 7"):
        assert batches_of(make(7), range(2)) == [[0, 2, 4, 6, 8]] * 2


@pytest.mark.filterwarnings("ignore:2 steps an epoch don't divide")
@pytest.mark.parametrize("shuffle", [True, "batch"])
def test_a_shuffled_order_goes_on_until_all_samples_were_used(shuffle):
    data = arrays(steps=2, shuffle=shuffle, seed=3)
    whole = arrays(shuffle=shuffle, seed=3)
    passes = [[at for epoch in batches_of(data, range(first, first + 3)) for at in epoch] for first in (0, 3)]
    assert passes == batches_of(whole, (0, 3))


@each_source
def test_a_fit_begins_at_the_datas_start_whatever_its_first_epoch(make):
    with pytest.warns(UserWarning, match="epoch"):
        assert batches_of(make(3), range(4, 7)) == [[0, 2, 4], [6, 8], [0, 2, 4]]


def test_a_pass_is_gone_through_once():
    source = Batches()
    batches_of(stream(source, 1), range(10))
    assert source.begun == 2


def test_an_evaluation_begins_at_the_start_each_time():
    for validation in (arrays(steps=2), stream(list(Batches()), 2, first_epoch=None)):
        history = fit(data=arrays(), epochs=3, model=None, validation=Validation(validation)).history
        assert len(set(history["val_loss"])) == 3  # the weights differ
    data = stream(Batches(), 2, first_epoch=None)
    assert batches_of(data, [0, 0, 0]) == [[0, 2]] * 3


@pytest.mark.filterwarnings("ignore:2 steps an epoch don't divide", "ignore:the data ended in the middle")
@each_source
@pytest.mark.parametrize("save_freq", [1, "epoch"])
def test_a_run_goes_on_in_the_middle_of_a_pass(make, save_freq, tmp_path):
    def train(folder, *fails):
        recorder = Recorder()
        data = make(2)
        if isinstance(data, ArrayData):
            data = arrays(steps=2, shuffle=True, seed=1, resident=data._resident)
        try:
            return fit([BackupAndRestore(folder, save_freq), recorder, *fails], 6, data=data, initial_epoch=1).history
        except Stop:
            return None

    whole = train(tmp_path / "whole")
    for at in range(1, 9):
        assert train(tmp_path / str(at), Fails(at)) is None
        assert train(tmp_path / str(at)) == whole
