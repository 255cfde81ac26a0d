"""Arrays in parts over devices and processes are saved in a folder and restored bit for bit, or called damaged."""

import asyncio
import json
import os
import re
import resource
import shutil
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from processes import flags_for, run
from sharded_state import NUMBERS, SPECS, assert_whole, placed, shardings, train

from epochal.engines.jax import sharded_files
from epochal.engines.jax.sharded_files import remove, remove_leftovers, restore, save
from epochal.storage import files
from epochal.storage.generation import Damaged

WHERE = shardings((2, 4))


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    """Return a folder of the state, which nobody changes, and its checksums."""
    saving = save(tmp_path_factory.mktemp("saved") / "arrays", placed(WHERE))
    saving.wait()
    return saving.folder, saving.checksums


@pytest.fixture
def copied(saved, tmp_path):
    """Return a folder of the state that the test may damage, and its checksums."""
    return shutil.copytree(saved[0], tmp_path / "arrays"), saved[1]


# Saved and restored

TURNED = {path: spec[::-1] for path, spec in SPECS.items()}
LAYOUTS = {
    "the same": WHERE,
    "fewer devices": shardings((2, 1)),
    "more in the other axis": shardings((4, 2)),
    "other axes": shardings((2, 2), TURNED),
    "replicated": shardings((2, 4), {}),
    "one device": dict.fromkeys(NUMBERS, jax.sharding.SingleDeviceSharding(jax.devices()[3])),
}


@pytest.mark.parametrize("where", LAYOUTS.values(), ids=LAYOUTS)
def test_arrays_are_restored_bit_for_bit_wherever_they_are_to_lie(saved, where):
    restored = restore(*saved, where)
    assert_whole(restored)
    assert {path: array.sharding for path, array in restored.items()} == where


def test_checksums_are_json_and_the_same_from_any_layout(saved, tmp_path):
    assert json.loads(json.dumps(saved[1])) == saved[1]
    saving = save(tmp_path / "arrays", placed(LAYOUTS["one device"]))
    saving.wait()
    assert saving.checksums == saved[1]


def test_training_goes_on_and_consumes_the_arrays_before_they_are_written(tmp_path):
    unsaved, state = placed(WHERE), placed(WHERE)
    train(unsaved)
    assert unsaved["params/dense/kernel"].is_deleted()
    saving = save(tmp_path / "arrays", state)
    train(state, steps=5)  # on copies where the host's memory is the device's
    saving.wait()
    assert_whole(restore(tmp_path / "arrays", saving.checksums, WHERE))


def test_restored_arrays_are_donated_as_any_others(saved):
    state = restore(*saved, WHERE)
    train(state)
    assert state["params/dense/kernel"].is_deleted()


def test_doubles_are_restored_where_jax_has_them(tmp_path):
    with jax.enable_x64(True):
        state = {"double": jnp.arange(4.0) / 3, "complex": jnp.arange(3) * 1j}
        where = {path: array.sharding for path, array in state.items()}
        saving = save(tmp_path / "arrays", state)
        saving.wait()
        restored = restore(tmp_path / "arrays", saving.checksums, where)
        assert restored["complex"].dtype == "complex128"
        assert all(np.array_equal(restored[path], state[path]) for path in state)
    with pytest.raises(ValueError, match="double in .*arrays is float64: set jax_enable_x64"):
        restore(tmp_path / "arrays", saving.checksums, where)


def test_it_works_in_a_notebook_where_an_event_loop_runs(saved, tmp_path):
    async def cell():
        saving = save(tmp_path / "arrays", placed(WHERE))
        saving.wait()
        return restore(tmp_path / "arrays", saving.checksums, WHERE)

    assert_whole(asyncio.run(cell()))


def test_nothing_at_all_is_saved_and_restored(tmp_path):
    saving = save(tmp_path / "arrays", {})
    saving.wait()
    assert restore(tmp_path / "arrays", saving.checksums, {}) == {}


def test_nothing_is_printed_or_logged(saved, tmp_path, capfd, caplog):
    restore(*saved, WHERE)
    with pytest.raises(Damaged, match="damaged"):
        restore(tmp_path / "arrays", saved[1], WHERE)
    assert (capfd.readouterr(), caplog.records) == (("", ""), [])


# Damage


def flip(path, at, bit=1):
    content = bytearray(path.read_bytes())
    content[at] ^= bit
    path.write_bytes(content)


def test_a_flipped_bit_in_an_array_is_found_and_the_array_is_named(copied):
    folder, checksums = copied
    shard = NUMBERS["params/dense/kernel"][:32, :32].tobytes()
    (data,) = (path for path in folder.rglob("*") if path.is_file() and shard in path.read_bytes())
    first = data.read_bytes().index(shard)
    for at, bit in [(0, 1), (1001, 16), (len(shard) - 1, 128)]:
        flip(data, first + at, bit)
        with pytest.raises(Damaged, match=f"^{folder} is damaged: params/dense/kernel isn't what was saved$"):
            restore(folder, checksums, WHERE)
        flip(data, first + at, bit)
    assert_whole(restore(folder, checksums, WHERE))


def found_or_whole(folder, checksums):
    """Return whether damage is found; else what is restored must be whole."""
    try:
        assert_whole(restore(folder, checksums, WHERE))
    except Damaged as damage:
        return bool(re.match(f"{folder} is damaged: .{{5,310}}$", str(damage)))
    return False


