"""Data become batches: in an order fixed by seed and epoch, whole or piece by piece, and with clear ends."""

import numpy as np
import pytest
from numpy_engine import Model, NumpyEngine, Recorder, batches_in, fit, make_run
from streams import stream

from epochal.core import loop
from epochal.data import array_data
from epochal.data import chunks as module
from epochal.data.array_data import ArrayData, epoch_order
from epochal.data.inputs import arrays, is_arrays, split
from epochal.data.nests import as_array
from epochal.data.seeds import fresh_seed, set_random_seed
from epochal.data.stream_data import StreamData

X = np.arange(20.0).reshape(10, 2)
Y = np.arange(10.0)


def epoch_of(data, epoch=0, limit=1000, batch=0):
    """Return the y of each batch of an epoch."""
    data.begin(epoch, batch)
    batches = []
    while size := data.next_size():
        span = data.span(limit)
        assert 1 <= span.count <= limit
        assert span.chunk.size == size
        batches += [y.tolist() for _, y, _ in batches_in(span)]
        data.advance(span.count)
    return batches


def batches(sizes):
    stops = np.cumsum(sizes)
    return [(X[stop - size : stop], Y[stop - size : stop]) for size, stop in zip(sizes, stops, strict=True)]


# The order


def test_the_order_is_a_permutation_that_seed_and_epoch_decide():
    order = epoch_order(3, 5, 100)
    assert sorted(order) == list(range(100))
    assert order.dtype == np.int32
    np.testing.assert_array_equal(order, epoch_order(3, 5, 100))
    assert not np.array_equal(order, epoch_order(3, 6, 100))
    assert not np.array_equal(order, epoch_order(4, 5, 100))


def test_an_epochs_batches_do_not_depend_on_what_was_read_before():
    first, second = (ArrayData(X, Y, batch_size=4, shuffle=True, seed=7) for _ in range(2))
    second.epochs = 4
    for epoch in range(4):
        second.prepare(epoch)
        epochs = epoch_of(second, epoch, limit=1)
    assert epoch_of(first, 3) == epochs
    assert epoch_of(first, 3, batch=1) == epochs[1:]


def test_no_order_is_made_for_an_epoch_that_never_comes(monkeypatch):
    made = []
    monkeypatch.setattr(array_data, "epoch_order", lambda *given: made.append(given[1]) or epoch_order(*given))
    fit(epochs=3, data=ArrayData(X, Y, batch_size=4, shuffle=True, seed=7))
    assert made == [0, 1, 2]


def test_set_random_seed_fixes_the_order_and_else_each_run_draws_its_own():
    orders = []
    for seed in (1, 1, 2):
        set_random_seed(seed)
        orders.append(epoch_of(ArrayData(X, Y, shuffle=True)))
    assert orders[0] == orders[1] != orders[2]
    assert fresh_seed() != fresh_seed()


def test_the_seed_is_the_datas_state():
    data, other = ArrayData(X, Y, shuffle=True, seed=1), ArrayData(X, Y, shuffle=True, seed=2)
    other.load_state_dict(data.state_dict())
    assert epoch_of(other, 4) == epoch_of(data, 4)


# Arrays


def test_the_last_batch_is_smaller():
    assert [len(batch) for batch in epoch_of(ArrayData(X, Y, batch_size=4))] == [4, 4, 2]


@pytest.mark.parametrize("batch_size", [1, 3, 5, 10, 32])
@pytest.mark.parametrize("limit", [1, 2, 1000])
def test_every_sample_comes_once(batch_size, limit):
    data = ArrayData(X, Y, batch_size=batch_size, shuffle=True, seed=0)
    assert sorted(y for batch in epoch_of(data, limit=limit) for y in batch) == Y.tolist()


def test_without_shuffle_samples_come_as_they_lie():
    assert epoch_of(ArrayData(X, Y, batch_size=4), epoch=3) == [[0, 1, 2, 3], [4, 5, 6, 7], [8, 9]]


def test_shuffled_by_batch_only_whole_batches_move():
    data = ArrayData(X, Y, batch_size=2, shuffle="batch", seed=1)
    epochs = [epoch_of(data, epoch) for epoch in range(3)]
    assert all(sorted(epoch) == [[0, 1], [2, 3], [4, 5], [6, 7], [8, 9]] for epoch in epochs)
    assert epochs[0] != epochs[1]
    assert epoch_of(ArrayData(X, Y, batch_size=4, shuffle="batch", seed=1))[-1] == [8, 9]


