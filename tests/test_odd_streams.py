"""Standard output and standard error that are no terminals, can't encode, or are gone: the training goes on."""

import io
import pty
import subprocess
import sys
import types
import warnings

import pytest
from numpy_engine import make_run

from epochal.callbacks import Callback, EarlyStopping, LearningRateScheduler, ModelCheckpoint, ProgbarLogger
from epochal.core import loop
from epochal.messages import printing


class Tee:
    """What many put in the place of standard output: it can be written to, and nothing else."""

    def __init__(self):
        self.text = ""

    def write(self, text):
        self.text += text


class Failing(Tee):
    def __init__(self, error):
        self.error = error

    def write(self, text):
        raise self.error


class Nowhere(Tee):
    """A stream that can't even be asked whether it is a terminal."""

    def isatty(self):
        raise OSError(5, "Input/output error")

    def flush(self):
        raise ValueError("I/O operation on closed file")


def closed():
    stream = io.StringIO()
    stream.close()
    return stream


def fit(*callbacks, epochs=3, verbose=1):
    """Fit with a bar, and with callbacks that print."""
    bar, schedule = ProgbarLogger(), LearningRateScheduler(lambda epoch: 0.01, verbose=1)
    run = make_run([schedule, *callbacks, bar], epochs=epochs, verbose=verbose)
    loop.fit(run)
    return run


BROKEN = {
    "gone": lambda: Failing(BrokenPipeError(32, "Broken pipe")),
    "full": lambda: Failing(OSError(28, "No space left on device")),
    "busy": lambda: Failing(BlockingIOError(11, "write could not complete")),
    "odd": lambda: Failing(RuntimeError("no window")),
    "closed": closed,
    "not flushed": Nowhere,
    "no stream": object,
}


@pytest.mark.parametrize("broken", BROKEN)
@pytest.mark.parametrize("verbose", [1, 2])
def test_output_that_fails_is_told_once_and_ends_no_training(monkeypatch, broken, verbose):
    monkeypatch.setattr(sys, "stdout", BROKEN[broken]())
    with pytest.warns(UserWarning, match=r"sys\.stdout can't be written to .*Training goes on") as told:
        assert fit(verbose=verbose).epoch == 3
    assert len(told) == 1


def test_no_output_at_all_is_no_matter(monkeypatch):
    monkeypatch.setattr(sys, "stdout", None)
    monkeypatch.setattr(sys, "stderr", None)
    assert fit().epoch == 3


def test_a_stream_that_can_only_be_written_to_gets_plain_lines(monkeypatch):
    monkeypatch.setattr(sys, "stdout", tee := Tee())
    fit(epochs=2)
    assert [line.split(" - ")[0] for line in tee.text.splitlines()] == [
        "Epoch 1: setting the learning rate to 0.01.",
        "Epoch 1/2",
        "Epoch 2: setting the learning rate to 0.01.",
        "Epoch 2/2",
    ]


def test_what_a_stream_cannot_encode_is_escaped_and_told_once(monkeypatch):
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(raw := io.BytesIO(), encoding="ascii"))
    with pytest.warns(UserWarning, match=r"can't encode some characters \(ascii\).*PYTHONIOENCODING") as told:
        loop.fit(make_run([ProgbarLogger()], epochs=2, verbose=2, logged={"précision": [1.0, 2.0]}))
    assert len(told) == 1
    assert [line.split(" - ")[-1] for line in raw.getvalue().decode().splitlines()] == [
        "pr\\xe9cision: 1.000",
        "pr\\xe9cision: 2.000",
    ]


@pytest.mark.filterwarnings("error")
def test_a_warning_that_is_an_error_does_not_end_the_training_either(monkeypatch, capsys):
    monkeypatch.setattr(sys, "stdout", Failing(BrokenPipeError(32, "Broken pipe")))
    assert fit().epoch == 3
    assert capsys.readouterr().err.count("sys.stdout can't be written to") == 1


def test_both_streams_closed(monkeypatch):
    monkeypatch.setattr(sys, "stdout", closed())
    monkeypatch.setattr(sys, "stderr", closed())
    monkeypatch.setattr(warnings, "showwarning", lambda *a, **k: sys.stderr.write("x"))
    with warnings.catch_warnings():
        warnings.simplefilter("always")
        assert fit(EarlyStopping("loss", patience=1, verbose=1, min_delta=9)).epoch == 2


