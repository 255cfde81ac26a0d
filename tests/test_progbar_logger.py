"""ProgbarLogger: what stands on a terminal, and in a pipe."""

import pickle
import re

import numpy as np
import pytest
from numpy_engine import Logged, X, Y, make_run
from screens import shown

from epochal.callbacks import BackupAndRestore, Callback, CallbackList, ProgbarLogger
from epochal.core import loop
from epochal.core.phase_runner import PhaseRunner
from epochal.core.signals import Signals
from epochal.data.array_data import ArrayData
from epochal.messages.progress import compiling
from epochal.screens import screen, terminal

TIME = r" *(\d+(s|ms|us)|\d\.\ds|\d+:\d\d)"


def fit(bar=None, callbacks=(), verbose=1, **options):
    loop.fit(make_run([*callbacks, bar or ProgbarLogger()], verbose=verbose, **options))


@pytest.fixture
def on_terminal(monkeypatch):
    """Return a function that fits on a terminal, and returns its screen."""

    def show(function=fit, *arguments, columns=80, **options):
        return shown(monkeypatch, columns, lambda: function(*arguments, **options))

    return show


@pytest.fixture
def redraws(monkeypatch, spans_of):
    """Let the bar be redrawn at every batch."""
    monkeypatch.setattr(terminal, "REDRAW_SECONDS", 1e-9)
    spans_of(1)


def test_an_epoch_ended_amid_its_batches_says_how_many_it_had(capsys, spans_of):
    spans_of(100)

    class Stops(Callback):
        def on_train_batch_end(self, batch, logs=None):
            self.model.stop_training = batch == 1

    fit(callbacks=[Stops()], verbose=2, epochs=3)
    assert re.match(rf"Epoch 1/3 2/3 -{TIME}{TIME}/step - loss: ", capsys.readouterr().out)


# A terminal


def test_on_a_terminal_a_bar_is_redrawn_in_place(on_terminal, redraws):
    drawn = on_terminal(epochs=1).draws
    assert [re.search(r"\d/3|$", line)[0] for line in drawn] == ["0/3", "1/3", "2/3", "3/3", ""]
    assert re.match(r"Epoch 1/1 0/3 \[>\.{9}\]$", drawn[0])
    assert re.match(rf"Epoch 1/1 2/3 \[=+>\.+\] - ETA{TIME} - loss: \S+ +- error: \S+$", drawn[2])
    assert re.match(rf"Epoch 1/1 -{TIME}{TIME}/step - loss: \S+ +- error: \S+$", drawn[-1])


def test_something_is_there_before_the_first_batch(on_terminal):
    class Slow(Callback):
        def on_train_batch_begin(self, batch, logs=None):
            if batch == 0:
                with compiling():
                    order.append("compiles")

    order = []
    drawn = on_terminal(callbacks=[Slow()], epochs=30, columns=60).draws
    assert drawn[:2] == ["Epoch 1/30  0/3 [>.........]", "Epoch 1/30  - compiling …"]
    assert order


def test_a_terminal_keeps_one_line_an_epoch(on_terminal, redraws):
    lines = on_terminal(epochs=3, validation=ArrayData(X, Y), columns=120).lines
    assert [line[:9] for line in lines] == ["Epoch 1/3", "Epoch 2/3", "Epoch 3/3"]
    assert all(" - val_loss: " in line for line in lines)


def test_lines_of_epochs_stand_below_each_other_column_by_column(on_terminal):
    values = {"a": [0.5, 0.00012345, 12.5], "b": [1.0, 2.0, 3.0]}
    lines = on_terminal(epochs=10, logged={name: [*given, *[1.0] * 7] for name, given in values.items()}).lines
    assert {line.index("- ") for line in lines} == {len("Epoch 10/10 ")}
    assert {line.index("- b: ") - line.index("- a: ") for line in lines} == {len("- a: 0.5000 "), len("- a: 1.234e-4 ")}


@pytest.mark.parametrize("columns", [20, 30, 45, 60, 80, 200])
def test_no_line_is_ever_wider_than_the_terminal(on_terminal, redraws, columns):
    logged = {"a_metric_with_a_long_name": [0.5, 0.25], "val_accuracy": [0.5, 0.25]}
    made = on_terminal(epochs=2, validation=ArrayData(X, Y), logged=logged, columns=columns)
    assert max(map(len, made.draws)) < columns
    assert len(made.lines) == 2


def test_what_does_not_fit_is_left_out_whole_the_least_important_first(on_terminal):
    def final(columns):
        logged = {"accuracy": [0.5], "val_accuracy": [0.25], "lr": [1e-3]}
        made = on_terminal(epochs=1, validation=ArrayData(X, Y), logged=logged, columns=columns)
        return re.findall(r"(\w+): ", made.lines[-1]), made.lines[-1].endswith(" …")

    assert final(200) == (["loss", "error", "val_loss", "val_error", "accuracy", "val_accuracy", "lr"], False)
    assert final(74) == (["loss", "val_loss", "val_error"], True)
    assert final(40) == (["loss"], True)