def test_steps_cut_an_epoch_short():
    assert epoch_of(ArrayData(X, Y, batch_size=4, steps=2)) == [[0, 1, 2, 3], [4, 5, 6, 7]]
    with pytest.warns(UserWarning, match=r"4 steps .* 10 samples make 3 batches of 4: an epoch has 3"):
        assert len(epoch_of(ArrayData(X, Y, batch_size=4, steps=4))) == 3


@pytest.mark.parametrize("shuffle", [False, True, "batch"])
@pytest.mark.parametrize("chunk_bytes", [1, 200, 1 << 25])
def test_held_whole_or_copied_piece_by_piece_the_batches_are_the_same(monkeypatch, shuffle, chunk_bytes):
    monkeypatch.setattr(module, "CHUNK_BYTES", chunk_bytes)
    options = {"batch_size": 4, "shuffle": shuffle, "seed": 5}
    held, copied = ArrayData(X, Y, **options), ArrayData(X, Y, resident=False, **options)
    for limit in (1, 1000):
        assert epoch_of(copied, 1, limit) == epoch_of(held, 1, limit)
    assert epoch_of(copied, 1, batch=1) == epoch_of(held, 1, batch=1)


@pytest.mark.parametrize("shuffle", [False, True])
def test_a_memory_mapped_file_is_data(tmp_path, shuffle):
    np.save(tmp_path / "y.npy", Y)
    mapped = np.load(tmp_path / "y.npy", mmap_mode="r")
    options = {"batch_size": 4, "shuffle": shuffle, "seed": 5}
    assert epoch_of(ArrayData(X, mapped, resident=False, **options)) == epoch_of(ArrayData(X, Y, **options))


def test_nests_of_arrays_are_data():
    data = ArrayData({"a": X, "b": [X, Y]}, Y, batch_size=4, resident=False)
    data.begin(0)
    rows = data.span(1).chunk.rows.arrays[0]
    np.testing.assert_array_equal(rows["b"][1][:4], Y[:4])


@pytest.mark.parametrize(
    ("x", "y", "message"),
    [
        (X, Y[:5], r"must have one length; got arrays of shapes \(10, 2\), \(5,\)"),
        (X[:0], Y[:0], r"there are no samples: x is empty"),
    ],
)
def test_arrays_that_make_no_data_are_refused(x, y, message):
    with pytest.raises(ValueError, match=message):
        ArrayData(x, y)


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ([[1, 2], [3]], r"x can't be made an array: .*inhomogeneous"),
        (["a", "b"], r"x must hold numbers; got dtype <U1 .*np.unique"),
        (np.array([1, None]), r"x must hold numbers; got dtype object"),
        (3.0, r"x must be an array of samples; got the single value"),
    ],
)
def test_what_is_no_array_of_numbers_is_refused(value, message):
    with pytest.raises(ValueError, match=message):
        as_array(value, "x")


# Streams


def test_a_list_of_batches_gives_every_epoch_from_its_start():
    data = stream(batches([4, 4, 2]))
    wanted = [[0, 1, 2, 3], [4, 5, 6, 7], [8, 9]]
    assert (data.steps, epoch_of(data, 0), epoch_of(data, 1, limit=1)) == (3, wanted, wanted)


@pytest.mark.parametrize("sizes", [[4, 4, 2], [1, 2, 3, 4], [2, 4, 2, 2], [10]])
def test_batches_may_have_different_sizes(sizes):
    assert [len(batch) for batch in epoch_of(stream(batches(sizes)))] == sizes


def test_a_generator_goes_on_through_the_epochs():
    data = stream((batch for batch in batches([1] * 10)), steps=3)
    assert [epoch_of(data, epoch) for epoch in range(3)] == [[[0], [1], [2]], [[3], [4], [5]], [[6], [7], [8]]]


def test_no_more_is_read_than_an_epoch_needs():
    taken = []
    data = stream((taken.append(1) or batch for batch in batches([1] * 10)), steps=3)
    epoch_of(data)
    assert len(taken) == 3


def test_looking_at_the_first_batch_uses_none():
    data = stream((batch for batch in batches([5, 5])), steps=2)
    assert data.peek()[1].tolist() == [0, 1, 2, 3, 4]
    assert len(epoch_of(data)) == 2


def test_a_generator_needs_steps():
    with pytest.raises(ValueError, match="say with steps_per_epoch how many batches to take"):
        stream(iter(batches([5, 5])))


def test_what_is_no_iterable_is_refused():
    with pytest.raises(TypeError, match="data must be arrays or an iterable of batches; got int"):
        StreamData(3, 1, lambda batch: batch)


def test_a_generator_that_ends_early_says_where():
    data = stream(iter(batches([5, 5])), steps=3)
    with pytest.raises(ValueError, match=r"the data ended after 2 batches of epoch 1; 3 were expected"):
        epoch_of(data)


