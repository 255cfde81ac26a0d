"""What a resumed run logs for TensorBoard, and what survives a kill."""

import subprocess
import sys
import textwrap
import time

import pytest
from event_reading import accumulator, by_step, scalars
from folders import TESTS
from interrupted import Fails, Stop
from numpy_engine import Model as NumpyModel
from numpy_engine import X, Y, fit

from epochal.callbacks import BackupAndRestore, TensorBoard
from epochal.core.layer_node import LayerNode
from epochal.data.array_data import ArrayData


def train(folder, fails=None, save_freq="epoch", freq="epoch", epochs=4):
    """Train in `folder` until the end or the batch at which it fails; there are 3 batches an epoch."""
    backup = BackupAndRestore(folder / "run", save_freq)
    callbacks = [TensorBoard(folder / "logs", update_freq=freq), backup, *([Fails(fails)] if fails else [])]
    try:
        fit(callbacks, epochs, validation=ArrayData(X, Y, batch_size=4))
    except Stop:
        assert fails


def logged(folder):
    return [scalars(folder / "logs" / run) for run in ("train", "validation")]


@pytest.mark.parametrize(
    ("save_freq", "freq", "deaths"),
    [
        ("epoch", "epoch", [7]),
        ("epoch", "batch", [5, 8, 9]),  # in an epoch; after the batches that were logged and not saved
        (2, "batch", [1, 5, 11]),  # before anything was saved; resumed in mid-epoch
        (2, "epoch", [5]),
    ],
)
def test_a_resumed_run_logs_what_one_that_never_failed_does(tmp_path, save_freq, freq, deaths):
    train(tmp_path / "whole", freq=freq)
    for death in deaths:
        train(tmp_path / "failed", death, save_freq, freq)
    train(tmp_path / "failed", None, save_freq, freq)
    if deaths[0] == 1:  # what that run logged before its first save is gone
        assert len(list((tmp_path / "failed/logs/train").iterdir())) == 3
    assert logged(tmp_path / "failed") == logged(tmp_path / "whole")


def test_a_tensorboard_that_is_running_sees_no_step_twice(tmp_path):
    train(tmp_path, fails=8, freq="batch")
    reader = accumulator(tmp_path / "logs/train")
    assert max(event.step for event in reader.Scalars("batch_loss")) == 7  # the hook that failed came first
    train(tmp_path, freq="batch")
    reader.Reload()
    assert [event.step for event in reader.Scalars("batch_loss")] == list(range(1, 13))
    assert [event.step for event in reader.Scalars("epoch_loss")] == list(range(4))


def test_one_that_joins_a_resumed_run_logs_from_there_on(tmp_path, monkeypatch):
    nodes = [LayerNode("input", "InputLayer", {}, (), (None, 2), "float32", {})]
    monkeypatch.setattr(NumpyModel, "layer_graph", lambda self: nodes, raising=False)
    with pytest.raises(Stop):
        fit([BackupAndRestore(tmp_path / "run", 2), Fails(5)], epochs=3)
    fit([BackupAndRestore(tmp_path / "run", 2), TensorBoard(tmp_path, update_freq="batch")], epochs=3)
    found = scalars(tmp_path / "train")
    assert (list(found["epoch_loss"]), len(found["batch_loss"])) == ([1, 2], 5)
    assert accumulator(tmp_path / "train").Tags()["graph"]


def test_a_fit_that_begins_later_goes_on_with_the_steps(tmp_path):
    model = NumpyModel()
    fit([TensorBoard(tmp_path, update_freq="batch")], epochs=2, model=model)
    fit([TensorBoard(tmp_path, update_freq="batch")], epochs=4, model=model, initial_epoch=2)
    found = scalars(tmp_path / "train")
    assert (list(found["epoch_loss"]), list(found["batch_loss"])) == ([0, 1, 2, 3], list(range(1, 13)))


def test_an_older_run_in_the_folder_is_kept_and_no_longer_shown(tmp_path):
    folder = tmp_path / "täglich [neu] 日誌"
    fit([TensorBoard(folder)], epochs=5)
    (old,) = (folder / "train").iterdir()
    content = old.read_bytes()
    history = fit([TensorBoard(folder)], epochs=2).history
    assert old.read_bytes() == content
    assert scalars(folder / "train")["epoch_loss"] == by_step(history["loss"])


def test_one_callback_may_be_used_in_several_fits(tmp_path):
    callback = TensorBoard(tmp_path, update_freq="batch")
    for _ in range(2):
        fit([callback], epochs=2)
        callback.close()
    assert list(scalars(tmp_path / "train")["batch_loss"]) == [1, 2, 3, 4, 5, 6]


def bytes_in(folder):
    return b"".join(path.read_bytes() for path in folder.glob("*"))


def test_what_was_logged_survives_a_kill(tmp_path):
    script = f"""
        import time
        from epochal.callbacks import Callback, TensorBoard
        from numpy_engine import fit

        class Hangs(Callback):
            def on_epoch_end(self, epoch, logs=None):
                if epoch == 2:
                    print("hanging", flush=True)
                    time.sleep(60)

        fit([Hangs(), TensorBoard({str(tmp_path)!r}, update_freq="batch")], epochs=5)
    """
    process = subprocess.Popen([sys.executable, "-c", textwrap.dedent(script)], cwd=TESTS, stdout=subprocess.PIPE)
    try:
        assert process.stdout.readline() == b"hanging\n"
        deadline = time.monotonic() + 10  # the span in which a flush is due at the latest
        while bytes_in(tmp_path / "train").count(b"batch_loss") < 9 and time.monotonic() < deadline:
            time.sleep(0.05)
    finally:
        process.kill()
        process.wait()
        process.stdout.close()
    found = scalars(tmp_path / "train")
    assert (list(found["batch_loss"]), list(found["epoch_loss"])) == (list(range(1, 10)), [0, 1])
