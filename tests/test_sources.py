"""What sources of batches are told and asked for, and what is wrong with some."""

import functools
import sys
import types

import numpy as np
import pytest
from numpy_engine import fit
from test_steps_per_epoch import batches_of, stream

from epochal.callbacks import Callback, LambdaCallback
from epochal.core.run import Validation
from epochal.layers import Dense, Input
from epochal.models import Sequential

X = np.arange(24.0).reshape(12, 2) / 24
Y = np.arange(12.0)


def batch(number):
    return X[2 * number : 2 * number + 2], Y[2 * number : 2 * number + 2]


class Told:
    """Keeps what it is told and asked for."""

    def __init__(self):
        self.calls = []

    def __iter__(self):
        self.calls.append("iter")
        return (self.calls.append(number) or batch(number) for number in range(2))


class Indexed(Told):
    """As Keras's datasets: batches by index, told when epochs begin and end."""

    __iter__ = None

    def __len__(self):
        return 3

    def __getitem__(self, at):
        self.calls.append(at)
        return batch(at)

    def on_epoch_begin(self):
        self.calls.append("begin")

    def on_epoch_end(self):
        self.calls.append("end")


del Indexed.__iter__


@functools.cache
def linear():
    """Return a model, always the same one."""
    model = Sequential([Input((2,)), Dense(1)])
    model.compile("sgd", "mse")
    return model


def train(source, **options):
    return linear().fit(source, verbose=0, **options).history["loss"]


# By index


def test_batches_by_index_come_in_their_order_or_shuffled_by_the_seed():
    class Numbered:
        def __len__(self):
            return 6

        def __getitem__(self, at):
            return batch(at)

    assert batches_of(stream(Numbered()), range(2)) == [[0, 2, 4, 6, 8, 10]] * 2
    orders = batches_of(stream(Numbered(), shuffle=True, seed=1), range(2))
    assert all(sorted(order) == [0, 2, 4, 6, 8, 10] for order in orders)
    assert orders[0] != orders[1]
    assert batches_of(stream(Numbered(), shuffle=True, seed=1), range(2)) == orders
    assert batches_of(stream(Numbered(), 2, shuffle=True, seed=1), range(3)) == [
        orders[0][at : at + 2] for at in (0, 2, 4)
    ]


def test_an_indexed_source_is_told_when_epochs_begin_and_end():
    source = Indexed()
    train(source, epochs=2, shuffle=False)
    told = ["begin", 0, 1, 2, "end"]
    assert source.calls == [0, *told, *told]  # the first for the shapes


def test_so_it_is_if_it_can_be_iterated_over_too():
    source = type("Dataset", (Indexed,), {"__iter__": lambda self: 1 / 0})()
    train(source, epochs=1, shuffle=False)
    assert source.calls[-5:] == ["begin", 0, 1, 2, "end"]


def test_an_epoch_that_a_callback_ends_early_has_no_end_for_the_source():
    source = Indexed()
    stops = LambdaCallback(on_batch_end=lambda batch, logs: setattr(linear(), "stop_training", batch == 1))
    train(source, epochs=2, callbacks=[stops])
    assert "end" not in source.calls


def test_a_dataset_without_an_end_needs_steps():
    class Endless(Indexed):
        num_batches = None

        def __getitem__(self, at):
            return batch(at % 6)

    assert batches_of(stream(Endless(), 4), range(2)) == [[0, 2, 4, 6], [8, 10, 0, 2]]


def test_an_error_at_the_end_of_an_epoch_says_whose_it_is():
    source = Indexed()
    source.on_epoch_end = lambda: 1 / 0
    with pytest.raises(ZeroDivisionError) as caught:
        train(source)
    assert caught.value.__notes__[0] == "This was raised by on_epoch_end of Indexed."


def test_a_model_counts_for_how_long_it_has_waited_for_batches_and_arrays_are_there_at_once():
    before = linear().data_wait
    linear().fit(X, Y, verbose=0)
    assert linear().data_wait == before
    train(Told())
    assert linear().data_wait > before


# The epoch's number