def test_streams_that_are_swapped_while_it_trains(monkeypatch):
    streams = [Tee(), Failing(OSError(5, "gone")), Tee()]

    class Swaps(Callback):
        def on_epoch_begin(self, epoch, logs=None):
            monkeypatch.setattr(sys, "stdout", streams[epoch])

    with pytest.warns(UserWarning, match="can't be written to") as told:
        fit(Swaps())
    assert len(told) == 1
    assert [t.text.startswith("Epoch ") for t in (streams[0], streams[2])] == [True, True]


def test_a_terminal_that_becomes_a_file_gets_no_control_characters(monkeypatch):
    master, slave = pty.openpty()
    later = io.StringIO()

    class Swaps(Callback):
        def on_epoch_end(self, epoch, logs=None):
            monkeypatch.setattr(sys, "stdout", later)

    with open(slave, "w") as terminal, open(master, "rb"):
        monkeypatch.setattr(sys, "stdout", terminal)
        fit(Swaps(), epochs=2)
    assert "\x1b" not in later.getvalue()
    assert len(later.getvalue().splitlines()) == 3


def test_a_notebook_whose_front_end_has_gone_gets_plain_lines(monkeypatch, capsys):
    def display(*arguments, **options):
        raise OSError("the kernel's socket is closed")

    shell = type("ZMQInteractiveShell", (), {})()
    monkeypatch.setitem(sys.modules, "ipykernel", types.ModuleType("ipykernel"))
    monkeypatch.setitem(sys.modules, "IPython", types.SimpleNamespace(get_ipython=lambda: shell))
    monkeypatch.setitem(sys.modules, "IPython.display", types.SimpleNamespace(display=display))
    loop.fit(make_run([ProgbarLogger()], epochs=2, verbose=1))
    assert [line[:9] for line in capsys.readouterr().out.splitlines()] == ["Epoch 1/2", "Epoch 2/2"]


def test_saves_are_told_to_whatever_is_there(monkeypatch, tmp_path):
    class Saves:
        def save(self, path):
            path = str(path)
            open(path, "w").close()

    run = make_run([ModelCheckpoint(tmp_path / "m.h5", verbose=1)], epochs=1)
    run.model.snapshot = lambda weights_only, reuse: Saves()
    monkeypatch.setattr(sys, "stdout", closed())
    with pytest.warns(UserWarning, match="can't be written to"):
        loop.fit(run)
    assert (tmp_path / "m.h5").exists()


def test_a_summary_is_printed_to_whatever_is_there(monkeypatch):
    from epochal.layers import Dense
    from epochal.models import Sequential

    model = Sequential([Dense(1, input_dim=2, name="schön")])
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(raw := io.BytesIO(), encoding="latin-1"))
    model.summary()
    assert "schön (Dense)" in raw.getvalue().decode("latin-1")
    monkeypatch.setattr(sys, "stdout", closed())
    with pytest.warns(UserWarning, match="can't be written to"):
        model.summary()


def test_a_reader_that_leaves_ends_neither_training_nor_what_comes_after(tmp_path):
    code = f"""
import sys
sys.path.insert(0, {str(__file__.rpartition("/")[0])!r})
from numpy_engine import make_run
from epochal.callbacks import ProgbarLogger
from epochal.core import loop
run = make_run([ProgbarLogger()], epochs=400, verbose=2)
loop.fit(run)
open("done", "w").write(str(run.epoch))
"""
    command = f'"{sys.executable}" train.py | head -n 1 > /dev/null'
    (tmp_path / "train.py").write_text(code)
    subprocess.run(command, shell=True, cwd=tmp_path, capture_output=True, check=True)
    assert (tmp_path / "done").read_text() == "400"


def test_written_text_goes_to_the_stream_of_the_moment(monkeypatch, capsys):
    printing.say("to everybody")
    printing.say("to those who look for errors", "stderr")
    assert capsys.readouterr() == ("to everybody\n", "to those who look for errors\n")
