"""Random programs do what a plain loop does, however they are cut into spans, and however often they are ended and resumed."""

import atexit
import functools
import itertools
import pickle
import signal
import tempfile
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from killed_runs import Forks
from plain_loop import Loop
from random_programs import CUTS, Data, Fault, Part, Program, faults, programs
from running import emptied, plain, run

from epochal.callbacks import ReduceLROnPlateau
from epochal.core.means import Means

WAKES = [
    Part("Remembers", hooks=("on_train_batch_end",), every=2),
    Part("Remembers", hooks=("on_train_batch_begin", "on_test_batch_begin"), every=3),
    Part("Remembers", hooks=("on_train_batch_end", "on_epoch_end"), every=1, reads_means=True),
    Part("Remembers", hooks=("on_train_batch_begin", "on_train_batch_end")),
]


def differences(found, expected, name=""):
    """Yield a line for each thing that differs."""
    if isinstance(found, dict) and isinstance(expected, dict):
        for key in {**found, **expected}:
            yield from differences(found.get(key), expected.get(key), f"{name}/{key}")
    elif found != expected:
        yield f"{name[1:]}: {found} came, and should be {expected}"


def assert_same(found, expected, what):
    """Compare two outcomes by name."""
    lines = list(differences(found, expected))
    assert not lines, "\n".join([f"{what}:", *lines])


def check_plain(program, cuts, folder):
    """Check that a program does what a plain loop does."""
    loop, found = Loop(program).fit(), run(program, emptied(folder), cuts)
    expected = {
        "weights": [loop.model.weights.tobytes().hex()],
        "rate": loop.model.optimizer.lr,
        "epochs": loop.epochs,
        "history": {name: repr(values) for name, values in loop.history.items()},
    }
    del found["state"]
    for number, callback in enumerate(loop.listed):
        name = f"{number} {type(callback).__name__.removeprefix('Plain')}"
        if hasattr(callback, "state_dict"):
            expected[name] = plain(callback.state_dict())
        elif hasattr(callback, "state"):
            state = plain(callback.state())
            found[name] = {key: found[name][key] for key in state}
            expected[name] = state
        else:
            found.pop(name, None)
        if hasattr(callback, "files"):
            written = {path.name: path.read_bytes() for path in (folder / "models").iterdir()}
            expected["files"], found["files"] = callback.files, written
            found = {path: content for path, content in found.items() if not path.startswith("models/")}
        if hasattr(callback, "text") and loop.epochs:
            expected["log.csv"] = callback.text.getvalue().encode()
    assert_same(found, expected, "a plain loop")


def check_cuts(program, cuts, more, folder):
    """Check that what comes of a program doesn't depend on how spans are cut, and on who else is woken."""
    once = run(program, emptied(folder / "once"), (1,))
    again = run(program, emptied(folder / "again"), cuts, more=more)
    for outcome in (once, again):
        outcome.pop("saved", None)  # it has the states of those who woke it
    assert_same(again, once, f"cut into spans of {cuts}")


def check_resumed(program, cuts, ends, folder, run=run):
    """Check that a program that is ended by faults, one after the other, and resumed, ends as if it hadn't been."""
    whole = run(program, emptied(folder / "whole"))
    is_stopped = len(whole["epochs"]) < program.epochs - program.initial_epoch  # by a callback
    at = emptied(folder / "ended")
    for fault, cut in zip(ends, itertools.cycle([cuts, (1,), (2,)]), strict=False):
        epochs = max(program.initial_epoch + 1, program.epochs - fault.fewer_epochs)
        ended = run(replace(program, epochs=epochs), at, cut, fault)
        if ended is not None and is_stopped and epochs < program.epochs:
            return  # a run that was stopped, and is given more epochs, goes on: somebody wished it
    assert_same(run(program, at, cuts), whole, f"ended by {ends}")


def check_killed(program, cuts, ends, folder):
    """Check the same of processes that are killed, in which nobody closes or writes anything."""

    def run_forked(program, at, cuts=(1000,), fault=None):
        path = folder / "outcome"
        path.unlink(missing_ok=True)
        server().start_script(KILLED, folder / "output", repr(program), at, repr(cuts), repr(fault), path)
        ended = server().wait()
        assert ended in (0, *([-signal.SIGKILL] if fault else [])), (folder / "output").read_text()
        return pickle.loads(path.read_bytes()) if path.exists() else None

    check_resumed(program, cuts, ends, folder, run_forked)


