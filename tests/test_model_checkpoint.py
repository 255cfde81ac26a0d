"""Models that are saved while they train."""

import numpy as np
import pytest
from checkpointing import FALLING, Saved, names, train
from numpy_engine import X, Y, fit

from epochal.callbacks import Callback, Every, ModelCheckpoint
from epochal.data.array_data import ArrayData

DIPPING = {"val_loss": [2.0, 3.0, 1.0, 1.5]}


# When


def test_each_epoch_saves_the_model_as_it_is_then(tmp_path):
    class Keeps(Callback):
        def on_epoch_end(self, epoch, logs=None):
            kept.append(self.model.weights.tobytes())

    kept = []
    train(ModelCheckpoint(tmp_path / "{epoch}.h5"), more=[Keeps()])
    assert [(tmp_path / f"{epoch}.h5").read_bytes() for epoch in (1, 2, 3)] == kept


@pytest.mark.parametrize(
    ("arguments", "saved"),
    [
        ({}, [1, 2, 3, 4]),
        ({"period": 2}, [2, 4]),
        ({"period": 5}, []),
        ({"save_freq": Every(2, "epoch")}, [2, 4]),
        ({"save_best_only": True}, [1, 3]),
        ({"save_best_only": True, "mode": "max"}, [1, 2]),
        ({"save_best_only": True, "period": 2}, [2, 4]),
        ({"save_best_only": True, "initial_value_threshold": 1.5}, [3]),
        ({"save_best_only": True, "initial_value_threshold": 0.5}, []),
        ({"save_best_only": True, "mode": "max", "initial_value_threshold": 2.5}, [2]),
    ],
)
def test_epochs_that_are_saved(tmp_path, arguments, saved):
    train(ModelCheckpoint(tmp_path / "{epoch}.h5", **arguments), logged=DIPPING)
    assert names(tmp_path) == [f"{epoch}.h5" for epoch in saved]


@pytest.mark.parametrize(("save_freq", "saved"), [(2, ["1-2", "2-1", "2-3"]), (4, ["2-1"]), ("batch", None)])
def test_batches_that_are_saved(tmp_path, save_freq, saved):
    train(ModelCheckpoint(tmp_path / "{epoch}-{batch}.h5", save_freq=save_freq), epochs=2)
    expected = saved or [f"{epoch}-{batch}" for epoch in (1, 2) for batch in (1, 2, 3)]
    assert names(tmp_path) == [f"{name}.h5" for name in expected]


def test_the_best_batches_can_be_saved_too(tmp_path):
    checkpoint = ModelCheckpoint(tmp_path / "best.h5", "loss", save_best_only=True, save_freq=1)
    train(checkpoint, epochs=1)
    assert checkpoint.best > 0
    assert names(tmp_path) == ["best.h5"]


@pytest.mark.parametrize(("monitor", "logged"), [("val_acc", "val_accuracy"), ("val_accuracy", "val_acc")])
def test_acc_and_accuracy_are_taken_for_each_other(tmp_path, monitor, logged):
    path = tmp_path / f"{{{monitor}:.1f}}.h5"
    checkpoint = train(ModelCheckpoint(path, monitor, save_best_only=True), epochs=3, logged={logged: [0.5, 0.7, 0.6]})
    assert names(tmp_path) == ["0.5.h5", "0.7.h5"]  # auto: higher is better
    assert checkpoint.best == 0.7


def test_an_epoch_without_the_value_counts_for_nothing(tmp_path):
    logged = {"val_loss": [None, 2.0, None, 1.0]}
    for best_only in (False, True):
        train(ModelCheckpoint(tmp_path / f"{best_only}-{{val_loss}}.h5", save_best_only=best_only), logged=logged)
    train(ModelCheckpoint(tmp_path / "{val_loss}.h5", "loss", save_best_only=True), logged=logged)
    assert names(tmp_path) == ["1.0.h5", "2.0.h5", "False-1.0.h5", "False-2.0.h5", "True-1.0.h5", "True-2.0.h5"]


def test_nan_is_never_the_best(tmp_path):
    logged = {"val_loss": [np.nan, 2.0, np.nan, -np.inf]}
    checkpoint = train(ModelCheckpoint(tmp_path / "{epoch}.h5", save_best_only=True), logged=logged)
    assert names(tmp_path) == ["2.h5"]
    assert checkpoint.best == 2.0


