"""What a run refers to: it removes only its own files, and notices what became of its logs meanwhile."""

import os
import shutil

import numpy as np
import pytest
from numpy_engine import Model, fit

from epochal.callbacks import BackupAndRestore, CSVLogger, LambdaCallback, ModelCheckpoint
from epochal.storage import files


class Saved(Model):
    """A model whose file has its weights."""

    def snapshot(self, weights_only, reuse):
        weights = self.weights.copy()

        class Snapshot:
            def save(self, path):
                files.write_durably(path, lambda p: p.write_bytes(weights.tobytes()))

        return Snapshot()


def run(folder, epochs, *more, keep=2, name="w-{epoch}", **options):
    checkpoint = ModelCheckpoint(os.path.join(folder, name), keep=keep, **options)
    model = Saved()
    fit([checkpoint, *more, BackupAndRestore(os.path.join(folder, "run"))], epochs, model=model)
    return checkpoint, model


def names(folder):
    return sorted(name for name in os.listdir(folder) if name != "run")


@pytest.mark.parametrize("way", [shutil.copytree, lambda a, b: shutil.copytree(a, b, copy_function=shutil.copyfile)])
def test_a_copied_run_removes_its_own_files_only(tmp_path, way):
    run(tmp_path / "first", 3)
    way(tmp_path / "first", tmp_path / "second")
    run(tmp_path / "second", 5)
    assert names(tmp_path / "first") == ["w-2", "w-3"]
    assert names(tmp_path / "second") == ["w-4", "w-5"]


def test_a_moved_run_goes_on_removing(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    run("first", 3)
    shutil.move("first", "second")
    run(tmp_path / "second", 5)
    assert names("second") == ["w-4", "w-5"]
    monkeypatch.chdir(tmp_path / "second")
    run(".", 6)
    assert names(".") == ["w-5", "w-6"]


def test_a_run_with_one_files_in_the_working_directory_leaves_another_directorys_alone(tmp_path, monkeypatch):
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
    monkeypatch.chdir(tmp_path / "a")
    run(".", 3)
    shutil.copytree("run", tmp_path / "b" / "run")
    monkeypatch.chdir(tmp_path / "b")
    run(".", 5)
    assert (names(tmp_path / "a"), names(tmp_path / "b")) == (["w-2", "w-3"], ["w-4", "w-5"])


@pytest.mark.parametrize("when", ["while it runs", "before it is resumed"])
def test_a_file_that_somebody_has_put_there_meanwhile_stays(tmp_path, when):
    write = lambda: (tmp_path / "w-2").write_bytes(b"precious")
    meanwhile = LambdaCallback(
        on_epoch_begin=lambda epoch, logs: epoch == 2 and (checkpoint[0]._writing.wait(), write())
    )
    if when == "while it runs":
        checkpoint = [None]
        watch = LambdaCallback(on_train_begin=lambda logs: None)
        made = ModelCheckpoint(tmp_path / "w-{epoch}", keep=2)
        checkpoint[0] = made
        fit([made, meanwhile, watch], 5, model=Saved())
    else:
        run(tmp_path, 3)
        write()
        run(tmp_path, 5)
    assert (tmp_path / "w-2").read_bytes() == b"precious"
    assert names(tmp_path) == ["w-2", "w-4", "w-5"]


def test_files_are_written_where_the_fit_began_when_a_hook_changes_the_working_directory(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "other").mkdir()
    run("first", 4, LambdaCallback(on_epoch_begin=lambda *_: os.chdir(tmp_path / "other")))
    assert names(tmp_path / "first") == ["w-3", "w-4"]
    assert os.listdir(tmp_path / "other") == []


def test_folders_made_by_the_template_are_followed_too(tmp_path):
    run(tmp_path / "first", 3, name="{epoch}/w")
    shutil.copytree(tmp_path / "first", tmp_path / "second")
    run(tmp_path / "second", 5, name="{epoch}/w")
    kept = lambda folder: sorted(str(path.relative_to(folder)) for path in folder.rglob("w"))
    assert (kept(tmp_path / "first"), kept(tmp_path / "second")) == (["2/w", "3/w"], ["4/w", "5/w"])


def test_a_missing_best_is_told_and_looked_for_afresh(tmp_path):
    best = {"monitor": "loss", "save_best_only": True, "name": "best", "keep": None, "mode": "max"}
    run(tmp_path, 2, **best)
    (tmp_path / "best").unlink()
    with pytest.warns(UserWarning, match=r"best, the best that was saved, is missing; what is best is looked for"):
        run(tmp_path, 3, **best)
    assert (tmp_path / "best").exists()


# Logs


def log(tmp_path, epochs, append=True):
    fit([CSVLogger(tmp_path / "log.csv", append=append), BackupAndRestore(tmp_path / "run")], epochs)
    return (tmp_path / "log.csv").read_text()


@pytest.mark.parametrize("append", [True, False])
@pytest.mark.parametrize(("cut", "lost"), [(1, 1), (2, 1), (30, 1), (60, 2), (10_000, 5)])
def test_a_shorter_log_is_told_and_no_two_rows_share_a_line(tmp_path, append, cut, lost):
    whole = log(tmp_path, 4, append)
    (tmp_path / "log.csv").write_text(whole[: max(0, len(whole) - cut)])
    with pytest.warns(UserWarning, match=rf"log\.csv is shorter than the saved run remembers, .*: {lost} of its lines"):
        rows = log(tmp_path, 6, append).splitlines()
    assert rows[0] == "epoch,loss,error"
    assert all(row.count(",") == 2 for row in rows)
    assert [int(row.split(",")[0]) for row in rows[1:]] == [*range(max(0, 5 - 1 - lost)), 4, 5]


def test_a_longer_log_is_cut_without_a_word(tmp_path):
    whole = log(tmp_path, 2)
    with open(tmp_path / "log.csv", "a") as file:
        file.write("7,8,9\n")
    assert log(tmp_path, 3).startswith(whole)
    assert log(tmp_path, 3).count("\n") == 4


def test_rows_that_were_there_before_the_run_are_no_rows_of_it(tmp_path):
    (tmp_path / "log.csv").write_text("epoch,loss,error\n0,1.0,1.0\n")
    whole = log(tmp_path, 2)
    (tmp_path / "log.csv").write_text(whole[:-3])
    with pytest.warns(UserWarning, match=r": 1 of its lines are lost"):
        assert log(tmp_path, 3).startswith("epoch,loss,error\n0,1.0,1.0\n")


def test_rows_are_on_the_disk_before_the_run_is_saved(tmp_path, monkeypatch):
    order, sync, replace = [], files.sync_if_there, os.replace
    monkeypatch.setattr(files, "sync_if_there", lambda path: (order.append(path.name), sync(path)))
    monkeypatch.setattr(os, "replace", lambda a, b: (order.append(b.name), replace(a, b)))
    log(tmp_path, 2)
    assert order == [
        *("generation-00000000.run", "log.csv", "generation-00000001.run"),
        *("log.csv", "generation-00000002.run", "generation-00000003.run"),
    ]


def test_a_log_that_is_taken_away_while_the_run_goes_on_is_no_error(tmp_path):
    away = LambdaCallback(on_epoch_begin=lambda epoch, logs: epoch == 1 and (tmp_path / "log.csv").unlink())
    fit([away, CSVLogger(tmp_path / "log.csv"), BackupAndRestore(tmp_path / "run")], 3)
    assert np.isfinite(len(os.listdir(tmp_path)))