@pytest.mark.parametrize(("source", "steps"), [([], None), (iter([]), 2)])
def test_data_that_never_yield_say_so(source, steps):
    with pytest.raises(
        ValueError, match=r"the data ended after 0 batches of epoch 1; (at least one was|2 were) expected"
    ):
        stream(source, steps).peek()


def failing_at(k):
    yield from batches([1] * k)
    raise OSError("disk gone")


@pytest.mark.parametrize("k", [0, 1, 5])
def test_an_error_in_the_users_data_comes_after_the_batches_before_it(k):
    recorder = Recorder()
    with pytest.raises(OSError, match="disk gone") as caught:
        fit([recorder], data=stream(failing_at(k), steps=9))
    assert recorder.batches("on_train_batch_end") == list(range(k))
    assert caught.value.__notes__ == [f"This was raised for batch {k + 1} of epoch 1 of the data, counted from 1."]


@pytest.mark.parametrize(
    ("batch", "message"),
    [
        ((X, Y, Y, Y), r"a batch is x, \(x, y\) or \(x, y, sample_weight\); got 4 parts"),
        ((X, Y[:3]), r"x and y must have one length; x has 10 samples, y has 3"),
        ((X[:0], Y[:0]), r"there are no samples: x is empty"),
        ((np.array(["a"]), np.ones(1)), r"x must hold numbers"),
    ],
)
def test_a_batch_that_is_none_is_refused_where_it_comes(batch, message):
    with pytest.raises(ValueError, match=message) as caught:
        epoch_of(stream([(X, Y), batch]))
    assert "batch 2 of epoch 1" in caught.value.__notes__[0]


@pytest.mark.parametrize("parts", [1, 2, 3])
def test_a_batch_is_x_and_perhaps_y_and_weights(parts):
    data = stream([(X, Y, np.ones(10))[:parts]])
    data.begin(0)
    assert [part is not None for part in data.span(1).chunk.rows.arrays] == [True, parts > 1, parts > 2]


def test_arrays_and_a_stream_of_the_same_batches_train_alike():
    models = [Model(lr=0.001), Model(lr=0.001)]
    for model, data in zip(models, [ArrayData(X, Y, batch_size=4), stream(batches([4, 4, 2]))], strict=True):
        fit(model=model, data=data, epochs=3)
    np.testing.assert_array_equal(models[0].weights, models[1].weights)


# What is passed to fit


@pytest.mark.parametrize(
    ("given", "arrays"),
    [
        (X, True),
        ([X, X], True),
        (((X, X), X), True),
        ([X, {"a": X}], True),
        ([[0.0, 1.0], [2.0, 3.0]], True),
        ([(X, Y), (X, Y)], False),
        (((X,), (X,)), False),
        ([{"a": X}], False),
        (iter([]), False),
    ],
)
def test_what_is_arrays_and_what_is_batches(given, arrays):
    assert is_arrays(given) is arrays


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((X, Y[:3]), r"x has 10 samples, y has 3"),
        ((X, Y, np.ones(3)), r"x has 10 samples, sample_weight has 3"),
        ((X[:0], Y[:0]), r"there are no samples: x is empty"),
    ],
)
def test_what_does_not_go_together_is_refused(arguments, message):
    with pytest.raises(ValueError, match=message):
        arrays(*arguments)


def test_validation_split_takes_the_end_and_copies_nothing():
    train, held_out = split(X, Y, None, 0.25)
    assert (train[1].tolist(), held_out[1].tolist()) == (list(range(7)), [7, 8, 9])
    assert np.shares_memory(held_out[0], X)
    assert train[2] is held_out[2] is None


@pytest.mark.parametrize("share", [1.0, -0.2, 1.5, 0.99])
def test_a_split_that_leaves_nothing_is_refused(share):
    with pytest.raises(ValueError, match="leaves nothing to train or to validate on"):
        split(X[:5], Y[:5], None, share)


def test_the_engine_gets_the_samples_of_the_order():
    run = make_run(data=ArrayData(X / 20, Y, batch_size=4, shuffle=True, seed=3), epochs=1)
    loop.fit(run)
    model = Model()
    for start in range(0, 10, 4):
        rows = epoch_order(3, 0, 10)[start : start + 4]
        residual = X[rows] / 20 @ model.weights - Y[rows]
        model.weights -= 0.1 * 2 * (X[rows] / 20).T @ residual / len(rows)
    np.testing.assert_array_equal(run.model.weights, model.weights)
    assert isinstance(run.engine, NumpyEngine)