def test_wide_characters_take_two_columns(on_terminal, redraws):
    whole = "- 精度: 0.5000 - 損失の平均: 0.2500"
    for columns in range(50, 100, 3):
        [line] = on_terminal(epochs=1, logged={"精度": [0.5], "損失の平均": [0.25]}, columns=columns).lines
        assert (
            line.endswith(whole)
            if "平" in line
            else line.endswith(("精度: 0.5000 …", "error: 0.9087 …", "loss: 1.269 …"))
        )


def test_the_bar_shows_the_means_of_the_epoch_so_far(on_terminal, redraws):
    class Own(Callback):
        def on_epoch_begin(self, epoch, logs=None):
            self.losses, self.sizes = [], []

        def on_train_batch_end(self, batch, logs=None):
            self.losses.append(logs["loss"])
            self.sizes.append(logs["size"])

    for cadence in (None, terminal.REDRAW_SECONDS):  # among callbacks for every batch, and alone
        own = Own()
        drawn = on_terminal(callbacks=[own] if cadence is None else [], epochs=1).draws[1:4]
        if cadence is None:
            means = [np.average(own.losses[:n], weights=own.sizes[:n]) for n in (1, 2, 3)]
        assert [re.search(r"loss: (\S+)", line)[1] for line in drawn] == [f"{mean:#.4g}" for mean in means]


def test_a_callback_that_reads_means_needs_a_cadence():
    class Odd(Callback):
        reads_means = True

        def on_train_batch_end(self, batch, logs=None):
            logs["loss"]

    with pytest.raises(TypeError, match="Odd.reads_means = True needs a cadence, and no replay"):
        make_run([Odd()])


def test_validation_has_a_progress_of_its_own(on_terminal, redraws):
    drawn = on_terminal(epochs=2, validation=ArrayData(X, Y, batch_size=4), columns=100, validation_steps=None).draws
    testing = [line for line in drawn if "validating" in line]
    assert [re.search(r"validating (\d/\S)", line)[1] for line in testing] == [
        *("0/?", "1/?", "2/?", "3/?"),
        *("0/3", "1/3", "2/3", "3/3"),
    ]
    assert " - loss: " in testing[1]
    assert " - val_loss: " in testing[1]


def test_the_line_says_where_a_callback_stopped_the_epoch(on_terminal, redraws):
    class Stops(Callback):
        def on_train_batch_end(self, batch, logs=None):
            self.model.stop_training = batch == 1

    assert re.match(r"Epoch 1/9 2/3 - ", on_terminal(callbacks=[Stops()], epochs=9).lines[0])


def test_an_error_leaves_the_terminal_at_the_start_of_a_line(on_terminal, redraws):
    class Raises(Callback):
        def on_train_batch_end(self, batch, logs=None):
            if batch == 2:
                raise RuntimeError("broken")

    def fails():
        with pytest.raises(RuntimeError, match="broken"):
            fit(callbacks=[Raises()], epochs=1)

    made = on_terminal(fails)
    assert made.text.count("\n") == 1
    assert made.text.endswith("\n")
    assert "2/3" in made.lines[0]


def test_how_often_it_is_woken_depends_on_the_screen(on_terminal):
    for verbose, unit in ((1, "second"), (2, "epoch"), (0, "epoch")):
        bar = ProgbarLogger()
        on_terminal(fit, bar, verbose=verbose)
        assert bar.cadence.unit == unit


def test_verbose_2_is_one_line_an_epoch_on_a_terminal_too(on_terminal, redraws):
    made = on_terminal(verbose=2, epochs=2)
    assert "\x1b" not in made.text
    assert len(made.lines) == 2 == len(made.text.splitlines())


@pytest.mark.parametrize(("verbose", "term"), [(2, "xterm"), (1, "dumb")])
def test_plain_lines_fit_a_terminal_too(on_terminal, monkeypatch, verbose, term):
    monkeypatch.setenv("TERM", term)
    lines = on_terminal(verbose=verbose, epochs=1, validation=ArrayData(X, Y), columns=50).lines
    assert len(lines) == 1
    assert lines[0].endswith(" …")


def test_no_color_gets_a_bar_without_escape_sequences(on_terminal, redraws, monkeypatch):
    monkeypatch.setenv("NO_COLOR", "1")
    made = on_terminal(epochs=2)
    assert "\x1b" not in made.text
    assert [line[:9] for line in made.lines] == ["Epoch 1/2", "Epoch 2/2"]
    assert all("[" not in line for line in made.lines)  # nothing is left of the bar


def test_a_dumb_terminal_gets_plain_lines(on_terminal, redraws, monkeypatch):
    monkeypatch.setenv("TERM", "dumb")
    made = on_terminal(epochs=2)
    assert not re.search(r"\x1b|\r[^\n]", made.text)
    assert [line[:9] for line in made.lines] == ["Epoch 1/2", "Epoch 2/2"]


