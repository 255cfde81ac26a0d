"""A `val_…` that no epoch will have is told before the first batch."""

import numpy as np
import pytest
from numpy_engine import Recorder, X, Y, make_run

from epochal.callbacks import Callback, EarlyStopping, LambdaCallback, ModelCheckpoint, ReduceLROnPlateau
from epochal.core import loop
from epochal.core.run import Validation
from epochal.data.array_data import ArrayData

MAY_WARN = pytest.mark.filterwarnings("ignore:the monitored 'val_.*' is no metric of this fit")


def fit(callbacks, **options):
    loop.fit(make_run(callbacks, **options))


@pytest.mark.parametrize(
    "make",
    [
        EarlyStopping,
        ReduceLROnPlateau,
        lambda: ModelCheckpoint("best.h5", save_best_only=True),
        lambda: ModelCheckpoint("{epoch}-{val_loss:.2f}.h5", monitor="loss"),
        lambda: EarlyStopping("val_error", mode="max"),
        lambda: type("Mine", (EarlyStopping,), {})(),
    ],
)
def test_without_validation_it_is_an_error_before_any_hook(make):
    recorder, callback = Recorder(), make()
    message = rf"{type(callback).__name__} needs 'val_(loss|error)'.*validation_data=.*validation_split=.*loss, error"
    with pytest.raises(ValueError, match=message):
        fit([callback, recorder])
    assert recorder.names() == ["on_exception"]


@pytest.mark.parametrize(
    "callback", [EarlyStopping("loss"), ModelCheckpoint("{epoch}.h5", period=9), LambdaCallback(on_epoch_end=print)]
)
def test_what_needs_no_validation_runs_without(callback, capsys):
    fit([callback], epochs=1)


def test_other_callbacks_of_this_package_do_not_stand_in_the_way():
    with pytest.raises(ValueError, match="EarlyStopping needs 'val_loss'"):
        fit([ReduceLROnPlateau("loss"), LambdaCallback(on_batch_end=lambda batch, logs: None), EarlyStopping()])


@MAY_WARN
def test_a_callback_before_may_log_the_value_itself():
    class Validates(Callback):
        def on_epoch_end(self, epoch, logs=None):
            logs["val_score"] = -epoch

    stopping = EarlyStopping("val_score", mode="max")
    fit([Validates(), stopping], epochs=5)
    assert stopping.stopped_epoch == 1
    with pytest.raises(ValueError, match="needs 'val_score'"):
        fit([EarlyStopping("val_score", mode="max"), Validates()], epochs=5)


@MAY_WARN
def test_a_callback_that_could_have_logged_it_but_did_not_is_an_error_after_the_epoch():
    with pytest.raises(ValueError, match="'val_loss' is not in the logs: loss, error, lr"):
        fit([LambdaCallback(on_epoch_end=lambda epoch, logs: logs.update(lr=1)), EarlyStopping()], epochs=5)


@pytest.mark.parametrize(("freq", "epochs", "told"), [(3, 2, True), (3, 3, False), ([7], 5, True), ({2}, 2, False)])
def test_a_validation_that_is_never_due_is_warned_of(freq, epochs, told, recwarn):
    validation = Validation(ArrayData(np.ones_like(X), Y), freq)
    fit([EarlyStopping(patience=9)], epochs=epochs, validation=validation)
    assert [str(w.message) for w in recwarn] == (
        [f"EarlyStopping needs 'val_loss', but validation_freq={freq} validates none of the epochs 1 to {epochs}."]
        if told
        else []
    )
