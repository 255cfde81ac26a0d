"""Tracebacks of failed fits: the user's frames, one of the package's own, and how to see the rest."""

import os
import traceback

import numpy as np
import pytest

import epochal
from epochal.callbacks import Callback, EarlyStopping, LambdaCallback
from epochal.layers import Dense, Lambda
from epochal.messages.tracebacks import NOTE, shows_users_frames
from epochal.models import Sequential

X, Y = np.ones((8, 3), "float32"), np.ones((8, 1), "float32")
OWN = os.path.dirname(epochal.__file__)


def compiled(*layers, loss="mse"):
    model = Sequential([Dense(1, input_dim=3), *layers])
    model.compile("sgd", loss)
    return model


def frames(error):
    """Return the functions on a traceback: those of this file by their names, others by the packages that they are in."""
    found = traceback.extract_tb(error.__traceback__)
    return [
        each.name
        if each.filename == __file__
        else f"epochal.{each.name}"
        if each.filename.startswith(OWN)
        else each.filename
        for each in found
    ]


def fails():
    raise ValueError("boom")


class Hook(Callback):
    def on_epoch_end(self, epoch, logs=None):
        fails()


def in_a_hook():
    compiled().fit(X, Y, verbose=0, callbacks=[Hook()])


def in_a_function_of_a_callback():
    compiled().fit(X, Y, verbose=0, callbacks=[LambdaCallback(on_batch_end=lambda batch, logs: fails())])


def in_a_loss():
    compiled(loss=lambda y, p: fails()).fit(X, Y, verbose=0)


def in_a_layer():
    compiled(Lambda(lambda x: fails() if x.shape[0] == 8 else x)).predict(X)


def in_a_generator():
    def batches():
        yield X, Y
        fails()

    compiled().evaluate(batches(), steps=3, verbose=0)


WHERE = {
    in_a_hook: ["epochal.fit", "on_epoch_end", "fails"],
    in_a_function_of_a_callback: ["epochal.fit", "<lambda>", "fails"],
    in_a_loss: ["epochal.fit", "<lambda>", "fails"],
    in_a_layer: ["epochal.predict", "<lambda>", "fails"],
    in_a_generator: ["epochal.evaluate", "batches", "fails"],
}


@pytest.mark.parametrize("function", WHERE)
def test_frames_are_the_users_and_one_of_the_packages_own(function):
    with pytest.raises(ValueError, match="boom") as caught:
        function()
    assert frames(caught.value)[1:] == [function.__name__, *WHERE[function]]
    assert caught.value.__notes__[-1] == NOTE


def test_an_error_of_the_package_shows_where_it_was_raised():
    with pytest.raises(ValueError, match="EarlyStopping needs 'val_loss'") as caught:
        compiled().fit(X, Y, verbose=0, callbacks=[EarlyStopping()])
    assert frames(caught.value)[1:] == ["epochal.check_validated"]


def test_all_frames_are_there_on_request(monkeypatch):
    monkeypatch.setenv("EPOCHAL_TRACEBACK", "full")
    with pytest.raises(ValueError, match="boom") as caught:
        in_a_hook()
    names = frames(caught.value)
    assert len(names) > 8
    assert names[-2:] == ["on_epoch_end", "fails"]
    assert not hasattr(caught.value, "__notes__")


def test_causes_and_contexts_stay_and_are_short_too():
    class Wraps(Callback):
        def on_epoch_end(self, epoch, logs=None):
            try:
                in_a_hook()
            except ValueError as error:
                raise RuntimeError("wrapped") from error

    with pytest.raises(RuntimeError, match="wrapped") as caught:
        compiled().fit(X, Y, verbose=0, callbacks=[Wraps()])
    assert frames(caught.value)[1:] == ["epochal.fit", "on_epoch_end"]
    assert caught.value.__cause__ is caught.value.__context__
    assert frames(caught.value.__cause__) == ["on_epoch_end", "in_a_hook", *WHERE[in_a_hook]]
    assert caught.value.__notes__.count(NOTE) == 1


def test_an_interrupted_fit_is_shown_so_too():
    def interrupts(epoch, logs):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt) as caught:
        compiled().fit(X, Y, verbose=0, callbacks=[LambdaCallback(on_epoch_begin=interrupts)])
    assert frames(caught.value)[1:] == ["epochal.fit", "interrupts"]


def test_methods_for_generators_show_one_frame_too():
    with pytest.raises(ValueError, match="the data ended after 0 batches") as caught:
        compiled().fit_generator(iter([]), steps_per_epoch=2, verbose=0)
    assert frames(caught.value)[1:] == ["epochal.peek"]


def test_an_error_that_nobody_may_change_is_raised_as_it_is():
    class Frozen(Exception):
        def __setattr__(self, name, value):
            raise AttributeError("frozen")

        def add_note(self, note):
            raise AttributeError("frozen")

    def x():
        raise Frozen(3)

    with pytest.raises(Frozen, match="3"):
        shows_users_frames(x)()
