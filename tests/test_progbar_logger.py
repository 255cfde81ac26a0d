"""ProgbarLogger: what it prints on a terminal, in a pipe and in a notebook."""

import pty
import re
import sys
import types

import numpy as np
import pytest
from numpy_engine import Logged, X, Y, make_run

from epochal.callbacks import Callback, CallbackList, ProgbarLogger
from epochal.callbacks import progbar_logger as module
from epochal.core import loop
from epochal.core.phase_runner import PhaseRunner
from epochal.core.signals import Signals
from epochal.data.array_data import ArrayData

TIME = r"(\d+(s|ms|us)|\d+:\d\d)"


def fit(bar=None, callbacks=(), verbose=1, **options):
    loop.fit(make_run([*callbacks, bar or ProgbarLogger()], verbose=verbose, **options))


@pytest.fixture
def on_terminal(monkeypatch):
    """Return a function that fits with a terminal as standard output, and returns all that was written to it."""
    monkeypatch.setenv("COLUMNS", "100")

    def show(function=fit, *arguments, **options):
        master, slave = pty.openpty()
        with open(slave, "w") as screen, monkeypatch.context() as patch:
            patch.setattr(sys, "stdout", screen)
            function(*arguments, **options)
        with open(master, "rb", buffering=0) as reader:
            return b"".join(iter(lambda: read(reader), b"")).decode().replace("\r\n", "\n")

    return show


def read(master):
    """Return what has come, and nothing at the end, where Linux gives an error."""
    try:
        return master.read(4096)
    except OSError:
        return b""


@pytest.fixture
def redraws(monkeypatch):
    """Let the bar be redrawn at every batch."""
    monkeypatch.setattr(module, "REDRAW_SECONDS", 1e-9)


def shown(text):
    """Return the lines that stand on a terminal after this was written."""
    return [line.split("\r\x1b[2K")[-1] for line in text.split("\n")]


def draws(text):
    """Return what was drawn, one after the other."""
    return [line for line in text.split("\r\x1b[2K") if line]


# A terminal


def test_on_a_terminal_a_bar_is_redrawn_in_place(on_terminal, redraws, spans_of):
    spans_of(1)
    drawn = draws(on_terminal(epochs=1))
    assert [re.search(r"\d+/10", line)[0] for line in drawn] == ["4/10", "8/10", "10/10", "10/10"]
    assert re.match(rf"Epoch 1/1  4/10 \[=+>\.+\] - ETA {TIME} - loss: \S+ - error: \S+$", drawn[0])
    assert re.match(rf"Epoch 1/1 10/10 \[={{30}}\] - {TIME} {TIME}/step - loss: \S+ - error: \S+\n$", drawn[-1])


def test_a_terminal_keeps_one_line_an_epoch(on_terminal, redraws):
    lines = shown(on_terminal(epochs=3, validation=ArrayData(X, Y)))
    assert [line[:9] for line in lines] == ["Epoch 1/3", "Epoch 2/3", "Epoch 3/3", ""]
    assert all("val_loss: " in line for line in lines[:3])


def test_a_line_that_is_redrawn_is_cut_to_the_terminals_width(on_terminal, redraws, monkeypatch):
    monkeypatch.setenv("COLUMNS", "40")
    drawn = draws(on_terminal(epochs=1))
    assert {len(line) for line in drawn[:-1]} == {39}
    assert len(drawn[-1]) > 40


def test_the_bar_is_full_where_a_callback_stops_at_an_epochs_end(on_terminal, redraws):
    class Stops(Callback):
        def on_epoch_end(self, epoch, logs=None):
            self.model.stop_training = True

    assert "10/10 [" + "=" * 30 + "]" in shown(on_terminal(callbacks=[Stops()], epochs=9))[0]


def test_the_bar_stands_where_a_callback_stopped_the_epoch(on_terminal, redraws):
    class Stops(Callback):
        def on_train_batch_end(self, batch, logs=None):
            self.model.stop_training = batch == 1

    assert re.match(r"Epoch 1/9  8/10 \[=+>\.+\]", shown(on_terminal(callbacks=[Stops()], epochs=9))[0])


def test_an_error_leaves_the_terminal_at_the_start_of_a_line(on_terminal, redraws, spans_of):
    class Raises(Callback):
        def on_train_batch_end(self, batch, logs=None):
            if batch == 2:
                raise RuntimeError("broken")

    def fails():
        with pytest.raises(RuntimeError, match="broken"):
            fit(callbacks=[Raises()], epochs=1)

    spans_of(1)
    text = on_terminal(fails)
    assert text.count("\n") == 1
    assert text.endswith("\n")


def test_only_a_screen_that_is_redrawn_costs_wakes(on_terminal):
    for verbose, unit in ((1, "second"), (2, "epoch"), (0, "epoch")):
        bar = ProgbarLogger()
        on_terminal(fit, bar, verbose=verbose)
        assert bar.cadence.unit == unit


# Counting


@pytest.mark.parametrize(("mode", "counts"), [("samples", "10/10"), ("steps", "3/3")])
def test_it_counts_samples_or_steps(on_terminal, mode, counts):
    assert f" {counts} [" in on_terminal(fit, ProgbarLogger(mode), epochs=1)