def test_the_source_its_samplers_and_its_dataset_are_told_the_epochs_number():
    told = []

    class Part:
        def __init__(self, name):
            self.set_epoch = lambda epoch: told.append((name, epoch))

    source = Told()
    source.set_epoch = Part("source").set_epoch
    source.sampler = Part("sampler")
    source.batch_sampler = Part("batch sampler")
    source.batch_sampler.sampler = source.sampler
    source.dataset = Part("dataset")
    train(source, initial_epoch=3, epochs=5)
    names = ["source", "sampler", "batch sampler", "dataset"]
    assert told == [(name, epoch) for epoch in (3, 4) for name in names]


def test_in_the_middle_of_a_pass_it_is_told_too_and_validation_is_not():
    class Counts(Told):
        def set_epoch(self, epoch):
            self.calls.append(f"epoch {epoch}")

    source, other = Counts(), Counts()
    train(source, steps_per_epoch=1, epochs=2, validation_data=other)
    assert source.calls == ["epoch 0", "iter", 0, "epoch 1", 1]
    assert "epoch 0" not in other.calls


# What is read to learn the shapes


def test_what_is_read_to_learn_the_shapes_is_used():
    source = Told()
    train(source, epochs=2)
    assert source.calls == ["iter", 0, 1] * 2


@pytest.mark.parametrize("hook", ["on_train_begin", "on_epoch_begin"])
def test_what_callbacks_write_to_a_source_comes_before_its_first_batch(hook):
    class Scaled(Told):
        scale = 0.0

        def __iter__(self):
            return ((x, y * self.scale) for x, y in [batch(5)] * 2)

    source = Scaled()
    scales = LambdaCallback(**{hook: lambda *arguments: setattr(source, "scale", 100.0)})
    linear().set_weights([np.zeros((2, 1)), np.zeros(1)])
    assert train(source, callbacks=[scales])[0] > 10_000


def test_so_does_an_array_that_they_put_in_the_place_of_another():
    class Ordered:
        def __init__(self):
            self.order = np.array([0, 0])

        def __iter__(self):
            return map(batch, self.order)

    source = Ordered()
    orders = LambdaCallback(on_epoch_begin=lambda epoch, logs: setattr(source, "order", np.array([5, 5])))
    linear().set_weights([np.zeros((2, 1)), np.zeros(1)])
    assert train(source, callbacks=[orders])[0] > 50


def test_so_does_a_seed_that_they_set():
    class Shuffled:
        def __iter__(self):
            self.order = np.random.permutation(6).tolist()
            return map(batch, self.order)

    source = Shuffled()
    train(source, callbacks=[LambdaCallback(on_train_begin=lambda logs: np.random.seed(7))])
    np.random.seed(7)
    assert source.order == np.random.permutation(6).tolist()


def test_learning_the_shapes_draws_nothing_from_the_global_generators():
    class Draws(Callback):
        def on_train_begin(self, logs=None):
            self.drawn = np.random.random()

    class Shuffled:
        def __iter__(self):
            return map(batch, np.random.permutation(6))

    np.random.seed(3)
    train(Shuffled(), callbacks=[draws := Draws()], validation_data=Shuffled())
    np.random.seed(3)
    assert draws.drawn == np.random.random()


# Training and validation


class Restarting:
    """Its own iterator, begun anew by `iter`."""

    def __len__(self):
        return 3

    def __iter__(self):
        self.at = 0
        return self

    def __next__(self):
        if self.at == 3:
            raise StopIteration
        self.at += 1
        return batch(self.at)


def test_a_source_that_is_its_own_iterator_is_begun_anew_in_each_epoch_and_validation():
    source = Restarting()
    seen = []
    count = LambdaCallback(on_test_begin=lambda logs: seen.append(0), on_test_batch_end=lambda *a: seen.append(1))
    assert len(train(source, epochs=2, validation_data=source, callbacks=[count])) == 2
    assert seen == [0, 1, 1, 1] * 2


def test_one_iterator_cannot_be_trained_on_in_parts_and_validated_on():
    source = Restarting()
    with pytest.raises(ValueError, match="validation begins the same iterator anew: give each its own"):
        train(source, epochs=2, steps_per_epoch=2, validation_data=source)