@pytest.mark.parametrize("weights_only", [False, True])
def test_the_snapshots_memory_is_used_again(tmp_path, weights_only):
    model = Saved()
    train(ModelCheckpoint(tmp_path / "{epoch}.h5", save_weights_only=weights_only), model=model)
    assert model.taken == [(weights_only, False), (weights_only, True), (weights_only, True)]


# Names


def test_templates_take_the_epoch_and_what_is_in_the_logs(tmp_path):
    train(ModelCheckpoint(tmp_path / "w.{epoch:02d}-{val_loss:.2f}-{{}}.h5"))
    assert names(tmp_path) == ["w.01-3.00-{}.h5", "w.02-2.00-{}.h5", "w.03-1.00-{}.h5"]


def test_numbers_of_numpy_are_numbers(tmp_path):
    train(ModelCheckpoint(tmp_path / "{val_loss:.1f}.h5"), epochs=1, logged={"val_loss": [np.float32(0.5)]})
    assert names(tmp_path) == ["0.5.h5"]


def test_what_callbacks_add_to_the_logs_can_be_in_a_name(tmp_path):
    class Adds(Callback):
        def on_epoch_end(self, epoch, logs=None):
            logs["lr"] = 0.5

    with pytest.warns(UserWarning, match=r"has \{lr\}, which is no metric of this fit"):
        fit([Adds(), ModelCheckpoint(tmp_path / "{lr}.h5")], model=Saved())
    assert names(tmp_path) == ["0.5.h5"]


@pytest.mark.parametrize(
    "template",
    [
        "{loss.__class__}",
        "{loss.__class__.__init__.__globals__}",
        "{epoch[0]}",
        "{0}",
        "{}",
        "{loss!r}",
        "{loss:{epoch}}",
        "{../x}",
    ],
)
def test_a_template_has_plain_fields_only(tmp_path, template):
    with pytest.raises(ValueError, match=r"a field is a name with a format, such as \{epoch:02d\}; got"):
        ModelCheckpoint(tmp_path / f"{template}.h5")


def test_a_value_that_is_no_number_does_not_get_into_a_path(tmp_path):
    with pytest.raises(ValueError, match=r"has \{val_loss\}, whose value '\.\./\.\./x' is no number"):
        train(ModelCheckpoint(tmp_path / "{val_loss}.h5"), epochs=1, logged={"val_loss": ["../../x"]})
    assert names(tmp_path) == []


def test_a_key_that_is_not_in_the_logs_lists_those_that_are(tmp_path):
    message = r"has \{val_los\}, which is not in the logs: loss, error, val_loss, epoch\. Did you mean 'val_loss'"
    with (
        pytest.warns(UserWarning, match=r"has \{val_los\}, which is no metric of this fit\. Did you mean 'val_loss'"),
        pytest.raises(ValueError, match=message),
    ):
        train(ModelCheckpoint(tmp_path / "{val_los}.h5"))


@pytest.mark.parametrize("arguments", [{"save_best_only": True}, {"filepath": "{val_loss}.h5"}])
@pytest.mark.parametrize("save_freq", [10, Every(3, "second")])
def test_batches_know_no_validation(arguments, save_freq):
    with pytest.raises(ValueError, match="'val_loss' is known only when an epoch ends"):
        ModelCheckpoint(**{"filepath": "best.h5", "save_freq": save_freq} | arguments)


def test_epochs_know_no_batch():
    with pytest.raises(
        ValueError, match=r"has \{batch\}, but it is saved at the ends of epochs: give save_freq a number"
    ):
        ModelCheckpoint("{epoch}-{batch}.h5")


# How many files stay


@pytest.mark.parametrize(
    ("arguments", "saved"),
    [
        ({"keep": 1}, [4]),
        ({"keep": 3}, [2, 3, 4]),
        ({"keep": 1, "save_best_only": True}, [3]),
        ({"keep": 2, "save_best_only": True}, [1, 3]),
    ],
)
def test_as_many_files_stay_as_were_asked_for(tmp_path, arguments, saved):
    (tmp_path / "0.h5").write_bytes(b"mine")
    train(ModelCheckpoint(tmp_path / "{epoch}.h5", **arguments), logged=DIPPING)
    assert names(tmp_path) == [f"{epoch}.h5" for epoch in (0, *saved)]


