"""Damaged files of a saved run are skipped, and none that is good is deleted."""

import pytest
from interrupted import Fails, train
from killed_runs import newest
from numpy_engine import fit

from epochal.callbacks import BackupAndRestore
from epochal.storage import generation


def damage(path):
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


def test_a_damaged_generation_is_skipped_with_a_warning(tmp_path):
    whole = train(tmp_path / "whole")
    train(tmp_path / "x", fails=Fails(7))
    damage(newest(tmp_path / "x"))
    with pytest.warns(
        UserWarning, match=r"00000003\.run is damaged: its digest is wrong; the generation before is tried"
    ):
        assert train(tmp_path / "x") == whole


def test_if_all_are_damaged_it_refuses_and_deletes_none(tmp_path):
    train(tmp_path, fails=Fails(7))
    saved = sorted((tmp_path / "run").glob("*.run"))
    for path in saved:
        damage(path)
    with (
        pytest.warns(UserWarning, match="is damaged"),
        pytest.raises(RuntimeError, match=r"all generations in .*run are damaged\. Delete them to start afresh\."),
    ):
        train(tmp_path)
    assert sorted((tmp_path / "run").glob("*.run")) == saved


def test_a_damaged_generation_is_never_counted_among_those_kept(tmp_path):
    train(tmp_path, fails=Fails(7))
    damage(newest(tmp_path))
    with pytest.warns(UserWarning, match="is damaged"):
        train(tmp_path)
    for path in (tmp_path / "run").glob("*.run"):
        generation.read(path)


@pytest.mark.parametrize("keep", [1, 2, 3])
def test_as_many_generations_stay_as_were_asked_for(tmp_path, keep):
    fit([BackupAndRestore(tmp_path, keep=keep)], epochs=5)
    assert [path.name for path in sorted(tmp_path.glob("*.run"))] == [
        f"generation-{6 - i:08d}.run" for i in reversed(range(keep))
    ]


def test_files_of_others_are_never_touched(tmp_path):
    folder = tmp_path / "run"
    (folder / "generation-00000009.run.d").mkdir(parents=True)
    others = [
        "notes.txt",
        "generation-1.run",
        "generation-٠٠٠٠٠٠٠١.run",
        "xgeneration-00000001.run",
        ".generation-00000001.run",
    ]
    for name in others:
        (folder / name).write_text("mine")
    train(tmp_path)
    train(tmp_path)
    assert [(folder / name).read_text() for name in others] == ["mine"] * len(others)
    assert (folder / "generation-00000009.run.d").is_dir()
