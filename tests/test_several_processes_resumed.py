"""A run of several processes, one of which ends, goes on bit for bit when all are started again."""

import json
import re
import shutil
import signal

import numpy as np
import pytest
from processes import run

SCRIPT = "several_saved.py"


def ended(folder, what="nothing", victim=9, **options):
    """Run the script; return the exit codes, what it printed at its end in each process, and their whole output."""
    folder.mkdir(exist_ok=True)
    outcomes = run(SCRIPT, folder, what, victim, limit=60, **options)
    results = [re.findall(r"^\{.*\}$", outcome.output, re.MULTILINE) for outcome in outcomes]
    return (
        [outcome.code for outcome in outcomes],
        [json.loads(each[0]) if each else None for each in results],
        [outcome.output for outcome in outcomes],
    )


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory):
    """Return what a run ends with that nothing happens to, and its log."""
    folder = tmp_path_factory.mktemp("undisturbed")
    codes, results, output = ended(folder, "stream")
    assert codes == [0, 0], output
    return results, (folder / "log.csv").read_text()


def test_a_killed_process_ends_the_others_and_all_go_on_bit_for_bit(tmp_path, undisturbed):
    codes, _, output = ended(tmp_path, "stream kill", 1)
    assert codes == [1, -signal.SIGKILL]
    assert "RuntimeError: process 1 ended or hangs: no sign of life for 2 s" in output[0]
    assert "Start all processes again to resume." in output[0]
    codes, results, output = ended(tmp_path, "stream")
    assert codes == [0, 0], output
    assert (results, (tmp_path / "log.csv").read_text()) == undisturbed
    assert [result["seen"] for result in results] == [20, 120]  # each remembers what it counted itself


@pytest.mark.faults
def test_a_signal_in_one_process_saves_the_run_and_ends_all(tmp_path, undisturbed, long):
    if not long:
        pytest.skip("a long version: make faults")
    codes, _, output = ended(tmp_path, "stream terminate", 1)
    assert codes == [1, -signal.SIGTERM], output
    assert re.search(r"RuntimeError: process 1 (ended|is)", output[0]), output[0]
    codes, results, output = ended(tmp_path, "stream")
    assert (results, (tmp_path / "log.csv").read_text()) == undisturbed


@pytest.mark.faults
def test_weights_in_parts_are_saved_in_parts_and_go_on_in_as_many_processes_or_fewer(tmp_path, long):
    if not long:
        pytest.skip("a long version: make faults; test_sharded_files has two processes too")
    _, expected, _ = ended(tmp_path / "whole", "parts orbax")
    codes, _, output = ended(tmp_path / "two", "parts orbax raise", 1)
    assert codes == [1, 1]
    assert "RuntimeError: process 1 ended: ValueError: a hook raised on process 1. Start all" in output[0]
    shutil.copytree(tmp_path / "two", tmp_path / "one")
    codes, results, output = ended(tmp_path / "two", "parts orbax")
    assert (codes, results) == ([0, 0], expected), output
    codes, results, output = ended(tmp_path / "one", "parts orbax", count=1)
    assert codes == [0], output
    assert "The run goes on on one device, and was saved on 2 devices" in output[0]
    np.testing.assert_allclose(results[0]["loss"], expected[0]["loss"], rtol=0, atol=5e-7)


@pytest.mark.faults
def test_a_killed_primary_ends_the_others_and_all_go_on_bit_for_bit(tmp_path, undisturbed, long):
    if not long:
        pytest.skip("a long version: make faults")
    codes, _, output = ended(tmp_path, "stream kill", 0)
    assert codes[0] == -signal.SIGKILL
    assert codes[1] in (1, -signal.SIGABRT), output  # JAX's own client may be the first to notice
    codes, results, output = ended(tmp_path, "stream")
    assert (results, (tmp_path / "log.csv").read_text()) == undisturbed


@pytest.mark.faults
def test_four_processes_and_one_that_waits_for_its_data(tmp_path, long):
    if not long:
        pytest.skip("a long version: make faults")
    codes, results, output = ended(tmp_path, "hang stream parts", 1, count=2)
    assert codes == [0, 0]
    assert re.search(r"Warning: process 1 is late: for \d s it waits for batch \d of epoch \d", output[0])
    codes, results, output = ended(tmp_path / "four", "nothing", count=4)
    assert codes == [0] * 4, output
    assert len({json.dumps(result["loss"]) for result in results}) == 1


@pytest.mark.faults
def test_a_folder_that_is_not_shared_is_told(tmp_path, long):
    if not long:
        pytest.skip("a long version: make faults")
    codes, _, output = ended(tmp_path, "unshared raise", 1)
    assert codes == [1, 1], output
    codes, _, output = ended(tmp_path, "unshared")
    assert codes == [1, 1], output
    for each in output:
        assert re.search(r"saved run: \d+ batches, \d epochs on process 0, none on process 1", each)
        assert "The folder of a saved run must be one that all processes share." in each