def test_one_name_is_one_file_however_often_it_was_written(tmp_path):
    train(ModelCheckpoint(tmp_path / "latest.h5", keep=1))
    assert names(tmp_path) == ["latest.h5"]


# Arguments


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"period": 2, "save_freq": 10}, "period counts epochs and save_freq=10 batches; give one of the two"),
        ({"period": 0}, "needs a whole n of at least 1; got 0"),
        ({"save_freq": 0}, "needs a whole n of at least 1; got 0"),
        ({"save_freq": "day"}, "a frequency is 'epoch', 'batch', a number of batches or an Every; got 'day'"),
        ({"keep": 0}, "keep is how many files stay, at least 1; got 0"),
        ({"mode": "maximum"}, "mode must be one of auto, min, max; got 'maximum'"),
    ],
)
def test_arguments_out_of_range_are_refused(arguments, message):
    with pytest.raises(ValueError, match=message):
        ModelCheckpoint("best.h5", **arguments)


def test_a_monitor_that_nothing_logs_is_an_error_after_the_first_epoch(tmp_path):
    with (
        pytest.warns(UserWarning, match="the monitored 'val_los' is no metric of this fit"),
        pytest.raises(ValueError, match="the monitored 'val_los' is not in the logs"),
    ):
        train(ModelCheckpoint(tmp_path / "best.h5", "val_los", mode="min", save_best_only=True))


def test_verbose_prints_each_save(tmp_path, capsys):
    train(ModelCheckpoint(tmp_path / "b.h5", verbose=1, save_best_only=True), logged={"val_loss": [2.0, 3.0]})
    train(ModelCheckpoint(tmp_path / "{epoch}.h5", verbose=1), epochs=1)
    assert capsys.readouterr().out == (
        f"Epoch 1: val_loss improved to 2, saving {tmp_path}/b.h5.\nEpoch 1: saving {tmp_path}/1.h5.\n"
    )


def test_the_best_of_one_fit_is_to_be_beaten_in_the_next(tmp_path):
    checkpoint = ModelCheckpoint(tmp_path / "{val_loss}.h5", save_best_only=True)
    train(checkpoint, logged=FALLING)
    train(checkpoint, logged={"val_loss": [1.5, 0.5]})
    assert names(tmp_path) == ["0.5.h5", "1.0.h5", "2.0.h5", "3.0.h5"]


def test_its_state_is_the_best_and_what_stays(tmp_path):
    checkpoint = train(ModelCheckpoint(tmp_path / "{epoch}.h5", save_best_only=True, keep=1))
    other = ModelCheckpoint(tmp_path / "{epoch}.h5", save_best_only=True, keep=1)
    other.load_state_dict(checkpoint.state_dict())
    assert (other.best, other.state_dict()) == (1.0, checkpoint.state_dict())


# A real model


def test_a_real_model_is_saved_whole_or_its_weights(tmp_path):
    from epochal.layers import Dense
    from epochal.models import Sequential, load_model

    model = Sequential([Dense(3, activation="relu", input_dim=2), Dense(1)])
    model.compile(loss="mse", optimizer="adam")
    whole = ModelCheckpoint(tmp_path / "whole.h5", "loss")
    weights = ModelCheckpoint(tmp_path / "best.weights.h5", "loss", save_best_only=True, save_weights_only=True)
    model.fit(X, Y, epochs=2, verbose=0, callbacks=[whole, weights])
    loaded = load_model(tmp_path / "whole.h5")
    assert [w.tolist() for w in loaded.get_weights()] == [w.tolist() for w in model.get_weights()]
    model.load_weights(tmp_path / "best.weights.h5")
    for name in ("best.pkl", "whole.weights.h5"):
        with pytest.raises(ValueError, match="suffix|weights"):
            model.fit(X, Y, verbose=0, callbacks=[ModelCheckpoint(tmp_path / name)])


def test_data_by_batches_needs_no_epochs_length(tmp_path):
    data = ArrayData(X, Y, batch_size=5, steps=2)
    train(ModelCheckpoint(tmp_path / "{epoch}-{batch}.h5", save_freq=3), epochs=3, data=data)
    assert names(tmp_path) == ["2-1.h5", "3-2.h5"]
