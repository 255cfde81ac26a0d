"""What is printed while a bar is redrawn stands above it, whole and in order, and the streams are given back."""

import contextlib
import io
import logging
import os
import sys
import threading
import warnings

import pytest
from numpy_engine import X, Y, make_run
from screens import shown

from epochal.callbacks import Callback, EarlyStopping, LambdaCallback, ModelCheckpoint, ProgbarLogger, ReduceLROnPlateau
from epochal.core import loop
from epochal.data.array_data import ArrayData
from epochal.messages.progress import remark
from epochal.screens import terminal
from epochal.screens.guard import Guard
from epochal.screens.terminal import Terminal


class At(Callback):
    """Does something at a batch of each epoch; the bar is there by then."""

    def __init__(self, do, batch=1):
        self.do, self.batch = do, batch

    def on_train_batch_begin(self, batch, logs=None):
        if batch == self.batch:
            self.do()


def fit(*callbacks, bar=None, **options):
    loop.fit(make_run([*callbacks, bar or ProgbarLogger()], verbose=1, **options))


@pytest.fixture
def on_terminal(monkeypatch, spans_of):
    """Return a function that fits on a terminal whose bar is redrawn at every batch, and returns its screen."""
    spans_of(1)
    monkeypatch.setattr(terminal, "REDRAW_SECONDS", 1e-9)
    return lambda function=fit, *arguments, **options: shown(
        monkeypatch, 80, lambda: function(*arguments, **({"epochs": 1} | options) if function is fit else {})
    )


def beginnings(screen):
    """Return the lines of a screen, those of epochs without what comes behind their number."""
    return [line.split(" - ")[0].rstrip() if line.startswith("Epoch 1/") else line for line in screen.lines]


PRINTS = {
    "print": (lambda: print("one", "two", sep="\n"), ["one", "two"]),
    "in parts": (lambda: [print(".", end="", flush=True) for _ in range(3)] and print("!"), ["...!"]),
    "lines": (lambda: sys.stdout.writelines(["one\n", "two\n"]), ["one", "two"]),
    "error": (lambda: print("bad", file=sys.stderr), ["bad"]),
    "thread": (lambda: _in_thread(lambda: print("from afar")), ["from afar"]),
    "returned": (lambda: print("50%\r100%\r", end=""), []),
    "bytes": (lambda: (sys.stdout.buffer.write(b"raw\n"), sys.stdout.flush()), ["raw"]),
    "file number": (lambda: os.write(sys.stdout.fileno(), b"raw\n"), ["raw"]),
    "nothing": (lambda: print(end=""), []),
    "a colour": (lambda: print("\033[31mred\n\033[0m", end=""), ["red"]),
    "redirected": (lambda: _redirected(lambda: print("unseen")), []),
}


def _in_thread(function):
    thread = threading.Thread(target=function)
    thread.start()
    thread.join()


def _redirected(function):
    with contextlib.redirect_stdout(io.StringIO()):
        function()


@pytest.mark.parametrize("kind", PRINTS)
def test_what_a_hook_prints_stands_above_the_bar(on_terminal, kind):
    prints, lines = PRINTS[kind]
    screen = on_terminal(fit, At(prints))
    assert beginnings(screen) == [*lines, "Epoch 1/1"]
    assert "2/3 [" in screen.text


def test_a_line_in_parts_is_not_cut_in_two_by_the_bar(on_terminal):
    every = LambdaCallback(on_batch_end=lambda batch, logs: print(batch, end=" "))
    assert [line.split(" - ")[0] for line in on_terminal(fit, every, epochs=2).lines] == [
        *("0 1 2", "Epoch 1/2", "0 1 2", "Epoch 2/2"),
    ]


def test_the_bar_is_below_what_was_printed_before_the_next_batch(on_terminal):
    text = on_terminal(fit, At(lambda: print("hello"))).text
    after = text.partition("hello")[2]
    assert after.startswith("\r\n\rEpoch 1/1 1/3 [")


def test_logging_and_warnings_that_kept_the_old_stream_stand_above_it_too(on_terminal):
    def logs_and_warns():
        logger = logging.getLogger("epochal.tests")
        logger.addHandler(handler := logging.StreamHandler(sys.stderr))
        kept = sys.stderr
        try:
            fit(At(lambda: (logger.warning("a log"), warnings.warn("a warning", stacklevel=1))), epochs=1)
        finally:
            logger.removeHandler(handler)
        assert handler.stream is kept

    with warnings.catch_warnings():
        warnings.simplefilter("always")
        warnings.showwarning = lambda message, *rest, **more: print(message, file=sys.stderr)
        assert beginnings(on_terminal(logs_and_warns)) == ["a log", "a warning", "Epoch 1/1"]


def test_streams_are_given_back_whatever_ends_the_fit(on_terminal):
    def breaks():
        inside.append((sys.stdout, sys.stderr))
        raise RuntimeError("broken")

    def fails():
        before = sys.stdout, sys.stderr
        for do in (breaks, lambda: inside.append((sys.stdout, sys.stderr))):
            with contextlib.suppress(RuntimeError):
                fit(At(do), epochs=1)
            assert (sys.stdout, sys.stderr) == before
            assert not set(before) & set(inside[-1])

    inside = []
    lines = on_terminal(fails).lines
    assert len(lines) == 2
    assert lines[0].startswith("Epoch 1/1 1/3 [")


