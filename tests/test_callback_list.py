"""Hooks driven by a loop of the user's own, and the means that BaseLogger makes there."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from numpy_engine import Model, Recorder, fit

from epochal.callbacks import (
    BackupAndRestore,
    BaseLogger,
    Callback,
    CallbackList,
    CSVLogger,
    EarlyStopping,
    Every,
    History,
    LambdaCallback,
    LearningRateScheduler,
    ModelCheckpoint,
    ProgbarLogger,
    TerminateOnNaN,
)
from epochal.core.callback import HOOKS
from epochal.core.logs import Logs
from epochal.layers import Dense
from epochal.models import Sequential


def test_a_loop_with_plain_optax_has_early_stopping_a_log_and_a_bar(tmp_path, capsys):
    x = np.random.default_rng(0).normal(size=(40, 3))
    y = x @ [1.0, 2.0, 3.0]
    optimizer = optax.sgd(0.1)
    params, history = jnp.zeros(3), History()
    state = optimizer.init(params)

    @jax.jit
    def step(params, state, x, y):
        loss, gradient = jax.value_and_grad(lambda params: jnp.mean((x @ params - y) ** 2))(params)
        updates, state = optimizer.update(gradient, state)
        return optax.apply_updates(params, updates), state, loss

    stopping = EarlyStopping("loss", min_delta=0.1, patience=2)
    callbacks = CallbackList([stopping, CSVLogger(tmp_path / "log.csv"), ProgbarLogger(), history], epochs=20, steps=4)
    with callbacks:
        callbacks.on_train_begin()
        for epoch in range(20):
            callbacks.on_epoch_begin(epoch)
            for batch in range(4):
                callbacks.on_train_batch_begin(batch, {"size": 10})
                rows = slice(10 * batch, 10 * batch + 10)
                params, state, loss = step(params, state, x[rows], y[rows])
                callbacks.on_train_batch_end(batch, {"loss": loss, "size": 10})
            callbacks.on_epoch_end(epoch)
            if callbacks.stop_training:
                break
        callbacks.on_train_end()
    rows = (tmp_path / "log.csv").read_text().splitlines()
    assert stopping.stopped_epoch == epoch < 19
    assert (rows[0], len(rows)) == ("epoch,loss", epoch + 2)
    assert history.history["loss"][-1] < 0.1
    assert capsys.readouterr().out.count("\n") == epoch + 1


def test_every_hook_is_driven():
    recorder = Recorder()
    with CallbackList([recorder]) as callbacks:
        for hook in HOOKS:
            if hook != "on_exception":
                getattr(callbacks, hook)(*([] if hook.endswith(("train_begin", "train_end")) or hook in PLAIN else [3]))
    names = [hook.replace("on_batch", "on_train_batch") for hook in HOOKS if hook != "on_exception"]
    assert recorder.names() == names
    assert recorder.logs("on_test_batch_end") == [{"batch": 3}]


PLAIN = ("on_test_begin", "on_test_end", "on_predict_begin", "on_predict_end")


@pytest.mark.parametrize(
    ("cadence", "batches"),
    [
        (TerminateOnNaN.cadence, [0, 1, 2, 3, 4]),
        (Every(1, "second"), [0, 1, 2, 3, 4]),
        (Every(2, "batch"), [1, 3]),
        (Every(1, "epoch"), []),
    ],
)
def test_batch_hooks_are_called_at_every_nth_batch_if_the_cadence_says_so_else_at_every_one(cadence, batches):
    recorder = Recorder(cadence)
    with CallbackList([recorder]) as callbacks:
        callbacks.on_train_begin()
        for batch in range(5):
            callbacks.on_batch_begin(batch)
            callbacks.on_batch_end(batch, {"loss": 1.0})
    assert recorder.batches("on_train_batch_begin") == recorder.batches("on_train_batch_end") == batches


def test_a_checkpoint_is_saved_at_every_nth_batch_counted_through_the_epochs(tmp_path):
    model = Sequential([Dense(1, input_dim=1)])
    with CallbackList([ModelCheckpoint(tmp_path / "{epoch}-{batch}.h5", save_freq=3)], model) as callbacks:
        callbacks.on_train_begin()
        for epoch in range(2):
            callbacks.on_epoch_begin(epoch)
            for batch in range(4):
                callbacks.on_batch_end(batch, {"loss": 1.0})
            callbacks.on_epoch_end(epoch)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["1-3.h5", "2-2.h5"]


def test_a_callback_that_saves_runs_of_fit_is_refused(tmp_path):
    with pytest.raises(TypeError, match="BackupAndRestore saves and resumes the runs of fit.* Leave it out"):
        CallbackList([BackupAndRestore(tmp_path)])


# Means


@pytest.mark.parametrize(
    ("batches", "means"),
    [
        ([{"loss": 1.0, "size": 1}, {"loss": 4.0, "size": 2}], {"loss": 3.0}),
        ([{"loss": 1.0}, {"loss": 4.0}], {"loss": 2.5}),
        ([{"loss": 1.0, "size": 1}, {"loss": 4.0, "acc": 0.5, "size": 2}], {"loss": 3.0, "acc": 0.5}),
        ([], {}),
    ],
)
def test_epoch_logs_are_the_batches_means_weighted_by_size(batches, means):
    with CallbackList() as callbacks:
        for epoch in range(2):  # afresh in each
            callbacks.on_epoch_begin(epoch)
            for batch, logs in enumerate(batches):
                callbacks.on_train_batch_end(batch, logs)
            assert callbacks.on_epoch_end(epoch) == means


def test_what_the_user_gives_goes_before_a_mean():
    with CallbackList() as callbacks:
        callbacks.on_epoch_begin(0)
        callbacks.on_train_batch_end(0, {"loss": 1.0, "acc": 0.5})
        assert callbacks.on_epoch_end(0, {"loss": 7.0, "val_loss": 2.0}) == {"loss": 7.0, "val_loss": 2.0, "acc": 0.5}


def test_base_logger_comes_first():
    seen = []
    with CallbackList([LambdaCallback(on_epoch_end=lambda epoch, logs: seen.append(logs["loss"]))]) as callbacks:
        callbacks.on_epoch_begin(0)
        callbacks.on_train_batch_end(0, {"loss": 3.0})
        callbacks.on_epoch_end(0)
    assert seen == [3.0]


def test_in_a_fit_base_logger_changes_nothing():
    assert fit([BaseLogger()]).history == fit().history


def test_base_loggers_state_brings_its_sums_back():
    first, second = BaseLogger(), BaseLogger()
    logs = Logs()
    first.on_train_batch_end(0, Logs({"loss": 1.0, "size": 1}))
    second.load_state_dict(first.state_dict())
    second.on_train_batch_end(1, Logs({"loss": 4.0, "size": 2}))
    second.on_epoch_end(0, logs)
    assert logs == {"loss": 3.0}


# Model, stop, closing


def test_a_stop_is_seen_and_taken_back_by_train_begin():
    with CallbackList([TerminateOnNaN()]) as callbacks:
        callbacks.on_train_begin()
        callbacks.on_train_batch_end(0, {"loss": float("nan")})
        assert callbacks.stop_training
        callbacks.on_train_begin()
        assert not callbacks.stop_training


def test_callbacks_get_the_model():
    model = Model()
    with CallbackList([LearningRateScheduler(lambda epoch: 0.25)], model) as callbacks:
        callbacks.on_epoch_begin(0)
        assert callbacks.on_epoch_end(0)["lr"] == model.optimizer.lr == 0.25


def test_without_a_model_asking_it_for_something_says_so():
    with (
        pytest.raises(AttributeError, match=r"a callback asked for model\.optimizer: give CallbackList the model"),
        CallbackList([LearningRateScheduler(lambda epoch: 0.25)]) as callbacks,
    ):
        callbacks.on_epoch_begin(0)


def test_leaving_the_block_closes_after_on_exception_if_it_raised():
    calls = []

    class Closing(Callback):
        def on_exception(self, error):
            calls.append(str(error))

        def close(self):
            calls.append("close")

    with pytest.raises(RuntimeError, match="broken"), CallbackList([Closing()]):
        raise RuntimeError("broken")
    with CallbackList([Closing()]):
        pass
    assert calls == ["broken", "close", "close"]


def test_a_hook_that_reads_nothing_fetches_nothing(fetches):
    class Quiet(Callback):
        def on_train_batch_end(self, batch, logs=None):
            self.last = batch

    callbacks = CallbackList([Quiet()])
    callbacks._watchers["train"] = [w for w in callbacks._watchers["train"] if isinstance(w.callback, Quiet)]
    callbacks.on_train_batch_end(0, {"loss": jnp.float32(1.0)})
    assert fetches == []


@pytest.mark.parametrize("callbacks", [None, [], History()])
def test_no_callbacks_or_one(callbacks):
    with CallbackList(callbacks) as listed:
        listed.on_epoch_end(0, {"loss": 1.0})


@pytest.mark.parametrize(
    ("argument", "instead"), [("add_history", r"History\(\)"), ("add_progbar", r"ProgbarLogger\(\)")]
)
def test_what_only_the_list_of_keras_adds_itself_is_refused(argument, instead):
    with pytest.raises(TypeError, match=f"no {argument}=True: put {instead} into the list"):
        CallbackList(**{argument: True})
    assert argument not in CallbackList(**{argument: False}).params
