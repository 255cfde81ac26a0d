"""What the TensorBoard callback logs, and when."""

import resource
import subprocess
import sys
import textwrap
from time import sleep

import numpy as np
import pytest
from event_reading import by_step, scalars
from numpy_engine import Model as NumpyModel
from numpy_engine import Recorder, X, Y, fit, make_run
from tensorboard.backend.event_processing.plugin_event_multiplexer import EventMultiplexer

from epochal.callbacks import Callback, CallbackList, Every, ReduceLROnPlateau, TensorBoard
from epochal.core import loop
from epochal.data.array_data import ArrayData
from epochal.layers import Dense
from epochal.models import Sequential
from epochal.optimizers import SGD

# Scalars


def test_epoch_scalars_are_the_history_under_the_same_tags(tmp_path):
    validation = ArrayData(X[:6], Y[:6], batch_size=4)
    history = fit([TensorBoard(tmp_path)], epochs=3, validation=validation).history
    names = {"epoch_loss": "loss", "epoch_error": "error"}
    training, validated = scalars(tmp_path / "train"), scalars(tmp_path / "validation")
    assert training == {tag: by_step(history[name]) for tag, name in names.items()} | {
        tag: by_step([0.1] * 3) for tag in ("epoch_lr", "epoch_learning_rate")
    }
    assert validated == {tag: by_step(history[f"val_{name}"]) for tag, name in names.items()}


def test_a_steps_time_is_that_of_training_without_validation(tmp_path):
    class Waits(Callback):
        def __init__(self, **hooks):
            self.on_epoch_begin, self.on_test_batch_end = lambda *_: sleep(0.02), lambda *_: sleep(0.2)

    fit([TensorBoard(tmp_path), Waits()], epochs=2, validation=ArrayData(X[:6], Y[:6], batch_size=6))
    times = scalars(tmp_path / "train", without=())["epoch_step_time"]
    assert list(times) == [0, 1]
    assert all(0 < seconds < 0.2 / 3 for seconds in times.values())  # three steps an epoch


def test_the_multiplexer_finds_both_runs(tmp_path):
    fit([TensorBoard(tmp_path)], validation=ArrayData(X, Y, batch_size=4))
    multiplexer = EventMultiplexer().AddRunsFromDirectory(str(tmp_path)).Reload()
    assert sorted(multiplexer.Runs()) == [".", "train", "validation"]
    assert [event.step for event in multiplexer.Tensors("validation", "epoch_loss")] == [0, 1]


@pytest.mark.parametrize(("freq", "every"), [("batch", 1), (1, 1), (4, 4), (Every(2, "batch"), 2)])
def test_batch_scalars_are_the_batches_own(tmp_path, spans_of, freq, every):
    spans_of(100)
    seen = Recorder(replay=True)
    run = make_run([TensorBoard(tmp_path, update_freq=freq), seen], epochs=3)
    loop.fit(run)
    losses = [logs["loss"] for logs in seen.logs("on_train_batch_end")]
    logged = {step: value for step, value in by_step(losses, 1).items() if step % every == 0}
    assert scalars(tmp_path / "train")["batch_loss"] == logged
    assert run.engine.spans == [2, 1] * 3  # no span for it: the batches of one size run together


def test_without_update_freq_batches_cost_nothing(tmp_path, spans_of):
    spans_of(100)
    run = make_run([TensorBoard(tmp_path)])
    loop.fit(run)
    assert run.engine.spans == [2, 1] * 2
    assert not run.training._caller.follows
    assert "batch_loss" not in scalars(tmp_path / "train")


def test_what_callbacks_add_is_logged_if_it_is_a_number(tmp_path):
    class Adds(Callback):
        def on_epoch_end(self, epoch, logs=None):
            logs.update(lr=0.25, note="warm", array=np.float32(1.5), count=2)

    fit([TensorBoard(tmp_path), Adds()], epochs=1)
    logged = scalars(tmp_path / "train")
    assert {tag: logged[tag][0] for tag in logged if tag not in ("epoch_loss", "epoch_error")} == {
        "epoch_lr": 0.25,
        "epoch_learning_rate": 0.25,
        "epoch_array": 1.5,
        "epoch_count": 2,
    }


def test_an_epoch_has_the_rate_it_ran_with(tmp_path):
    reduce = ReduceLROnPlateau("loss", factor=0.5, patience=1, min_delta=1e9)
    fit([TensorBoard(tmp_path), reduce], epochs=3)
    assert scalars(tmp_path / "train")["epoch_lr"] == by_step([0.1, 0.1, 0.05])


def test_a_schedules_rate_is_logged(tmp_path):
    model = Sequential([Dense(1, input_dim=2)])
    model.compile(loss="mse", optimizer=SGD(lambda step: 0.5 / (1 + step)))
    model.fit(X, Y, batch_size=5, epochs=2, verbose=0, callbacks=[TensorBoard(tmp_path)])
    assert scalars(tmp_path / "train")["epoch_lr"] == by_step([0.5 / 2, 0.5 / 4])  # of steps 1 and 3


def test_a_loop_of_ones_own_logs_too(tmp_path):
    with CallbackList([TensorBoard(tmp_path)], epochs=2) as callbacks:
        callbacks.on_train_begin()
        for epoch in range(2):
            callbacks.on_epoch_begin(epoch)
            for batch in range(3):
                callbacks.on_train_batch_begin(batch, {"size": 1})
                callbacks.on_train_batch_end(batch, {"loss": float(batch), "size": 1})
            callbacks.on_epoch_end(epoch)
        callbacks.on_train_end()
    assert scalars(tmp_path / "train") == {"epoch_loss": {0: 1.0, 1: 1.0}}