def test_a_stream_kept_beyond_the_fit_is_written_to_as_it_is(on_terminal):
    kept = []

    def keeps():
        fit(At(lambda: kept.append(sys.stdout)), epochs=1)
        print("afterwards", file=kept[0])

    assert beginnings(on_terminal(keeps)) == ["Epoch 1/1", "afterwards"]


def test_another_stream_put_in_its_place_stays_there_and_gets_plain_lines(on_terminal):
    other = io.StringIO()

    def exchanges():
        before = sys.stdout
        fit(At(lambda: setattr(sys, "stdout", other)), epochs=1)
        assert sys.stdout is other
        sys.stdout = before
        print("the terminal")

    screen = on_terminal(exchanges)
    assert screen.lines[-1] == "the terminal"
    assert other.getvalue().startswith("Epoch 1/1 - ")
    assert other.getvalue().count("\n") == 1


@pytest.mark.filterwarnings("ignore:.*fork")  # JAX, where other tests have loaded it, warns of forks
def test_a_forked_process_prints_without_the_bar(on_terminal):
    def forks():
        if (child := os.fork()) == 0:
            print("from the child", flush=True)
            os._exit(0)
        os.waitpid(child, 0)

    text = on_terminal(fit, At(forks)).text
    assert "from the child\r\n" in text
    assert not text.partition("from the child\r\n")[2].startswith("\rEpoch 1/1 1/3 [>.........]")


def test_a_fit_in_a_hook_prints_above_the_bar_of_the_outer_one(on_terminal):
    inner = At(lambda: fit(At(lambda: print("deep within")), epochs=2), batch=2)
    assert [line.split(" - ")[0] for line in on_terminal(fit, inner).lines] == [
        *("deep within", "Epoch 1/2", "deep within", "Epoch 2/2", "Epoch 1/1"),
    ]


# What callbacks say of an epoch


class Saved:
    def save(self, path):
        pass


def talkative():
    return [
        EarlyStopping("error", patience=1, verbose=1, min_delta=9, restore_best_weights=True),
        ModelCheckpoint("never.h5", "loss", verbose=1, save_best_only=True),
        ReduceLROnPlateau("loss", patience=1, verbose=1, min_delta=9),
    ]


def run_talkative():
    run = make_run([*talkative(), ProgbarLogger()], epochs=5, verbose=1)
    run.model.snapshot = lambda weights_only, reuse: Saved()
    loop.fit(run)


SAID = [
    *("Epoch 1/5", "Epoch 1: loss improved", "Epoch 2/5", "Epoch 2: early stopping.", "Epoch 2: loss improved"),
    *("Epoch 2: reducing the learning rate", "Restoring the weights"),
]


def assert_said(lines):
    assert len(lines) == len(SAID)
    assert [line for line, said in zip(lines, SAID, strict=True) if not line.startswith(said)] == []


def test_what_callbacks_say_of_an_epoch_stands_behind_its_line(monkeypatch, spans_of):
    spans_of(1)
    monkeypatch.setattr(terminal, "REDRAW_SECONDS", 1e-9)
    assert_said(shown(monkeypatch, 120, run_talkative).lines)


def test_so_it_is_in_a_pipe(capsys):
    run_talkative()
    assert_said(capsys.readouterr().out.splitlines())


def test_what_was_to_be_said_is_said_also_if_the_epoch_ends_in_an_error(capsys):
    def fails(epoch, logs):
        raise RuntimeError("broken")

    with pytest.raises(RuntimeError, match="broken"):
        fit(EarlyStopping("loss", patience=1, verbose=1, baseline=0.0), LambdaCallback(on_epoch_end=fails))
    assert capsys.readouterr().out.startswith("Epoch 1: early stopping.")
    remark("without a bar at once")
    assert capsys.readouterr().out == "without a bar at once\n"


def test_without_a_bar_it_is_said_at_once(capsys):
    data = ArrayData(X, Y, batch_size=4)
    loop.fit(make_run([EarlyStopping("loss", patience=1, verbose=1, baseline=0.0)], data=data))
    assert capsys.readouterr().out.startswith("Epoch 1: early stopping.")


def test_fits_that_overlap_in_threads_leave_the_stream_as_it_was(on_terminal):
    def one_ends_within_the_other():
        before = sys.stdout
        outer, inner = Guard("stdout", Terminal()), None
        outer.enter()
        inner = Guard("stdout", Terminal())
        inner.enter()
        outer.leave()
        inner.leave()
        left.append(sys.stdout is before)

    left = []
    on_terminal(one_ends_within_the_other)
    assert left == [True]


def test_handlers_that_no_logger_has_write_above_the_bar_too(on_terminal):
    def logs():
        handler = logging.StreamHandler(sys.stdout)  # as a QueueListener has one
        fit(LambdaCallback(on_batch_end=lambda *_: handler.emit(record)), epochs=1)

    record = logging.LogRecord("x", logging.INFO, "", 0, "told", None, None)
    assert beginnings(on_terminal(logs)) == ["told"] * 3 + ["Epoch 1/1"]
