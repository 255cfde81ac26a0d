"""When batch hooks are woken, and that waking one callback changes nothing for another."""

import dataclasses
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy_engine import Model, Recorder, X, Y, fit, make_run

from epochal.callbacks import Callback, Every, TerminateOnNaN, WhenNotFinite
from epochal.core import loop
from epochal.core.callback import Dispatcher
from epochal.core.wakes import MOST_BATCHES, SPAN_SECONDS, ThroughputEstimate, WakeSchedule
from epochal.data.array_data import ArrayData


def long_data(batches=40):
    return ArrayData(np.tile(X, (2 * batches, 1))[: 4 * batches], np.tile(Y, 2 * batches)[: 4 * batches], batch_size=4)


# Every


@pytest.mark.parametrize(
    ("n", "counts", "due"),
    [
        (10, range(0, 61, 8), [16, 24, 32, 40, 56]),
        (2, range(7), [2, 4, 6]),
        (1, range(4), [1, 2, 3]),
        (0.5, range(3), [1, 2]),
    ],
)
def test_every_is_due_when_a_count_crosses_a_multiple(n, counts, due):
    every = Every(n, "second" if n < 1 else "batch")
    assert [now for before, now in zip(counts, [*counts][1:], strict=False) if every.due(before, now)] == due


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((0, "batch"), r"needs a whole n of at least 1; got 0"),
        ((-3, "epoch"), r"needs a whole n of at least 1; got -3"),
        ((2.5, "batch"), r"needs a whole n of at least 1; got 2\.5"),
        ((True, "batch"), r"needs a whole n of at least 1; got True"),
        ((0, "second"), r"needs a positive n; got 0"),
        ((math.nan, "second"), r"needs a positive n; got nan"),
        ((math.inf, "batch"), r"needs a whole n of at least 1; got inf"),
        ((math.nan, "batch"), r"needs a whole n of at least 1; got nan"),
        ((1, "minute"), r"counts epochs, batches or seconds; got the unit 'minute'"),
    ],
)
def test_a_cadence_that_makes_no_sense_is_refused(arguments, message):
    with pytest.raises(ValueError, match=message):
        Every(*arguments)


def test_a_cadence_that_was_checked_stays_as_it_is():
    every = Every(5, "batch")
    with pytest.raises(dataclasses.FrozenInstanceError, match="'n'"):
        every.n = 0
    assert {every, Every(5.0, "batch")} == {every}


@pytest.mark.parametrize(
    ("freq", "every"),
    [
        ("epoch", Every(1, "epoch")),
        ("batch", Every(1, "batch")),
        (7, Every(7, "batch")),
        (Every(2, "second"), Every(2, "second")),
    ],
)
def test_a_frequency_is_read(freq, every):
    assert Every.parse(freq) == every


@pytest.mark.parametrize("freq", ["second", True, 1.5, None, (1,)])
def test_a_frequency_that_is_none_is_refused(freq):
    with pytest.raises(ValueError, match="a frequency is 'epoch', 'batch', a number of batches or an Every; got"):
        Every.parse(freq)


def test_a_cadence_that_is_none_is_refused_before_the_first_hook():
    recorder = Recorder(cadence=5)
    with pytest.raises(TypeError, match=r"Recorder\.cadence must be Every\(…\) or WhenNotFinite\(\); got 5"):
        make_run([recorder])
    assert recorder.calls == []


# Waking


def test_a_callback_with_a_batch_hook_is_woken_at_every_batch():
    recorder = Recorder()
    fit([recorder], epochs=2)
    assert recorder.batches("on_train_batch_begin") == recorder.batches("on_train_batch_end") == [0, 1, 2, 0, 1, 2]


def test_a_callback_that_overrides_no_batch_hook_costs_no_span(spans_of):
    class Quiet(Callback):
        def on_epoch_end(self, epoch, logs=None):
            self.last = epoch

    spans_of(1000)
    run = make_run([Quiet()], epochs=1, data=long_data())
    loop.fit(run)
    assert run.engine.spans == [40]


def test_every_n_batches_counts_over_the_epochs(spans_of):
    spans_of(1000)
    recorder = Recorder(Every(4, "batch"))
    run = make_run([recorder], epochs=4)  # 12 batches, 3 an epoch
    loop.fit(run)
    assert recorder.batches("on_train_batch_end") == [0, 1, 2]
    assert sum(run.engine.spans) == 12


@pytest.mark.parametrize("n", [1, 2, 3, 5, 40])
def test_begin_and_end_are_called_for_the_same_batch(spans_of, n):
    spans_of(1000)
    recorder = Recorder(Every(n, "batch"))
    fit([recorder], epochs=1, data=long_data())
    wanted = list(range(n - 1, 40, n))
    assert recorder.batches("on_train_batch_begin") == recorder.batches("on_train_batch_end") == wanted


def test_a_callback_with_an_end_hook_only_cuts_no_span_for_the_begin(spans_of):
    class Ends(Callback):
        cadence = Every(10, "batch")

        def on_train_batch_end(self, batch, logs=None):
            self.last = batch

    spans_of(1000)
    run = make_run([Ends()], epochs=1, data=long_data())
    loop.fit(run)
    assert run.engine.spans == [10, 10, 10, 10]


def test_every_epoch_calls_no_batch_hook():
    recorder = Recorder(Every(1, "epoch"))
    fit([recorder], epochs=2)
    assert not any("batch" in name for name in recorder.names())
    assert recorder.batches("on_epoch_end") == [0, 1]