@functools.cache
def server():
    """Return what runs programs in processes of their own, until this one ends."""
    compiled = tempfile.TemporaryDirectory(prefix="epochal-compiled-")
    forks = Forks(compiled.name)
    atexit.register(compiled.cleanup)
    atexit.register(forks.close)
    return forks


# What is drawn

KILLED = Path(__file__).with_name("killed.py")
ON_JAX = ("layers", "recurrent", "functional", "module")
MORE = st.lists(st.sampled_from(WAKES), max_size=2)
ENDS = st.lists(faults(), min_size=1, max_size=3)
KILLS = st.lists(faults(("SIGKILL",)), min_size=1, max_size=3)


def properties():
    """Yield a name, a check, what its arguments are drawn from, and how many programs `explore.py` tries in a round."""
    yield "does what a plain loop does", check_plain, (programs(), CUTS), 300
    for model, many in {"numpy": 100, **dict.fromkeys(ON_JAX, 10)}.items():
        saved = programs(model, saved=True)
        yield f"{model}: cut into any spans", check_cuts, (saved, CUTS, MORE), many
        yield f"{model}: ended anywhere and resumed", check_resumed, (saved, CUTS, ENDS), many
        yield f"{model}: killed anywhere and resumed", check_killed, (saved, CUTS, KILLS), max(5, many // 4)


# The short form


def short(examples):
    """Return settings with which the same programs are tried each time."""
    return settings(
        max_examples=examples, deadline=None, derandomize=True, database=None, print_blob=True,
        phases=[Phase.explicit, Phase.generate], suppress_health_check=list(HealthCheck),
    )  # fmt: skip


@short(150)
@given(programs(), CUTS)
def test_a_program_does_what_a_plain_loop_does(tmp_path, program, cuts):
    check_plain(program, cuts, tmp_path)


@short(50)
@given(programs(saved=True), CUTS, MORE)
def test_nothing_depends_on_how_spans_are_cut(tmp_path, program, cuts, more):
    check_cuts(program, cuts, more, tmp_path)


@short(50)
@given(programs(saved=True), CUTS, ENDS)
def test_ended_anywhere_and_resumed_it_ends_as_if_it_had_not_been(tmp_path, program, cuts, ends):
    check_resumed(program, cuts, ends, tmp_path)


@pytest.mark.parametrize("model", ON_JAX)
def test_so_it_is_on_jax(model, tmp_path):
    @short(2)
    @given(programs(model, saved=True), CUTS, MORE, ENDS)
    def check(program, cuts, more, ends):
        check_cuts(program, cuts, more, tmp_path)
        check_resumed(program, cuts, ends, tmp_path)

    check()


# That it finds something

PLATEAU = Part("ReduceLROnPlateau", monitor="loss", patience=1, mode="max", factor=0.5)


def test_a_state_that_is_not_restored_is_found_out(tmp_path, monkeypatch):
    program = Program(Data(), epochs=6, callbacks=(Part("BackupAndRestore"), PLATEAU))
    ends = [Fault("SIGTERM", "on_train_batch_end", 7)]
    check_resumed(program, (1000,), ends, tmp_path)
    monkeypatch.setattr(ReduceLROnPlateau, "load_state_dict", lambda self, state: None)
    with pytest.raises(AssertionError, match="ended by .*SIGTERM(.|\n)*rate: .* came, and should be"):
        check_resumed(program, (1000,), ends, tmp_path)


def test_a_mean_over_batches_instead_of_samples_is_found_out(tmp_path, monkeypatch):
    check_plain(Program(Data()), (1000,), tmp_path)
    add = Means.add
    monkeypatch.setattr(Means, "add", lambda self, sums, size, counts: add(self, sums / size, 1, counts))
    with pytest.raises(AssertionError, match=r"a plain loop:\s+history/loss: "):
        check_plain(Program(Data()), (1000,), tmp_path)
