"""What tries the tests themselves: the list of mutants that nobody needs to kill, and which mutants are drawn."""

from pathlib import Path

import pytest

import epochal

PACKAGE = Path(epochal.__file__).parent
ROOT = Path(__file__).parents[1]

accepted = pytest.importorskip("mutants.accepted", reason="it isn't part of a release")

ENTRY = """
[[survivor]]
file = "core/stop_flag.py"
old = {old!r}
new = "pass"
why = {why!r}
"""


def test_each_accepted_mutant_is_of_a_line_that_is_still_there():
    accepted.Accepted(ROOT / "mutants" / "accepted.toml", PACKAGE)


@pytest.mark.parametrize(
    ("old", "why", "refused"),
    [
        ("self.no_such = line()", "a reason", "core/stop_flag.py has no longer the line"),
        ("from __future__ import annotations", "", "no reason is given for core/stop_flag.py"),
    ],
)
def test_one_whose_line_is_gone_or_that_has_no_reason_is_refused(tmp_path, old, why, refused):
    listed = tmp_path / "accepted.toml"
    listed.write_text(ENTRY.format(old=old, why=why), encoding="utf-8")
    with pytest.raises(ValueError, match=refused):
        accepted.Accepted(listed, PACKAGE)


@pytest.fixture
def package(tmp_path):
    """A package with three rooms, and one place in each that can be mutated."""
    for room in ("core", "data", "storage"):
        (tmp_path / room).mkdir()
        (tmp_path / room / "sizes.py").write_text("def double(size: int | None) -> int:\n    return size * 2\n")
    return tmp_path


def test_a_seed_decides_which_mutants_are_drawn_and_none_changes_a_type(package):
    mutations = pytest.importorskip("mutants.mutations", reason="cosmic-ray isn't installed")
    drawn = mutations.sample(package, 9, seed=1)
    assert drawn == mutations.sample(package, 9, seed=1) != mutations.sample(package, 9, seed=2)
    assert {m.room for m in drawn} == {"core", "data", "storage"}
    for mutant in drawn:
        head, body = mutant.code.splitlines()
        assert head == "def double(size: int | None) -> int:"  # what is written as a type has no effect
        assert body != "    return size * 2"
        compile(mutant.code, "mutant", "exec")
