"""Programs as people wrote them for Keras 2.1.3, small and with made-up data, run here as they stand.

Where `keras` stood in their imports is `epochal`.
"""

import runpy
from pathlib import Path

import pytest

PROGRAMS = sorted((Path(__file__).parent / "old_keras").glob("*.py"))


@pytest.mark.parametrize("program", PROGRAMS, ids=lambda program: program.stem)
def test_a_program_of_its_day_runs(program, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    runpy.run_path(str(program), run_name="__main__")