def test_one_generator_for_training_and_validation_is_refused():
    source = (batch(0) for _ in range(9))
    with pytest.raises(ValueError, match="one generator was given for training and for validation"):
        train(source, epochs=2, steps_per_epoch=2, validation_data=source, validation_steps=1)
    assert len(list(source)) >= 8


def test_an_indexed_source_of_both_is_shuffled_for_training_only():
    source = Indexed()
    fit(data=stream(source, shuffle=True, seed=0), validation=Validation(stream(source, first_epoch=None)), epochs=1)
    training, validation = [call for call in source.calls if call != "begin"][:3], source.calls[-4:-1]
    assert (sorted(training), validation) == ([0, 1, 2], [0, 1, 2])


# What is wrong with some


def gives(*numbers, says=None):
    class Source:
        def __iter__(self):
            return map(batch, numbers)

        if says is not None:

            def __len__(self):
                return says

    return Source()


@pytest.mark.parametrize(
    ("source", "message", "wanted"),
    [
        (gives(0, 1, says=3), r"len\(\) of Source is 3, and it gave 2 batches", [0, 2]),
        (gives(0, 1, 2, says=2), r"len\(\) of Source is 2, and it goes on after 2 batches: an epoch ends", [0, 2]),
    ],
)
def test_a_length_that_is_not_true_is_told_once(source, message, wanted):
    with pytest.warns(UserWarning, match=message) as told:
        assert batches_of(stream(source), range(2)) == [wanted] * 2
    assert len(told) == 1


@pytest.mark.parametrize("source", [gives(says=0), gives()])
def test_a_source_without_batches_is_refused(source):
    with pytest.raises(ValueError, match="the data ended after 0 batches of epoch 1; at least one was expected"):
        train(source)


def test_a_source_that_is_used_up_after_the_first_epoch_says_what_it_should_do():
    class Once:
        def __init__(self):
            self.batches = map(batch, range(3))

        def __iter__(self):
            return self.batches

    with pytest.raises(ValueError, match=r"after 0 batches of epoch 2; .* iter\(\) of it must give all its batches"):
        train(Once(), epochs=2)


@pytest.mark.parametrize(
    "make", [lambda: map(batch, range(3)), lambda: iter([batch(0)]), lambda: zip([X], [Y], strict=True)]
)
def test_what_can_be_gone_through_only_once_needs_steps(make):
    source = make()
    with pytest.raises(ValueError, match=f"a {type(source).__name__} is gone through only once.* or pass what each"):
        train(source)
    with pytest.raises(ValueError, match="is gone through only once, in all epochs together"):
        train(source, steps_per_epoch=2, epochs=4)


def test_what_is_asked_of_an_iterable_is_right_or_refused():
    with pytest.raises(ValueError, match="shuffle must be True, False or 'batch'; got 'batches'"):
        train(gives(0), shuffle="batches")
    with pytest.warns(UserWarning, match="the data have 2 batches, and 3 steps were asked for"):
        linear().evaluate(gives(0, 1), steps=3, verbose=0)


def batches():
    yield batch(0)


@pytest.mark.parametrize("function", [batches, Told])
def test_a_function_must_be_called(function):
    with pytest.raises(
        TypeError, match=rf"{function.__name__} is a (function|class): call it, as in fit\({function.__name__}\(\)"
    ):
        train(function, steps_per_epoch=1)


def test_single_samples_by_index_are_refused_with_what_makes_batches_of_them():
    class Samples:
        def __len__(self):
            return 12

        def __getitem__(self, at):
            return X[at], Y[at]

    with pytest.raises(ValueError) as caught:
        train(Samples())
    assert "must be batches; of single samples, torch.utils.data.DataLoader" in caught.value.__notes__[1]


def test_a_dataset_of_torch_is_no_loader(monkeypatch):
    class Dataset:
        def __getitem__(self, at):
            return X[at], Y[at]

    data = types.SimpleNamespace(Dataset=Dataset, IterableDataset=type("IterableDataset", (Dataset,), {}))
    monkeypatch.setitem(sys.modules, "torch.utils.data", data)
    with pytest.raises(
        TypeError, match=r"Dataset gives single samples.* torch\.utils\.data\.DataLoader\(dataset, batch_size=32\)"
    ):
        train(Dataset())
