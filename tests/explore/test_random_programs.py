"""Random programs do what a plain loop does, however they are cut into spans, and however often they are ended and resumed."""

import itertools
import tempfile
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from plain_loop import Loop
from random_programs import CUTS, Part, faults, programs
from running import emptied, plain, run

SHORT = settings(
    max_examples=60, deadline=None, derandomize=True, database=None, suppress_health_check=list(HealthCheck)
)
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
    for number, callback in enumerate(loop.listed):
        name = f"{number} {type(callback).__name__.removeprefix('Plain')}"
        if hasattr(callback, "state_dict"):
            expected[name] = plain(callback.state_dict())
        elif hasattr(callback, "state"):
            state = plain(callback.state())
            found[name] = {key: found[name][key] for key in state}
            expected[name] = state
        else:
            found.pop(name)
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
    at = emptied(folder / "ended")
    for fault, cut in zip(ends, itertools.cycle([cuts, (1,), (2,)]), strict=False):
        run(program, at, cut, fault)
    assert_same(run(program, at, cuts), whole, f"ended by {ends}")


SAVED = programs(saved=True)
PROPERTIES = {
    "does what a plain loop does": (check_plain, (programs(), CUTS), 200),
    "cut into any spans": (check_cuts, (SAVED, CUTS, st.lists(st.sampled_from(WAKES), max_size=2)), 100),
    "ended anywhere and resumed": (check_resumed, (SAVED, CUTS, st.lists(faults(), min_size=1, max_size=3)), 100),
}
"""What `explore.py` tries: a check, what its arguments are drawn from, and how many programs a round."""


@SHORT
@given(programs(), CUTS)
def test_a_program_does_what_a_plain_loop_does(program, cuts):
    with tempfile.TemporaryDirectory() as folder:
        check_plain(program, cuts, Path(folder))


@SHORT
@given(programs(saved=True), CUTS, st.lists(st.sampled_from(WAKES), max_size=2))
def test_nothing_depends_on_how_spans_are_cut(program, cuts, more):
    with tempfile.TemporaryDirectory() as folder:
        check_cuts(program, cuts, more, Path(folder))


@SHORT
@given(programs(saved=True), CUTS, st.lists(faults(), min_size=1, max_size=3))
def test_ended_anywhere_and_resumed_it_ends_as_if_it_had_not_been(program, cuts, ends):
    with tempfile.TemporaryDirectory() as folder:
        check_resumed(program, cuts, ends, Path(folder))
