"""Programs as people wrote them for Keras 2.1.3, small and with made-up data, run here as they stand.

Where `keras` stood in their imports is `epochal`.
"""

import runpy
from pathlib import Path

import jax
import pytest

PROGRAMS = sorted((Path(__file__).parent / "old_keras").glob("*.py"))


@pytest.fixture(autouse=True)
def compiled_without_optimizations():
    """Compile fast: each program runs its steps a few times only."""
    before = jax.config.read("jax_disable_most_optimizations")
    jax.config.update("jax_disable_most_optimizations", True)
    yield
    jax.config.update("jax_disable_most_optimizations", before)


@pytest.mark.parametrize("program", PROGRAMS, ids=lambda program: program.stem)
def test_a_program_of_its_day_runs(program, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    runpy.run_path(str(program), run_name="__main__")
