"""History: the epoch logs of a fit, as lists."""

import json

import pytest
from numpy_engine import fit

from epochal.callbacks import Callback, History


def test_it_records_epochs_and_what_callbacks_add():
    class Adds(Callback):
        def on_epoch_end(self, epoch, logs=None):
            logs["extra"] = epoch

    history = fit([Adds()], epochs=4, initial_epoch=1)
    assert history.epoch == [1, 2, 3]
    assert history.history["extra"] == [1, 2, 3]
    assert list(history.history) == ["loss", "error", "extra"]


@pytest.mark.parametrize("name", ["acc", "accuracy"])
def test_acc_and_accuracy_are_one_name(name):
    history = fit(logged={"acc": [0.1, 0.2], "val_accuracy": [0.3, 0.4]})
    assert history.history[name] == [0.1, 0.2]
    assert history.history[f"val_{name}"] == [0.3, 0.4]


def test_a_missing_name_lists_what_there_is():
    with pytest.raises(KeyError, match="'val_loss' is not there; there are: loss, error"):
        fit().history["val_loss"]


def test_each_fit_begins_new_lists_and_leaves_the_old_ones():
    history = fit([first := History()])
    old = history.history["loss"]
    fit([first], epochs=1)
    assert (len(old), len(first.history["loss"])) == (2, 1)


def test_a_state_is_a_copy_and_brings_back():
    history, other = fit(epochs=2), History()
    state = history.state_dict()
    other.load_state_dict(json.loads(json.dumps(state)))
    other.on_epoch_end(2, {"acc": 0.5})
    assert (len(state["epoch"]), len(history.epoch), other.epoch) == (2, 2, [0, 1, 2])
    assert other.history["loss"] == history.history["loss"]
    assert other.history["accuracy"] == [0.5]