class Clock:
    """A clock that is set by hand."""

    now = 0.0

    def __call__(self):
        return self.now


def by_second(seconds, begins):
    recorder = Recorder(Every(seconds, "second"))
    watcher = Dispatcher([recorder]).watchers("train")[0]
    if not begins:
        watcher.begin = None
    return watcher


def test_seconds_wake_at_the_first_span_end_after_them():
    clock, watcher = Clock(), by_second(1.0, begins=False)
    wakes, woken = WakeSchedule([watcher], clock), []
    for clock.now in (0.4, 0.9, 1.3, 1.9, 2.2, 2.4, 9.0):
        wakes.beginning(0)
        woken += [clock.now] * len(wakes.ending(1, lambda: True))
    assert woken == [1.3, 2.4, 9.0]


def test_seconds_with_a_begin_hook_wake_for_one_batch():
    clock, watcher = Clock(), by_second(1.0, begins=True)
    wakes, pace = WakeSchedule([watcher], clock), ThroughputEstimate()
    pace.learn(100, 0.1)
    assert (wakes.beginning(0), wakes.length(0, pace) > 1, wakes.ending(1, lambda: True)) == ([], True, [])
    clock.now = 1.5
    assert (wakes.beginning(1), wakes.length(1, pace), wakes.ending(2, lambda: True)) == ([watcher], 1, [watcher])
    assert wakes.beginning(2) == []


@pytest.mark.parametrize(("seconds", "longest"), [(None, SPAN_SECONDS), (0.1, 0.1), (60.0, SPAN_SECONDS)])
def test_seconds_bound_a_spans_length(seconds, longest):
    pace = ThroughputEstimate()
    pace.learn(1000, 1.0)  # a millisecond a batch
    wakes = WakeSchedule([] if seconds is None else [by_second(seconds, begins=False)])
    assert wakes.length(0, pace) == pytest.approx(longest * 1000, abs=1)


def test_no_span_is_longer_than_an_engines_buffer():
    pace = ThroughputEstimate()
    for _ in range(10):
        pace.learn(10**6, 1.0)
    assert WakeSchedule([]).length(0, pace) == MOST_BATCHES


def test_an_unknown_pace_begins_with_one_batch_and_grows_by_a_bounded_factor():
    pace, lengths = ThroughputEstimate(), []
    for _ in range(4):
        lengths.append(pace.batches_in(0.25))
        pace.learn(lengths[-1], lengths[-1] * 1e-6)
    assert lengths == [1, 8, 64, 512]


# WhenNotFinite


def poisoned(at, value=np.nan):
    """Return data of 40 batches of which one has a target that is no number."""
    data = long_data()
    data.rows.arrays[1][4 * at] = value
    return data


@pytest.mark.parametrize("value", [np.nan, np.inf])
@pytest.mark.parametrize("at", [0, 1, 17, 39])
def test_when_not_finite_wakes_at_the_very_batch(spans_of, at, value):
    spans_of(1000)
    recorder = Recorder(WhenNotFinite())
    run = make_run([recorder, TerminateOnNaN()], epochs=3, data=poisoned(at, value))
    loop.fit(run)
    assert recorder.batches("on_train_batch_begin") == recorder.batches("on_train_batch_end") == [at]
    assert not math.isfinite(recorder.logs("on_train_batch_end")[0]["loss"])
    assert run.engine.spans == [at + 1]


def test_when_not_finite_never_wakes_where_all_is_well():
    recorder = Recorder(WhenNotFinite())
    fit([recorder])
    assert recorder.batches("on_train_batch_end") == []


def test_the_loss_is_looked_for_only_if_somebody_asks(spans_of):
    spans_of(1000)
    run = make_run([Recorder(Every(40, "batch"))], epochs=1, data=poisoned(3))
    loop.fit(run)
    assert sum(run.engine.spans) == 40


# One callback's cadence is nobody else's business

CADENCES = st.one_of(
    st.none(),
    st.builds(Every, st.integers(1, 12), st.just("batch")),
    st.just(WhenNotFinite()),
    st.just(Every(1, "epoch")),
    st.builds(Every, st.sampled_from([1e-9, 1e-4, 10.0]), st.just("second")),
)
WATCHERS = st.lists(st.tuples(CADENCES, st.booleans()), max_size=4)


def seen_by(watched, others, cut, bad):
    """Return what a callback saw in a run with others beside it, and the weights afterwards."""
    data = poisoned(bad) if bad is not None else long_data()
    recorder, model = Recorder(*watched), Model(lr=0.01)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ThroughputEstimate, "batches_in", lambda self, seconds: cut)
        history = fit([*(Recorder(*other) for other in others), recorder], epochs=2, model=model, data=data)
    return repr((recorder.calls, history.history, model.weights.tolist()))


@given(
    watched=st.tuples(CADENCES.filter(lambda cadence: getattr(cadence, "unit", "") != "second"), st.booleans()),
    others=WATCHERS,
    cut=st.integers(1, 50),
    bad=st.none() | st.integers(0, 39),
)
@settings(max_examples=60, deadline=None)
def test_what_a_callback_sees_does_not_depend_on_the_others(watched, others, cut, bad):
    assert seen_by(watched, others, cut, bad) == seen_by(watched, [], 1, bad)
