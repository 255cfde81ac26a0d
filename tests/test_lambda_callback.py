"""LambdaCallback: functions as hooks."""

import inspect

import pytest
from numpy_engine import X, Y, fit

from epochal.callbacks import LambdaCallback
from epochal.core.callback import HOOKS
from epochal.core.hook_code import ALIASES
from epochal.data.array_data import ArrayData


def test_the_six_of_the_page_come_first_in_its_order():
    assert list(inspect.signature(LambdaCallback).parameters) == [
        "on_epoch_begin",
        "on_epoch_end",
        "on_batch_begin",
        "on_batch_end",
        "on_train_begin",
        "on_train_end",
        "hooks",
    ]


def test_every_hook_of_a_fit_is_called():
    called = []
    names = [name for name in HOOKS if name not in ALIASES and "predict" not in name and name != "on_exception"]
    hooks = {name: (lambda *arguments, name=name: called.append(name)) for name in names}
    fit([LambdaCallback(**hooks)], epochs=1, validation=ArrayData(X, Y, batch_size=10))
    batch = ["on_batch_begin", "on_batch_end"] * 3
    test = ["on_test_begin", "on_test_batch_begin", "on_test_batch_end", "on_test_end"]
    assert called == ["on_train_begin", "on_epoch_begin", *batch, *test, "on_epoch_end", "on_train_end"]


def test_it_gets_the_hooks_arguments():
    seen = []
    fit(
        [LambdaCallback(lambda epoch, logs: seen.append(epoch), lambda epoch, logs: seen.append(sorted(logs)))],
        epochs=1,
    )
    assert seen == [0, ["error", "loss"]]


def test_only_what_is_given_costs_a_wake(spans_of):
    from numpy_engine import make_run

    from epochal.core import loop

    spans_of(1000)
    run = make_run([LambdaCallback(on_epoch_end=lambda epoch, logs: logs["loss"])], epochs=1)
    loop.fit(run)
    assert run.engine.spans == [2, 1]


def test_an_unknown_keyword_is_an_error_with_the_nearest_name():
    with pytest.raises(TypeError, match=r"'on_epoch_ends' is no hook\. Did you mean 'on_epoch_end'"):
        LambdaCallback(on_epoch_ends=print)


def test_a_hook_that_is_no_function_is_an_error():
    with pytest.raises(TypeError, match="on_batch_end must be a function; got 3"):
        LambdaCallback(on_batch_end=3)


def test_it_has_nothing_to_remember():
    assert LambdaCallback(on_batch_end=print).state_dict() == {}