# Counting


@pytest.mark.parametrize(("arguments", "counts"), [((), "0/3"), (("steps",), "0/3"), (("samples",), " 0/10")])
def test_it_counts_steps_or_samples(on_terminal, arguments, counts):
    assert on_terminal(fit, ProgbarLogger(*arguments), epochs=1).draws[0].startswith(f"Epoch 1/1 {counts} [")


@pytest.mark.parametrize("mode", ["batches", None, ""])
def test_any_other_count_mode_is_an_error(mode):
    with pytest.raises(ValueError, match="count_mode must be 'samples' or 'steps'; got"):
        ProgbarLogger(mode)


def test_where_samples_are_not_known_it_counts_steps(on_terminal):
    assert " 0/3 [" in on_terminal(fit, ProgbarLogger("samples"), epochs=1, samples=None).draws[0]


def test_where_nothing_is_known_the_second_epoch_counts_by_the_first(on_terminal, redraws):
    drawn = on_terminal(epochs=2, samples=None, steps=None).draws
    assert re.match(rf"Epoch 1/2 1/\? -{TIME} - loss", drawn[1])
    assert re.match(r"Epoch 2/2 0/3 \[>\.+\]$", drawn[5])


def test_an_epoch_of_one_step_has_no_time_a_step(capsys):
    fit(epochs=1, data=ArrayData(X, Y, batch_size=10), verbose=2)
    assert re.match(rf"Epoch 1/1 -{TIME} - loss", capsys.readouterr().out)


# Pipes


@pytest.mark.parametrize("verbose", [1, 2])
def test_in_a_pipe_one_plain_line_an_epoch_whole(capsys, verbose):
    fit(verbose=verbose, epochs=2, validation=ArrayData(X, Y), logged={"a_long_name" * 9: [1.0, 2.0]})
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 2
    wanted = rf"Epoch 1/2 -{TIME}{TIME}/step - loss: \S+ +- error: \S+ +- val_loss: \S+ +- val_error: \S+ +- a_long"
    assert re.match(wanted, lines[0])


def test_in_a_pipe_a_long_epoch_has_a_line_a_minute(capsys, monkeypatch, spans_of):
    spans_of(1)
    monkeypatch.setattr(screen, "MINUTE", 1e-9)
    fit(epochs=1, validation=ArrayData(X, Y))
    lines = capsys.readouterr().out.splitlines()
    assert [re.search(r"\d/3|validating|$", line)[0] for line in lines] == ["1/3", "2/3", "3/3", "validating", ""]


def test_verbose_0_prints_nothing(capsys):
    fit(verbose=0)
    assert capsys.readouterr() == ("", "")


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


def test_in_a_hand_written_loop_it_draws_means_at_every_batch(on_terminal, redraws):
    def by_hand():
        with CallbackList([ProgbarLogger()], epochs=1, steps=2) as callbacks:
            callbacks.on_epoch_begin(0)
            for batch, loss in enumerate((1.0, 4.0)):
                callbacks.on_train_batch_end(batch, {"loss": np.float32(loss)})
            callbacks.on_epoch_end(0)

    losses = [re.findall(r"loss: (\S+)", line) for line in on_terminal(by_hand).draws]
    assert losses == [[], ["1.000"], ["2.500"], ["2.500"]]


def test_an_epoch_resumed_amid_its_batches_has_its_bar(on_terminal, redraws, tmp_path):
    class Fails(Callback):
        def on_train_batch_end(self, batch, logs=None):
            if batch == 1:
                raise OSError("no more")

    def killed():
        with pytest.raises(OSError, match="no more"):
            fit(callbacks=[BackupAndRestore(tmp_path, save_freq=1), Fails()], epochs=2)

    on_terminal(killed)
    resumed = on_terminal(callbacks=[BackupAndRestore(tmp_path, save_freq=1)], epochs=2).draws
    assert resumed[0] == f"{tmp_path}/: going on after batch 1 of epoch 1."
    assert [re.match(r"Epoch 1/2 ./3|Epoch ./2|$", line)[0] for line in resumed[1:5]] == [
        "Epoch 1/2 0/3",
        "Epoch 1/2 2/3",
        "Epoch 1/2 3/3",
        "Epoch 1/2",
    ]


def test_it_remembers_nothing_between_epochs_and_can_be_copied():
    bar = ProgbarLogger("samples")
    fit(bar, epochs=1, verbose=0)
    assert bar.state_dict() == {"epoch": None}
    assert pickle.loads(pickle.dumps(bar)).count_mode == "samples"


def test_values_a_callback_adds_are_shown(capsys):
    fit(epochs=1, callbacks=[Logged({"note": ["a\x1b[2J\nb"], "count": [3], "rate": [1e-3]})], verbose=2)
    assert capsys.readouterr().out.rstrip().endswith("- note: a [2J b - count: 3      - rate: 1e-3")