def test_a_flipped_bit_anywhere_is_found_or_does_not_matter(copied):
    folder, checksums = copied
    for path in (path for path in folder.rglob("*") if path.is_file()):
        size = path.stat().st_size
        found = []
        for at in (0, size // 3, size // 2, size - 2):
            flip(path, at)
            found.append(found_or_whole(folder, checksums))
            flip(path, at)
        assert all(found) or "ocdbt.process_" in str(path)  # where each process's own lists of files matter no more
    assert_whole(restore(folder, checksums, WHERE))


def test_files_that_are_missing_or_cut_are_found_or_do_not_matter(saved, tmp_path):
    found = []
    for number, path in enumerate(path.relative_to(saved[0]) for path in saved[0].rglob("*") if path.is_file()):
        cut, missing = (shutil.copytree(saved[0], tmp_path / f"{kind} {number}") for kind in ("cut", "missing"))
        os.truncate(cut / path, (cut / path).stat().st_size // 2)
        (missing / path).unlink()
        found += [found_or_whole(cut, saved[1]), found_or_whole(missing, saved[1])]
    assert sum(found) >= 7


def test_a_folder_that_is_not_there_or_half_there_is_damaged(saved, tmp_path):
    with pytest.raises(Damaged, match="nowhere is damaged: .*not exist"):
        restore(tmp_path / "nowhere", saved[1], WHERE)
    (tmp_path / "empty").mkdir()
    with pytest.raises(Damaged, match="empty is damaged"):
        restore(tmp_path / "empty", saved[1], WHERE)


# Kills and full disks


def test_a_folder_gets_its_name_once_all_of_it_is_on_the_disk(tmp_path, monkeypatch):
    synced, renamed = set(), []
    sync = files.sync

    def rename(source, target):
        assert {source, *Path(source).rglob("*")} <= synced
        renamed.append(target)
        os.replace(source, target)

    monkeypatch.setattr(files, "sync", lambda path: (synced.add(path), sync(path)))
    monkeypatch.setattr(sharded_files.os, "rename", rename)
    saving = save(tmp_path / "arrays", placed(WHERE))
    assert re.fullmatch(r"\.arrays\.\w+\.partial", *os.listdir(tmp_path))
    synced.clear()
    saving.wait()
    assert renamed == [tmp_path / "arrays"]
    assert tmp_path in synced


def test_what_a_kill_has_left_is_replaced_by_the_next_save(saved, tmp_path):
    shutil.copytree(saved[0], tmp_path / ".arrays.1.partial")
    (tmp_path / ".arrays.1.partial" / "_METADATA").write_text("{")
    saving = save(tmp_path / "arrays", placed(WHERE))
    saving.wait()
    assert_whole(restore(tmp_path / "arrays", saving.checksums, WHERE))
    assert os.listdir(tmp_path) == ["arrays"]


def test_a_removal_that_is_killed_leaves_nothing_of_the_folders_name(copied, monkeypatch):
    folder, _ = copied
    with monkeypatch.context() as patch:
        patch.setattr(sharded_files.shutil, "rmtree", lambda path, ignore_errors=False: None)
        remove(folder)
    assert re.fullmatch(r"\.arrays\.\w+\.removed", *os.listdir(folder.parent))
    (folder.parent / ".other.1.partial").mkdir()
    (folder.parent / "somebody's.partial").mkdir()
    remove_leftovers(folder.parent)
    assert os.listdir(folder.parent) == ["somebody's.partial"]
    remove(folder)  # it is gone


def test_a_full_disk_is_an_error_in_words_and_can_be_tried_again(tmp_path, capfd, caplog):
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 16, hard))
    try:
        saving = save(tmp_path / "arrays", placed(WHERE) | {"large": jnp.ones((512, 512))})
        with pytest.raises(OSError, match=f"^could not write {tmp_path}/arrays: File too large$"):
            saving.wait()
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert (capfd.readouterr(), caplog.records) == (("", ""), [])
    assert not (tmp_path / "arrays").exists()
    saving = save(tmp_path / "arrays", placed(WHERE))
    saving.wait()
    assert_whole(restore(tmp_path / "arrays", saving.checksums, WHERE))
    assert os.listdir(tmp_path) == ["arrays"]


# Mistakes


def test_what_cannot_be_saved_is_said_at_once(tmp_path):
    with pytest.raises(TypeError, match=r"key has random keys; give their numbers: jax.random.key_data\(…\)"):
        save(tmp_path / "arrays", {"key": jax.random.key(0)})
    (tmp_path / "arrays").mkdir()
    with pytest.raises(OSError, match="could not write .*arrays: it is there already"):
        save(tmp_path / "arrays", {"one": jnp.ones(1)})


def test_paths_that_differ_are_named(saved):
    where = {path: sharding for path, sharding in WHERE.items() if path != "mask"} | {"musk": WHERE["mask"]}
    with pytest.raises(ValueError, match="only one of .*arrays and what is to be restored has: mask, musk"):
        restore(*saved, where)


# Several processes


def test_two_processes_save_in_the_background_and_any_number_restores(saved, tmp_path):
    shutil.copytree(saved[0], tmp_path / "one")
    (tmp_path / "one.json").write_text(json.dumps(saved[1]))
    outcomes = run("sharded.py", tmp_path, XLA_FLAGS=flags_for(2))
    for outcome in outcomes:
        assert outcome.code == 0, outcome.output
        assert outcome.output.splitlines()[-2:] == [
            f"{tmp_path}/two again is damaged: params/dense/kernel isn't what was saved",
            f"could not write {tmp_path}/full 0: it is there already (process 0)",
        ]
    checksums = json.loads((tmp_path / "two.json").read_text())
    assert checksums == saved[1]
    assert_whole(restore(tmp_path / "two", checksums, WHERE))