# What goes wrong


@pytest.mark.parametrize(
    ("arguments", "error"),
    [
        ({"histogram_freq": -1}, "histogram_freq must be a whole number of at least 0; got -1"),
        ({"histogram_freq": 1.5}, "histogram_freq must be a whole number of at least 0; got 1.5"),
        ({"batch_size": 0}, "batch_size must be a whole number of at least 1; got 0"),
        ({"embeddings_freq": True}, "embeddings_freq must be a whole number of at least 0; got True"),
        ({"write_grads": True}, "write_grads=True .* needs histogram_freq of at least 1"),
        ({"embeddings_layer_names": ["a"]}, "need embeddings_freq of at least 1"),
        ({"embeddings_metadata": "a.tsv"}, "need embeddings_freq of at least 1"),
        ({"update_freq": "epochs"}, "a frequency is 'epoch', 'batch', a number"),
        ({"update_freq": 0}, "whole n of at least 1; got 0"),
        ({"update_freq": Every(2)}, "update_freq is 'epoch', 'batch' or a number of batches"),
        ({"update_freq": Every(2, "second")}, "update_freq is 'epoch', 'batch' or a number of batches"),
    ],
)
def test_arguments_that_cannot_be_right(arguments, error):
    with pytest.raises(ValueError, match=error):
        TensorBoard(**arguments)


def test_histograms_need_validation_data_as_arrays(tmp_path):
    model = Sequential([Dense(1, input_dim=2)])
    model.compile(loss="mse")
    callbacks = [TensorBoard(tmp_path, histogram_freq=1), seen := Recorder()]
    for validation in (None, [(X, Y)]):
        with pytest.raises(ValueError, match="pass arrays as validation_data"):
            model.fit(X, Y, verbose=0, validation_data=validation, callbacks=callbacks)
    assert "on_train_batch_end" not in seen.names()


def test_histograms_need_a_model_that_can_be_looked_into(tmp_path):
    callback = TensorBoard(tmp_path, histogram_freq=1)
    callback.model, callback.validation_data = NumpyModel(), (X, Y, None)
    with pytest.raises(ValueError, match="needs a model that can be looked into; Model can't be"):
        callback.on_train_begin()


def test_a_folder_that_cannot_be_written_to_is_an_error_before_the_first_batch(tmp_path):
    (tmp_path / "file").write_text("")
    seen = Recorder()
    with pytest.raises(OSError, match=r"nothing can be written to .*file/logs: Not a directory"):
        fit([TensorBoard(tmp_path / "file/logs"), seen])
    assert "on_train_batch_end" not in seen.names()


def test_a_failed_write_ends_the_fit(tmp_path):
    (tmp_path / "train").write_text("")  # in the way of the run's folder
    seen = Recorder()
    with pytest.raises(OSError, match=r"could not write .*train/events\.out.*: Not a directory"):
        fit([TensorBoard(tmp_path), seen], epochs=2_000)
    assert len(seen.batches("on_epoch_end")) < 2_000


def test_a_disk_that_fills_up_ends_the_fit(tmp_path):
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (500, hard))
    try:
        with pytest.raises(OSError, match=r"could not write .*events\.out.*: File too large"):
            fit([TensorBoard(tmp_path, update_freq="batch")], epochs=100)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def test_without_tensorboard_the_error_says_which_extra():
    script = """
        import sys
        sys.modules["tensorboard"] = None
        from epochal.callbacks import TensorBoard
        try:
            TensorBoard()
        except ImportError as error:
            print(error)
    """
    done = subprocess.run([sys.executable, "-c", textwrap.dedent(script)], check=True, capture_output=True, text=True)
    assert 'pip install "epochal[tensorboard]"' in done.stdout


def test_no_tensorflow_is_imported_even_if_there_is_one(tmp_path):
    (tmp_path / "tensorflow").mkdir()
    (tmp_path / "tensorflow/__init__.py").write_text("raise AssertionError('TensorFlow was imported')")
    script = f"""
        import sys
        sys.path.insert(0, {str(tmp_path)!r})
        import epochal.callbacks
        assert not {{"tensorboard", "jax", "google"}} & set(sys.modules)
        import numpy as np
        from epochal.layers import Dense, Embedding, Flatten
        from epochal.models import Sequential

        model = Sequential([Embedding(4, 2, input_length=3), Flatten(), Dense(1)])
        model.compile(loss="mse")
        everything = dict(histogram_freq=1, write_grads=True, write_images=True, embeddings_freq=1, update_freq="batch")
        x, y = np.zeros((8, 3), int), np.zeros((8, 1))
        callbacks = [epochal.callbacks.TensorBoard({str(tmp_path / "logs")!r}, **everything)]
        model.fit(x, y, verbose=0, validation_data=(x, y), callbacks=callbacks)
        assert not {{"tensorflow", "torch"}} & set(sys.modules)
    """
    subprocess.run([sys.executable, "-W", "error", "-c", textwrap.dedent(script)], check=True)
    assert scalars(tmp_path / "logs/train")["epoch_loss"].keys() == {0}