@pytest.mark.parametrize("mode", ["batches", None, ""])
def test_any_other_count_mode_is_an_error(mode):
    with pytest.raises(ValueError, match="count_mode must be 'samples' or 'steps'; got"):
        ProgbarLogger(mode)


def test_where_samples_are_not_known_it_counts_steps(on_terminal):
    assert " 3/3 [" in on_terminal(epochs=1, samples=None)


def test_where_nothing_is_known_the_second_epoch_counts_by_the_first(on_terminal, redraws, spans_of):
    spans_of(1)
    drawn = draws(on_terminal(epochs=2, samples=None, steps=None))
    assert re.match(rf"Epoch 1/2 1/\? - {TIME} - loss", drawn[0])
    assert re.match(r"Epoch 2/2 1/3 \[=+>\.+\] - ETA", drawn[4])


# Pipes


@pytest.mark.parametrize("verbose", [1, 2])
def test_in_a_pipe_one_plain_line_an_epoch(capsys, verbose):
    fit(verbose=verbose, epochs=2, validation=ArrayData(X, Y))
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 2
    wanted = rf"Epoch 1/2 - {TIME} {TIME}/step - loss: \S+ - error: \S+ - val_loss: \S+ - val_error: \S+$"
    assert re.match(wanted, lines[0])


def test_verbose_2_is_one_line_an_epoch_on_a_terminal_too(on_terminal, redraws):
    text = on_terminal(verbose=2, epochs=2)
    assert "\x1b" not in text
    assert text.count("\n") == 2


def test_verbose_0_prints_nothing(capsys):
    fit(verbose=0)
    assert capsys.readouterr() == ("", "")


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.123456, "0.1235"),
        (0.0, "0.0000"),
        (1e-5, "1.000e-05"),
        (-12.5, "-12.5000"),
        (float("nan"), "nan"),
        (3, "3"),
        ("a", "a"),
    ],
)
def test_values_as_they_are_shown(capsys, value, text):
    fit(epochs=1, callbacks=[Logged({"extra": [value]})])
    assert capsys.readouterr().out.rstrip().endswith(f"- extra: {text}")


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0.0, "0us"), (5e-6, "5us"), (0.0123, "12ms"), (1.2, "1s"), (59.9, "60s"), (61, "1:01"), (3700, "61:40")],
)
def test_times_as_they_are_shown(seconds, text):
    assert module._duration(seconds) == text


# Notebooks


class ZMQInteractiveShell:
    pass


@pytest.fixture
def notebook(monkeypatch):
    """Pretend to be in a notebook; return the list of what its one output showed."""
    outputs = []
    handle = types.SimpleNamespace(update=lambda output, raw: outputs.append(output["text/plain"]))

    def display(output, raw, display_id):
        assert (raw, display_id) == (True, True)
        outputs.append(output["text/plain"])
        return handle

    shell = types.SimpleNamespace(get_ipython=ZMQInteractiveShell)
    monkeypatch.setitem(sys.modules, "ipykernel", types.ModuleType("ipykernel"))
    monkeypatch.setitem(sys.modules, "IPython", shell)
    monkeypatch.setitem(sys.modules, "IPython.display", types.SimpleNamespace(display=display))
    return outputs


def test_in_a_notebook_one_output_is_updated(notebook, redraws, capsys):
    fit(epochs=2)
    assert len(notebook) > 2
    assert [line[:9] for line in notebook[-1].splitlines()] == ["Epoch 1/2", "Epoch 2/2"]
    assert capsys.readouterr().out == ""


def test_a_second_fit_in_a_notebook_has_an_output_of_its_own(notebook):
    bar = ProgbarLogger()
    fit(bar, epochs=1)
    fit(bar, epochs=1)
    assert len(notebook[-1].splitlines()) == 1


# Evaluations and predictions


def passes(phase, bar):
    run = make_run([bar], verbose=1, epochs=1)
    bar.params = {"verbose": 1, "steps": 3}
    getattr(loop, {"test": "evaluate", "predict": "predict"}[phase])(
        PhaseRunner(phase, run.engine, run.data, run.hooks, Signals()), run.hooks
    )


@pytest.mark.parametrize(("phase", "line"), [("test", "Evaluation - .* - loss: "), ("predict", "Prediction - ")])
def test_an_evaluation_and_a_prediction_have_a_line(capsys, phase, line):
    passes(phase, ProgbarLogger())
    out = capsys.readouterr().out
    assert re.match(line, out)
    assert out.count("\n") == 1


def test_an_evaluation_after_a_fit_has_its_line_too(capsys):
    bar = ProgbarLogger()
    fit(bar, epochs=1)
    passes("test", bar)
    assert [line.split()[0] for line in capsys.readouterr().out.splitlines()] == ["Epoch", "Evaluation"]


def test_in_a_hand_written_loop_it_draws_at_every_batch(on_terminal, redraws):
    def by_hand():
        with CallbackList([ProgbarLogger()], epochs=1, steps=2) as callbacks:
            callbacks.on_epoch_begin(0)
            for batch in range(2):
                callbacks.on_train_batch_end(batch, {"loss": np.float32(1.0)})
            callbacks.on_epoch_end(0)

    assert on_terminal(by_hand).count("/2 [") == 3


def test_it_has_nothing_to_remember():
    assert ProgbarLogger().state_dict() == {}
